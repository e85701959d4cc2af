from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.__main__ import main
from exporter.cli import bootstrap
from exporter.redaction import Redactor


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


Call = Callable[..., Answer]
KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The commands set the log up for a whole process; here it is put back after each test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd) -> Call:
    """Runs a command from its entry point, in an empty directory and with none of our environment."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}

    def run(*arguments: str, **environ: str) -> Answer:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["discord-exporter", *arguments])
        monkeypatch.setattr(bootstrap, "REDACTOR", Redactor())
        # The process of the tests goes on when `run` has ended.
        monkeypatch.setattr("exporter.cli.run.EXIT_SECONDS", 86_400.0)
        monkeypatch.setattr(os, "environ", kept | {"COLUMNS": "200"} | environ)
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Answer(code, *capfd.readouterr())

    return run


@pytest.fixture
def spawn(tmp_path) -> Call:
    """Runs a command as a process of its own; slower, and the real thing."""

    def run(*arguments: str, **environ: str) -> Answer:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        # Its directory is an empty one: the program beside these tests must be named, not the one installed.
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, "-m", "exporter", *arguments],
            cwd=tmp_path,
            env=kept | {"COLUMNS": "200"} | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run

"""A throw-away PostgreSQL cluster for the session: loopback and password as in production, no fsync."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.process import free_port

USER = "exporter"
PASSWORD = "wr1tten-d0wn-n0where"

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 40
shared_buffers = 32MB
autovacuum = off
log_min_messages = fatal
"""


@dataclass
class Postgres:
    """A running cluster; every database made with it is deleted with it."""

    bindir: Path
    directory: Path
    port: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def dsn(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """A new database's name; empty, or a copy of ``template``, which must have no open connection."""
        name = f"test_{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints, without headers."""
        command = [self.bindir / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run(
            [*command, self.dsn(database)], check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def start(self) -> None:
        self._control("start", "-w", "-l", str(self.directory / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._control("stop", "-w", "-m", mode)

    def _control(self, *arguments: str) -> None:
        _run([str(self.bindir / "pg_ctl"), "-D", str(self.directory / "data"), *arguments])


@contextlib.contextmanager
def running_postgres(prepare: Callable[[Path], None] = lambda _: None) -> Iterator[Postgres]:
    """A new cluster, gone afterwards; skips the test where PostgreSQL is not installed.

    ``prepare`` may change the data directory before the server starts.
    """
    bindir = _find()
    directory = Path(tempfile.mkdtemp(prefix="exporter-postgres-"))
    with _guard(bindir, directory):
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        server = Postgres(bindir, directory, free_port())
        _initialise(server)
        prepare(directory / "data")
        server.start()
        yield server


@contextlib.contextmanager
def _guard(bindir: Path, directory: Path) -> Iterator[None]:
    """Stop and remove the cluster when this process ends, however it ends: a killed one cleans up nothing."""
    script = 'read -r _; "$@" stop -w -m immediate; rm -rf "$0"'
    control = [*unprivileged(), str(bindir / "pg_ctl"), "-D", str(directory / "data")]
    guard = subprocess.Popen(
        ["/bin/sh", "-c", script, str(directory), *control],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait(60)


def _find() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    installed = shutil.which("initdb")
    if not found and installed is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    return found[-1].parent if found else Path(str(installed)).parent


def _initialise(server: Postgres) -> None:
    password = server.directory / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data = server.directory / "data"
    _run(
        [
            *(str(server.bindir / "initdb"), "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
            *(f"--pwfile={password}", "--no-sync", "-E", "UTF8", "--locale=C"),
        ]
    )
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"{_SETTINGS}port = {server.port}\n")


def _run(command: list[str]) -> None:
    subprocess.run(
        [*unprivileged(), *command],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


def unprivileged() -> list[str]:
    """What runs a command as another user where this one is root, which servers of PostgreSQL refuse."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One cluster for the session, which under xdist is one for each worker."""
    with running_postgres() as server:
        yield server

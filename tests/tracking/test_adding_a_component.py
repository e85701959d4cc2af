"""A stateful event is one file under events/, one folder under tracking/ and one line; the rest follows.

The event is the one that docs/contributing.md walks through. It is built from that page into a copy of the
package, and nothing else in the copy is changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contributing.md"
SECTION = re.compile(r"^## Adding a stateful event$(.*?)^## ", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^`([\w/]+\.py)`(?:(?!\n\n).)*\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINE = re.compile(r"in the list `TRACKERS`(?:(?!\n\n).)*?the line\s`(lambda [^`\n]+,)`", re.DOTALL)
END_OF_LIST = re.compile(r"(?<=^TRACKERS: Sequence\[Factory\] = \(\n)(?:    .*\n)+", re.MULTILINE)
EVENT = "exporter/events/milestones.py"
COMPONENT = "exporter/tracking/milestones/component.py"
REGISTRY = "exporter/tracking/registry.py"
CHILD = Path(__file__).with_name("messages_child.py")
ANN, BOB = 1001, 1002


def build(site: Path) -> None:
    """Copy the package into ``site``, and add the event as the page says."""
    shutil.copytree(ROOT / "exporter", site / "exporter")
    section = SECTION.search(PAGE.read_text())
    assert section
    files: Mapping[str, str] = dict(FILE.findall(section[1]))
    assert files.keys() == {EVENT, COMPONENT, REGISTRY}
    (site / COMPONENT).parent.mkdir()
    (site / COMPONENT).with_name("__init__.py").write_text('"""Milestones, by guild."""\n')
    for name in (EVENT, COMPONENT):
        (site / name).write_text(files[name])
    (line,) = LINE.findall(section[1])
    text = (site / REGISTRY).read_text()
    text, ends = END_OF_LIST.subn(lambda names: f"{names[0]}    {line}\n", text)
    assert ends == 1
    future = "from __future__ import annotations\n"
    text = text.replace(future, f"{future}{files[REGISTRY]}\n")
    (site / REGISTRY).write_text(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    build(directory)
    return directory


def environ(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}


class Child:
    """The program with the event of the page."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def say(self, user_id: int, messages: int = 1) -> dict[str, Any]:
        """Messages of a user; what is committed after them."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{user_id} {messages}\n".encode())
        line = await self.process.stdout.readline()
        assert line, "the process ended"
        return dict(json.loads(line))

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


Start = Callable[..., Awaitable[Child]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    children: list[Child] = []

    async def begin(site: Path, *opted_out: int) -> Child:
        arguments = (str(tmp_path / "spool"), "milestones", "message_milestones", *map(str, opted_out))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CHILD), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environ(site),
            cwd=site,
        )
        child = Child(process)
        children.append(child)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return child

    yield begin
    for child in children:
        if child.process.returncode is None:
            await child.kill()


async def test_its_state_is_saved_and_restored_after_a_kill(site: Path, start: Start) -> None:
    child = await start(site)
    answer = await child.say(ANN, 999)
    assert (answer["state"], answer["counted"], answer["records"]) == ([[999, 0]], 0, [])
    await child.kill()
    child = await start(site)
    answer = await child.say(ANN)
    assert (answer["state"], answer["counted"]) == ([[1000, ANN]], 1)
    assert answer["records"] == [{"messages": 1000, "user_id": ANN}]
    await child.kill()
    child = await start(site)
    answer = await child.say(BOB, 1000)
    assert answer["state"] == [[2000, BOB]]
    assert answer["records"][1:] == [{"messages": 2000, "user_id": BOB, "previous_user_id": ANN}]


async def test_who_opts_out_between_two_runs_is_neither_counted_nor_remembered(
    site: Path, start: Start
) -> None:
    child = await start(site)
    assert (await child.say(ANN, 1000))["state"] == [[1000, ANN]]
    await child.kill()
    child = await start(site, ANN)
    assert (await child.say(ANN))["state"] == [[1000, 0]], "forgotten by id, and not counted"
    answer = await child.say(BOB, 1000)
    assert answer["state"] == [[2000, BOB]]
    assert answer["records"][1:] == [{"messages": 2000, "user_id": BOB}]


DEFECT = f"""
    def _take(self, fact: MessageWritten) -> None:
        self._count(fact)
        if fact.user_id == {BOB}:
            raise ArithmeticError

    def _count("""


async def test_an_error_in_it_is_isolated_and_its_state_put_back_to_the_last_commit(
    tmp_path: Path, start: Start
) -> None:
    build(tmp_path / "site")
    component = tmp_path / "site" / COMPONENT
    text = component.read_text()
    assert text.count("\n    def _take(") == 1
    component.write_text(text.replace("\n    def _take(", DEFECT))
    child = await start(tmp_path / "site")
    answer = await child.say(BOB)
    assert (answer["state"], answer["errors"], answer["messages"]) == ([], 1, 1), "the others went on"
    answer = await child.say(ANN, 999)
    assert answer["state"] == [[999, 0]]
    answer = await child.say(BOB)
    assert (answer["counted"], answer["records"]) == (0, []), "what the failed call put out is dropped"
    assert (answer["state"], answer["errors"]) == ([[999, 0]], 2)
    answer = await child.say(ANN)
    assert (answer["state"], answer["counted"]) == ([[1000, ANN]], 1)


def test_it_is_switched_documented_and_counted_like_the_others(site: Path) -> None:
    command = [sys.executable, "-m", "exporter", "events", "--format", "json"]
    done = subprocess.run(command, cwd=site, env=environ(site), capture_output=True, check=True, timeout=60)
    (event,) = (event for event in json.loads(done.stdout) if event["type"] == "MESSAGE_MILESTONE")
    assert "discord_message_milestones_total" in json.dumps(event)
    written = (
        "import json; from exporter.reference.pages import write_pages; print(json.dumps(write_pages()))"
    )
    command = [sys.executable, "-c", written]
    done = subprocess.run(command, cwd=site, env=environ(site), capture_output=True, check=True, timeout=60)
    pages = json.loads(done.stdout)
    assert "| `previous_user_id` |" in pages["events.md"]
    assert "`events.MESSAGE_MILESTONE`" in pages["configuration.md"]
    assert "`discord_message_milestones_total`" in pages["metrics.md"]

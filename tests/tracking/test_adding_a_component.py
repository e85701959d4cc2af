"""A stateful event is one file under events/ and one folder under tracking/; the rest follows.

``throwaway/`` is what a developer writes: nothing in the program names it but the line of the registry, which
stands here as ``trackers=(*TRACKERS, make)``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

ANN, BOB = 1001, 1002


class Child:
    """The program with the throw-away event."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def say(self, user_id: int, content: str = "") -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{user_id} {content}\n".encode())
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

    async def begin(*opted_out: int) -> Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.tracking.throwaway.child", str(tmp_path / "spool"), *map(str, opted_out)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
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


async def test_its_state_is_saved_and_restored_after_a_kill(start: Start) -> None:
    child = await start()
    for _ in range(5):
        answer = await child.say(ANN)
    assert answer["state"] == [5, ANN]
    assert answer["streaks"] == 1
    await child.kill()
    child = await start()
    answer = await child.say(ANN)
    assert answer["state"] == [6, ANN]
    assert answer["streaks"] == 1, "the sixth message, counted by the state of the run before"


async def test_who_opts_out_between_two_runs_is_neither_counted_nor_remembered(start: Start) -> None:
    child = await start()
    for _ in range(2):
        answer = await child.say(ANN)
    assert answer["state"] == [2, ANN]
    await child.kill()
    child = await start(ANN)
    answer = await child.say(ANN)
    assert answer["state"] == [2, 0], "forgotten by id, and not counted"
    answer = await child.say(BOB)
    assert answer["state"] == [3, BOB]
    await child.kill()


async def test_an_error_in_it_is_isolated_and_its_state_put_back_to_the_last_commit(start: Start) -> None:
    child = await start()
    for _ in range(2):
        await child.say(ANN)
    answer = await child.say(BOB, "raise")
    assert answer["errors"] == 1
    assert answer["messages"] == 3, "the others went on"
    assert answer["streaks"] == 0, "what the failed call put out is dropped"
    assert answer["state"] == [2, ANN]
    answer = await child.say(ANN)
    assert answer["state"] == [3, ANN]
    assert answer["streaks"] == 1
    await child.kill()

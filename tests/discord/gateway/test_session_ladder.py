"""Whatever a connection ends with there is a way back; a day of it costs no more sessions than allowed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import disnake
import pytest

from exporter.discord.gateway.adapter import ConnectionLost, ConnectionOnlyClient, GatewaySocket
from exporter.discord.gateway.fatal_errors import FATAL_CODES
from exporter.discord.gateway.identify_budget import IdentifyGate, IdentifyLedger
from exporter.discord.gateway.shard import Shard
from exporter.discord.gateway.timings import ConnectionTimings
from exporter.discord.rest.client import GatewayBot, SessionStartLimit
from exporter.errors import CredentialsError
from exporter.telemetry import Telemetry, samples, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Connection, Gateway, Script
from tests.discord.harness import FAST
from tests.discord.held_time import HeldClock, run_held

RESUME, IDENTIFY = 6, 2
DAY = 24 * 3600.0
TWO_MINUTES = 120.0

CODES = (1000, 1001, 1011, 4000, 4001, 4002, 4003, 4005, 4006, 4007, 4008, 4009)
"""Close codes after which a connection is made again. Discord docs, Gateway Close Event Codes."""

NEW_SESSION = (4007, 4009)
"""Those that end the session."""


# ------------------------------------------------------------- a real socket, and a far end that misbehaves


async def _reset(connection: Connection) -> None:
    assert connection.socket._req is not None
    transport = connection.socket._req.transport
    assert transport is not None
    transport.abort()


async def _close_without_status(connection: Connection) -> None:
    assert connection.socket._writer is not None
    await connection.socket._writer.send_frame(b"", 0x8)  # a close frame, opcode 8, without a payload
    await connection.closed.wait()


def _closing(code: int) -> Script:
    return lambda connection: connection.close(code)


async def _say_nothing(connection: Connection) -> None:
    await connection.closed.wait()


async def _ask_to_reconnect(connection: Connection) -> None:
    await connection.send(7)
    await connection.closed.wait()


async def _invalidate_for_now(connection: Connection) -> None:
    await connection.send(9, d=True)
    await connection.closed.wait()


ENDS: dict[str, Script] = {
    **{f"close {code}": _closing(code) for code in CODES},
    "close without status": _close_without_status,
    "reset": _reset,
    "silence": _say_nothing,
    "order to reconnect": _ask_to_reconnect,
    "session invalid for now": _invalidate_for_now,
}

QUICK = replace(FAST, connect_timeout=0.3, ready_timeout=0.4, resume_patience=1000.0)


def _answering(op: int, fault: Script, seen: list[int]) -> Script:
    """Do that in answer to one kind of command, and welcome the client by any other."""

    async def script(connection: Connection) -> None:
        await connection.hello()
        command = await connection.command()
        seen.append(command["op"])
        if command["op"] == op:
            await fault(connection)
            return
        await (connection.ready() if command["op"] == IDENTIFY else connection.resumed())
        connection.gateway.live = connection
        connection.gateway.welcomed.release()
        await connection.closed.wait()

    return script


@pytest.mark.parametrize("end", ENDS)
async def test_a_connection_that_ends_so_is_made_again(gateway: Gateway, start: Start, end: str) -> None:
    gateway.interval = 0.05  # for as long as a connection lives there are heartbeats
    harness = start(timings=QUICK, heartbeat_timeout=0.5)
    connection = await gateway.connected()
    if end == "silence":
        connection.acknowledge = False
    ending = asyncio.create_task(cast("Any", ENDS[end](connection)))
    await gateway.connected()
    await harness.connected()
    ending.cancel()
    new = end in {f"close {code}" for code in NEW_SESSION}
    assert [command["op"] for command in gateway.commands[:2]] == [IDENTIFY, IDENTIFY if new else RESUME]


@pytest.mark.parametrize("end", ENDS)
async def test_a_session_that_cannot_be_resumed_is_given_up_after_a_few_attempts(
    gateway: Gateway, start: Start, end: str
) -> None:
    seen: list[int] = []
    gateway.interval = 0.05
    harness = start(timings=QUICK)
    connection = await gateway.connected()
    gateway.default = _answering(RESUME, ENDS[end], seen)
    await _reset(connection)
    await gateway.connected()
    await harness.connected()
    assert seen[-1] == IDENTIFY
    assert seen.count(IDENTIFY) == 1
    ends_the_session = end in {f"close {code}" for code in NEW_SESSION}
    assert seen.count(RESUME) == (1 if ends_the_session else QUICK.resume_attempts)
    assert samples(harness.telemetry.gateway_identifies) == {("0",): 2}


@pytest.mark.parametrize("end", ENDS)
async def test_a_session_that_is_refused_a_few_times_is_begun_all_the_same(
    gateway: Gateway, start: Start, end: str
) -> None:
    seen: list[int] = []
    gateway.interval = 0.05
    gateway.scripts = [_answering(IDENTIFY, ENDS[end], seen) for _ in range(3)]
    harness = start(timings=QUICK)
    await gateway.connected()
    await harness.connected()
    assert seen == [IDENTIFY] * 3
    assert value(harness.telemetry.gateway_identifies, "0") == 4


@pytest.mark.parametrize("end", ["close 4000", "reset", "silence", "close without status"])
async def test_a_far_end_without_hello_is_tried_again_and_the_session_kept(
    gateway: Gateway, start: Start, end: str
) -> None:
    harness = start(timings=QUICK)
    connection = await gateway.connected()
    gateway.scripts = [ENDS[end]] * 7
    await _reset(connection)
    await gateway.connected()
    await harness.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, RESUME]
    assert {"/gw", "/gw/resume"} == set(gateway.paths[1:])


async def test_a_host_that_is_gone_is_replaced_by_the_general_one(gateway: Gateway, start: Start) -> None:
    gateway.resume_url = "ws://127.0.0.1:1"
    harness = start(timings=QUICK)
    connection = await gateway.connected()
    await harness.connected()
    gateway.failures = [cast("Any", None)] * 100  # nothing is requested for it
    await _reset(connection)
    await gateway.connected()
    await harness.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, RESUME]
    assert gateway.paths == ["/gw", "/gw"]


async def test_a_replay_may_take_longer_than_the_wait_for_resumed(gateway: Gateway, start: Start) -> None:
    async def replay(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        for _ in range(8):
            await connection.dispatch("MESSAGE_CREATE", {})
            await asyncio.sleep(0.1)  # what is tested is that time passes
        await connection.resumed()
        await connection.closed.wait()

    harness = start(timings=replace(QUICK, ready_timeout=0.6))
    connection = await gateway.connected()
    gateway.scripts = [replay]
    await _reset(connection)
    await harness.next("RESUMED")
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, RESUME]


@pytest.mark.parametrize("moment", [IDENTIFY, RESUME])
@pytest.mark.parametrize("code", sorted(FATAL_CODES))
async def test_a_code_that_no_retry_can_change_ends_the_source_with_a_message(
    gateway: Gateway, start: Start, code: int, moment: int
) -> None:
    harness = start(timings=QUICK)
    if moment == RESUME:
        connection = await gateway.connected()
        gateway.default = _answering(RESUME, _closing(code), [])
        await _reset(connection)
    else:
        gateway.default = _answering(IDENTIFY, _closing(code), [])
    gateway.scripts = []
    with pytest.raises(CredentialsError, match=f"close code {code}"):
        await asyncio.wait_for(asyncio.shield(harness.task), 10)
    assert [command["op"] for command in gateway.commands][-1] == moment


# ------------------------------------------------------------------------------------ days, on a held clock


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Days of warnings are not kept."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass
class _Socket:
    """A websocket as a shard sees it; ``fate`` runs with each look for a frame."""

    shard_id: int
    fate: Callable[[], Awaitable[None]]
    session_id: str | None = None
    sequence: int = 1
    resume_url: str = "ws://own"
    close_code: int | None = None

    async def poll(self) -> None:
        await self.fate()

    async def send_close(self, code: int) -> None:
        self.close_code = code

    async def close(self, code: int) -> None:
        self.close_code = code


@dataclass
class World:
    """Some shards of one process, and a Discord that does what ``ends`` says to each command it gets.

    ``ends`` takes the opcode and returns what happens; None is a session that lasts.
    """

    ends: Callable[[int], object]
    shards: int = 1
    sent: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = HeldClock()
        telemetry = Telemetry()
        limit = SessionStartLimit(1000, 1000, 0, 1)
        self.rest_is_down = False

        async def fetch() -> GatewayBot:
            if self.rest_is_down:
                raise TimeoutError
            return GatewayBot("ws://general", self.shards, limit)

        self.gate = IdentifyGate(fetch, IdentifyLedger(None, 1), telemetry, self.clock, shards=self.shards)
        self.members = [
            Shard(
                *(number, cast("ConnectionOnlyClient", self), self.gate, telemetry, self.clock),
                *(ConnectionTimings(), random.Random(number)),
            )
            for number in range(self.shards)
        ]

    async def connect_shard(
        self, shard_id: int, gateway: str, *, session_id: str | None = None, sequence: int | None = None
    ) -> None:
        """As ``ConnectionOnlyClient.connect_shard``."""
        del gateway, sequence
        op = IDENTIFY if session_id is None else RESUME
        end = self.ends(op)
        if end == "no hello":
            await asyncio.sleep(1000)
        if end == "no connection":
            raise OSError
        if op == IDENTIFY:
            self.gate.sent(shard_id)
        self.sent.append((self.clock.monotonic(), op))
        shard = self.members[shard_id]

        async def fate() -> None:
            if end == "nothing":
                await asyncio.sleep(1000)
            if end is None or end == "ready":
                if not shard.connected:
                    socket.session_id = "session"
                    shard.established("READY" if op == IDENTIFY else "RESUMED")
                    return
                if end is None:
                    await asyncio.sleep(10)
                    return
            socket.close_code = end if isinstance(end, int) else 1006
            raise ConnectionLost(shard_id, resume=end != "invalid")

        socket = _Socket(shard_id, fate, session_id)
        shard.attach(cast("GatewaySocket", socket))

    async def live(self, seconds: float) -> None:
        """Let so much time pass."""
        running = [asyncio.create_task(shard.run()) for shard in self.members]
        await asyncio.sleep(seconds)
        assert not any(task.done() for task in running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def most_in_a_day(self) -> int:
        """Most IDENTIFYs within any 24 hours; they are counted by the millisecond."""
        moments = [at for at, op in self.sent if op == IDENTIFY]
        return max(sum(since <= at < since + DAY - 0.001 for at in moments) for since in [0.0, *moments])


FAULTS: tuple[object, ...] = (*CODES, 1006, "invalid", "nothing", "no hello", "no connection")


DAYS = [(fault, shards) for fault in FAULTS for shards in (1, 16) if shards == 1 or fault in {4000, 4009}]


@pytest.mark.parametrize("after_ready", ["ready", None])
@pytest.mark.parametrize(("fault", "shards"), DAYS)
def test_a_day_of_it_costs_at_most_three_hundred_sessions(
    fault: object, shards: int, after_ready: str | None
) -> None:
    """Whatever each IDENTIFY and each RESUME ends with, and also if each session dies right after READY."""

    async def two_days() -> World:
        world = World(lambda op: after_ready if after_ready and op == IDENTIFY else fault, shards)
        await world.live(2 * DAY)
        return world

    world = run_held(two_days())
    assert world.most_in_a_day() <= 300
    if fault not in {"no hello", "no connection"}:
        assert world.most_in_a_day() >= 100, "it goes on trying"


@pytest.mark.parametrize("lasted", [30.0, 3600.0])
@pytest.mark.parametrize("length", [5.0, 90.0, 600.0])
@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_trouble_of_minutes_it_is_connected_within_two_minutes(
    fault: object, length: float, lasted: float
) -> None:
    """After a session of half a minute and of an hour; the trouble is of RESUME and IDENTIFY alike."""

    async def one() -> tuple[float, int]:
        world = World(lambda _: None)
        running = asyncio.create_task(world.live(lasted + length + 3600))
        await asyncio.sleep(lasted)
        shard = world.members[0]
        assert shard.connected
        world.ends = lambda _: fault
        assert shard._socket is not None
        cut = cast("_Socket", shard._socket)

        async def lose() -> None:
            raise ConnectionLost(0)

        cut.fate = lose
        await asyncio.sleep(length)
        world.ends = lambda _: None
        began = world.clock.monotonic()
        while not shard.connected:
            await asyncio.sleep(0.5)
        found = world.clock.monotonic() - began
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return found, world.most_in_a_day()

    waited, identifies = run_held(one())
    assert waited <= TWO_MINUTES * (1 if length < TWO_MINUTES else 5)
    assert identifies <= 30


@pytest.mark.parametrize("fault", [code for code in FAULTS if code not in {"no hello", "no connection"}])
def test_where_resume_never_succeeds_one_session_is_begun_within_two_minutes(fault: object) -> None:
    async def one() -> list[int]:
        world = World(lambda op: None if op == IDENTIFY else fault)
        running = asyncio.create_task(world.live(DAY))
        await asyncio.sleep(100)
        cut = cast("_Socket", world.members[0]._socket)

        async def lose() -> None:
            raise ConnectionLost(0)

        cut.fate = lose
        await asyncio.sleep(TWO_MINUTES)
        assert world.members[0].connected
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [op for _, op in world.sent]

    sent = run_held(one())
    assert sent.count(IDENTIFY) == 2
    assert 1 <= sent.count(RESUME) <= ConnectionTimings().resume_attempts


def test_an_outage_of_the_network_costs_no_session() -> None:
    async def one() -> list[int]:
        world = World(lambda _: None)
        running = asyncio.create_task(world.live(DAY))
        await asyncio.sleep(100)
        cut = cast("_Socket", world.members[0]._socket)

        async def lose() -> None:
            raise ConnectionLost(0)

        cut.fate, world.ends = lose, lambda _: "no connection"
        await asyncio.sleep(1800)
        world.ends = lambda _: None
        await asyncio.sleep(TWO_MINUTES)
        assert world.members[0].connected
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [op for _, op in world.sent]

    assert run_held(one()) == [IDENTIFY, RESUME]


def test_a_session_is_begun_though_the_rest_api_does_not_answer() -> None:
    async def one() -> list[int]:
        world = World(lambda op: None if op == IDENTIFY else 4009)
        running = asyncio.create_task(world.live(DAY))
        await asyncio.sleep(3600)
        cut = cast("_Socket", world.members[0]._socket)

        async def lose() -> None:
            raise ConnectionLost(0)

        cut.fate, world.rest_is_down = lose, True
        await asyncio.sleep(TWO_MINUTES)
        assert world.members[0].connected
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [op for _, op in world.sent]

    assert run_held(one()) == [IDENTIFY, RESUME, IDENTIFY]


def test_the_fatal_codes_are_those_disnake_does_not_reconnect_after() -> None:
    assert {4004, 4010, 4011, 4012, 4013, 4014} == FATAL_CODES
    assert issubclass(disnake.ConnectionClosed, disnake.ClientException)

"""A lost connection is resumed where it was; a lost session is started anew; nothing ends the process."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
import threading
from dataclasses import replace

import pytest
from aiohttp import web
from disnake.gateway import DiscordWebSocket
from hypothesis import given
from hypothesis import strategies as st

from exporter.backoff import Backoff
from exporter.discord.gateway.frame_reader import SHORTEST_TIMEOUT
from exporter.discord.gateway.timings import ConnectionTimings
from exporter.log import REPEAT_LIMIT, LogConfig, configure
from exporter.redaction import Redactor
from exporter.telemetry import samples, total, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import SESSION, Connection, Gateway, answer, serve
from tests.discord.harness import FAST, TOKEN, until

RESUME, IDENTIFY = 6, 2


@given(failures=st.integers(0, 10**6), seed=st.integers(0, 99))
@pytest.mark.parametrize(("name", "cap"), [("reconnect", 600.0), ("resume", 5.0)])
def test_the_wait_grows_to_the_cap_and_is_never_below_half_of_it(
    name: str, cap: float, failures: int, seed: int
) -> None:
    ceiling = 0.0 if failures == 0 else min(cap, 2.0 ** min(failures - 1, 20))
    wait = getattr(ConnectionTimings(), name).wait(failures, random.Random(seed))
    assert ceiling / 2 <= wait <= ceiling


def test_waits_differ_between_shards() -> None:
    rng = random.Random(1)
    assert len({ConnectionTimings().reconnect.wait(5, rng) for _ in range(20)}) == 20


async def _drop(connection: Connection) -> None:
    assert connection.socket._req is not None
    transport = connection.socket._req.transport
    assert transport is not None
    transport.abort()


async def _reconnect(connection: Connection) -> None:
    await connection.send(7)


async def _invalidate_resumable(connection: Connection) -> None:
    await connection.send(9, d=True)


async def _close_cleanly(connection: Connection) -> None:
    await connection.close(1000)


async def _close_unknown(connection: Connection) -> None:
    await connection.close(4000)


async def _close_rate_limited(connection: Connection) -> None:
    await connection.close(4008)


async def _break_stream(connection: Connection) -> None:
    await connection.socket.send_bytes(b"not zlib\x00\x00\xff\xff")


@pytest.mark.parametrize(
    "fault",
    [
        _drop,
        _reconnect,
        _invalidate_resumable,
        _close_cleanly,
        _close_unknown,
        _close_rate_limited,
        _break_stream,
    ],
)
async def test_a_lost_connection_is_resumed_from_the_last_sequence(
    gateway: Gateway, start: Start, fault: object
) -> None:
    assert callable(fault)
    harness = start()
    connection = await gateway.connected()
    for _ in range(3):
        await connection.dispatch("MESSAGE_CREATE", {})
        await harness.next("MESSAGE_CREATE")
    await fault(connection)
    await gateway.connected()
    assert gateway.commands[1] == {
        "op": RESUME,
        "d": {"token": TOKEN, "session_id": SESSION, "seq": 4},
    }
    assert gateway.paths == ["/gw", "/gw/resume"]
    await harness.next("RESUMED")
    assert harness.source.connected
    assert samples(harness.telemetry.gateway_resumes) == {("0",): 1}
    assert samples(harness.telemetry.gateway_identifies) == {("0",): 1}


async def test_a_lost_session_is_logged_however_many_connections_were_lost_before(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    configure(LogConfig(), Redactor(), stream=stream)
    harness = start()
    for _ in range(REPEAT_LIMIT + 3):
        connection = await gateway.connected()
        await harness.connected()
        await _drop(connection)
        await until(lambda: not harness.source.connected)
    connection = await gateway.connected()
    await harness.connected()
    await connection.send(9, d=False)
    await gateway.connected()
    await harness.connected()
    logged = [json.loads(line) for line in stream.getvalue().splitlines()]
    (loss,) = [line for line in logged if line["level"] == "error"]
    assert "Shard 0 lost its session" in loss["event"]
    assert sum("lost its connection" in line["event"] for line in logged) == REPEAT_LIMIT


async def test_a_session_is_logged_as_resumed_once_discord_has_said_so(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def resumed() -> bool:
        return any("resumed its session" in record.getMessage() for record in caplog.records)

    asked, answering = asyncio.Event(), asyncio.Event()

    async def resume_later(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        asked.set()
        await answering.wait()
        await connection.resumed()
        await connection.closed.wait()

    gateway.scripts = [serve, resume_later]
    harness = start()
    await _drop(await gateway.connected())
    await asked.wait()
    assert not resumed()
    answering.set()
    await until(resumed)
    assert harness.source.connected


async def test_a_half_open_socket_is_noticed_and_resumed(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    harness = start(heartbeat_timeout=0.3)
    connection = await gateway.connected()
    connection.acknowledge = False
    await gateway.connected()
    assert gateway.commands[1]["op"] == RESUME
    await harness.connected()
    assert "Shard 0 lost its connection (silent or cut off)" in caplog.text


@pytest.mark.parametrize("op", [None, 7], ids=["silence", "RECONNECT"])
async def test_a_connection_is_left_with_a_code_that_keeps_the_session(
    gateway: Gateway, start: Start, op: int | None
) -> None:
    """Discord ends a session that is closed with 1000 or 1001, and replays nothing of it."""
    start(heartbeat_timeout=0.3)
    connection = await gateway.connected()
    if op is None:
        connection.acknowledge = False
    else:
        await connection.send(op, None)
    await gateway.connected()
    await connection.closed.wait()
    assert connection.close_code == 4000


async def test_silence_is_measured_by_the_heartbeat_interval_discord_announces(
    gateway: Gateway, start: Start
) -> None:
    gateway.interval = 30.0
    harness = start()
    await gateway.connected()
    await harness.connected()
    socket = harness.source._shards[0]._socket
    assert socket is not None
    assert socket._ws._max_heartbeat_timeout == 45.0
    assert socket._keep_alive is not None
    assert socket._keep_alive.heartbeat_timeout == 45.0
    assert SHORTEST_TIMEOUT < 45.0


@pytest.mark.parametrize(
    ("op", "data", "reply"), [(7, None, RESUME), (9, True, RESUME), (9, False, IDENTIFY)]
)
async def test_a_gateway_that_asks_to_reconnect_and_then_hangs_is_left(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch, op: int, data: object, reply: int
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.frame_reader.CLOSE_TIMEOUT", 0.05)
    start()
    connection = await gateway.connected()
    assert connection.socket._req is not None
    assert connection.socket._req.transport is not None
    connection.socket._req.transport.pause_reading()  # the client's close frame is never read
    await connection.send(op, data)
    await gateway.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, reply]
    connection.socket._req.transport.abort()


async def test_failures_in_a_row_are_forgotten_once_a_connection_has_proved_stable(
    gateway: Gateway, start: Start
) -> None:
    harness = start(timings=replace(FAST, stable_after=0.05))
    connection = await gateway.connected()
    shard = harness.source._shards[0]
    shard._failures = 7
    await asyncio.sleep(0.06)  # what is tested is that time has passed
    await _drop(connection)
    await gateway.connected()
    assert shard._failures == 0
    unstable = start(timings=replace(FAST, stable_after=1000))
    connection = await gateway.connected()
    await _drop(connection)
    await gateway.connected()
    assert unstable.source._shards[0]._failures == 1


async def test_an_invalidated_session_is_started_anew(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    await connection.send(9, d=False)
    await gateway.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, IDENTIFY]
    assert gateway.paths == ["/gw", "/gw"]
    await until(lambda: value(harness.telemetry.gateway_identifies, "0") == 2)
    assert value(harness.telemetry.gateway_resumes, "0") == 0


async def test_the_answer_to_an_invalidated_session_waits_as_discord_asks(
    gateway: Gateway, start: Start
) -> None:
    start(timings=replace(FAST, invalid_session=(0.25, 0.25)))
    connection = await gateway.connected()
    before = asyncio.get_running_loop().time()
    await connection.send(9, d=False)
    await gateway.connected()
    assert asyncio.get_running_loop().time() - before >= 0.25


async def test_a_storm_of_faults_leaves_no_thread_socket_or_task_behind(
    gateway: Gateway, start: Start
) -> None:
    async def drop_at_once(connection: Connection) -> None:
        await _drop(connection)

    async def drop_after_hello(connection: Connection) -> None:
        await connection.hello()
        await _drop(connection)

    async def reconnect_after_welcome(connection: Connection) -> None:
        await connection.welcome()
        await connection.send(7)

    async def invalidate(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        await connection.send(9, d=False)

    async def close_with_4000(connection: Connection) -> None:
        await connection.welcome()
        await connection.close(4000)

    faults = [drop_at_once, drop_after_hello, reconnect_after_welcome, invalidate, close_with_4000]
    gateway.scripts = [fault for _ in range(20) for fault in faults]
    harness = start(
        timings=replace(
            FAST,
            reconnect=Backoff(base=0.01, cap=0.01, floor=0.5),
            resume=Backoff(base=0.01, cap=0.01, floor=0.5),
            invalid_session=(0.0, 0.0),
            identify_spacing=0.0,
        )
    )
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    await until(lambda: not gateway.scripts, 30)
    await harness.connected()
    await until(lambda: threading.active_count() <= threads + 2)  # one heartbeat, one resolver
    await until(lambda: len(asyncio.all_tasks()) <= tasks + 6)
    assert len(gateway.paths) == 101
    assert total(harness.telemetry.rejected) == 0


@pytest.mark.parametrize("code", [4007, 4009])
async def test_close_codes_that_end_the_session_are_not_answered_with_resume(
    gateway: Gateway, start: Start, code: int
) -> None:
    start()
    connection = await gateway.connected()
    await connection.close(code)
    await gateway.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, IDENTIFY]


async def test_a_resume_that_fails_is_tried_again_and_the_session_kept(
    gateway: Gateway, start: Start
) -> None:
    async def vanish(connection: Connection) -> None:
        await _drop(connection)

    async def vanish_after_resume(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        await _drop(connection)

    harness = start()
    connection = await gateway.connected()
    await connection.dispatch("MESSAGE_CREATE", {})
    await harness.next("MESSAGE_CREATE")
    gateway.scripts = [vanish, vanish_after_resume, vanish, vanish, vanish]
    await _drop(connection)
    await gateway.connected()
    assert {command["op"] for command in gateway.commands[1:]} == {RESUME}
    assert gateway.commands[-1]["d"]["seq"] == 2
    assert gateway.paths[-1] == "/gw"  # after some failures at its own address, the general one
    assert value(harness.telemetry.gateway_identifies, "0") == 1


async def test_a_replay_cut_short_goes_on_from_where_it_got_to(gateway: Gateway, start: Start) -> None:
    async def cut_short(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        await connection.dispatch("MESSAGE_CREATE", {"id": "1"})
        await connection.dispatch("MESSAGE_CREATE", {"id": "2"})
        await connection.close(4000)

    harness = start()
    connection = await gateway.connected()
    await harness.next("READY")
    gateway.scripts = [cut_short]
    await _drop(connection)
    await gateway.connected()
    assert [command["d"].get("seq") for command in gateway.commands] == [None, 1, 3]


async def test_a_rejected_resume_ends_in_a_new_session(gateway: Gateway, start: Start) -> None:
    async def reject(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        await connection.send(9, d=False)
        await connection.closed.wait()

    start()
    connection = await gateway.connected()
    gateway.scripts = [reject]
    await _drop(connection)
    await gateway.connected()
    assert [command["op"] for command in gateway.commands] == [IDENTIFY, RESUME, IDENTIFY]


async def test_a_gateway_that_never_says_ready_is_left_and_asked_again(
    gateway: Gateway, start: Start
) -> None:
    async def forget(connection: Connection) -> None:
        await connection.hello()
        await connection.closed.wait()

    gateway.scripts = [forget]
    gateway.interval = 0.05  # heartbeats go to and fro, so that the socket is not silent
    harness = start(timings=replace(FAST, ready_timeout=0.3))
    await gateway.connected()
    await harness.connected()
    assert len(gateway.paths) == 2


async def test_the_other_shards_go_on_while_one_is_gone(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async def stay_away(connection: Connection) -> None:
        await _drop(connection)

    gateway.shards = 2
    harness = start()
    first = await gateway.connected()
    second = await gateway.connected()
    await harness.connected()
    gateway.scripts = [stay_away] * 500
    await _drop(first)
    await until(lambda: value(harness.telemetry.gateway_connected, "0") == 0)
    await second.dispatch("MESSAGE_CREATE", {})
    assert (await harness.next("MESSAGE_CREATE"))[2] == 1
    assert not harness.source.connected
    assert [status.connected for status in harness.source.shards] == [False, True]
    assert "Shard 0 lost its connection (" in caplog.text
    assert "Shard 1 lost" not in caplog.text


async def test_a_rest_api_that_is_down_is_waited_for(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failures = [
        web.Response(status=503, text="maintenance"),
        web.Response(status=403, text="<html>\n" + "a page of a proxy " * 1000),
        answer({"url": 5}),
    ]
    harness = start()
    await gateway.connected()
    await harness.connected()
    assert value(harness.telemetry.rest_requests, "/users/@me", "503") == 1
    assert value(harness.telemetry.rest_requests, "/users/@me", "403") == 1
    ours = [record for record in caplog.records if record.name.startswith("exporter.")]
    assert sum("next attempt in" in record.getMessage() for record in ours) == 3
    assert all(len(record.getMessage()) < 400 and "\n" not in record.getMessage() for record in ours)


async def test_a_shard_is_ended_even_while_it_hangs_up(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = start()
    connection = await gateway.connected()
    await harness.connected()
    (shard,) = (task for task in asyncio.all_tasks() if task.get_name() == "shard 0")
    close = DiscordWebSocket.close

    async def close_and_be_ended(ws: DiscordWebSocket, code: int = 4000) -> None:
        await close(ws, code)
        shard.cancel()

    monkeypatch.setattr(DiscordWebSocket, "close", close_and_be_ended)
    await connection.close(4000)
    done, _ = await asyncio.wait({shard}, timeout=10)
    assert done
    assert shard.cancelled()


async def test_an_address_without_a_listener_is_tried_until_closed(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    harness = start(api_url="http://127.0.0.1:1/api/v10")
    await until(lambda: caplog.text.count("next attempt in") >= 3)
    assert not harness.task.done()
    assert value(harness.telemetry.rest_requests, "/users/@me", "failed") >= 3
    assert gateway.rest == []


async def test_cancelling_run_leaves_no_socket_behind(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    harness.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await harness.task
    await connection.closed.wait()

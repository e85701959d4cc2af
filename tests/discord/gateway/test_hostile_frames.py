"""Whatever is in a frame, the process stays connected and the frame is counted with a reason."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.discord.gateway.frame_reader import FrameReader, Numbered
from exporter.telemetry import Telemetry, total
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Connection, Gateway
from tests.discord.harness import until
from tests.scale import scaled

DEEP = '{"op":0,"t":"X","s":1,"d":' + "[" * 200_000 + "]" * 200_000 + "}"

UNDECODABLE = {
    "no JSON": "hello",
    "nothing": "",
    "cut short": '{"op":0,"t":"MESSAGE_CREATE","d":{"id"',
    "two values": '{"op":0}{"op":0}',
    "an array": "[]",
    "null": "null",
    "a number": "1e999",
    "nested without end": DEEP,
    "no op": '{"t":"MESSAGE_CREATE","d":{}}',
    "op is text": '{"op":"0","t":"MESSAGE_CREATE","d":{}}',
    "op is a float": '{"op":0.5,"t":"MESSAGE_CREATE","d":{}}',
    "op is beyond floats": '{"op":1e999}',
    "sequence is huge": '{"op":0,"t":"MESSAGE_CREATE","s":1' + "0" * 400 + ',"d":{}}',
    "sequence is negative": '{"op":0,"t":"MESSAGE_CREATE","s":-1,"d":{}}',
    "sequence is text": '{"op":0,"t":"MESSAGE_CREATE","s":"7","d":{}}',
    "type is a number": '{"op":0,"t":7,"s":1,"d":{}}',
    "type is a lone surrogate": '{"op":0,"t":"\\ud800","s":1,"d":{}}',
}

OTHERWISE_REJECTED = {
    "no type": ('{"op":0,"s":1,"d":{}}', "untyped"),
    "unknown opcode": ('{"op":99,"d":{}}', "opcode"),
    "huge opcode": ('{"op":1' + "0" * 100 + "}", "opcode"),
    "second HELLO": ('{"op":10,"d":{"heartbeat_interval":45000}}', "hello"),
    "READY without data": ('{"op":0,"t":"READY","s":1,"d":null}', "control"),
    "READY without user": (
        '{"op":0,"t":"READY","s":5,"d":{"session_id":"s","resume_gateway_url":"ws://x"}}',
        "control",
    ),
    "RESUMED without data": ('{"op":0,"t":"RESUMED","s":1,"d":[]}', "control"),
}


async def _survives(gateway: Gateway, start: Start, frame: str | bytes, reason: str) -> None:
    harness = start(compress=True)
    connection = await gateway.connected()
    await connection.send_text(frame)
    await connection.dispatch("MESSAGE_CREATE", {"id": "after"})
    _, data, _, _ = await harness.next("MESSAGE_CREATE")
    assert json.loads(data) == {"id": "after"}
    assert harness.rejected(reason) == 1
    assert total(harness.telemetry.rejected) == 1
    assert harness.source.connected
    assert len(gateway.paths) == 1


@pytest.mark.parametrize("frame", UNDECODABLE.values(), ids=UNDECODABLE.keys())
async def test_a_frame_that_cannot_be_read_is_counted(gateway: Gateway, start: Start, frame: str) -> None:
    await _survives(gateway, start, frame, "undecodable")


@pytest.mark.parametrize(("frame", "reason"), OTHERWISE_REJECTED.values(), ids=OTHERWISE_REJECTED.keys())
async def test_a_frame_that_makes_no_sense_is_counted(
    gateway: Gateway, start: Start, frame: str, reason: str
) -> None:
    await _survives(gateway, start, frame, reason)


async def test_a_frame_that_cannot_be_read_is_logged_by_its_reason_and_without_its_text(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await _survives(gateway, start, '{"op":0,"t":"MESSAGE_CREATE","d":{"name":"Ada"', "undecodable")
    (record,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert record.getMessage() == "Shard 0: a frame could not be used (undecodable)."
    assert record.once_per == "undecodable"


async def test_invalid_utf8_inside_the_zlib_stream_is_counted(gateway: Gateway, start: Start) -> None:
    await _survives(gateway, start, b'{"op":0,"t":"\xff\xfe","s":1,"d":{}}', "undecodable")


async def test_invalid_utf8_in_a_control_frame_is_counted(gateway: Gateway, start: Start) -> None:
    await _survives(gateway, start, b'{"op":11,"d":"\xff\xfe"}', "control")


async def test_a_dispatch_with_hostile_data_reaches_the_intake_as_it_came(
    gateway: Gateway, start: Start
) -> None:
    harness = start()
    connection = await gateway.connected()
    hostile = ['{"id": "\\ud800"}', "1e999", "null", '"\\u0000"', '{"a":1,"a":2}', "NaN", "[-Infinity]"]
    for sequence, data in enumerate(hostile, start=2):
        frame = f'{{"op":0,"t":"MESSAGE_CREATE","s":{sequence},"d":{data}}}'
        await connection.send_text(frame)
        assert (await harness.next("MESSAGE_CREATE"))[1] == data.encode()
    assert harness.source.connected
    assert total(harness.telemetry.rejected) == 0
    socket = harness.source._shards[0]._socket
    assert socket is not None
    assert socket.sequence == 1 + len(hostile)


@pytest.mark.parametrize("interval", ["0", "-1", "1e308", '"x"', "null", "true"])
async def test_an_impossible_heartbeat_interval_starts_no_thread(
    gateway: Gateway, start: Start, interval: str
) -> None:
    async def script(connection: Connection) -> None:
        await connection.send_text('{"op":10,"d":{"heartbeat_interval":' + interval + "}}")
        await connection.command()
        await connection.ready()
        await connection.closed.wait()

    gateway.scripts = [script]
    before = threading.active_count()
    harness = start()
    await harness.connected()
    assert harness.rejected("hello") == 1
    assert threading.active_count() <= before + 1  # the loop's resolver, no heartbeat
    socket = harness.source._shards[0]._socket
    assert socket is not None
    assert socket.note_frame is None


async def test_repeated_hellos_do_not_pile_up_threads(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    before = threading.active_count()
    for _ in range(50):
        await connection.hello()
    await until(lambda: harness.rejected("hello") == 50)
    assert threading.active_count() <= before


async def test_a_bomb_in_the_stream_is_refused_and_the_session_resumed(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.inflater.INFLATED_LIMIT", 1_000_000)
    harness = start()
    connection = await gateway.connected()
    await connection.send_text('{"op":0,"t":"X","s":2,"d":"' + "a" * 5_000_000 + '"}')
    await gateway.connected()
    await harness.connected()
    assert harness.rejected("oversized") == 1
    assert gateway.commands[-1]["op"] == 6


async def test_an_endless_message_in_the_stream_is_refused(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.inflater.INFLATED_LIMIT", 10_000)
    harness = start()
    connection = await gateway.connected()
    for _ in range(11):
        await connection.socket.send_bytes(b"x" * 1000)
    await gateway.connected()
    assert harness.rejected("oversized") == 1


class _Silent:
    """As much of a socket as a reader uses, for arbitrary frames without a connection."""

    note_frame = None
    sequence: int | None = None

    @property
    def numbered(self) -> Numbered:
        return self

    def receive_with(self, receive: object, heartbeat_sent: object) -> None:
        del receive, heartbeat_sent

    def set_silence(self, seconds: float) -> None:
        assert seconds > 0

    async def handle(self, message: str) -> None:
        json.loads(message)


@settings(max_examples=scaled(300), deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["op", "t", "s", "d", "x"]), inner, max_size=5)
            ),
            max_leaves=8,
        ).map(json.dumps),
    )
)
async def test_no_text_raises_and_each_is_handed_on_or_counted(message: str | bytes) -> None:
    telemetry = Telemetry()
    taken: list[str] = []
    ws = _Silent()
    reader = FrameReader(ws, lambda name, *_: taken.append(name), telemetry, ManualClock())  # type: ignore[arg-type]  # see _Silent
    if isinstance(message, bytes):
        message = message.decode("utf-8", "surrogateescape")
    await reader.receive(message)
    controls = 0 if taken or total(telemetry.rejected) else 1
    assert len(taken) + total(telemetry.rejected) + controls == 1
    if controls:
        assert json.loads(message)["op"] in {1, 7, 9, 11}

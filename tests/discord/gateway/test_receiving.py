"""What comes in on a good connection reaches the intake once, as it was."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from exporter.discord.gateway.frame_reader import FrameReader
from exporter.discord.gateway.shard import FRAMES_PER_TURN
from exporter.discord.intents import intent_mask
from exporter.telemetry import samples, total, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Connection, Gateway
from tests.discord.harness import TOKEN, until

MESSAGE = {"id": "9", "channel_id": "2", "guild_id": "1", "content": "naïve 🙂", "author": {"id": "3"}}


@pytest.mark.parametrize("compress", [True, False])
async def test_each_dispatch_reaches_the_intake_once_with_its_own_bytes(
    gateway: Gateway, start: Start, *, compress: bool
) -> None:
    harness = start(compress=compress)
    connection = await gateway.connected()
    before = time.time_ns() // 1_000_000
    for number in range(50):
        await connection.dispatch("MESSAGE_CREATE", MESSAGE | {"id": str(number)})
    for number in range(50):
        name, data, shard, at = await harness.next("MESSAGE_CREATE")
        assert (name, shard) == ("MESSAGE_CREATE", 0)
        assert data == json.dumps(MESSAGE | {"id": str(number)}).encode()
        assert before <= at <= time.time_ns() // 1_000_000
    assert harness.received.empty()
    assert value(harness.telemetry.gateway_events, "MESSAGE_CREATE") == 50
    assert total(harness.telemetry.rejected) == 0


async def test_a_burst_of_frames_leaves_turns_of_the_event_loop_to_others(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a replay would hold up heartbeats, and Discord would end the session that is being resumed."""
    frames, most, counting = 0, 0, asyncio.Event()
    read = FrameReader.receive

    async def receive(self: FrameReader, message: str | bytes) -> None:
        nonlocal frames, most
        frames += 1
        most = max(most, frames)
        await read(self, message)

    async def count_turns() -> None:
        nonlocal frames
        while True:
            counting.set()
            frames = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(FrameReader, "receive", receive)
    harness = start(compress=False)
    connection = await gateway.connected()
    turns = asyncio.create_task(count_turns())
    await counting.wait()
    transport = connection.socket._req.transport
    frame = json.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": {}}).encode()
    transport.write((bytes([0x81, len(frame)]) + frame) * 3000)  # as many as one read from the socket holds
    for _ in range(3000):
        await harness.next("MESSAGE_CREATE")
    turns.cancel()
    assert most <= 2 * FRAMES_PER_TURN


async def test_ready_and_resumed_are_handed_on_too(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    _, data, _, _ = await harness.next("READY")
    assert json.loads(data)["guilds"] == [{"id": "1", "unavailable": True}]
    await connection.close(4000)
    await harness.next("RESUMED")
    assert harness.telemetry.gateway_events.values == {("READY",): 1, ("RESUMED",): 1}


@pytest.mark.parametrize("size", [1, 7, 100, -4, -5])
async def test_a_dispatch_split_over_many_websocket_messages_is_put_together(
    gateway: Gateway, start: Start, size: int
) -> None:
    harness = start(compress=True)
    connection = await gateway.connected()
    text = json.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": MESSAGE}).encode()
    raw = connection.deflate.compress(text) + connection.deflate.flush(2)
    step = size if size > 0 else len(raw) + size
    for byte in range(0, len(raw), step):
        await connection.socket.send_bytes(raw[byte : byte + step])
    _, data, _, _ = await harness.next("MESSAGE_CREATE")
    assert json.loads(data) == MESSAGE


async def test_identify_asks_for_the_intents_given_and_nothing_else(gateway: Gateway, start: Start) -> None:
    start()
    await gateway.connected()
    identify = gateway.commands[0]["d"]
    assert identify["token"] == TOKEN
    assert identify["intents"] == intent_mask(["guilds", "guild_members", "guild_messages"])
    assert identify["shard"] == [0, 1]
    assert not identify["intents"] & intent_mask(["message_content", "guild_presences"])


async def test_a_dispatch_discord_has_not_documented_is_counted_under_one_label(
    gateway: Gateway, start: Start
) -> None:
    harness = start()
    connection = await gateway.connected()
    for number in range(100):
        await connection.dispatch(f"INVENTED_{number}", {})
    await harness.next("INVENTED_99")
    assert harness.telemetry.gateway_events.values == {("READY",): 1, ("OTHER",): 100}


async def test_an_intake_that_fails_costs_the_event_and_nothing_else(gateway: Gateway, start: Start) -> None:
    harness = start()
    taken: list[str] = []

    def fail(name: str, *_: object) -> None:
        taken.append(name)
        msg = "broken intake"
        raise LookupError(msg)

    harness.source._intake = fail
    connection = await gateway.connected()
    await connection.dispatch("MESSAGE_CREATE", MESSAGE)
    await connection.dispatch("INVENTED", {})
    await until(lambda: "INVENTED" in taken)
    assert harness.source.connected
    refused = dict.fromkeys(("READY", "MESSAGE_CREATE", "OTHER"), 1)
    refused["SHARD"] = 2  # that it identifies, and that it is alive
    assert harness.telemetry.rejected.values == {(name, "intake"): times for name, times in refused.items()}


async def test_nothing_is_cached_however_much_comes_in(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    guild = {
        "id": "1",
        "name": "guild",
        "channels": [{"id": "2", "type": 0, "name": "general"}],
        "roles": [{"id": "1", "name": "@everyone", "permissions": "0"}],
        "members": [{"user": {"id": str(member), "username": "m"}, "roles": []} for member in range(100)],
        "emojis": [{"id": "7", "name": "smile"}],
        "voice_states": [],
        "unavailable": False,
    }
    await connection.dispatch("GUILD_CREATE", guild)
    for number in range(100):
        await connection.dispatch("MESSAGE_CREATE", MESSAGE | {"id": str(number)})
    await connection.dispatch("PRESENCE_UPDATE", {"guild_id": "1", "user": {"id": "3"}, "status": "online"})
    await harness.next("PRESENCE_UPDATE")
    state = harness.source._shards[0]._client._connection
    assert state.user.id == 4242
    for container in ("_guilds", "_users", "_emojis", "_stickers", "_private_channels", "_voice_clients"):
        assert not getattr(state, container), container
    assert state._messages is None
    assert state.parsers.keys() == {"READY", "RESUMED"}


async def test_heartbeats_are_answered_and_their_latency_is_a_metric(gateway: Gateway, start: Start) -> None:
    gateway.interval = 0.05
    harness = start()
    await gateway.connected()
    await until(lambda: gateway.heartbeats >= 3)
    await until(lambda: ("0",) in harness.telemetry.gateway_latency.values)
    latency = harness.source.shards[0].latency
    assert latency is not None
    assert 0 <= latency < 10


async def test_a_heartbeat_discord_asks_for_is_sent_at_once(gateway: Gateway, start: Start) -> None:
    start()
    connection = await gateway.connected()
    await until(lambda: gateway.heartbeats == 1)
    await connection.send(1)
    await until(lambda: gateway.heartbeats == 2)


@pytest.mark.parametrize("compress", [True, False])
async def test_what_was_sent_before_a_close_was_heard_is_taken(
    gateway: Gateway, start: Start, *, compress: bool
) -> None:
    harness = start(compress=compress)
    connection = await gateway.connected()
    await harness.connected()
    for _ in range(500):
        await connection.dispatch("MESSAGE_CREATE", MESSAGE)
    await harness.source.close()
    assert value(harness.telemetry.gateway_events, "MESSAGE_CREATE") == 500
    assert gateway.close_codes == [1000]


async def test_close_ends_the_session_and_run_returns(gateway: Gateway, start: Start) -> None:
    harness = start()
    connection = await gateway.connected()
    await harness.connected()
    await harness.stop()
    assert harness.task.result() is None
    await connection.closed.wait()
    assert connection.close_code == 1000
    assert not harness.source.connected
    assert value(harness.telemetry.gateway_connected, "0") == 0


async def test_close_does_not_wait_for_a_gateway_that_hangs(gateway: Gateway, start: Start) -> None:
    async def hang(connection: Connection) -> None:
        await connection.closed.wait()

    gateway.scripts = [hang]
    harness = start()
    await until(lambda: gateway.paths)
    await harness.stop()
    assert harness.task.result() is None


async def test_two_shards_are_two_sessions_one_metric_each(gateway: Gateway, start: Start) -> None:
    gateway.shards = 2
    harness = start()
    first = await gateway.connected()
    second = await gateway.connected()
    await harness.connected()
    assert [command["d"]["shard"] for command in gateway.commands] == [[0, 2], [1, 2]]
    await first.dispatch("MESSAGE_CREATE", MESSAGE)
    assert (await harness.next("MESSAGE_CREATE"))[2] == 0
    await second.dispatch("MESSAGE_CREATE", MESSAGE)
    assert (await harness.next("MESSAGE_CREATE"))[2] == 1
    assert samples(harness.telemetry.gateway_connected) == {("0",): 1, ("1",): 1}
    assert samples(harness.telemetry.gateway_identifies) == {("0",): 1, ("1",): 1}


async def test_a_process_of_a_cluster_takes_its_share_of_the_shards(gateway: Gateway, start: Start) -> None:
    gateway.limit["max_concurrency"] = 16
    harness = start(shards=5, cluster={"index": 1, "count": 2})
    await harness.connected()
    assert [status.id for status in harness.source.shards] == [1, 3]
    assert sorted(command["d"]["shard"] for command in gateway.commands) == [[1, 5], [3, 5]]


async def test_a_small_allowance_still_starts_every_shard(gateway: Gateway, start: Start) -> None:
    gateway.shards = 4
    gateway.limit = {"total": 10, "remaining": 10, "reset_after": 0, "max_concurrency": 4}
    harness = start()
    await harness.connected()
    assert len(harness.source.shards) == 4


async def test_rest_requests_are_counted_by_route_and_the_gateway_is_none(
    gateway: Gateway, start: Start
) -> None:
    harness = start()
    connection = await gateway.connected()
    await connection.close(4000)
    await gateway.connected()
    assert samples(harness.telemetry.rest_requests) == {
        ("/users/@me", "200"): 1,
        ("/gateway/bot", "200"): 1,
    }

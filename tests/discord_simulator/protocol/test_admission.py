"""How connections begin and how they are refused, over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from discord_simulator.opcodes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab

IDENTIFY = {"token": "simulated-token", "properties": {}, "intents": 1}


async def test_hello_has_the_heartbeat_interval(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(heartbeat_interval_ms=1234)
    hello = await (await lab.connect()).receive()
    assert (hello["op"], hello["d"]["heartbeat_interval"], hello["s"]) == (10, 1234, None)


@pytest.mark.parametrize("query", ["", "v=8", "v=11", "v=x", "encoding=json"])
async def test_other_api_version_is_closed_with_4012(lab: Lab, query: str) -> None:
    assert await (await lab.connect(query)).close_code() == CloseCode.INVALID_API_VERSION


@pytest.mark.parametrize("query", ["v=10&encoding=etf", "v=10&compress=zstd-stream"])
async def test_transport_that_is_not_spoken_is_closed_with_4002(lab: Lab, query: str) -> None:
    assert await (await lab.connect(query)).close_code() == CloseCode.DECODE_ERROR


@pytest.mark.parametrize("query", ["v=9&encoding=json", "v=10", "v=10&compress=zlib-stream"])
async def test_accepted_versions_and_transports_get_ready(lab: Lab, query: str) -> None:
    client = await lab.connected(query)
    ready = await client.ready()
    assert ready["d"]["session_id"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", CloseCode.DECODE_ERROR),
        ('{"op": "x"}', CloseCode.DECODE_ERROR),
        ('{"op": 1, "d": "x"}', CloseCode.DECODE_ERROR),
        ('{"op": 2, "d": {}}', CloseCode.DECODE_ERROR),
        ('{"op": 3, "d": "%s"}' % ("x" * 4096), CloseCode.DECODE_ERROR),
        ('{"op": 99}', CloseCode.UNKNOWN_OPCODE),
        ('{"op": 0}', CloseCode.UNKNOWN_OPCODE),
        ('{"op": 10}', CloseCode.UNKNOWN_OPCODE),
        ('{"op": 3, "d": {}}', CloseCode.NOT_AUTHENTICATED),
        ('{"op": 4, "d": {}}', CloseCode.NOT_AUTHENTICATED),
        ('{"op": 8, "d": {"guild_id": "1"}}', CloseCode.NOT_AUTHENTICATED),
    ],
)
async def test_broken_protocol_has_its_close_code(lab: Lab, text: str, code: CloseCode) -> None:
    client = await lab.connected()
    await client.socket.send_str(text)
    assert await client.close_code() == code
    await lab.until(lambda: not lab.gateway.connections)
    assert lab.counters.closes == {code: 1}


async def test_binary_frame_is_a_decode_error(lab: Lab) -> None:
    client = await lab.connected()
    await client.socket.send_bytes(b'{"op": 1, "d": null}')
    assert await client.close_code() == CloseCode.DECODE_ERROR


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "wrong"}, CloseCode.AUTHENTICATION_FAILED),
        ({"token": "Bot simulated-token"}, CloseCode.AUTHENTICATION_FAILED),
        ({"shard": [1, 1]}, CloseCode.INVALID_SHARD),
        ({"intents": 1 << 30}, CloseCode.INVALID_INTENTS),
        ({"intents": -1}, CloseCode.INVALID_INTENTS),
        ({"intents": 1 << 8}, CloseCode.DISALLOWED_INTENTS),
    ],
)
async def test_identify_is_refused_with_its_close_code(
    make_lab: Callable[..., Awaitable[Lab]], change: dict[str, Any], code: CloseCode
) -> None:
    client = await (await make_lab(privileged_intents=1 << 1)).connected()
    await client.send(2, {**IDENTIFY, **change})
    assert await client.close_code() == code


async def test_identify_without_intents_is_refused(lab: Lab) -> None:
    client = await lab.connected()
    await client.send(2, {"token": "simulated-token", "properties": {}})
    assert await client.close_code() == CloseCode.INVALID_INTENTS


async def test_granted_privileged_intent_is_accepted(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(privileged_intents=1 << 1)
    assert await (await lab.connected()).ready(intents=1 << 1)


async def test_too_many_guilds_for_the_shard_require_sharding(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(max_guilds_per_shard=5)
    client = await lab.connected()
    await client.identify()
    assert await client.close_code() == CloseCode.SHARDING_REQUIRED
    assert await (await lab.connected()).ready(shard=(0, 2))


@pytest.mark.parametrize("op", [2, 6])
async def test_second_authentication_is_closed_with_4005_and_keeps_the_session(lab: Lab, op: int) -> None:
    client = await lab.ready()
    await client.send(op, {**IDENTIFY, "session_id": client.session_id, "seq": 1})
    assert await client.close_code() == CloseCode.ALREADY_AUTHENTICATED
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.until("RESUMED")


async def test_command_number_121_is_closed_with_4008(lab: Lab) -> None:
    client = await lab.connected()
    for _ in range(120):
        await client.send(1, None)
    for _ in range(120):
        await client.until_op(11)
    await client.send(1, None)
    assert await client.close_code() == CloseCode.RATE_LIMITED


async def test_silent_client_is_closed_with_4009_and_loses_its_session(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(heartbeat_interval_ms=60)
    client = await lab.connected()
    await client.identify()
    assert await client.close_code() == CloseCode.SESSION_TIMED_OUT
    await lab.until(lambda: lab.counters.sessions_ended == 1)


async def test_heartbeats_keep_the_connection(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    # Long enough that a busy machine's pauses are no silence, and short enough to outlast the patience here.
    lab = await make_lab(heartbeat_interval_ms=1_200, command_limit=100_000)
    client = await lab.ready()
    loop_time = client.socket._loop.time
    started = loop_time()
    while loop_time() < started + 2.0:
        await client.barrier()
    await client.barrier()
    assert lab.counters.closes == {}


async def test_heartbeat_is_acknowledged_before_authentication(lab: Lab) -> None:
    client = await lab.connected()
    await client.send(1, None)
    assert await client.receive() == {"t": None, "s": None, "op": 11, "d": None}


@pytest.mark.parametrize(
    ("op", "data"), [(3, {"status": "idle"}), (4, {"guild_id": "1"}), (31, {"guild_ids": []})]
)
async def test_harmless_commands_are_accepted(lab: Lab, op: int, data: dict[str, Any]) -> None:
    client = await lab.ready()
    await client.send(op, data)
    await client.barrier()
    assert not client.socket.closed


async def test_ready_describes_bot_application_shard_and_unavailable_guilds(lab: Lab) -> None:
    client = await lab.connected()
    ready = (await client.ready(shard=(1, 2)))["d"]
    assert ready["user"]["id"] == "99"
    assert ready["shard"] == [1, 2]
    assert ready["v"] == 10
    assert ready["resume_gateway_url"] == f"ws://127.0.0.1:{lab.port}"
    assert ready["guilds"] == [{"id": str(lab.world.guilds[n]), "unavailable": True} for n in (1, 3, 5)]
    granted = (1 << 12) | (1 << 14) | (1 << 18) | (1 << 23)
    assert ready["application"] == {"id": "99", "flags": granted}


async def test_application_flags_show_only_granted_intents(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    client = await (await make_lab(privileged_intents=1 << 15)).connected()
    ready = await client.ready()
    assert ready["d"]["application"]["flags"] == (1 << 18) | (1 << 23)


async def test_guilds_of_the_shard_follow_ready_in_sequence(lab: Lab) -> None:
    client = await lab.ready(shard=(0, 3))
    assert client.events() == [("READY", 1), ("GUILD_CREATE", 2), ("GUILD_CREATE", 3)]
    assert [frame["d"]["id"] for frame in client.frames if frame["t"] == "GUILD_CREATE"] == [
        str(lab.world.guilds[0]),
        str(lab.world.guilds[3]),
    ]
    assert {intents for _, intents in lab.world.creates} == {513}


async def test_guilds_are_not_described_without_their_intent(lab: Lab) -> None:
    client = await lab.ready(intents=512)
    assert client.events() == [("READY", 1)]


async def test_guild_in_an_outage_is_not_described(lab: Lab) -> None:
    lab.world.outages = set(lab.world.guilds[1:])
    client = await lab.ready()
    assert client.events() == [("READY", 1), ("GUILD_CREATE", 2)]


async def test_identify_beyond_max_concurrency_invalidates_and_may_be_repeated(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(identify_window_s=0.3, max_concurrency=2, command_limit=100_000)
    await lab.ready(shard=(0, 4))
    await lab.ready(shard=(1, 4))
    client = await lab.connected()
    await client.identify(shard=(2, 4))
    assert await client.receive() == {"t": None, "s": None, "op": 9, "d": False}
    assert lab.counters.identifies_refused == 1
    while lab.counters.identifies < 3:
        await client.identify(shard=(2, 4))
        frame = await client.receive()
    assert frame["t"] == "READY"


async def test_exceeded_session_limit_resets_the_token_and_ends_every_session(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(session_limit=1)
    first = await lab.ready(shard=(0, 2))
    second = await lab.connected()
    await second.identify(shard=(1, 2))
    assert await second.close_code() == CloseCode.AUTHENTICATION_FAILED
    assert await first.close_code() == CloseCode.AUTHENTICATION_FAILED
    assert (await lab.get("v10/gateway/bot")).status == 401


async def test_members_are_answered_in_one_chunk(lab: Lab) -> None:
    client = await lab.ready()
    guild = str(lab.world.guilds[2])
    await client.send(8, {"guild_id": guild, "query": "", "limit": 0, "nonce": "n1"})
    chunk = (await client.until("GUILD_MEMBERS_CHUNK"))["d"]
    assert [member["user"]["id"] for member in chunk["members"]] == ["7", "8", "9"]
    assert (chunk["guild_id"], chunk["chunk_index"], chunk["chunk_count"], chunk["nonce"]) == (
        guild,
        0,
        1,
        "n1",
    )


async def test_members_asked_for_by_id_are_found_or_named_missing(lab: Lab) -> None:
    client = await lab.ready()
    await client.send(8, {"guild_id": str(lab.world.guilds[0]), "user_ids": ["8", "1"]})
    chunk = (await client.until("GUILD_MEMBERS_CHUNK"))["d"]
    assert [member["user"]["id"] for member in chunk["members"]] == ["8"]
    assert chunk["not_found"] == ["1"]


async def test_members_of_another_shards_guild_are_not_answered(lab: Lab) -> None:
    client = await lab.ready(shard=(0, 2))
    await client.send(8, {"guild_id": str(lab.world.guilds[1])})
    await client.barrier()
    assert "GUILD_MEMBERS_CHUNK" not in dict(client.events())


async def test_plain_http_on_the_gateway_is_refused(lab: Lab) -> None:
    async with lab.http.get(lab.url) as response:
        assert response.status == 400


async def test_ping_of_the_websocket_is_answered(lab: Lab) -> None:
    client = await lab.connected()
    await client.socket.ping(b"x")
    await client.barrier()
    assert client.socket.exception() is None


async def test_compressed_stream_carries_the_same_frames(lab: Lab) -> None:
    plain, packed = await lab.connected(), await lab.connected("v=10&compress=zlib-stream")
    await plain.ready()
    await packed.ready()
    for number in range(1, 4):
        lab.publish_message(number)
    await plain.barrier()
    await packed.barrier()
    assert plain.contents() == packed.contents() == ["1", "2", "3"]
    assert plain.events() == packed.events()


async def test_nothing_is_written_behind_a_close_frame(lab: Lab) -> None:
    client = await lab.connect(autoclose=False)
    await client.ready()
    await client.send(99)
    assert (await client.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    lab.publish_message(1)
    await lab.until(lambda: not lab.gateway.connections)
    (session,) = lab.gateway.registry
    assert (session.written_seq, session.queued) == (client.seq, 1)


async def test_close_reason_is_readable(lab: Lab) -> None:
    client = await lab.connected()
    await client.identify(token="nope")
    message = await client.socket.receive()
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.extra == "Authentication failed."


async def test_frame_larger_than_the_library_allows_does_not_end_the_server(lab: Lab) -> None:
    client = await lab.connected()
    await client.socket.send_str("x" * 2_000_000)
    assert await client.close_code() == 1009
    assert orjson.dumps(await lab.state())

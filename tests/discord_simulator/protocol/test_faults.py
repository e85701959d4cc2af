"""The control endpoint: every fault does what its name says, and says how many it met."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab


async def test_drop_resets_the_sockets_of_one_shard(lab: Lab) -> None:
    first, second = await lab.ready(shard=(0, 2)), await lab.ready(shard=(1, 2))
    assert await lab.control("drop?shard=1") == {"met": 1, "status": 200}
    assert await second.close_code() == 1006
    await first.barrier()
    assert not first.socket.closed


async def test_drop_affects_every_session_without_a_shard(lab: Lab) -> None:
    clients = [await lab.ready(shard=(shard, 2)) for shard in range(2)]
    assert (await lab.control("drop"))["met"] == 2
    assert [await client.close_code() for client in clients] == [1006, 1006]


async def test_half_open_socket_is_silent_but_not_closed(lab: Lab) -> None:
    client = await lab.ready()
    assert (await lab.control("half-open"))["met"] == 1
    lab.publish_message(1)
    await client.send(1, client.seq)
    with pytest.raises(TimeoutError):
        await client.socket.receive(timeout=0.1)
    assert not client.socket.closed
    (session,) = (await lab.state())["sessions"]
    assert (session["connected"], session["half_open"], session["queued"]) == (False, True, 1)


async def test_half_open_session_is_resumed_on_a_new_socket(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control("half-open")
    lab.publish_message(1)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    assert again.contents() == ["1"]
    assert await client.close_code() == 1006
    assert lab.losses.ids() == []
    assert len(lab.losses.gaps) == 1


async def test_gap_begins_when_the_socket_goes_silent(lab: Lab) -> None:
    await lab.ready()
    await lab.control("half-open")
    await lab.simulator.stop()
    assert len(lab.losses.gaps) == 1


async def test_half_open_session_is_replaced_by_a_new_one(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control("half-open")
    lab.publish_message(1)
    await lab.ready()
    assert await client.close_code() == 1006
    assert lab.losses.reports == [([1], "session_ended")]


async def test_half_open_socket_ignores_the_close_of_its_client(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control("half-open")
    client.socket._timeout = aiohttp.ClientWSTimeout(ws_close=0.05)
    await client.socket.close(code=1000)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.until("RESUMED")


async def test_half_open_socket_outlasts_the_heartbeat_deadline(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(heartbeat_interval_ms=60)
    client = await lab.ready()
    await lab.control("half-open")
    with pytest.raises(TimeoutError):
        await client.socket.receive(timeout=0.3)
    assert lab.counters.closes == {}
    assert lab.counters.sessions_ended == 0


async def test_reconnect_asks_the_client_to_leave_and_keeps_the_session(lab: Lab) -> None:
    client = await lab.ready()
    assert (await lab.control("reconnect"))["met"] == 1
    assert await client.receive() == {"t": None, "s": None, "op": 7, "d": None}
    await client.socket.close(code=4000)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.until("RESUMED")


async def test_client_that_ignores_reconnect_is_disconnected(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(reconnect_grace_s=0.05)
    client = await lab.ready()
    await lab.control("reconnect")
    assert await client.close_code() == 1006


async def test_resumable_invalidation_keeps_the_session(lab: Lab) -> None:
    client = await lab.ready()
    assert (await lab.control("invalidate?resumable=true"))["met"] == 1
    assert await client.receive() == {"t": None, "s": None, "op": 9, "d": True}
    await client.socket.close(code=4000)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.until("RESUMED")


async def test_final_invalidation_ends_the_session_and_allows_a_new_one_on_the_socket(lab: Lab) -> None:
    client = await lab.ready()
    old = client.session_id
    await lab.control("invalidate?resumable=false")
    assert await client.receive() == {"t": None, "s": None, "op": 9, "d": False}
    await client.ready()
    assert client.session_id != old
    assert lab.counters.invalidations == 1


async def test_invalidation_reaches_a_session_without_a_socket(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control("drop")
    await lab.until(lambda: not lab.gateway.connections)
    assert (await lab.control("invalidate"))["met"] == 1
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert (await again.receive())["op"] == 9


async def test_outage_begins_and_ends(lab: Lab) -> None:
    guild = lab.world.guilds[2]
    assert (await lab.control(f"outage?guild={guild}&seconds=0.02"))["met"] == 1
    await lab.until(lambda: len(lab.world.outage_calls) == 2)
    assert lab.world.outage_calls == [(guild, True), (guild, False)]


async def test_stop_of_the_simulator_forgets_the_end_of_an_outage(lab: Lab) -> None:
    await lab.control(f"outage?guild={lab.world.guilds[0]}&seconds=0.02")
    await lab.simulator.stop()
    await asyncio.sleep(0.05)
    assert len(lab.world.outage_calls) == 1


async def test_stop_requests_the_end_of_the_traffic(lab: Lab) -> None:
    assert not lab.simulator.stop_requested.is_set()
    await lab.control("stop")
    assert lab.simulator.stop_requested.is_set()
    assert (await lab.state())["stop_requested"] is True


@pytest.mark.parametrize(
    "body", [b"not json", b'{"a": 1e999}', b"[" * 5000, b'"\\ud800"', b"", b'"' + b"x" * 70_000]
)
async def test_injected_payload_is_spliced_in_as_it_is(lab: Lab, body: bytes) -> None:
    client = await lab.ready()
    answer = await lab.control(f"inject?type=MESSAGE_CREATE&guild={lab.world.guilds[0]}", body)
    assert answer["met"] == 1
    message = await client.socket.receive(timeout=5)
    assert message.data.encode() == b'{"op":0,"t":"MESSAGE_CREATE","s":8,"d":' + body + b"}"


async def test_injected_payload_goes_to_its_guilds_shard_and_is_replayed(lab: Lab) -> None:
    client, other = await lab.ready(shard=(0, 2)), await lab.ready(shard=(1, 2))
    await lab.control("drop?shard=0")
    await lab.control(f"inject?type=X&guild={lab.world.guilds[0]}", b"1")
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    await other.barrier()
    assert "X" in dict(again.events())
    assert "X" not in dict(other.events())


async def test_injected_payload_may_be_invalid_utf_8(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control(f"inject?type=X&guild={lab.world.guilds[0]}", b'"\xff"')
    message = await client.socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.ERROR


async def test_injected_frame_is_written_as_it_is_and_has_no_number(lab: Lab) -> None:
    client = await lab.ready()
    assert (await lab.control("inject-frame?shard=0", b'{"op":"?"'))["met"] == 1
    assert (await client.socket.receive(timeout=5)).data == '{"op":"?"'
    lab.publish_message(1)
    assert (await client.receive())["s"] == 8


async def test_state_describes_sessions_and_counters(lab: Lab) -> None:
    client = await lab.ready(shard=(1, 2))
    lab.publish_message(1, guild=lab.world.guilds[1])
    lab.publish_message(2, guild=lab.world.guilds[0])
    await client.barrier()
    state = await lab.state()
    (session,) = state["sessions"]
    assert session == {
        "session_id": client.session_id,
        "shard": [1, 2],
        "intents": 513,
        "seq": 5,
        "written": 5,
        "queued": 0,
        "connected": True,
        "half_open": False,
    }
    counters = state["counters"]
    assert (counters["identifies"], counters["sent"], counters["lost"]) == (1, 5, {"no_session": 1})
    assert state["guilds"] == 6
    assert state["session_start_limit"]["remaining"] == 999


@pytest.mark.parametrize(
    "path",
    [
        "drop?shard=x",
        "drop?shard=-1",
        "half-open?shard=nan",
        "invalidate?resumable=maybe",
        "outage?guild=12",
        "outage?seconds=1",
        "outage?guild=5&seconds=inf",
        "rest?status=200",
        "rest?status=x",
        "rest?delay=-1",
        "permission?granted=true",
        "permission?name=x&granted=2",
        "permission?name=x&guild=7",
        "inject?guild=5",
        "inject?type=X&guild=x",
    ],
)
async def test_wrong_request_is_refused_with_what_to_give(lab: Lab, path: str) -> None:
    answer = await lab.control(path)
    assert answer["status"] == 400
    assert "=" in answer["error"]
    assert lab.world.outage_calls == []


async def test_unknown_fault_is_not_found(lab: Lab) -> None:
    async with lab.http.post(f"{lab.url}/control/explode") as response:
        assert response.status == 404

"""What of the world reaches which session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from discord_simulator.ports import Dispatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab


async def test_event_reaches_the_shard_of_its_guild_only(lab: Lab) -> None:
    clients = [await lab.ready(shard=(shard, 3)) for shard in range(3)]
    for number, guild in enumerate(lab.world.guilds, start=1):
        lab.publish_message(number, guild=guild)
    for client in clients:
        await client.barrier()
    assert [client.contents() for client in clients] == [["1", "4"], ["2", "5"], ["3", "6"]]


async def test_two_layouts_can_be_connected_at_once(lab: Lab) -> None:
    whole, half = await lab.ready(), await lab.ready(shard=(1, 2))
    lab.publish_message(1, guild=lab.world.guilds[1])
    lab.publish_message(2, guild=lab.world.guilds[2])
    await whole.barrier()
    await half.barrier()
    assert (whole.contents(), half.contents()) == (["1", "2"], ["1"])


@pytest.mark.parametrize(
    ("intents", "seen"), [(1 << 9, True), (1 << 9 | 1 << 10, True), (0, True), (1 << 10, False)]
)
async def test_intents_of_the_session_decide(lab: Lab, intents: int, seen: bool) -> None:  # noqa: FBT001 - a case
    client = await lab.ready(intents=513)
    lab.publish_message(1, intents=intents)
    await client.barrier()
    assert client.contents() == (["1"] if seen else [])
    assert lab.counters.withheld == (0 if seen else 1)
    assert lab.losses.ids() == []


async def test_withheld_event_takes_no_sequence_number(lab: Lab) -> None:
    client = await lab.ready(intents=513)
    lab.publish_message(1, intents=1 << 7)
    lab.publish_message(2)
    await client.barrier()
    assert client.events()[-1] == ("MESSAGE_CREATE", 8)


async def test_missing_permission_withholds_until_it_is_granted(lab: Lab) -> None:
    client = await lab.ready()
    needed = frozenset({"view_audit_log"})
    assert (await lab.control("permission?name=view_audit_log&granted=false"))["met"] == 6
    lab.publish_message(1, permissions=needed)
    await lab.control("permission?name=view_audit_log&granted=true")
    lab.publish_message(2, permissions=needed)
    await client.barrier()
    assert client.contents() == ["2"]


async def test_one_of_several_permissions_is_enough(lab: Lab) -> None:
    client = await lab.ready()
    guild = lab.world.guilds[0]
    await lab.control(f"permission?name=a&granted=false&guild={guild}")
    lab.publish_message(1, permissions=frozenset({"a", "b"}))
    await lab.control(f"permission?name=b&granted=false&guild={guild}")
    lab.publish_message(2, permissions=frozenset({"a", "b"}))
    lab.publish_message(3, guild=lab.world.guilds[1], permissions=frozenset({"a", "b"}))
    await client.barrier()
    assert client.contents() == ["1", "3"]


async def test_guild_create_is_made_for_the_sessions_own_intents(lab: Lab) -> None:
    client = await lab.ready(intents=1 << 0 | 1 << 7)
    lab.world.creates.clear()
    guild = lab.world.guilds[0]
    lab.simulator.publish(Dispatch("GUILD_CREATE", guild, b'"left out"', 1))
    await client.barrier()
    assert lab.world.creates == [(guild, 1 << 0 | 1 << 7)]
    assert client.frames[-2]["d"]["id"] == str(guild)


async def test_direct_messages_belong_to_shard_zero(lab: Lab) -> None:
    first, second = await lab.ready(shard=(0, 2)), await lab.ready(shard=(1, 2))
    lab.simulator.publish(Dispatch("USER_UPDATE", 0, b'{"content": "me"}', 0))
    await first.barrier()
    await second.barrier()
    assert ("USER_UPDATE", 5) in first.events()
    assert "USER_UPDATE" not in dict(second.events())


async def test_sequence_has_no_hole_over_many_batches(lab: Lab) -> None:
    client = await lab.ready()
    for number in range(1, 3001):
        lab.publish_message(number)
    await client.barrier()
    while len(client.contents()) < 3000:
        await client.receive()
    assert [seq for _, seq in client.events()] == list(range(1, 3008))
    assert client.contents() == [str(number) for number in range(1, 3001)]


async def test_all_ready_waits_for_every_shard(lab: Lab) -> None:
    waiting = asyncio.create_task(lab.gateway.all_ready())
    waiting_for_two = asyncio.create_task(lab.gateway.all_ready(2))
    await lab.ready(shard=(0, 2))
    assert not waiting.done()
    await lab.ready(shard=(1, 2))
    await asyncio.wait_for(asyncio.gather(waiting, waiting_for_two), 5)


async def test_all_ready_with_a_number_ignores_other_layouts(lab: Lab) -> None:
    waiting = asyncio.create_task(lab.gateway.all_ready(2))
    await lab.ready()
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_all_ready_waits_for_the_last_guild_create(lab: Lab) -> None:
    lab.world.padding = "x" * 8_000_000
    client = await lab.connected()
    client.socket._response.connection.transport.pause_reading()
    await client.identify()
    waiting = asyncio.create_task(lab.gateway.all_ready())
    await lab.until(lambda: lab.counters.sent > 0)
    (session,) = lab.gateway.registry
    assert session.written_seq < session.ready_seq
    assert not waiting.done()
    client.socket._response.connection.transport.resume_reading()
    for _ in range(7):
        await client.receive()
    await asyncio.wait_for(waiting, 5)


async def test_drained_means_everything_was_written(lab: Lab) -> None:
    client = await lab.ready()
    for number in range(1, 2001):
        lab.publish_message(number)
    assert (await lab.state())["sessions"][0]["queued"] >= 0
    await asyncio.wait_for(lab.gateway.drained(), 5)
    assert [session.queued for session in lab.gateway.registry] == [0]
    assert lab.counters.sent == 2007
    assert client.session_id


async def test_client_that_does_not_read_is_cut_off_and_can_resume(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(queue_limit=200)
    client = await lab.ready()
    client.socket._response.connection.transport.pause_reading()
    number = 0
    while not lab.counters.overflows:
        number += 1
        lab.publish_message(number)
        if number % 100 == 0:
            await asyncio.sleep(0)
        if number % 50 == 0:
            lab.simulator.publish(Dispatch("PADDING", lab.world.guilds[0], b'"%s"' % (b"x" * 500_000), 0))
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    assert again.contents() == [str(seen) for seen in range(1, number + 1)]
    assert lab.losses.ids() == []


async def test_transport_is_closed_for_the_rest_of_the_world_when_stopped(lab: Lab) -> None:
    client = await lab.ready()
    await lab.simulator.stop()
    assert await client.close_code() == 1006
    with pytest.raises(aiohttp.ClientConnectionError):
        await lab.connect()

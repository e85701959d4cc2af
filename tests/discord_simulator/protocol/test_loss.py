"""Exact accounting of the events that no client received, and of the times without a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab


async def drop(lab: Lab) -> None:
    await lab.control("drop")
    await lab.until(lambda: not lab.gateway.connections)


async def test_event_before_the_first_session_is_lost_at_once(lab: Lab) -> None:
    lab.publish_message(1)
    assert lab.losses.reports == [([1], "no_session")]


async def test_event_of_a_shard_without_session_is_lost_while_others_run(lab: Lab) -> None:
    await lab.ready(shard=(0, 2))
    lab.publish_message(1, guild=lab.world.guilds[1])
    lab.publish_message(2, guild=lab.world.guilds[0])
    assert lab.losses.reports == [([1], "no_session")]


async def test_event_without_a_ledger_line_is_never_reported(lab: Lab) -> None:
    lab.publish_message(0)
    assert lab.losses.reports == []


async def test_invalidation_loses_what_was_not_written_before_it(lab: Lab) -> None:
    client = await lab.ready()
    lab.publish_message(1)
    await client.barrier()
    lab.publish_message(2)
    lab.publish_message(3)
    lab.gateway.registry.end(next(iter(lab.gateway.registry)))
    assert lab.losses.reports == [([2, 3], "session_ended")]
    lab.publish_message(4)
    await client.barrier()
    assert client.contents() == ["1"]
    assert lab.losses.ids("no_session") == [4]


async def test_seen_and_lost_together_are_everything_that_happened(lab: Lab) -> None:
    client = await lab.ready()
    for number in range(1, 1001):
        lab.publish_message(number)
        if number == 700:
            await client.receive()
            lab.simulator._faults.invalidate(None, resumable=False)
    await client.until_op(9)
    seen = [int(content) for content in client.contents()]
    assert sorted(seen + lab.losses.ids()) == list(range(1, 1001))
    assert seen == list(range(1, len(seen) + 1))


async def test_expired_session_loses_what_waited_in_it(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(session_ttl_s=0.05)
    await lab.ready()
    await drop(lab)
    lab.publish_message(1)
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.losses.reports == [([1], "session_ended")]


async def test_resume_of_an_ended_session_reports_what_its_client_did_not_receive(lab: Lab) -> None:
    client = await lab.ready()
    for number in (1, 2, 3):
        lab.publish_message(number)
    await client.barrier()
    await lab.control("invalidate?resumable=false")
    assert lab.losses.reports == []
    again = await lab.connected()
    await again.resume(client.session_id, client.seq - 2)
    await again.until_op(9)
    assert lab.losses.reports == [([2, 3], "not_received")]


async def test_a_loss_is_reported_once_for_repeated_resumes(lab: Lab) -> None:
    client = await lab.ready()
    lab.publish_message(1)
    await client.barrier()
    await lab.control("invalidate")
    again = await lab.connected()
    for _ in range(2):
        await again.resume(client.session_id, client.seq - 1)
        await again.until_op(9)
    assert lab.losses.reports == [([1], "not_received")]


async def test_resume_older_than_the_buffer_loses_what_is_known_of_it(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(replay_limit=3)
    client = await lab.ready()
    for number in range(1, 7):
        lab.publish_message(number)
    await client.barrier()
    await drop(lab)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq - 5)
    await again.until_op(9)
    assert lab.losses.ids("not_received") == [4, 5, 6]


async def test_client_that_names_its_sequence_on_closing_is_believed(lab: Lab) -> None:
    client = await lab.ready()
    for number in (1, 2, 3):
        lab.publish_message(number)
    await client.barrier()
    await client.socket.close(code=1000, message=b"seq=%d" % (client.seq - 1))
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.losses.reports == [([3], "not_received")]


async def test_client_that_closes_without_a_word_has_seen_what_was_written(lab: Lab) -> None:
    client = await lab.ready()
    lab.publish_message(1)
    await client.barrier()
    await client.socket.close(code=1000, message=b"bye seq=0")
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.losses.reports == []


async def test_event_another_session_of_the_shard_holds_is_not_lost(lab: Lab) -> None:
    first, second = await lab.ready(), await lab.ready()
    lab.publish_message(1)
    lab.gateway.registry.end(lab.gateway.registry.find(first.session_id))
    assert lab.losses.reports == []
    await second.barrier()
    assert second.contents() == ["1"]


async def test_gap_lasts_from_the_lost_socket_to_the_next_session(lab: Lab) -> None:
    before = (await lab.state())["now_ms"]
    client = await lab.ready(shard=(1, 2))
    assert lab.losses.gaps == []
    await drop(lab)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    ((shard, started_at, ended_at),) = lab.losses.gaps
    assert shard == 1
    assert before <= started_at <= ended_at <= (await lab.state())["now_ms"]


async def test_gap_is_closed_by_a_new_session_too(lab: Lab) -> None:
    client = await lab.ready()
    await client.socket.close(code=1000)
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    await lab.ready()
    assert len(lab.losses.gaps) == 1


async def test_gap_still_open_at_the_end_is_reported(lab: Lab) -> None:
    await lab.ready(shard=(1, 2))
    await drop(lab)
    await lab.simulator.stop()
    assert [shard for shard, _, _ in lab.losses.gaps] == [1]


async def test_stopping_is_neither_a_gap_nor_a_loss(lab: Lab) -> None:
    await lab.ready()
    lab.publish_message(1)
    await lab.simulator.stop()
    assert (lab.losses.gaps, lab.losses.reports) == ([], [])


async def test_takeover_of_a_socket_leaves_no_gap_longer_than_itself(lab: Lab) -> None:
    client = await lab.ready()
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    await lab.until(lambda: len(lab.gateway.connections) == 1)
    await lab.simulator.stop()
    assert len(lab.losses.gaps) == 1

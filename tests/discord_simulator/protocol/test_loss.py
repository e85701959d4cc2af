"""Exact accounting of what nobody could see, and of when nobody was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab


async def drop(lab: Lab) -> None:
    await lab.control("drop")
    await lab.until(lambda: not lab.gateway.connections)


async def test_event_before_the_first_session_is_lost_at_once(lab: Lab) -> None:
    lab.say(1)
    assert lab.witness.reports == [([1], "no_session")]


async def test_event_of_a_shard_without_session_is_lost_while_others_run(lab: Lab) -> None:
    await lab.ready(shard=(0, 2))
    lab.say(1, guild=lab.world.guilds[1])
    lab.say(2, guild=lab.world.guilds[0])
    assert lab.witness.reports == [([1], "no_session")]


async def test_event_without_a_ledger_line_is_never_reported(lab: Lab) -> None:
    lab.say(0)
    assert lab.witness.reports == []


async def test_invalidation_loses_what_was_not_written_before_it(lab: Lab) -> None:
    client = await lab.ready()
    lab.say(1)
    await client.barrier()
    lab.say(2)
    lab.say(3)
    lab.gateway.registry.end(next(iter(lab.gateway.registry)))
    assert lab.witness.reports == [([2, 3], "session_ended")]
    lab.say(4)
    await client.barrier()
    assert client.contents() == ["1"]
    assert lab.witness.ids("no_session") == [4]


async def test_seen_and_lost_together_are_everything_that_happened(lab: Lab) -> None:
    client = await lab.ready()
    for number in range(1, 1001):
        lab.say(number)
        if number == 700:
            await client.receive()
            lab.simulator._faults.invalidate(None, resumable=False)
    await client.until_op(9)
    seen = [int(content) for content in client.contents()]
    assert sorted(seen + lab.witness.ids()) == list(range(1, 1001))
    assert seen == list(range(1, len(seen) + 1))


async def test_expired_session_loses_what_waited_in_it(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(session_ttl_s=0.05)
    await lab.ready()
    await drop(lab)
    lab.say(1)
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.witness.reports == [([1], "session_ended")]


async def test_resume_of_a_dead_session_tells_what_its_client_had_not_received(lab: Lab) -> None:
    client = await lab.ready()
    for number in (1, 2, 3):
        lab.say(number)
    await client.barrier()
    await lab.control("invalidate?resumable=false")
    assert lab.witness.reports == []
    again = await lab.greeted()
    await again.resume(client.session_id, client.seq - 2)
    await again.until_op(9)
    assert lab.witness.reports == [([2, 3], "not_received")]


async def test_loss_is_told_once_however_often_the_client_asks(lab: Lab) -> None:
    client = await lab.ready()
    lab.say(1)
    await client.barrier()
    await lab.control("invalidate")
    again = await lab.greeted()
    for _ in range(2):
        await again.resume(client.session_id, client.seq - 1)
        await again.until_op(9)
    assert lab.witness.reports == [([1], "not_received")]


async def test_resume_older_than_the_buffer_loses_what_is_known_of_it(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(replay_limit=3)
    client = await lab.ready()
    for number in range(1, 7):
        lab.say(number)
    await client.barrier()
    await drop(lab)
    again = await lab.greeted()
    await again.resume(client.session_id, client.seq - 5)
    await again.until_op(9)
    assert lab.witness.ids("not_received") == [4, 5, 6]


async def test_client_that_names_its_sequence_on_closing_is_believed(lab: Lab) -> None:
    client = await lab.ready()
    for number in (1, 2, 3):
        lab.say(number)
    await client.barrier()
    await client.socket.close(code=1000, message=b"seq=%d" % (client.seq - 1))
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.witness.reports == [([3], "not_received")]


async def test_client_that_closes_without_a_word_has_seen_what_was_written(lab: Lab) -> None:
    client = await lab.ready()
    lab.say(1)
    await client.barrier()
    await client.socket.close(code=1000, message=b"bye seq=0")
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    assert lab.witness.reports == []


async def test_event_another_session_of_the_shard_holds_is_not_lost(lab: Lab) -> None:
    first, second = await lab.ready(), await lab.ready()
    lab.say(1)
    lab.gateway.registry.end(lab.gateway.registry.find(first.session_id))
    assert lab.witness.reports == []
    await second.barrier()
    assert second.contents() == ["1"]


async def test_gap_lasts_from_the_lost_socket_to_the_next_session(lab: Lab) -> None:
    before = (await lab.state())["now_ms"]
    client = await lab.ready(shard=(1, 2))
    assert lab.witness.gaps == []
    await drop(lab)
    again = await lab.greeted()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    ((shard, started_at, ended_at),) = lab.witness.gaps
    assert shard == 1
    assert before <= started_at <= ended_at <= (await lab.state())["now_ms"]


async def test_gap_is_closed_by_a_new_session_too(lab: Lab) -> None:
    client = await lab.ready()
    await client.socket.close(code=1000)
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    await lab.ready()
    assert len(lab.witness.gaps) == 1


async def test_gap_still_open_at_the_end_is_reported(lab: Lab) -> None:
    await lab.ready(shard=(1, 2))
    await drop(lab)
    await lab.simulator.stop()
    assert [shard for shard, _, _ in lab.witness.gaps] == [1]


async def test_stopping_is_neither_a_gap_nor_a_loss(lab: Lab) -> None:
    await lab.ready()
    lab.say(1)
    await lab.simulator.stop()
    assert (lab.witness.gaps, lab.witness.reports) == ([], [])


async def test_takeover_of_a_socket_leaves_no_gap_longer_than_itself(lab: Lab) -> None:
    client = await lab.ready()
    again = await lab.greeted()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    await lab.until(lambda: len(lab.gateway.connections) == 1)
    await lab.simulator.stop()
    assert len(lab.witness.gaps) == 1

"""Sessions over lost sockets: replay, and the two kinds of refusal."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from discord_simulator.opcodes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab

INVALID = {"t": None, "s": None, "op": 9, "d": False}


async def test_resume_replays_exactly_what_was_missed_then_resumed(lab: Lab) -> None:
    client = await lab.ready()
    lab.publish_message(1)
    await client.barrier()
    await lab.control("drop")
    assert await client.close_code() == 1006
    for number in (2, 3, 4):
        lab.publish_message(number)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    lab.publish_message(5)
    await again.barrier()
    assert client.events()[-1] == ("MESSAGE_CREATE", 8)
    assert again.events() == [
        ("MESSAGE_CREATE", 9),
        ("MESSAGE_CREATE", 10),
        ("MESSAGE_CREATE", 11),
        ("RESUMED", 11),
        ("MESSAGE_CREATE", 12),
    ]
    assert again.contents() == ["2", "3", "4", "5"]
    assert (lab.counters.resumes, lab.counters.replayed) == (1, 0)
    assert lab.losses.ids() == []


async def test_written_frames_are_replayed_from_the_sequence_the_client_gives(lab: Lab) -> None:
    client = await lab.ready()
    for number in (1, 2, 3):
        lab.publish_message(number)
    await client.barrier()
    await lab.control("drop")
    again = await lab.connected()
    await again.resume(client.session_id, client.seq - 2)
    await again.until("RESUMED")
    assert again.contents() == ["2", "3"]
    assert lab.counters.replayed == 2


async def test_any_number_of_drops_at_any_moment_shows_every_event_once(lab: Lab) -> None:
    rng = random.Random(7)
    client = await lab.ready()
    session_id, seq, seen, number = client.session_id, client.seq, [], 0
    for _ in range(12):
        for _ in range(rng.randint(0, 40)):
            number += 1
            lab.publish_message(number)
        for _ in range(rng.randint(0, 20)):
            if len(seen) + len(client.contents()) == number:
                break
            await client.receive()
        seq = max(seq, client.seq)
        seen += client.contents()
        await lab.control("drop")
        client = await lab.connected()
        await client.resume(session_id, seq)
    await client.until("RESUMED")
    assert [name for name, _ in client.events()].count("RESUMED") == 1
    assert seen + client.contents() == [str(n) for n in range(1, number + 1)]
    assert lab.losses.ids() == []


@pytest.mark.parametrize("code", [4000, 1002, 3000])
async def test_close_by_the_client_with_another_code_keeps_the_session(lab: Lab, code: int) -> None:
    client = await lab.ready()
    await client.socket.close(code=code)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.until("RESUMED")


@pytest.mark.parametrize("code", [1000, 1001])
async def test_close_by_the_client_with_1000_or_1001_ends_the_session(lab: Lab, code: int) -> None:
    client = await lab.ready()
    await client.socket.close(code=code)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.receive() == INVALID
    assert lab.counters.resumes_refused == 1


async def test_refused_resume_may_identify_on_the_same_socket(lab: Lab) -> None:
    client = await lab.connected()
    await client.resume("never heard of", 1)
    assert await client.receive() == INVALID
    assert await client.ready()


@pytest.mark.parametrize(("session_id", "seq"), [(None, None), (None, 3), ("x", None)])
async def test_resume_without_session_is_refused_and_not_an_error(
    lab: Lab, session_id: str | None, seq: int | None
) -> None:
    client = await lab.connected()
    await client.send(6, {"token": "simulated-token", "session_id": session_id, "seq": seq})
    assert await client.receive() == INVALID


async def test_resume_with_a_wrong_token_is_closed_with_4004(lab: Lab) -> None:
    client = await lab.ready()
    again = await lab.connected()
    await again.send(6, {"token": "x", "session_id": client.session_id, "seq": 1})
    assert await again.close_code() == CloseCode.AUTHENTICATION_FAILED


@pytest.mark.parametrize("ahead", [1, 1000])
async def test_sequence_never_sent_is_closed_with_4007_and_ends_the_session(lab: Lab, ahead: int) -> None:
    client = await lab.ready()
    await lab.control("drop")
    again = await lab.connected()
    await again.resume(client.session_id, client.seq + ahead)
    assert await again.close_code() == CloseCode.INVALID_SEQ
    third = await lab.connected()
    await third.resume(client.session_id, client.seq)
    assert await third.receive() == INVALID


async def test_session_can_be_resumed_while_its_old_socket_still_lives(lab: Lab) -> None:
    client = await lab.ready()
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    assert await client.close_code() == 1006
    lab.publish_message(1)
    await again.barrier()
    assert again.contents() == ["1"]


async def test_session_expires_without_a_resume(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(session_ttl_s=0.05)
    client = await lab.ready()
    await lab.control("drop")
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.receive() == INVALID


async def test_resumed_session_does_not_expire(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(session_ttl_s=0.1)
    client = await lab.ready()
    await lab.control("drop")
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    assert lab.gateway.registry._expiries == {}


async def test_too_many_events_while_away_end_the_session(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(replay_limit=10)
    client = await lab.ready()
    await lab.control("drop")
    await lab.until(lambda: not lab.gateway.connections)
    for number in range(1, 13):
        lab.publish_message(number)
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.receive() == INVALID
    assert lab.losses.ids("session_ended") == list(range(1, 12))
    assert lab.losses.ids("no_session") == [12]
    assert lab.counters.overflows == 1


async def test_sequence_older_than_the_buffer_is_refused(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(replay_limit=5)
    client = await lab.ready()
    for number in range(1, 11):
        lab.publish_message(number)
    await client.barrier()
    await lab.control("drop")
    again = await lab.connected()
    await again.resume(client.session_id, client.seq - 6)
    assert await again.receive() == INVALID


async def test_new_session_of_a_shard_replaces_the_one_left_behind(lab: Lab) -> None:
    client = await lab.ready()
    await lab.control("drop")
    await lab.until(lambda: not lab.gateway.connections)
    lab.publish_message(1)
    await lab.ready()
    assert lab.losses.reports == [([1], "session_ended")]
    again = await lab.connected()
    await again.resume(client.session_id, client.seq)
    assert await again.receive() == INVALID


async def test_compressed_connection_resumes_with_a_fresh_context(lab: Lab) -> None:
    client = await lab.connected("v=10&compress=zlib-stream")
    await client.ready()
    await lab.control("drop")
    lab.publish_message(1)
    again = await lab.connected("v=10&compress=zlib-stream")
    await again.resume(client.session_id, client.seq)
    await again.until("RESUMED")
    assert again.contents() == ["1"]

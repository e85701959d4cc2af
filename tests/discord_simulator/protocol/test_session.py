"""The numbering, queueing and replaying of one session, without any socket."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.session import ClosedSessions, Session

ROOMY = 1_000_000


def make_session(*, replay_limit: int = ROOMY, replay_bytes: int = ROOMY, session_id: str = "s") -> Session:
    return Session(session_id, (0, 1), 513, replay_limit=replay_limit, replay_bytes=replay_bytes)


def filled(events: int, *, written: int = 0, **limits: int) -> Session:
    session = make_session(**limits)
    for number in range(1, events + 1):
        session.push("MESSAGE_CREATE", b"%d" % number, ledger_id=number)
    session.take(written, ROOMY)
    return session


def events(frames: list[bytes]) -> list[bytes]:
    """Everything but RESUMED, which has no number of its own."""
    return [frame for frame in frames if b'"RESUMED"' not in frame]


def sequence(frames: list[bytes]) -> list[int]:
    return [orjson.loads(frame)["s"] for frame in frames]


def test_frame_is_a_dispatch_around_the_given_text() -> None:
    session = make_session()
    session.push("MESSAGE_CREATE", b'{"a": [1, 2]}')
    (frame,) = session.take(10, ROOMY)
    assert orjson.loads(frame) == {"op": 0, "t": "MESSAGE_CREATE", "s": 1, "d": {"a": [1, 2]}}


def test_text_of_a_payload_is_never_parsed() -> None:
    session = make_session()
    session.push("X", b"{not json %d %b")
    assert session.take(1, ROOMY) == [b'{"op":0,"t":"X","s":1,"d":{not json %d %b}']


def test_take_stops_at_the_number_of_frames() -> None:
    session = filled(5)
    assert sequence(session.take(2, ROOMY)) == [1, 2]
    assert (session.written_seq, session.queued, session.last_seq) == (2, 3, 5)


def test_take_stops_once_the_size_is_reached() -> None:
    session = filled(5)
    assert sequence(session.take(5, 1)) == [1]


def test_rewind_queues_what_the_client_missed_in_order() -> None:
    session = filled(6, written=4)
    assert session.rewind(2) == 2
    assert sequence(events(session.take(10, ROOMY))) == [3, 4, 5, 6]


def test_rewind_to_the_last_written_frame_repeats_nothing() -> None:
    session = filled(3, written=3)
    assert session.rewind(3) == 0
    assert events(session.take(10, ROOMY)) == []


def test_resumed_comes_once_behind_the_replay_and_before_what_is_new() -> None:
    session = filled(4, written=3)
    session.rewind(1)
    session.push("E", b"5")
    frames = [orjson.loads(frame) for frame in session.take(2, ROOMY) + session.take(10, ROOMY)]
    assert [(frame["t"], frame["s"]) for frame in frames[2:]] == [
        ("MESSAGE_CREATE", 4),
        ("RESUMED", 4),
        ("E", 5),
    ]
    assert session.take(10, ROOMY) == []


def test_replay_cut_short_is_announced_once_when_it_is_repeated() -> None:
    session = filled(4, written=4)
    session.rewind(0)
    session.take(2, ROOMY)
    session.rewind(2)
    frames = session.take(10, ROOMY)
    assert sequence(frames) == [3, 4, 4]
    session.rewind(0)
    assert sequence(session.take(10, ROOMY)) == [1, 2, 3, 4, 4]


def test_rewind_refuses_frames_never_written() -> None:
    with pytest.raises(ValueError, match="cannot rewind to 3"):
        filled(4, written=2).rewind(3)


def test_rewind_forgets_what_the_client_declared_before() -> None:
    session = filled(3, written=3)
    session.declared_seq = 1
    session.rewind(1)
    assert session.declared_seq is None


def test_replay_is_bounded_by_frames() -> None:
    session = filled(10, written=10, replay_limit=4)
    assert session.oldest == 7
    assert session.can_replay(6)
    assert not session.can_replay(5)
    with pytest.raises(ValueError, match="held are 7 to 10"):
        session.rewind(5)


def test_replay_is_bounded_by_bytes_but_keeps_the_last_frame() -> None:
    session = filled(10, written=10, replay_bytes=1)
    assert session.oldest == 10


def test_bytes_of_rewound_frames_are_counted_once() -> None:
    size = len(filled(1).take(1, ROOMY)[0])
    session = filled(4, written=4, replay_bytes=size * 4)
    for _ in range(3):
        session.rewind(0)
        session.take(4, ROOMY)
    assert session.oldest == 1


def test_queue_is_not_touched_by_the_bounds_of_replay() -> None:
    session = filled(10, written=0, replay_limit=1, replay_bytes=1)
    assert session.queued == 10


def test_unwritten_ids_leave_out_events_without_a_ledger_line() -> None:
    session = filled(3, written=2)
    session.push("TYPING_START", b"{}")
    assert session.unwritten_ids() == [3]


@pytest.mark.parametrize(("seq", "missed"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (4, []), (9, [])])
def test_written_after_lists_what_a_client_at_this_sequence_missed(seq: int, missed: list[int]) -> None:
    assert filled(6, written=4).written_after(seq) == missed


def test_written_after_reaches_back_as_far_as_is_held() -> None:
    assert filled(6, written=6, replay_limit=2).written_after(1) == [5, 6]


def test_held_ids_are_written_and_unwritten_ones() -> None:
    assert filled(3, written=1).held_ids() == {1, 2, 3}


@pytest.mark.parametrize(("guild", "shard", "covered"), [(5 << 22, (1, 4), True), (5 << 22, (0, 4), False)])
def test_covers_follows_discords_formula(guild: int, shard: tuple[int, int], covered: bool) -> None:  # noqa: FBT001 - a case
    session = Session("s", shard, 0, replay_limit=1, replay_bytes=1)
    assert session.covers(guild) is covered


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(1, 5)),
            st.tuples(st.just("take"), st.integers(1, 7)),
            st.tuples(st.just("rewind"), st.integers(0, 6)),
        ),
        max_size=60,
    ),
    st.integers(1, 12),
)
def test_a_client_that_resumes_correctly_sees_every_event_once_and_in_order(
    steps: list[tuple[str, int]], replay_limit: int
) -> None:
    session = make_session(replay_limit=replay_limit)
    pushed = 0
    seen: list[int] = []
    for step, amount in steps:
        if step == "push":
            for _ in range(amount):
                pushed += 1
                session.push("E", b"%d" % pushed, ledger_id=pushed)
        elif step == "take":
            seen += sequence(events(session.take(amount, ROOMY)))
        else:
            back = max(session.oldest - 1, session.written_seq - amount)
            session.rewind(back)
            del seen[back:]
        assert seen == list(range(1, session.written_seq + 1))
        assert session.last_seq == pushed == session.written_seq + session.queued
        assert session.held_ids() == set(range(session.oldest, pushed + 1))


def test_closed_sessions_report_once_what_a_client_did_not_receive() -> None:
    closed = ClosedSessions(2)
    closed.add(filled(3, written=3))
    assert list(closed.pop_unreceived("s", 1)) == [2, 3]
    assert list(closed.pop_unreceived("s", 1)) == []


def test_closed_sessions_drop_the_oldest_first() -> None:
    closed = ClosedSessions(1)
    for name in ("old", "new"):
        session = make_session(session_id=name)
        session.push("E", b"1", ledger_id=1)
        session.take(1, ROOMY)
        closed.add(session)
    assert list(closed.pop_unreceived("old", 0)) == []
    assert list(closed.pop_unreceived("new", 0)) == [1]

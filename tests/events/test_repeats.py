"""What repeats what, whatever the payloads are."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events import repeats
from exporter.events.repeats import PERIOD_MS, SAME_BODY_MS, Repeats
from exporter.events.spec import CLEARED, Identity

GIVEN = Identity("given", lambda thing: thing, lambda _: ("all",))
TAKEN = Identity("taken", lambda thing: thing)
ALL_CLEARED = Identity(CLEARED, lambda _: "all")
SAID = Identity(None, lambda thing: thing)


class Message(NamedTuple):
    """As much of a payload as says which guild it is of."""

    guild_id: int


def note(
    memory: Repeats, identity: Identity, thing: object = 0, now: int = 0, shard: int = 0, body: bytes = b""
) -> bool:
    return memory.recogniser(identity)(thing, body, shard, now)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([GIVEN, TAKEN, ALL_CLEARED]))))
def test_what_says_again_what_was_said_last_is_repeated(received: list[tuple[int, Identity]]) -> None:
    """Against the things themselves: each is given, taken, or there is nothing left of it."""
    memory = Repeats()
    last: dict[int, Identity] = {}
    is_clear = False
    for thing, kind in received:
        if kind is ALL_CLEARED:
            assert note(memory, ALL_CLEARED) == is_clear
            is_clear = True
            last = {each: what for each, what in last.items() if what is TAKEN}
        else:
            assert note(memory, kind, thing) == (last.get(thing) is kind)
            last[thing] = kind
            is_clear = is_clear and kind is not GIVEN


def test_what_names_no_state_is_repeated_by_the_same_body_at_once() -> None:
    memory = Repeats()
    heard = [(b"1", 0), (b"1", 1), (b"2", 2), (b"1", 3), (b"1", 3 + SAME_BODY_MS)]
    found = [note(memory, SAID, now=now, body=body) for body, now in heard]
    assert found == [False, True, False, False, False]


def test_a_thing_is_remembered_for_a_period_and_not_for_three() -> None:
    memory = Repeats()
    memory.tick(PERIOD_MS)
    note(memory, TAKEN)
    memory.tick(2 * PERIOD_MS)
    assert note(memory, TAKEN)
    memory.tick(3 * PERIOD_MS)
    memory.tick(4 * PERIOD_MS)
    assert not len(memory)
    assert not note(memory, TAKEN)


def test_a_new_session_begins_without_memory_of_its_shard_alone() -> None:
    memory = Repeats()
    for shard in (0, 1):
        note(memory, TAKEN, shard=shard)
    memory.forget_shard(0)
    assert [note(memory, TAKEN, shard=shard) for shard in (0, 1)] == [False, True]


def test_memory_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]  # a fixture
    monkeypatch.setattr(repeats, "MAX_THINGS", 10)
    memory = Repeats()
    for thing in range(100):
        note(memory, TAKEN, thing)
    assert len(memory) <= 22
    assert note(memory, TAKEN, 99)
    assert not note(memory, TAKEN, 1)


def test_a_gap_in_a_guild_ends_what_can_be_repeated_in_it_alone() -> None:
    memory = Repeats()
    here, there = (Message(guild_id) for guild_id in (1, 2))
    sent = Identity("sent", lambda message: message.guild_id, lambda message: (("all", message.guild_id),))
    for message in (here, there):
        memory.forget_guild(0, message.guild_id, whole=True)
        assert not note(memory, sent, message)
    memory.forget_guild(0, 1, whole=True)
    assert [note(memory, sent, message) for message in (here, there)] == [False, True]
    memory.forget_guild(0, 2, whole=False)
    assert [note(memory, sent, message) for message in (here, there)] == [True, False]


@pytest.mark.parametrize("at", range(0, 30_000, 500))
def test_what_comes_again_within_30_s_is_repeated_and_after_a_minute_is_not(at: int) -> None:
    """The figures of docs/promises.md, whenever within a period it came."""
    for pause, is_repeated in ((30_000, True), (60_001, False)):
        memory = Repeats()
        note_ticking(memory, at, since=0)
        assert note_ticking(memory, at + pause, since=at) is is_repeated


def note_ticking(memory: Repeats, now: int, since: int) -> bool:
    """Note at a moment, with a tick every 100 ms until then, as the pipeline does."""
    for moment in (*range(since, now, 100), now):
        memory.tick(moment)
    return note(memory, TAKEN, now=now)


def test_the_figures_are_those_of_the_promises() -> None:
    assert (PERIOD_MS, SAME_BODY_MS) == (30_000, 500)


def test_the_same_body_half_a_second_later_is_no_repetition() -> None:
    memory = Repeats()
    assert [note(memory, SAID, now=now, body=b"1") for now in (0, 499, 999, 1_499)] == [
        False,
        True,
        False,
        False,
    ]

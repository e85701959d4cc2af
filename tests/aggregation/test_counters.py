"""Sums are the same whatever happens between a count and its snapshot."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aggregation import counters as module
from exporter.aggregation.cells import Activity, WindowKind
from exporter.aggregation.counters import Counters
from exporter.aggregation.increments import (
    Added,
    Closed,
    Increment,
    Step,
    decode_increment,
    encode_increment,
)
from exporter.clock import ManualClock
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.facts.counting import Count, Series
from exporter.events.facts.guilds import ShardStateChanged
from exporter.events.messages import EDITS, MESSAGES
from exporter.events.reactions import REACTIONS
from exporter.state.shard_timeline import ShardTimeline
from tests.emitted import discard

CATALOGUE = full_catalogue()
MINUTE = 60_000
BASE = 1_700_000_100_000
SLOTS = [MESSAGES["human"], MESSAGES["bot"], REACTIONS["normal"], EDITS.series]
Sums = Counter[tuple[Any, ...]]


def make(
    parents: dict[int, int] | None = None,
    *,
    channels: bool = False,
    kinds: list[WindowKind] | None = None,
    catalogue: Catalogue = CATALOGUE,
    timeline: ShardTimeline | None = None,
    limit: int | None = None,
) -> Counters:
    if kinds is None:
        kinds = [WindowKind("short", MINUTE), WindowKind("long", 5 * MINUTE)]
    timeline = timeline or ShardTimeline(discard, ManualClock(BASE))
    counters = Counters(discard, catalogue, kinds, parents or {}, timeline, channels=channels)
    counters.limit = limit
    return counters


def tally(sums: Sums, guild_id: int, activity: Activity) -> None:
    for cell, amount in activity.cells.items():
        sums[(guild_id, *cell)] += amount


def still_open(kind: WindowKind) -> Sums:
    sums: Sums = Counter()
    for window in kind.windows.values():
        for guild_id, activity in window.items():
            tally(sums, guild_id, activity)
    return sums


COUNTS = st.builds(
    Count,
    series=st.sampled_from(SLOTS),
    guild_id=st.integers(1, 3),
    at=st.integers(BASE - 10 * MINUTE, BASE + 2 * MINUTE),
    channel_id=st.integers(0, 2),
    user_id=st.integers(0, 3),
    emoji=st.sampled_from(["", "🔥"]),
    amount=st.integers(1, 10**6),
)
ACTIONS = st.lists(
    st.one_of(COUNTS, st.sampled_from(["fold", "save", "refuse", "close", "close refused", "kill"])),
    max_size=60,
)


class History:
    """Counters, the increments on the disk, and what has left in snapshots."""

    def __init__(self) -> None:
        self.counters = make()
        self.increments: list[bytes] = []
        self.closed: dict[str, Sums] = {"short": Counter(), "long": Counter()}
        self.sure: Sums = Counter()
        self.unsaved: Sums = Counter()

    def play(self, action: Count | str) -> None:
        if isinstance(action, Count):
            self.counters.add(action)
            cell = (action.guild_id, action.series, action.channel_id, action.user_id, action.emoji)
            self.unsaved[cell] += action.amount
        elif action == "fold":
            self.counters.fold()
        elif action in {"save", "refuse"}:
            self.save(refused=action == "refuse")
        elif action == "kill":
            self.kill()
        else:
            for kind in self.counters.windows.kinds:
                for start in sorted(kind.windows):
                    self.close(kind, start, refused="refused" in action)

    def save(self, *, refused: bool = False) -> None:
        self.counters.fold()
        unsaved = self.counters.take_unsaved()
        if refused:
            self.counters.merge_unsaved(unsaved)
        else:
            self.commit([*unsaved.steps()])

    def close(self, kind: WindowKind, start: int, *, refused: bool) -> None:
        self.counters.fold()
        guild_ids = list(kind.windows.get(start, ()))[:2]
        closed = self.counters.windows.close(kind, start, guild_ids)
        unsaved = self.counters.take_unsaved()
        if refused:
            self.counters.add(Count(SLOTS[0], 1, start, amount=1))
            self.unsaved[1, SLOTS[0], 0, 0, ""] += 1
            self.counters.fold()
            self.counters.merge_unsaved(unsaved)
            self.counters.windows.reopen(kind, start, closed)
            return
        self.commit([*unsaved.steps(), Closed(kind.name, start, guild_ids)])
        for guild_id, activity in closed:
            tally(self.closed[kind.name], guild_id, activity)

    def commit(self, steps: list[Step]) -> None:
        self.increments.append(encode_increment(Increment(steps, self.counters.lengths())))
        self.sure += self.unsaved
        self.unsaved.clear()

    def kill(self) -> None:
        self.unsaved.clear()
        self.counters = make()
        for body in self.increments:
            self.counters.replay(decode_increment(body).steps)

    def counted(self, kind: WindowKind) -> Sums:
        return self.closed[kind.name] + still_open(kind)


@given(ACTIONS)
def test_what_left_and_what_is_open_is_what_was_counted(actions: list[Count | str]) -> None:
    history = History()
    for action in actions:
        history.play(action)
        cells = sum(
            len(activity.cells)
            for kind in history.counters.windows.kinds
            for window in kind.windows.values()
            for activity in window.values()
        )
        assert history.counters.windows.cells == cells
    history.counters.fold()
    for kind in history.counters.windows.kinds:
        assert history.counted(kind) == history.sure + history.unsaved


@given(ACTIONS)
def test_a_crash_loses_what_was_not_saved_and_nothing_else(actions: list[Count | str]) -> None:
    history = History()
    for action in actions:
        history.play(action)
    history.kill()
    for kind in history.counters.windows.kinds:
        assert history.counted(kind) == history.sure


@given(st.lists(COUNTS, max_size=40))
def test_totals_are_the_sums_by_guild_and_by_channel(counts: list[Count]) -> None:
    counters = make(channels=True)
    for count in counts:
        counters.add(count)
    counters.fold()
    guilds: Counter[tuple[Series, int]] = Counter()
    channels: Counter[tuple[str, int, int]] = Counter()
    for count in counts:
        guilds[count.series, count.guild_id] += count.amount
        if count.channel_id:
            channels[count.series.measure, count.guild_id, count.channel_id] += count.amount
    assert {
        (series, guild): total
        for series, totals in counters.totals.by_guild.items()
        for guild, total in totals.items()
    } == guilds
    assert {
        (measure, guild, channel): total
        for measure, places in counters.totals.by_channel.items()
        for guild, totals in places.items()
        for channel, total in totals.items()
    } == channels


@given(st.lists(COUNTS, max_size=40), st.integers(1, 40))
def test_what_is_unsaved_says_the_same_in_one_step_however_often_it_was_folded(
    counts: list[Count], every: int
) -> None:
    counters = make()
    for index, count in enumerate(counts):
        counters.add(count)
        if index % every == 0:
            counters.fold()
    counters.fold()
    restored = make()
    restored.replay(counters.take_unsaved().steps())
    for left, right in zip(counters.windows.kinds, restored.windows.kinds, strict=True):
        assert still_open(left) == still_open(right)


def test_a_disk_that_refuses_for_long_does_not_fill_memory_with_amounts() -> None:
    counters = make()
    for _ in range(100):
        counters.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
        counters.fold()
        counters.merge_unsaved(counters.take_unsaved())
    (step,) = counters.take_unsaved().steps()
    assert [cell[-1] for cell in step.cells] == [100]


def test_counters_beyond_the_limit_are_shed_and_those_held_go_on() -> None:
    counters = make(limit=20)
    for user in range(1, 31):
        counters.add(Count(MESSAGES["human"], 1, BASE, 2, user))
        counters.fold()
    assert counters.windows.cells == 20, "ten in each kind of window"
    assert counters.take_shed() == 20
    assert counters.take_shed() == 0
    for user in range(1, 31):
        counters.add(Count(MESSAGES["human"], 1, BASE, 2, user))
    counters.fold()
    assert counters.windows.cells == 20
    assert counters.take_shed() == 20
    assert sum(still_open(counters.windows.kinds[0]).values()) == 20
    assert counters.totals.by_guild[MESSAGES["human"]] == {1: 60}, "the running totals have everything"
    assert sum(cell[-1] for step in counters.take_unsaved().steps() for cell in step.cells) == 20


@given(st.lists(COUNTS, max_size=60), st.integers(2, 40))
def test_what_is_kept_and_what_is_shed_is_what_was_counted(counts: list[Count], limit: int) -> None:
    counters = make(limit=limit, kinds=[WindowKind("short", MINUTE)])
    for count in counts:
        counters.add(msgspec.structs.replace(count, amount=1))
        counters.fold()
    assert counters.windows.cells <= limit
    kept = sum(still_open(counters.windows.kinds[0]).values())
    assert kept + counters.take_shed() == len(counts)
    assert sum(cell[-1] for step in counters.take_unsaved().steps() for cell in step.cells) == kept


def test_of_a_counter_that_is_shed_each_occurrence_is_counted() -> None:
    counters = make(limit=2)
    counters.add(Count(MESSAGES["human"], 1, BASE, 2, 1))
    counters.fold()
    for _ in range(5):
        counters.add(Count(MESSAGES["human"], 1, BASE, 2, 2))
    counters.fold()
    assert counters.take_shed() == 5


def test_of_members_whose_counts_are_shed_nothing_is_kept() -> None:
    counters = make(limit=20)
    for user in range(1, 1001):
        counters.add(Count(MESSAGES["human"], 1, BASE, 2, user))
        counters.fold()
    (activity,) = (
        activity for window in counters.windows.kinds[0].windows.values() for activity in window.values()
    )
    assert len(activity.seen) == 10
    assert len(counters.take_unsaved().seen) == 10


@pytest.mark.parametrize("length", [0, -60_000])
def test_an_increment_with_windows_of_no_length_is_refused(length: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_increment(encode_increment(Increment([], {"short": length})))


def test_an_increment_comes_back_from_its_bytes() -> None:
    increment = Increment(
        [
            Added([(BASE, "messages", "human", 2**63 - 1, 2, 3, "👩‍💻", 4)], [(1, 2, 3, 4)]),
            Closed("short", 1, [2]),
        ],
        {"short": MINUTE},
    )
    assert decode_increment(encode_increment(increment)) == increment


def test_an_occurrence_from_before_the_session_is_not_counted_again() -> None:
    timeline = ShardTimeline(discard, ManualClock(BASE))
    timeline.take(ShardStateChanged(0, "identifying"))
    counters = make(timeline=timeline)
    for number, at in enumerate((BASE - 1, BASE)):
        counters.add(Count(EDITS.series, 1, at, dedup_key=(number, at)))
        counters.add(Count(MESSAGES["human"], 1, at, 2, 3))
    counters.fold()
    assert counters.totals.by_guild[EDITS.series] == {1: 1}
    assert counters.totals.by_guild[MESSAGES["human"]] == {1: 2}


def test_a_repeated_occurrence_counts_once() -> None:
    counters = make()
    for _ in range(3):
        counters.add(Count(EDITS.series, 1, BASE, dedup_key=(7, 8)))
        counters.fold()
    counters.add(Count(EDITS.series, 1, BASE, dedup_key=(7, 9)))
    counters.fold()
    assert counters.totals.by_guild[EDITS.series] == {1: 2}


def test_the_memory_of_occurrences_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPEATS", 3)
    counters = make()
    for number in (1, 2, 3, 4, 4, 3, 2, 1):
        counters.add(Count(EDITS.series, 1, BASE, dedup_key=(number, 0)))
    counters.fold()
    assert len(counters._repeats) == 3
    assert counters.totals.by_guild[EDITS.series] == {1: 5}


def test_a_thread_s_activity_is_its_parent_s() -> None:
    counters = make({500: 5})
    counters.add(Count(MESSAGES["human"], 1, BASE, 500, 3))
    counters.add(Count(MESSAGES["human"], 1, BASE, 5, 3))
    counters.fold()
    (activity,) = (a for w in counters.windows.kinds[0].windows.values() for a in w.values())
    assert activity.cells == {(MESSAGES["human"], 5, 3, ""): 2}


def test_what_is_switched_off_is_not_counted() -> None:
    counters = make(catalogue=CATALOGUE.switched({"MESSAGE_CREATE": False}), channels=True)
    counters.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
    counters.fold()
    assert not counters.windows.kinds[0].windows
    assert not counters.take_unsaved()


def test_first_and_last_activity_do_not_depend_on_the_order_of_arrival() -> None:
    counters = make()
    for at in (BASE + 30, BASE + 10, BASE + 50, BASE + 20):
        counters.add(Count(MESSAGES["human"], 1, at, 2, 3))
    counters.fold()
    (activity,) = (a for w in counters.windows.kinds[0].windows.values() for a in w.values())
    assert activity.seen == {3: (BASE + 10, BASE + 50)}


def test_activity_on_both_sides_of_an_edge_is_seen_on_both() -> None:
    counters = make()
    edge = BASE - BASE % MINUTE + MINUTE
    for at in (edge - 5, edge + 5):
        counters.add(Count(MESSAGES["human"], 1, at, 2, 3))
    counters.fold()
    seen = {start: window[1].seen for start, window in counters.windows.kinds[0].windows.items()}
    assert seen == {edge - MINUTE: {3: (edge - 5, edge - 5)}, edge: {3: (edge + 5, edge + 5)}}


def test_a_step_of_an_unknown_measure_is_left_out() -> None:
    counters = make()
    counters.replay([Added([(BASE, "gone", "", 1, 0, 0, "", 5)], []), Closed("gone too", BASE, [1])])
    assert not counters.windows.open()


def test_without_snapshots_totals_are_kept_and_nothing_else() -> None:
    counters = make(kinds=[])
    counters.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
    counters.fold()
    assert counters.totals.by_guild[MESSAGES["human"]] == {1: 1}
    assert not counters.take_unsaved()
    assert counters.windows.cells == 0

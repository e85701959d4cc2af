"""Sums are the same whatever happens between a count and its snapshot."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from exporter.aggregation.aggregate import Aggregate
from hypothesis import given
from hypothesis import strategies as st

from exporter.aggregation import aggregate as module
from exporter.aggregation.cells import Activity, WindowKind
from exporter.events.catalogue import full_catalogue
from exporter.events.facts import Count, Series
from exporter.events.messages import EDITS, MESSAGES
from exporter.events.reactions import REACTIONS
from exporter.tracking.previous_journal import (
    Added,
    Closed,
    Part,
    SavedSession,
    SavedVoice,
    Step,
    decode_part,
    encode_part,
    merge,
)

CATALOGUE = full_catalogue()
MINUTE = 60_000
BASE = 1_700_000_100_000
SLOTS = [MESSAGES["human"], MESSAGES["bot"], REACTIONS["normal"], EDITS.series]
Sums = Counter[tuple[Any, ...]]


def make(parents: dict[int, int] | None = None, *, channels: bool = False) -> Aggregate:
    kinds = [WindowKind("short", MINUTE), WindowKind("long", 5 * MINUTE)]
    return Aggregate(CATALOGUE, kinds, parents or {}, channels=channels)


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
    """An aggregate, a journal that keeps everything, and what has left in snapshots."""

    def __init__(self) -> None:
        self.aggregate = make()
        self.journal: list[bytes] = []
        self.closed: dict[str, Sums] = {"short": Counter(), "long": Counter()}
        self.sure: Sums = Counter()
        self.unsaved: Sums = Counter()

    def play(self, action: Count | str) -> None:
        if isinstance(action, Count):
            self.aggregate.add(action)
            cell = (action.guild_id, action.series, action.channel_id, action.user_id, action.emoji)
            self.unsaved[cell] += action.amount
        elif action == "fold":
            self.aggregate.fold()
        elif action in {"save", "refuse"}:
            self.save(refused=action == "refuse")
        elif action == "kill":
            self.kill()
        else:
            for kind in self.aggregate.kinds:
                for start in sorted(kind.windows):
                    self.close(kind, start, refused="refused" in action)

    def save(self, *, refused: bool = False) -> None:
        self.aggregate.fold()
        steps = self.aggregate.take_steps()
        if refused:
            self.aggregate.put_back(steps)
        else:
            self.commit(steps)

    def close(self, kind: WindowKind, start: int, *, refused: bool) -> None:
        self.aggregate.fold()
        guild_ids = list(kind.windows.get(start, ()))[:2]
        closed = self.aggregate.close(kind, start, guild_ids)
        steps = self.aggregate.take_steps()
        if refused:
            self.aggregate.add(Count(SLOTS[0], 1, start, amount=1))
            self.unsaved[1, SLOTS[0], 0, 0, ""] += 1
            self.aggregate.fold()
            self.aggregate.put_back(steps)
            self.aggregate.reopen(kind, start, closed)
            return
        self.commit([*steps, Closed(kind.name, start, guild_ids)])
        for guild_id, activity in closed:
            tally(self.closed[kind.name], guild_id, activity)

    def commit(self, steps: list[Step]) -> None:
        self.journal.append(encode_part(Part(steps, SavedVoice(), self.aggregate.lengths())))
        self.sure += self.unsaved
        self.unsaved.clear()

    def kill(self) -> None:
        self.unsaved.clear()
        self.aggregate = make()
        for body in self.journal:
            self.aggregate.replay(decode_part(body).steps)

    def told(self, kind: WindowKind) -> Sums:
        return self.closed[kind.name] + still_open(kind)


@given(ACTIONS)
def test_what_left_and_what_is_open_is_what_was_counted(actions: list[Count | str]) -> None:
    history = History()
    for action in actions:
        history.play(action)
        cells = sum(
            len(activity.cells)
            for kind in history.aggregate.kinds
            for window in kind.windows.values()
            for activity in window.values()
        )
        assert history.aggregate.cell_count() == cells
    history.aggregate.fold()
    for kind in history.aggregate.kinds:
        assert history.told(kind) == history.sure + history.unsaved


@given(ACTIONS)
def test_a_crash_loses_what_was_not_saved_and_nothing_else(actions: list[Count | str]) -> None:
    history = History()
    for action in actions:
        history.play(action)
    history.kill()
    for kind in history.aggregate.kinds:
        assert history.told(kind) == history.sure


@given(st.lists(COUNTS, max_size=40))
def test_totals_are_the_sums_by_guild_and_by_channel(counts: list[Count]) -> None:
    aggregate = make(channels=True)
    for count in counts:
        aggregate.add(count)
    aggregate.fold()
    guilds: Counter[tuple[Series, int]] = Counter()
    channels: Counter[tuple[str, int, int]] = Counter()
    for count in counts:
        guilds[count.series, count.guild_id] += count.amount
        if count.channel_id:
            channels[count.series.measure, count.guild_id, count.channel_id] += count.amount
    assert {
        (series, guild): total
        for series, totals in aggregate.totals.items()
        for guild, total in totals.items()
    } == guilds
    assert {
        (measure, guild, channel): total
        for measure, places in aggregate.channel_totals.items()
        for guild, totals in places.items()
        for channel, total in totals.items()
    } == channels


@given(st.lists(COUNTS, max_size=40), st.integers(1, 40))
def test_merged_steps_say_the_same_in_fewer(counts: list[Count], every: int) -> None:
    aggregate = make()
    for index, count in enumerate(counts):
        aggregate.add(count)
        if index % every == 0:
            aggregate.fold()
    aggregate.fold()
    steps = aggregate.take_steps()
    plain, merged = make(), make()
    plain.replay(steps)
    merged.replay(merge(steps))
    assert len(merge(steps)) <= 1
    for left, right in zip(plain.kinds, merged.kinds, strict=True):
        assert still_open(left) == still_open(right)


def test_merging_goes_over_no_closing() -> None:
    added = Added([(BASE, "messages", "human", 1, 0, 0, "", 1)], [(1, 2, BASE + 5, BASE + 6)])
    closed = Closed("short", BASE, [1])
    assert [type(step) for step in merge([added, added, closed, added])] == [Added, Closed, Added]
    assert merge([added, added])[0].cells[0][-1] == 2  # type: ignore[union-attr]  # two of the same kind


def test_a_disk_that_refuses_for_long_does_not_fill_memory_with_steps() -> None:
    aggregate = make()
    for _ in range(100):
        aggregate.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
        aggregate.fold()
        aggregate.put_back(aggregate.take_steps())
    (step,) = aggregate.take_steps()
    assert isinstance(step, Added)
    assert [cell[-1] for cell in step.cells] == [100]


def test_a_part_comes_back_from_its_bytes() -> None:
    part = Part(
        [
            Added([(BASE, "messages", "human", 2**63 - 1, 2, 3, "👩‍💻", 4)], [(1, 2, 3, 4)]),
            Closed("short", 1, [2]),
        ],
        SavedVoice(7, 6, {1: [SavedSession(2, 3, 4, 5, 6, running=True, flags=9, session=8)]}),
        {"short": MINUTE},
    )
    assert decode_part(encode_part(part)) == part


def test_an_occurrence_from_before_the_session_is_not_counted_again() -> None:
    aggregate = Aggregate(
        CATALOGUE,
        [WindowKind("k", MINUTE)],
        {},
        channels=False,
        predates=lambda guild_id, at: (guild_id, at) < (1, BASE),
    )
    for number, at in enumerate((BASE - 1, BASE)):
        aggregate.add(Count(EDITS.series, 1, at, dedup_key=(number, at)))
        aggregate.add(Count(MESSAGES["human"], 1, at, 2, 3))
    aggregate.fold()
    assert aggregate.totals[EDITS.series] == {1: 1}
    assert aggregate.totals[MESSAGES["human"]] == {1: 2}


def test_a_repeated_occurrence_counts_once() -> None:
    aggregate = make()
    for _ in range(3):
        aggregate.add(Count(EDITS.series, 1, BASE, dedup_key=(7, 8)))
        aggregate.fold()
    aggregate.add(Count(EDITS.series, 1, BASE, dedup_key=(7, 9)))
    aggregate.fold()
    assert aggregate.totals[EDITS.series] == {1: 2}


def test_the_memory_of_occurrences_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ONCE", 3)
    aggregate = make()
    for number in (1, 2, 3, 4, 4, 3, 2, 1):
        aggregate.add(Count(EDITS.series, 1, BASE, dedup_key=(number, 0)))
    aggregate.fold()
    assert len(aggregate._once) == 3
    assert aggregate.totals[EDITS.series] == {1: 5}


def test_a_thread_s_activity_is_its_parent_s() -> None:
    aggregate = make({500: 5})
    aggregate.add(Count(MESSAGES["human"], 1, BASE, 500, 3))
    aggregate.add(Count(MESSAGES["human"], 1, BASE, 5, 3))
    aggregate.fold()
    (activity,) = (a for w in aggregate.kinds[0].windows.values() for a in w.values())
    assert activity.cells == {(MESSAGES["human"], 5, 3, ""): 2}


def test_what_is_switched_off_is_not_counted() -> None:
    aggregate = Aggregate(
        CATALOGUE.switched({"MESSAGE_CREATE": False}), [WindowKind("k", MINUTE)], {}, channels=True
    )
    aggregate.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
    aggregate.fold()
    assert not aggregate.kinds[0].windows
    assert not aggregate.take_steps()


def test_first_and_last_activity_do_not_depend_on_the_order_of_arrival() -> None:
    aggregate = make()
    for at in (BASE + 30, BASE + 10, BASE + 50, BASE + 20):
        aggregate.add(Count(MESSAGES["human"], 1, at, 2, 3))
    aggregate.fold()
    (activity,) = (a for w in aggregate.kinds[0].windows.values() for a in w.values())
    assert activity.seen == {3: (BASE + 10, BASE + 50)}


def test_activity_on_both_sides_of_an_edge_is_seen_on_both() -> None:
    aggregate = make()
    edge = BASE - BASE % MINUTE + MINUTE
    for at in (edge - 5, edge + 5):
        aggregate.add(Count(MESSAGES["human"], 1, at, 2, 3))
    aggregate.fold()
    seen = {start: window[1].seen for start, window in aggregate.kinds[0].windows.items()}
    assert seen == {edge - MINUTE: {3: (edge - 5, edge - 5)}, edge: {3: (edge + 5, edge + 5)}}


def test_a_step_of_an_unknown_measure_is_left_out() -> None:
    aggregate = make()
    aggregate.replay([Added([(BASE, "gone", "", 1, 0, 0, "", 5)], []), Closed("gone too", BASE, [1])])
    assert not aggregate.open_windows()


def test_without_snapshots_totals_are_kept_and_nothing_else() -> None:
    aggregate = Aggregate(CATALOGUE, [], {}, channels=False)
    aggregate.add(Count(MESSAGES["human"], 1, BASE, 2, 3))
    aggregate.fold()
    assert aggregate.totals[MESSAGES["human"]] == {1: 1}
    assert not aggregate.take_steps()
    assert aggregate.cell_count() == 0

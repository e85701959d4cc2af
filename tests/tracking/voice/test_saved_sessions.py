"""Sessions as they are saved: each commit says little, the rows together everything."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count
from exporter.events.facts.guilds import VoiceState
from exporter.events.voice import SECONDS, SESSION_TIME
from exporter.spool.ports import StateRow
from exporter.state.voice_states import VoiceStates
from exporter.tracking.voice.saved_sessions import SAVED_AT_ONCE, SavedGuildVoice, SavedSession
from exporter.tracking.voice.time_accumulator import MAX_GAP_MS
from exporter.tracking.voice.tracker import VoiceTracker
from tests.emitted import discard

WINDOW = 60_000

Rows = dict[tuple[str, bytes], bytes]
"""The rows on the disk."""


class _Timeline:
    def __init__(self, silent: set[int]) -> None:
        self._silent = silent

    def is_silent(self, guild_id: int) -> bool:
        return guild_id in self._silent


class Process:
    """One process: its tracker, what it settled, and the rows that are on the disk."""

    def __init__(self, clock: ManualClock, rows: Rows, opted_out: frozenset[int] = frozenset()) -> None:
        self.clock = clock
        self.rows = rows
        self.counts: list[Count] = []
        self.silent: set[int] = set()
        self.tracker = VoiceTracker(self._take, _Timeline(self.silent), VoiceStates(discard), clock, WINDOW)  # type: ignore[arg-type]  # a port
        for guild_id in range(1, 100):
            self.tracker.time.set_afk_channel(guild_id, 99)
        self.tracker.restore(StateRow(table, key, value) for (table, key), value in rows.items())
        self.tracker.resume(0, 0)
        self.tracker.forget_people(opted_out)

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, Count):
            self.counts.append(fact)

    def state(self, guild: int, user: int, channel: int, **flags: Any) -> VoiceState:
        return VoiceState(guild, user, channel, self.clock.now_ms(), **flags)

    def speak(self, guild: int, user: int, channel: int, **flags: Any) -> None:
        self.tracker.sessions.apply(self.state(guild, user, channel, **flags))

    def save(self) -> dict[int, list[SavedSession]]:
        """Commit; returns the sessions of the guilds that were written, none for a row deleted."""
        written: dict[int, list[SavedSession]] = {}
        for row in self.tracker.save():
            if row.value is None:
                self.rows.pop((row.table, row.key), None)
            else:
                self.rows[row.table, row.key] = row.value
            if row.table == "voice/guilds":
                value = row.value and msgspec.msgpack.decode(row.value, type=SavedGuildVoice)
                written[msgspec.msgpack.decode(row.key)] = value.sessions if value else []
        self.tracker.confirm()
        return written

    def total(self) -> dict[tuple[int, str], int]:
        sums: dict[tuple[int, str], int] = {}
        for count in self.counts:
            if count.series.measure == SECONDS.name:
                key = (count.guild_id, count.series.value)
                sums[key] = sums.get(key, 0) + count.amount
        return sums


def kill(process: Process) -> Process:
    return Process(process.clock, process.rows)


def process() -> Process:
    return Process(ManualClock(), {})


def test_a_commit_writes_the_guilds_where_something_changed_only() -> None:
    before = process()
    for guild in range(1, 51):
        before.speak(guild, 7, 10)
    assert len(before.save()) == 50
    before.speak(3, 7, 10, self_mute=True)
    before.speak(4, 7, 0)
    saved = before.save()
    assert saved.keys() == {3, 4}
    assert saved[4] == []


def test_accruing_time_changes_nothing_that_is_saved() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(5)
    before.tracker.accrue_some(before.clock.now_ms())
    assert before.save() == {}


def test_what_was_refused_is_said_again() -> None:
    before = process()
    before.speak(1, 7, 10)
    list(before.tracker.save())
    before.tracker.merge_back()
    assert before.tracker.unsaved
    assert before.save().keys() == {1}


def test_who_left_meanwhile_is_closed_when_the_last_part_was_written() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(20)
    before.save()
    before.clock.advance(30)
    after = kill(before)
    after.tracker.sessions.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 20_000}
    (length,) = (count.amount for count in after.counts if count.series is SESSION_TIME.series)
    assert length == 20_000


def test_no_session_is_known_to_go_on_in_a_connections_silence() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(10)
    before.tracker.time.accrue_guilds(before.clock.now_ms(), (1,))
    before.silent.add(1)
    before.tracker._saved.advance((1,))
    before.clock.advance(10)
    before.save()
    before.clock.advance(30)
    before.save()
    after = kill(before)
    after.tracker.sessions.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 10_000}


def test_a_second_kill_before_the_guild_is_seen_adds_nothing() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.speak(2, 8, 10)
    before.clock.advance(10)
    before.save()
    between = kill(before)
    between.clock.advance(60)
    between.speak(2, 8, 0)
    between.save()
    between.clock.advance(60)
    between.save()
    after = kill(between)
    assert after.tracker.unsaved
    after.tracker.sessions.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 10_000}


def test_a_process_says_nothing_of_how_long_sessions_of_another_ran() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.clock.advance(10)
    before.save()
    between = kill(before)
    between.clock.advance(60)
    between.speak(2, 8, 10)
    between.save()
    after = kill(between)
    after.tracker.sessions.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 10_000}


def test_nothing_is_settled_of_a_session_in_doubt_before_the_guild_is_known_again() -> None:
    before = process()
    before.speak(1, 7, 99)
    before.clock.advance(10)
    before.save()
    after = kill(before)
    after.tracker.time.settle_guilds(after.clock.now_ms())
    assert after.total() == {}
    after.tracker.sessions.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "afk"): 10_000}


def test_who_stayed_is_counted_on_and_who_came_anew_is_not() -> None:
    before = process()
    for user in (7, 8, 9):
        before.speak(user, user, 10, session=1)
    before.save()
    before.clock.advance(10)
    after = kill(before)
    now = after.clock.now_ms()
    after.tracker.sessions.reconcile(7, [after.state(7, 7, 10, session=1)], now)
    after.tracker.sessions.reconcile(8, [after.state(8, 8, 10, session=2)], now)
    after.tracker.sessions.reconcile(9, [after.state(9, 9, 11, session=1)], now)
    after.clock.advance(5)
    after.tracker.time.settle_guilds(after.clock.now_ms())
    assert after.total() == {(7, "alone"): 15_000, (8, "alone"): 5_000, (9, "alone"): 5_000}


def test_a_gap_beyond_the_limit_is_not_counted_on() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    after = kill(before)
    after.clock.advance(MAX_GAP_MS / 1000 + 1)
    after.tracker.sessions.reconcile(1, [after.state(1, 7, 10)], after.clock.now_ms())
    assert after.total() == {}


def test_flags_are_the_same_after_a_restart() -> None:
    before = process()
    flags = {"self_mute": True, "deaf": True, "video": True, "session": 12}
    before.speak(1, 7, 10, **flags)
    before.save()
    restored = kill(before).tracker.guilds[1].sessions[7]
    assert restored.state == before.state(1, 7, 10, **flags)
    assert not restored.confirmed


def test_the_opted_out_are_left_out_and_soon_forgotten() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.speak(1, 8, 10)
    before.save()
    after = Process(before.clock, before.rows, frozenset({7}))
    assert list(after.tracker.guilds[1].sessions) == [8]
    assert [each.user_id for each in after.save()[1]] == [8]


def test_a_loss_of_all_connections_is_saved_part_by_part() -> None:
    before = process()
    for guild in range(1, 3 * SAVED_AT_ONCE + 1):
        before.speak(guild, 7, 10)
    before.save()
    before.tracker.doubt(range(1, 3 * SAVED_AT_ONCE + 1))
    assert [len(before.save()) for _ in range(4)] == [SAVED_AT_ONCE, SAVED_AT_ONCE, SAVED_AT_ONCE, 0]


MOVES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([0, 10, 11]), st.integers(0, 90_000)),
    max_size=30,
)


@given(MOVES, st.sets(st.integers(0, 29)))
def test_the_rows_come_to_all_sessions_whenever_they_were_saved(
    moves: list[tuple[int, int, int, int]], saves: set[int]
) -> None:
    before = process()
    for number, (guild, user, channel, pause) in enumerate(moves):
        before.clock.advance(pause / 1000)
        before.speak(guild, user, channel)
        if number in saves:
            before.tracker.time.settle_guilds(before.clock.now_ms())
            before.save()
    before.tracker.time.settle_guilds(before.clock.now_ms())
    before.save()
    after = kill(before)
    assert {
        (guild_id, user_id, session.state.channel_id, session.since, session.settled_until)
        for guild_id, guild in after.tracker.guilds.items()
        for user_id, session in guild.sessions.items()
    } == {
        (guild_id, user_id, session.state.channel_id, session.since, session.settled_until)
        for guild_id, guild in before.tracker.guilds.items()
        for user_id, session in guild.sessions.items()
    }
    assert after.tracker.sessions.number == before.tracker.sessions.number

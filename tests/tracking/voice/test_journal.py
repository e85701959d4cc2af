"""Sessions as the journal keeps them: each part says little, all of them together everything."""

from __future__ import annotations

from typing import Any

from exporter.tracking.voice.journal import PORTION, VoiceJournal
from exporter.tracking.voice.ledger import VoiceLedger
from exporter.tracking.voice.time import MAX_GAP_MS
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.events.facts import Count, VoiceState
from exporter.events.voice import SECONDS, SESSION_TIME
from exporter.tracking.previous_journal import Part, SavedVoice, decode_part, encode_part

WINDOW = 60_000


class Process:
    """One process: its ledger, what it booked, and the parts that are on disk."""

    def __init__(self, clock: ManualClock, parts: dict[int, SavedVoice]) -> None:
        self.clock = clock
        self.parts = parts
        self.booked: list[Count] = []
        self.silent: set[int] = set()
        self.ledger = VoiceLedger(
            self.booked.append, lambda *_: None, WINDOW, lambda _guild: 99, self.silent.__contains__
        )
        self.journal = VoiceJournal(self.ledger, clock)
        for number, saved in parts.items():
            self.journal.replay(saved)
            self.journal.keep(number, saved)
        self.journal.resume()

    def state(self, guild: int, user: int, channel: int, **flags: Any) -> VoiceState:
        return VoiceState(guild, user, channel, self.clock.now_ms(), **flags)

    def speak(self, guild: int, user: int, channel: int, **flags: Any) -> None:
        self.ledger.apply(self.state(guild, user, channel, **flags))

    def save(self, forget: int = 0) -> SavedVoice:
        """Commit a part, without so many of the oldest."""
        old = dict(list(self.parts.items())[:forget])
        stale = [self.journal.stale(number, saved.guilds) for number, saved in old.items()]
        saved = self.journal.take(stale)
        part = decode_part(encode_part(Part([], saved, {})))
        assert isinstance(part, Part)
        number = max(self.parts, default=0) + 1
        self.parts[number] = part.voice
        self.journal.keep(number, saved)
        for number in old:
            del self.parts[number]
        return saved

    def total(self) -> dict[tuple[int, str], int]:
        sums: dict[tuple[int, str], int] = {}
        for count in self.booked:
            if count.series.measure == SECONDS.name:
                key = (count.guild_id, count.series.value)
                sums[key] = sums.get(key, 0) + count.amount
        return sums


def kill(process: Process) -> Process:
    return Process(process.clock, process.parts)


def process() -> Process:
    return Process(ManualClock(), {})


def test_a_part_speaks_of_guilds_where_something_changed_only() -> None:
    before = process()
    for guild in range(1, 51):
        before.speak(guild, 7, 10)
    assert len(before.save().guilds) == 50
    before.speak(3, 7, 10, self_mute=True)
    before.speak(4, 7, 0)
    saved = before.save()
    assert saved.guilds.keys() == {3, 4}
    assert saved.guilds[4] == []


def test_showing_time_changes_nothing_that_is_saved() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(5)
    before.ledger.show_some(before.clock.now_ms())
    assert before.save().guilds == {}


def test_what_was_refused_is_said_again() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.journal.put_back(before.journal.take(()))
    assert before.journal.due
    assert before.save().guilds.keys() == {1}


def test_who_left_meanwhile_is_closed_when_the_last_part_was_written() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(20)
    before.save()
    before.clock.advance(30)
    after = kill(before)
    after.ledger.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 20_000}
    (length,) = (count.amount for count in after.booked if count.series is SESSION_TIME.series)
    assert length == 20_000


def test_nobody_is_known_to_go_on_in_a_connections_silence() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    before.clock.advance(10)
    before.ledger.show(before.clock.now_ms(), (1,))
    before.silent.add(1)
    before.ledger.touched[1] = None
    before.clock.advance(10)
    before.save()
    before.clock.advance(30)
    before.save()
    after = kill(before)
    after.ledger.reconcile(1, (), after.clock.now_ms())
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
    between.save(forget=1)
    between.clock.advance(60)
    between.save(forget=1)
    after = kill(between)
    assert after.journal.due
    after.ledger.reconcile(1, (), after.clock.now_ms())
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
    after.ledger.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "alone"): 10_000}


def test_nothing_is_booked_of_a_session_in_doubt_before_the_guild_is_known_again() -> None:
    before = process()
    before.speak(1, 7, 99)
    before.clock.advance(10)
    before.save()
    after = kill(before)
    after.ledger.book(after.clock.now_ms())
    assert after.total() == {}
    after.ledger.reconcile(1, (), after.clock.now_ms())
    assert after.total() == {(1, "afk"): 10_000}


def test_who_stayed_is_counted_on_and_who_came_anew_is_not() -> None:
    before = process()
    for user in (7, 8, 9):
        before.speak(user, user, 10, session=1)
    before.save()
    before.clock.advance(10)
    after = kill(before)
    now = after.clock.now_ms()
    after.ledger.reconcile(7, [after.state(7, 7, 10, session=1)], now)
    after.ledger.reconcile(8, [after.state(8, 8, 10, session=2)], now)
    after.ledger.reconcile(9, [after.state(9, 9, 11, session=1)], now)
    after.clock.advance(5)
    after.ledger.book(after.clock.now_ms())
    assert after.total() == {(7, "alone"): 15_000, (8, "alone"): 5_000, (9, "alone"): 5_000}


def test_a_gap_beyond_the_limit_is_not_counted_on() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.save()
    after = kill(before)
    after.clock.advance(MAX_GAP_MS / 1000 + 1)
    after.ledger.reconcile(1, [after.state(1, 7, 10)], after.clock.now_ms())
    assert after.total() == {}


def test_flags_are_the_same_after_a_restart() -> None:
    before = process()
    flags = {"self_mute": True, "deaf": True, "video": True, "session": 12}
    before.speak(1, 7, 10, **flags)
    before.save()
    restored = kill(before).ledger.guilds[1].sessions[7]
    assert restored.state == before.state(1, 7, 10, **flags)
    assert not restored.confirmed


def test_the_opted_out_are_left_out_and_soon_forgotten() -> None:
    before = process()
    before.speak(1, 7, 10)
    before.speak(1, 8, 10)
    before.save()
    after = Process(before.clock, {})
    for saved in before.parts.values():
        after.journal.replay(saved)
    after.journal.resume({7})
    assert list(after.ledger.guilds[1].sessions) == [8]
    assert [each.user_id for each in after.save().guilds[1]] == [8]


def test_a_loss_of_all_connections_is_told_part_by_part() -> None:
    before = process()
    for guild in range(1, 3 * PORTION + 1):
        before.speak(guild, 7, 10)
    before.save()
    before.ledger.doubt(range(1, 3 * PORTION + 1))
    assert [len(before.save().guilds) for _ in range(4)] == [PORTION, PORTION, PORTION, 0]


MOVES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([0, 10, 11]), st.integers(0, 90_000)),
    max_size=30,
)


@given(MOVES, st.integers(0, 2), st.sets(st.integers(0, 29)))
def test_parts_come_to_all_sessions_whichever_are_forgotten(
    moves: list[tuple[int, int, int, int]], kept: int, saves: set[int]
) -> None:
    before = process()
    for number, (guild, user, channel, pause) in enumerate(moves):
        before.clock.advance(pause / 1000)
        before.speak(guild, user, channel)
        if number in saves:
            before.ledger.book(before.clock.now_ms())
            before.save(forget=max(0, len(before.parts) - kept))
    before.ledger.book(before.clock.now_ms())
    before.save(forget=max(0, len(before.parts) - kept))
    after = kill(before)
    assert {
        (guild_id, user_id, session.state.channel_id, session.since, session.booked_until)
        for guild_id, guild in after.ledger.guilds.items()
        for user_id, session in guild.sessions.items()
    } == {
        (guild_id, user_id, session.state.channel_id, session.since, session.booked_until)
        for guild_id, guild in before.ledger.guilds.items()
        for user_id, session in guild.sessions.items()
    }
    assert after.ledger.open == before.ledger.open

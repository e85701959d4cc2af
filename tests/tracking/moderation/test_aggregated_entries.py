"""Entries that count on are read again when something happens that no count explains, and else seldom."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.audit import MEMBER_DISCONNECT, MEMBER_MOVE, MESSAGE_DELETE
from exporter.events.facts.moderation import AuditEntry, AuditPageRead
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.tracking.moderation import aggregated_entries
from exporter.tracking.moderation.aggregated_entries import (
    ACTIVE_MS,
    ANSWER_MS,
    LONGEST_PAUSE_MS,
    MAX_RECENT,
    PAUSE_MS,
    PURPOSE,
    RECENT_MS,
    SETTLE_MS,
    AggregatedEntries,
    AggregatedEntry,
)
from exporter.tracking.moderation.audit_matcher import SLACK_MS
from tests.scale import scaled
from tests.tracking.moderation.moderators import AT, GUILD, audit

CHANNEL = 30
LATER = 1 << 40
"""After everything that happens in a test."""


class Guild:
    """Groups of one process, and what they asked."""

    def __init__(self, blind: tuple[int, ...] = ()) -> None:
        self.asked: list[RestRequest] = []
        self.blind = set(blind)
        self.disk: dict[bytes, bytes] = {}
        self.unread: set[int] = set()
        self.groups = AggregatedEntries(self.asked.append, self.blind.__contains__, self.unread.__contains__)

    def enter(
        self, amount: int, number: int = 0, now: int = 0, *, recovered: bool = False, **more: Any
    ) -> AuditEntry:
        fields = {"channel_id": CHANNEL} | more
        entry = audit("message_delete", fields.pop("at", AT), number, amount=amount, **fields)
        self.groups.enter(entry, now, recovered=recovered)
        return entry

    def happen(self, times: int = 1, *, now: int = 0, channel: int = CHANNEL, at: int = AT) -> None:
        for _ in range(times):
            self.groups.happen(GUILD, MESSAGE_DELETE, channel, at, now)

    def look(self, now: int) -> int:
        """How many questions a moment brings."""
        before = len(self.asked)
        self.groups.submit_due(now)
        return len(self.asked) - before

    def saved(self) -> dict[tuple[int, int, int], AggregatedEntry]:
        """What is on the disk."""
        for _, key, value in self.groups.table.save("x"):
            if value is None:
                self.disk.pop(key, None)
            else:
                self.disk[key] = value
        self.groups.table.confirm()
        return {
            msgspec.msgpack.decode(key, type=tuple[int, int, int]): msgspec.msgpack.decode(
                value, type=AggregatedEntry
            )
            for key, value in self.disk.items()
        }

    def answer(self, *, meaning: AnswerMeaning = AnswerMeaning.ANSWERED) -> None:
        self.groups.answer(AuditPageRead(self.asked[-1], meaning), 0)


def test_a_question_asks_for_the_one_kind_since_the_oldest_entry_followed() -> None:
    guild = Guild()
    first, _ = guild.enter(0, 5), guild.enter(0, 9)
    guild.happen()
    guild.look(SETTLE_MS)
    assert guild.asked == [
        RestRequest(
            RequestKind.AUDIT_LOG,
            GUILD,
            urgent=True,
            purpose=PURPOSE,
            after=first.entry_id - 1,
            action_type=MESSAGE_DELETE,
        )
    ]


def test_one_go_of_deletions_is_one_question_after_it_has_settled() -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen(50)
    assert guild.look(SETTLE_MS - 1) == 0
    guild.happen(50, now=SETTLE_MS - 1)
    assert guild.look(SETTLE_MS) == 1
    assert guild.look(SETTLE_MS + 1) == 0


def test_what_the_count_of_an_entry_holds_is_not_asked_about() -> None:
    guild = Guild()
    guild.enter(3)
    guild.happen(3)
    assert guild.look(SETTLE_MS) == 0
    assert guild.groups.open(LATER) == 0
    guild.happen()
    assert guild.groups.open(LATER) == 1
    assert guild.look(SETTLE_MS) == 1


def test_a_flush_waits_for_no_count_that_may_have_risen_after_it_was_asked_for() -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen(now=5_000)
    assert (guild.groups.open(4_999), guild.groups.open(5_000)) == (0, 1)
    asked_at = 5_000 + SETTLE_MS
    assert guild.look(asked_at) == 1
    assert (guild.groups.open(asked_at - 1), guild.groups.open(asked_at)) == (0, 1)


def test_spare_counts_of_two_entries_of_one_channel_are_used_up_together() -> None:
    guild = Guild()
    guild.enter(2, 1)
    guild.enter(2, 2)
    guild.happen(4)
    assert guild.look(SETTLE_MS) == 0
    guild.happen()
    assert guild.look(SETTLE_MS) == 1


def test_what_happens_in_a_channel_without_entry_asks_nothing() -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen(9, channel=CHANNEL + 1)
    assert guild.look(SETTLE_MS) == 0


@pytest.mark.parametrize(("early", "asks"), [(SLACK_MS, 1), (SLACK_MS + 1, 0)])
def test_what_happened_before_an_entry_counts_to_it_within_a_clock_s_error(early: int, asks: int) -> None:
    guild = Guild()
    guild.happen(2, at=AT - early)
    guild.enter(1)
    assert guild.look(SETTLE_MS) == asks


def test_what_happened_long_ago_is_not_held_against_an_entry() -> None:
    guild = Guild()
    guild.happen(2)
    guild.look(RECENT_MS)
    guild.enter(1, now=RECENT_MS)
    assert guild.look(RECENT_MS + SETTLE_MS) == 0


def test_an_entry_of_a_kind_that_does_not_count_on_is_not_followed() -> None:
    guild = Guild()
    guild.groups.enter(audit("kick", amount=4), 0)
    assert guild.saved() == {}


@pytest.mark.parametrize("kind", [MEMBER_MOVE, MEMBER_DISCONNECT])
def test_kinds_are_kept_apart(kind: int) -> None:
    guild = Guild()
    guild.enter(0)
    guild.groups.happen(GUILD, kind, CHANNEL, AT, 0)
    assert guild.look(SETTLE_MS) == 0


def test_while_nothing_is_found_questions_become_rarer_up_to_a_bound() -> None:
    guild = Guild()
    guild.enter(0)
    pauses, now, asked_at = [], 0, 0
    for _ in range(7):
        guild.happen(now=now)
        while not guild.look(now):
            now += 100
        pauses.append(now - asked_at)
        asked_at = now
        guild.answer()
    assert pauses[0] == SETTLE_MS
    assert pauses[1:] == sorted(pauses[1:])
    assert pauses[-1] == LONGEST_PAUSE_MS
    assert pauses[1] >= PAUSE_MS


def test_once_something_is_found_questions_are_frequent_again() -> None:
    guild = Guild()
    guild.enter(1)
    guild.happen(2)
    guild.look(SETTLE_MS)
    guild.answer(meaning=AnswerMeaning.TROUBLE)
    guild.look(SETTLE_MS + LONGEST_PAUSE_MS)
    again = SETTLE_MS + LONGEST_PAUSE_MS
    guild.enter(2, now=again)
    guild.answer()
    guild.happen(now=again)
    assert guild.look(again + PAUSE_MS - 1) == 0
    assert guild.look(again + PAUSE_MS) == 1


@pytest.mark.parametrize("meaning", [AnswerMeaning.TROUBLE, AnswerMeaning.REFUSED])
def test_a_question_not_answered_rightly_is_put_again_after_the_longest_pause(
    meaning: AnswerMeaning,
) -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen()
    guild.look(SETTLE_MS)
    guild.answer(meaning=meaning)
    assert guild.groups.open(LATER) == 1
    assert guild.look(SETTLE_MS + LONGEST_PAUSE_MS - 1) == 0
    assert guild.look(SETTLE_MS + LONGEST_PAUSE_MS) == 1


def test_an_answer_that_never_comes_is_waited_for_so_long_and_then_no_more() -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen()
    guild.look(SETTLE_MS)
    guild.happen(now=SETTLE_MS)
    assert guild.look(SETTLE_MS + ANSWER_MS - 1) == 0
    assert guild.look(SETTLE_MS + ANSWER_MS) == 1


def test_where_the_log_may_not_be_read_nothing_is_asked_nor_open() -> None:
    guild = Guild(blind=(GUILD,))
    guild.enter(0)
    guild.happen()
    assert (guild.look(SETTLE_MS), guild.groups.open(LATER)) == (0, 0)
    guild.blind.clear()
    assert guild.groups.open(LATER) == 1


def test_an_entry_is_followed_as_long_as_discord_may_raise_it() -> None:
    guild = Guild()
    guild.enter(0)
    guild.look(ACTIVE_MS - 1)
    assert len(guild.saved()) == 1
    guild.look(ACTIVE_MS)
    guild.happen(now=ACTIVE_MS)
    assert guild.look(ACTIVE_MS + SETTLE_MS) == 0
    assert guild.saved() == {}


def test_an_answer_without_a_request_changes_nothing() -> None:
    guild = Guild()
    request = RestRequest(RequestKind.AUDIT_LOG, GUILD, purpose=PURPOSE, action_type=MESSAGE_DELETE)
    guild.groups.answer(AuditPageRead(request, AnswerMeaning.ANSWERED), 0)
    assert guild.groups.open(LATER) == 0


def test_a_guild_that_is_gone_is_asked_no_more_and_others_are() -> None:
    guild = Guild()
    guild.enter(0)
    guild.happen()
    other = audit("message_delete", amount=0, channel_id=CHANNEL)
    guild.groups.enter(msgspec.structs.replace(other, guild_id=GUILD + 1), 0)
    guild.groups.happen(GUILD + 1, MESSAGE_DELETE, CHANNEL, AT, 0)
    guild.groups.forget_guild(GUILD)
    guild.look(SETTLE_MS)
    assert [request.guild_id for request in guild.asked] == [GUILD + 1]


def test_a_restart_keeps_what_is_followed_and_reads_it_again() -> None:
    before = Guild()
    entry = before.enter(4)
    saved = before.saved()
    assert {key: (row.channel_id, row.amount) for key, row in saved.items()} == {
        (GUILD, MESSAGE_DELETE, entry.entry_id): (CHANNEL, 4)
    }
    after = Guild()
    after.disk = before.disk
    for row in before.disk.items():
        after.groups.table.restore(*row)
    after.groups.resume(0)
    assert after.look(SETTLE_MS) == 1
    assert after.saved() == saved


def test_memory_is_bounded_by_entries_by_places_and_by_happenings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregated_entries, "MAX_GROUPS", 3)
    monkeypatch.setattr(aggregated_entries, "MAX_CHANNELS", 4)
    monkeypatch.setattr(aggregated_entries, "MAX_RECENT", 5)
    guild = Guild()
    for number in range(9):
        guild.happen(9, channel=100 + number)
        guild.enter(0, number, channel_id=900)
    followed = [entry_id for *_, entry_id in guild.saved()]
    assert followed == [audit("message_delete", AT, number).entry_id for number in (6, 7, 8)]
    assert [spot[2] for spot in guild.groups._recent] == [105, 106, 107, 108]
    assert all(len(happened) == 5 for happened in guild.groups._recent.values())


def test_what_was_refused_is_read_again_as_soon_as_the_bot_may_do_more() -> None:
    guild = Guild()
    guild.enter(1)
    guild.happen(2)
    assert guild.look(SETTLE_MS) == 1
    guild.answer(meaning=AnswerMeaning.REFUSED)
    assert guild.look(SETTLE_MS + PAUSE_MS) == 0
    guild.groups.permit(GUILD + 1)
    assert guild.look(SETTLE_MS + PAUSE_MS) == 0
    guild.groups.permit(GUILD)
    assert guild.look(SETTLE_MS + PAUSE_MS) == 1


def test_a_guild_seen_again_is_asked_once_whatever_its_entries_came_to_in_the_gap() -> None:
    guild = Guild()
    guild.enter(1)
    guild.happen()
    guild.groups.see_guild(GUILD + 1, 0)
    assert not guild.look(SETTLE_MS)
    guild.groups.see_guild(GUILD, 0)
    assert guild.look(SETTLE_MS) == 1
    guild.answer()
    assert not guild.look(SETTLE_MS + LONGEST_PAUSE_MS)


def test_what_one_entry_leaves_of_what_happened_is_the_next_one_s() -> None:
    guild = Guild()
    guild.happen(2)
    guild.enter(1, 1)
    guild.enter(1, 2)
    assert guild.look(SETTLE_MS) == 1
    guild.answer()
    guild.happen(now=SETTLE_MS)
    assert guild.look(SETTLE_MS + LONGEST_PAUSE_MS) == 1, "nothing of both counts is left to happen"


def test_what_authors_delete_all_the_time_does_not_hide_what_a_moderator_deletes() -> None:
    guild = Guild()
    for second in range(MAX_RECENT + 10):
        guild.happen(now=1_000 * second, at=AT + 1_000 * second)
    now = 1_000 * (MAX_RECENT + 10)
    guild.happen(now=now, at=AT + now)
    guild.enter(1, now=now, at=AT + now)
    guild.look(now + SETTLE_MS)
    guild.happen(now=now + SETTLE_MS)
    assert guild.look(now + SETTLE_MS + LONGEST_PAUSE_MS) == 1


def test_what_has_not_happened_soon_after_its_entry_is_not_awaited_any_more() -> None:
    guild = Guild()
    guild.enter(5)
    guild.happen(now=RECENT_MS)
    assert guild.look(RECENT_MS + SETTLE_MS) == 1


def test_of_an_entry_made_in_an_absence_nothing_is_still_to_happen() -> None:
    guild = Guild()
    guild.enter(5, recovered=True)
    guild.happen()
    assert guild.look(SETTLE_MS) == 1


@pytest.mark.parametrize("absence", ["outage", "silence"])
def test_entries_are_followed_over_an_absence_and_read_once_more_after_it(absence: str) -> None:
    guild = Guild()
    guild.enter(1)
    if absence == "outage":
        guild.groups.lose_guild(GUILD)
    else:
        guild.unread.add(GUILD)
    assert guild.look(2 * ACTIVE_MS) == 0
    guild.unread.clear()
    guild.groups.see_guild(GUILD, 2 * ACTIVE_MS)
    assert guild.look(2 * ACTIVE_MS + SETTLE_MS) == 1
    guild.answer()
    guild.look(2 * ACTIVE_MS + 2 * SETTLE_MS)
    assert guild.saved() == {}


def test_more_entries_than_one_answer_holds_are_read_page_by_page() -> None:
    guild = Guild()
    entries = [guild.enter(0, number) for number in range(250)]
    guild.happen()
    assert guild.look(SETTLE_MS) == 1
    afters = [entries[0].entry_id - 1]
    for last in (99, 199):
        newest = entries[last].entry_id
        guild.groups.answer(
            AuditPageRead(guild.asked[-1], AnswerMeaning.ANSWERED, newest, more=True), SETTLE_MS
        )
        afters.append(newest)
    guild.groups.answer(
        AuditPageRead(guild.asked[-1], AnswerMeaning.ANSWERED, entries[-1].entry_id), SETTLE_MS
    )
    assert [request.after for request in guild.asked] == afters
    assert guild.groups.open(LATER) == 0


class Deletions:
    """Moderators and authors delete in one channel; dispatches, entries and answers come late."""

    def __init__(self, seed: int, moderators: int, own: float) -> None:
        self.chance = random.Random(seed)
        self.moderators, self.own = moderators, own
        self.guild = Guild()
        self.truth: dict[int, AuditEntry] = {}
        self.known: dict[int, int] = {}
        self.numbers = itertools.count()
        self.scheduled: list[tuple[int, int, Callable[[int], object]]] = []

    def at(self, moment: int, act: Callable[[int], object]) -> None:
        heapq.heappush(self.scheduled, (moment, next(self.numbers), act))

    def play(self, deletions: int) -> None:
        for second in range(ACTIVE_MS // 1_000 - 5):
            self.at(second * 1_000, self.look)
        for _ in range(deletions):
            self.at(self.chance.randrange(240_000), self.delete)
        while self.scheduled:
            now, _, act = heapq.heappop(self.scheduled)
            act(now)

    def delete(self, now: int) -> None:
        self.at(now + self.chance.randrange(1_000), lambda seen: self.guild.happen(at=AT + now, now=seen))
        if self.chance.random() < self.own:
            return
        entry_id = audit("message_delete", AT, self.chance.randrange(self.moderators)).entry_id
        known = self.truth.get(entry_id)
        if known is None:
            made = audit("message_delete", AT + now, amount=1, channel_id=CHANNEL)
            self.truth[entry_id] = msgspec.structs.replace(made, entry_id=entry_id)
            self.at(now + self.chance.randrange(5_000), lambda late: self.enter(entry_id, late))
        else:
            self.truth[entry_id] = msgspec.structs.replace(known, amount=known.amount + 1)

    def enter(self, entry_id: int, now: int) -> None:
        entry = self.truth[entry_id]
        self.guild.groups.enter(entry, now)
        self.known[entry_id] = entry.amount

    def look(self, now: int) -> None:
        if self.guild.look(now):
            self.at(now + self.chance.randrange(2_000), self.answer)

    def answer(self, now: int) -> None:
        for entry_id in self.truth:
            self.enter(entry_id, now)
        self.guild.answer()


@settings(max_examples=scaled(30), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80), st.floats(0, 1), st.integers(1, 400))
def test_whatever_is_deleted_by_whom_the_counts_are_true_in_the_end(
    seed: int, moderators: int, own: float, deletions: int
) -> None:
    channel = Deletions(seed, moderators, own)
    channel.play(deletions)
    assert channel.known == {entry_id: entry.amount for entry_id, entry in channel.truth.items()}

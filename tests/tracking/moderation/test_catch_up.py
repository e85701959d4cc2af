"""The audit log is read from the last entry known on: each entry once, none passed over, no guild starved."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.dispatch.component import StateRow
from exporter.events.answer_meaning import LONGEST_RETRY_MS, AnswerMeaning
from exporter.events.facts.base import Fact
from exporter.events.facts.moderation import (
    AuditEntry,
    AuditEntryRecounted,
    AuditEntryTaken,
    AuditPage,
    AuditPageRead,
)
from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry, value
from exporter.tracking.moderation import audit_marks
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.audit_marks import MOST_RECENT, OVERTAKING_MS
from exporter.tracking.moderation.catch_up import MOST_SUBMITTED, CatchUp
from exporter.tracking.moderation.config import CatchUpConfig
from tests.scale import scaled
from tests.tracking.moderation.moderators import guild

NOW = 1_700_000_000_000
DAY = 86_400_000


def id_at(at: int, number: int = 0) -> int:
    return (at - DISCORD_EPOCH_MS << 22) + number


def entry(guild_id: int, entry_id: int) -> AuditEntry:
    return AuditEntry(guild_id, entry_id, 0, 22, 1, 2, None)


class Reader(CatchUp):
    """The component under test, with what it put out and a disk of its own."""

    def __init__(self, discord: Discord, **config: float) -> None:
        self.access = AuditAccess(
            lambda *_: not discord.permitted, ShardTimeline(lambda _: None, ManualClock())
        )
        self.taken: list[AuditEntryTaken] = []
        self.disk: dict[tuple[str, bytes], StateRow] = {}
        self.telemetry = Telemetry()
        super().__init__(
            self._put,
            CatchUpConfig(**config),  # type: ignore[arg-type]  # as named
            discord.submit,
            self.access,
            self.telemetry,
        )

    def _put(self, fact: Fact) -> None:
        if isinstance(fact, AuditEntryTaken):
            self.taken.append(fact)

    def take_out(self) -> list[tuple[int, int]]:
        """The entries put out since the last call."""
        taken, self.taken = self.taken, []
        return [(each.entry.guild_id, each.entry.entry_id) for each in taken]

    @property
    def behind(self) -> int:
        return self.undecided(0, 0)

    @property
    def given_up(self) -> int:
        return int(value(self.telemetry.audit_gaps))

    def see_guild(self, guild_id: int, at: int, joined_at: int = 0) -> None:
        self._see(msgspec.structs.replace(guild(at, joined_at), guild_id=guild_id), 0)

    def commit(self) -> list[StateRow]:
        for row in self.save():
            self.disk[row.table, row.key] = row
        self.confirm()
        return [row for row in self.disk.values() if row.value is not None]


class Discord:
    """Audit logs, and answers to what is asked of them."""

    def __init__(self) -> None:
        self.logs: dict[int, list[int]] = {}
        self.asked: list[RestRequest] = []
        self.meaning = AnswerMeaning.ANSWERED
        self.permitted = True

    def submit(self, request: RestRequest) -> None:
        self.asked.append(request)

    def write(self, guild_id: int, at: int, number: int = 0) -> int:
        made = id_at(at, number)
        self.logs.setdefault(guild_id, []).append(made)
        self.logs[guild_id].sort()
        return made

    def answer(self, request: RestRequest) -> AuditPage:
        if self.meaning is not AnswerMeaning.ANSWERED:
            return AuditPage(request, self.meaning)
        found = [made for made in self.logs.get(request.guild_id, []) if made > request.after][
            : request.limit
        ]
        return AuditPage(
            request,
            AnswerMeaning.ANSWERED,
            tuple(entry(request.guild_id, made) for made in found),
            (),
            len(found),
        )

    def answer_all(self, stage: Reader, now: int) -> list[tuple[int, int]]:
        """What the answers to everything asked so far put out."""
        stage.take_out()
        asked, self.asked = self.asked, []
        for one in asked:
            stage.turn(self.answer(one), now)
        return stage.take_out()


def begin(discord: Discord, **config: float) -> Reader:
    return Reader(discord, **config)


def finish(stage: Reader, discord: Discord, now: int = 0) -> list[tuple[int, int]]:
    """Everything a catch-up takes until it is through."""
    taken: list[tuple[int, int]] = []
    while stage.behind:
        stage.tick(now, 0)
        taken += discord.answer_all(stage, now)
        now += LONGEST_RETRY_MS
    return taken


def restart(stage: Reader, discord: Discord) -> Reader:
    """The next process, with the marks of the one before."""
    following = begin(discord)
    assert following.restore(stage.commit()) == 0
    following.resume(0, 0)
    return following


def open_session(stage: Reader, guilds: range | tuple[int, ...], at: int = NOW) -> None:
    stage.start_session(guilds)
    for guild_id in guilds:
        stage.see_guild(guild_id, at)


def test_the_first_start_takes_nothing_from_before() -> None:
    discord = Discord()
    discord.write(1, NOW - DAY)
    stage = begin(discord)
    open_session(stage, (1,))
    stage.permit(1, 0)
    assert finish(stage, discord) == []
    assert not discord.asked


def test_the_first_start_takes_as_much_as_is_configured() -> None:
    discord = Discord()
    discord.write(1, NOW - 8 * DAY)
    wanted = [discord.write(1, NOW - 6 * DAY), discord.write(1, NOW - 1)]
    stage = begin(discord, first_start=7 * 86400)
    open_session(stage, (1,))
    assert finish(stage, discord) == [(1, made) for made in wanted]


def test_an_entry_from_before_the_session_is_missed_by_whatever_question_it_is_found() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    stage = restart(stage, discord)
    old, new = (AuditEntry(1, 5, at, 22, 1, 2, None) for at in (NOW - 1, NOW))
    assert stage.is_missed(new), "the previous run is the last that watched"
    open_session(stage, (1,))
    assert (stage.is_missed(old), stage.is_missed(new)) == (True, False)
    finish(stage, discord)
    assert not stage.is_missed(old), "whatever is found now has its row"


def test_where_the_log_could_not_be_read_before_everything_is_missed() -> None:
    discord = Discord()
    discord.permitted = False
    stage = begin(discord)
    open_session(stage, (1,))
    stage = restart(stage, discord)
    open_session(stage, (1,))
    stage.tick(0, 0)
    discord.permitted = True
    stage.permit(1, 0)
    assert stage.is_missed(AuditEntry(1, 5, NOW + DAY, 22, 1, 2, None))


def test_what_was_done_while_away_is_taken_page_by_page_once() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    assert stage.take(entry(1, discord.write(1, NOW + 1)))
    missed = [discord.write(1, NOW + 10 * number) for number in range(1, 1001)]
    following = restart(stage, discord)
    open_session(following, (1,))
    assert finish(following, discord) == [(1, made) for made in missed]
    open_session(following, (1,))
    assert finish(following, discord) == []


def test_a_session_that_is_resumed_asks_for_nothing() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    stage.take(entry(1, discord.write(1, NOW + 1)))
    stage.tick(0, 0)
    assert not discord.asked


def test_a_guild_is_behind_from_the_end_of_one_process_until_its_log_was_read_by_another() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1, 2))
    finish(stage, discord)
    assert not stage.access.is_behind(1)
    after = restart(stage, discord)
    assert after.access.is_behind(1), "it was not seen again yet"
    open_session(after, (1,))
    assert after.access.is_behind(1), "its log was not read"
    finish(after, discord)
    assert not after.access.is_behind(1)
    assert after.access.is_behind(2)
    after.forget_guild(2)
    assert not after.access.is_behind(2)


def test_what_is_received_live_before_the_gap_is_read_does_not_hide_the_gap() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1000)
    stage.start_session((1,))
    live = discord.write(1, NOW + 10 * OVERTAKING_MS)
    assert stage.take(entry(1, live))
    stage.see_guild(1, NOW)
    assert finish(stage, discord) == [(1, missed)]


def test_an_entry_overtaken_by_a_newer_one_is_still_taken() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    assert stage.take(entry(1, id_at(NOW + 5_000)))
    assert stage.take(entry(1, id_at(NOW + 1_000)))
    assert not stage.take(entry(1, id_at(NOW + 1_000)))


def test_an_entry_overtaken_and_lost_with_the_process_is_read_afterwards() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    overtaken = discord.write(1, NOW + 1_000)
    assert stage.take(entry(1, discord.write(1, NOW + 5_000)))
    following = restart(stage, discord)
    open_session(following, (1,))
    assert finish(following, discord) == [(1, overtaken)]


def test_an_answer_asked_for_before_another_gap_does_not_close_it() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    open_session(stage, (1,))
    stage.tick(0, 0)
    (request,) = discord.asked
    early = discord.answer(request)
    missed = discord.write(1, NOW + 1000)
    open_session(stage, (1,))
    stage.turn(early, 0)
    assert stage.take_out() == []
    discord.asked.clear()
    assert finish(stage, discord) == [(1, missed)]


def test_a_guild_discord_does_not_answer_for_is_asked_again_later() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1)
    open_session(stage, (1,))
    discord.meaning = AnswerMeaning.TROUBLE
    stage.tick(0, 0)
    assert discord.answer_all(stage, 0) == []
    stage.tick(1000, 0)
    assert not discord.asked
    discord.meaning = AnswerMeaning.ANSWERED
    assert finish(stage, discord, LONGEST_RETRY_MS + 1) == [(1, missed)]


def test_a_log_the_bot_may_not_read_is_read_once_it_may() -> None:
    discord = Discord()
    discord.permitted = False
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1)
    open_session(stage, (1,))
    stage.tick(0, 0)
    assert (discord.asked, stage.behind) == ([], 0)
    stage.permit(1, 0)
    assert not stage.behind
    discord.permitted = True
    stage.permit(1, 0)
    assert finish(stage, discord) == [(1, missed)]


def test_a_refusal_ends_a_guild_s_catch_up_and_keeps_its_place() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1)
    open_session(stage, (1,))
    discord.meaning = AnswerMeaning.REFUSED
    assert finish(stage, discord) == []
    discord.meaning = AnswerMeaning.ANSWERED
    stage.permit(1, 0)
    assert finish(stage, discord) == [(1, missed)]


def test_what_is_received_live_does_not_hide_what_could_not_be_read_before() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1)
    open_session(stage, (1,))
    discord.meaning = AnswerMeaning.REFUSED
    assert finish(stage, discord) == []
    assert stage.take(entry(1, discord.write(1, NOW + 10 * OVERTAKING_MS)))
    discord.meaning = AnswerMeaning.ANSWERED
    stage.permit(1, 0)
    assert finish(stage, discord) == [(1, missed)]


def test_of_a_guild_the_bot_was_added_to_in_an_absence_everything_since_is_read() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    stage.take(entry(1, discord.write(1, NOW)))
    following = restart(stage, discord)
    joined_at = NOW + DAY
    discord.write(2, joined_at - 1)
    made = discord.write(2, joined_at + 1)
    following.start_session((1, 2))
    following.see_guild(2, NOW + 2 * DAY, joined_at)
    following.forget_guild(1)
    assert finish(following, discord) == [(2, made)]


def test_of_a_guild_that_another_process_had_before_nothing_is_read() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    following = restart(stage, discord)
    discord.write(2, NOW - DAY)
    following.start_session((2,))
    following.see_guild(2, NOW + DAY, NOW - 2 * DAY)
    assert following.behind == 0


def test_a_backlog_received_live_leaves_nothing_unread() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = discord.write(1, NOW + 1)
    open_session(stage, (1,))
    for number in range(2 * MOST_RECENT):
        stage.take(entry(1, id_at(NOW + 1_000, number)))
    assert finish(stage, discord) == [(1, missed)]


@pytest.mark.parametrize("killed", [False, True])
def test_however_much_is_received_live_meanwhile_what_was_missed_is_read_and_memory_is_bounded(
    killed: bool,  # noqa: FBT001 - a table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_marks, "MOST_UNREAD", 500)
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    missed = [discord.write(1, NOW + number) for number in range(1, 1_001)]
    open_session(stage, (1,))
    for number in range(3_000):
        if killed and number == 1_500:
            stage = restart(stage, discord)
            missed.append(discord.write(1, NOW + 10_000 + number * 1_000 - 500))
            open_session(stage, (1,))
        stage.handles[AuditEntry](entry(1, discord.write(1, NOW + 10_000 + number * 1_000)), 0)
        remembered = (
            [row for row in stage.commit() if row.table == "catch_up/recent"] if number % 100 == 0 else []
        )
        assert len(remembered) <= 500
    stage.take_out()
    assert finish(stage, discord) == [(1, made) for made in missed]
    assert stage.given_up == 0


@pytest.mark.parametrize(("limit", "gaps"), [("MOST_UNREAD", 1), ("MOST_SPANS", 8)])
def test_what_has_to_be_given_up_unread_is_counted_and_said(
    limit: str, gaps: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_marks, limit, 5)
    discord = Discord()
    discord.permitted = False
    stage = begin(discord)
    open_session(stage, (1,))
    missed, at = [], NOW
    for _ in range(gaps):
        missed.append(discord.write(1, at + 1))
        at += 1_000 * OVERTAKING_MS
        open_session(stage, (1,), at)
        stage.tick(0, 0)
        for number in range(10):
            at += 1 if limit == "MOST_UNREAD" else OVERTAKING_MS
            stage.handles[AuditEntry](entry(1, discord.write(1, at, number)), 0)
    assert stage.given_up >= 1
    assert "audit log of guild 1" in caplog.text
    discord.permitted = True
    stage.permit(1, 0)
    stage.take_out()
    recovered = finish(stage, discord)
    assert recovered == [(1, made) for made in missed[-len(recovered) :] if recovered]
    assert len(recovered) + stage.given_up == gaps, "each gap is read or counted"


@settings(max_examples=scaled(60), deadline=None)
@given(st.integers(0, 2**32))
def test_over_long_backlogs_gaps_and_kills_each_entry_is_taken_exactly_once(seed: int) -> None:
    """Much more is received live than a floor stays behind; entries come late, but less than that."""
    rng = random.Random(seed)
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    at = NOW
    disk, underway = stage.commit(), list[int]()
    kept, pending = Counter[int](), Counter[int]()
    for number in range(rng.randrange(20, 300)):
        at += rng.randrange(1_000, 20_000)
        underway.append(discord.write(1, at, number))
        late = [made for made in underway if made < id_at(at - OVERTAKING_MS // 2)]
        for made in [*late, *rng.sample(underway, rng.randrange(len(underway) + 1))]:
            if made in underway:
                underway.remove(made)
                stage.handles[AuditEntry](entry(1, made), 0)
        pending.update(made for _, made in stage.take_out())
        chance = rng.random()
        if chance < 0.1:
            kept += pending
            pending, disk = Counter(), stage.commit()
        elif chance < 0.15:
            underway = [made for made in underway if rng.random() < 0.5]  # sent to the next session
            if rng.random() < 0.5:
                discord.asked.clear()
                pending, stage = Counter(), begin(discord)
                stage.disk = {(row.table, row.key): row for row in disk}
                stage.restore(disk)
                stage.resume(0, 0)
            open_session(stage, (1,), at)
        elif chance < 0.2:
            stage.tick(0, 0)
            pending.update(made for _, made in discord.answer_all(stage, 0))
    open_session(stage, (1,), at)
    pending.update(made for _, made in discord.answer_all(stage, 0))
    pending.update(made for _, made in finish(stage, discord))
    assert kept + pending == Counter(discord.logs[1])
    assert stage.given_up == 0


def test_switched_off_it_asks_for_nothing() -> None:
    discord = Discord()
    stage = begin(discord, enabled=False)
    open_session(stage, (1,))
    open_session(stage, (1,))
    stage.tick(0, 0)
    assert (discord.asked, stage.behind) == ([], 0)
    assert stage.take(entry(1, id_at(NOW + 1)))


def test_no_guild_waits_for_the_backlog_of_another() -> None:
    discord = Discord()
    stage = begin(discord)
    guilds = range(1, 3 * MOST_SUBMITTED)
    open_session(stage, guilds)
    for number in range(2_000):
        discord.write(1, NOW + number + 1)
    for guild_id in guilds[1:]:
        discord.write(guild_id, NOW + 1)
    open_session(stage, guilds)
    pages: Counter[int] = Counter()
    while stage.behind:
        stage.tick(0, 0)
        assert len(discord.asked) <= MOST_SUBMITTED
        pages.update(request.guild_id for request in discord.asked)
        if pages[1] == 4:
            assert all(pages[guild_id] for guild_id in guilds)
        discord.answer_all(stage, 0)
    assert pages[1] >= 20


def test_a_guild_under_attack_costs_bounded_memory() -> None:
    stage = begin(Discord())
    open_session(stage, (1,))
    for number in range(3 * MOST_RECENT):
        stage.take(entry(1, id_at(NOW + 1, number)))
    assert len([row for row in stage.commit() if row.table == "catch_up/recent"]) <= MOST_RECENT


def test_progress_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1, 2))
    discord.write(1, NOW + 1)
    open_session(stage, (1, 2))
    stage.tick(0, 0)
    stage.tick(60_000, 0)
    discord.answer_all(stage, 61_000)
    assert [record.getMessage() for record in caplog.records] == [
        "catching up on the audit logs of 2 guilds",
        "catching up on the audit logs: 2 of 2 guilds left, 0 entries so far",
        "caught up on the audit logs of 2 guilds after 61 s: 1 entry, 0 guilds refused",
    ]


@settings(max_examples=scaled(60), deadline=None)
@given(st.integers(0, 2**32))
def test_over_any_gaps_crashes_and_delays_each_entry_is_taken_exactly_once(seed: int) -> None:
    rng = random.Random(seed)
    discord = Discord()
    guilds = (1, 2, 3)
    stage = begin(discord)
    open_session(stage, guilds)
    at, now = NOW, 0
    kept: Counter[tuple[int, int]] = Counter()
    disk, pending = stage.commit(), Counter[tuple[int, int]]()
    underway: list[tuple[int, int]] = []
    for number in range(rng.randrange(5, 120)):
        at += rng.randrange(1, 2_000)
        now += 1_000
        match rng.randrange(9):
            case 0 | 1 | 2 | 3:
                guild_id = rng.choice(guilds)
                underway.append((guild_id, discord.write(guild_id, at, number)))
            case 4 | 5 if underway:
                guild_id, made = underway.pop(rng.randrange(len(underway)))
                if stage.take(entry(guild_id, made)):
                    pending[guild_id, made] += 1
            case 6:
                # Committed: what was made of the entries, and the marks that say so.
                kept += pending
                pending, disk = Counter(), stage.commit()
            case 7:
                stage.tick(now, 0)
                pending.update(discord.answer_all(stage, now))
            case 8 if rng.random() < 0.5:
                # Killed: what was not committed is gone, and so are dispatches on their way.
                pending, underway = Counter(), []
                discord.asked.clear()
                stage = begin(discord)
                stage.disk = {(row.table, row.key): row for row in disk}
                stage.restore(disk)
                stage.resume(0, 0)
                open_session(stage, guilds, at)
            case _:
                underway.clear()
                open_session(stage, guilds, at)
    open_session(stage, guilds, at)
    pending.update(discord.answer_all(stage, now))
    pending.update(finish(stage, discord, now + LONGEST_RETRY_MS))
    kept += pending
    truth = Counter((guild_id, made) for guild_id, log in discord.logs.items() for made in log)
    assert kept == truth


def test_a_guild_seen_for_the_first_time_is_to_be_marked_at_once() -> None:
    stage = begin(Discord())
    assert not stage.urgent
    stage.see_guild(99, 1_700_000_000_000)
    assert stage.urgent
    assert len(stage.commit()) == 1
    assert not stage.urgent
    stage.see_guild(99, 1_700_000_001_000)
    assert not stage.urgent


def test_marks_only_move_forward_where_committed_ones_are_restored() -> None:
    """As after an error in the component, whose entries the others have handled by then."""
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    rows = stage.commit()
    stage.take(entry(1, discord.write(1, NOW + 1)))
    stage.clear()
    stage.restore(rows)
    stage.resume(0, 0)
    assert not stage.take(entry(1, id_at(NOW + 1)))


def test_a_page_for_another_purpose_tells_what_is_new_what_was_missed_and_where_it_ends() -> None:
    discord = Discord()
    stage = begin(discord)
    facts: list[Fact] = []
    stage.emit = facts.append
    open_session(stage, (1,))
    open_session(stage, (1,))
    known, missed = entry(1, id_at(NOW, 1)), entry(1, id_at(NOW, 2))
    stage.take(known)
    request = RestRequest(RequestKind.AUDIT_LOG, 1, purpose="count", limit=2)
    stage.turn(AuditPage(request, AnswerMeaning.ANSWERED, (missed, known), size=2), 0)
    assert facts == [
        AuditEntryRecounted(known),
        AuditEntryTaken(missed, recovered=True),
        AuditPageRead(request, AnswerMeaning.ANSWERED, missed.entry_id, more=True),
    ]


def test_a_commit_holds_what_is_new_and_not_all_that_was_taken() -> None:
    discord = Discord()
    stage = begin(discord)
    open_session(stage, (1,))
    for number in range(100):
        stage.take(entry(1, id_at(NOW + number)))
    assert len(stage.commit()) == 101
    stage.take(entry(1, id_at(NOW + 100)))
    assert len(list(stage.save())) == 2, "the floor and the entry"
    stage.confirm()
    stage.take(entry(1, id_at(NOW + 10 * OVERTAKING_MS)))
    deleted = [row for row in stage.save() if row.value is None]
    assert len(deleted) == 101

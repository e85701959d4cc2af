"""A guild's look-ups: when they begin, how far back they reach, and what becomes of those who wait."""

from __future__ import annotations

import pytest

from exporter.clock import ManualClock
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact
from exporter.events.facts.moderation import (
    ActionExplained,
    ActionUnexplained,
    AuditEntry,
    AuditPage,
    AuditPageRead,
)
from exporter.events.payload import DISCORD_EPOCH_MS, snowflake_ms
from exporter.events.rest_request import RestRequest
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry
from exporter.tracking.moderation import lookups
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.moderation.lookups import (
    ANSWER_MS,
    BACK_MS,
    MAX_PAGES,
    MAX_SUBMITTED,
    PATIENCE_MS,
    PAUSE_MS,
    LookupBoard,
    Lookups,
    LookupState,
    LookupTicket,
    first_id,
)

AT = 1_700_000_000_000
GUILD = 1


class Desk:
    """Look-ups, and the requests they submit; pages come by way of catching up."""

    def __init__(self) -> None:
        self.asked: list[RestRequest] = []
        self.blind: set[int] = set()
        self.board = LookupBoard()
        self.stage = Lookups(
            lambda _: None, self.board, self.asked.append, lambda guild_id: guild_id in self.blind
        )
        access = AuditAccess(lambda *_: False, ShardTimeline(lambda _: None, ManualClock()))
        self.pages = CatchUp(self._pass_on, CatchUpConfig(), None, access, Telemetry())
        self.now = 0

    def _pass_on(self, fact: Fact) -> None:
        if isinstance(fact, AuditPageRead):
            self.stage.handles[AuditPageRead](fact, self.now)

    def open(self, guild_id: int, at: int, now: int) -> LookupTicket:
        key = f"{len(self.board.tickets)}"
        self.stage.handles[ActionUnexplained](ActionUnexplained(guild_id, key, at), now)
        return self.board.tickets[key]

    def explain(self, guild_id: int, key: str) -> None:
        self.stage.handles[ActionExplained](ActionExplained(guild_id, key), 0)

    def look(self, now: int) -> int:
        """How many requests a moment brings."""
        before = len(self.asked)
        self.stage.tick(now, AT)
        return len(self.asked) - before

    def answer(
        self, now: int, meaning: AnswerMeaning = AnswerMeaning.ANSWERED, newest: int = 0, size: int = 0
    ) -> None:
        entries = (AuditEntry(GUILD, newest, AT, 20, 1, 2, None),) if newest else ()
        self.now = now
        self.pages.turn(AuditPage(self.asked[-1], meaning, entries, size=size), now)


def test_a_lookup_is_requested_once_its_entry_is_late_and_no_sooner() -> None:
    desk = Desk()
    ticket = desk.open(GUILD, AT, 0)
    assert (desk.look(PATIENCE_MS - 1), ticket.state) == (0, LookupState.OPEN)
    assert (desk.look(PATIENCE_MS), ticket.state) == (1, LookupState.SUBMITTED)
    assert desk.stage.undecided(PATIENCE_MS, 0) == 1
    assert desk.stage.undecided(PATIENCE_MS - 1, 0) == 0, "a flush asked for before it began"
    assert desk.board.is_pending("0")
    assert not desk.board.is_pending("1")


def test_a_question_reaches_back_before_the_earliest_moment_whichever_came_first() -> None:
    desk = Desk()
    for at in (AT, AT - 5000, AT + 5000):
        desk.open(GUILD, at, 0)
    desk.look(PATIENCE_MS)
    assert snowflake_ms(desk.asked[0].after) == AT - 5000 - BACK_MS


@pytest.mark.parametrize("at", [0, DISCORD_EPOCH_MS - 1, DISCORD_EPOCH_MS])
def test_before_discord_there_was_no_id(at: int) -> None:
    assert first_id(at) == 0


def test_what_is_found_in_time_is_not_asked_for() -> None:
    desk = Desk()
    desk.open(GUILD, AT, 0)
    desk.explain(GUILD, "0")
    assert not desk.board.tickets
    assert desk.look(PATIENCE_MS) == 0
    assert not desk.stage._searches, "nothing is kept of the guild"


@pytest.mark.parametrize(
    ("meaning", "fate"),
    [
        (AnswerMeaning.ANSWERED, LookupState.READ),
        (AnswerMeaning.REFUSED, LookupState.OPEN),
        (AnswerMeaning.TROUBLE, LookupState.OPEN),
    ],
)
def test_an_answer_decides_for_everybody_asked_about_and_quiets_the_guild(
    meaning: AnswerMeaning, fate: LookupState
) -> None:
    desk = Desk()
    asked = [desk.open(GUILD, AT, 0) for _ in range(3)]
    desk.look(PATIENCE_MS)
    later = desk.open(GUILD, AT, PATIENCE_MS)
    desk.answer(PATIENCE_MS, meaning)
    assert [ticket.state for ticket in asked] == [fate] * 3
    assert [ticket.refused for ticket in asked] == [meaning is AnswerMeaning.REFUSED] * 3
    assert later.state is LookupState.OPEN
    end = PATIENCE_MS + PAUSE_MS
    assert (desk.look(end - 1), desk.look(end)) == (0, 1)


def test_an_answer_that_does_not_come_is_asked_for_again_after_a_while() -> None:
    desk = Desk()
    ticket = desk.open(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.look(PATIENCE_MS + ANSWER_MS - 1)
    fates = [ticket.state]
    desk.look(PATIENCE_MS + ANSWER_MS)
    fates.append(ticket.state)
    desk.answer(PATIENCE_MS + ANSWER_MS + 1)
    fates.append(ticket.state)
    assert fates == [LookupState.SUBMITTED, LookupState.OPEN, LookupState.OPEN], (
        "an answer too late changes nothing"
    )
    assert desk.look(PATIENCE_MS + ANSWER_MS + PAUSE_MS) == 1
    desk.answer(PATIENCE_MS + ANSWER_MS + PAUSE_MS)
    assert ticket.state is LookupState.READ


def test_where_it_would_be_refused_a_lookup_ends_at_once_and_leaves_nothing() -> None:
    desk = Desk()
    desk.blind.add(GUILD)
    assert desk.open(GUILD, AT, 0).state is LookupState.REFUSED
    assert not desk.stage._searches
    assert desk.open(GUILD + 1, AT, 0).state is LookupState.OPEN


def test_pages_go_on_from_the_newest_entry_to_a_bound() -> None:
    desk = Desk()
    ticket = desk.open(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    newest = desk.asked[0].after
    for _ in range(MAX_PAGES - 1):
        newest += 1000
        desk.answer(PATIENCE_MS, newest=newest, size=100)
        assert desk.asked[-1].after == newest
        assert ticket.state is LookupState.SUBMITTED
    desk.answer(PATIENCE_MS, newest=newest + 1000, size=100)
    assert len(desk.asked) == MAX_PAGES
    assert ticket.state is LookupState.READ


@pytest.mark.parametrize(("newest", "size"), [(0, 100), (1, 100), (2**62, 99)])
def test_a_page_that_leads_no_further_is_the_last(newest: int, size: int) -> None:
    desk = Desk()
    ticket = desk.open(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.answer(PATIENCE_MS, newest=newest, size=size)
    assert (len(desk.asked), ticket.state) == (1, LookupState.READ)


def test_many_guilds_are_begun_with_a_few_at_a_time_and_none_is_left() -> None:
    desk = Desk()
    for guild_id in range(3 * MAX_SUBMITTED):
        desk.open(guild_id, AT, 0)
    assert [desk.look(PATIENCE_MS + second) for second in range(4)] == [MAX_SUBMITTED] * 3 + [0]
    assert {request.guild_id for request in desk.asked} == set(range(3 * MAX_SUBMITTED))
    assert all(request.urgent and request.purpose == lookups.PURPOSE for request in desk.asked)


def test_a_guild_is_forgotten_once_it_is_quiet_no_more() -> None:
    desk = Desk()
    desk.open(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.answer(PATIENCE_MS)
    desk.look(PATIENCE_MS + PAUSE_MS - 1)
    assert desk.stage._searches
    desk.look(PATIENCE_MS + PAUSE_MS)
    assert not desk.stage._searches

"""A guild's look-ups: when they begin, how far back they reach, and what becomes of those who wait."""

from __future__ import annotations

import pytest

from exporter.events.facts import AuditEntry, AuditPage
from exporter.events.payload import DISCORD_EPOCH_MS, snowflake_ms
from exporter.events.rest_request import RestRequest
from exporter.tracking.moderation import lookups
from exporter.tracking.moderation.lookups import (
    ANSWER_MS,
    BACK_MS,
    BLIND_MS,
    MAX_ASKED,
    MAX_PAGES,
    PATIENCE_MS,
    PAUSE_MS,
    Fate,
    LookUps,
    first_id,
)

AT = 1_700_000_000_000
GUILD = 1


class Desk:
    """Look-ups, and the questions they put."""

    def __init__(self) -> None:
        self.asked: list[RestRequest] = []
        self.blind: set[int] = set()
        self.stage = LookUps(self.asked.append, lambda guild_id: guild_id in self.blind)

    def look(self, now: int) -> int:
        """How many questions a moment brings."""
        before = len(self.asked)
        self.stage.ask_due(now)
        return len(self.asked) - before

    def answer(self, now: int, status: int = 200, newest: int = 0, size: int = 0) -> None:
        entries = (AuditEntry(GUILD, newest, AT, 20, 1, 2, None),) if newest else ()
        self.stage.answer(AuditPage(self.asked[-1], status, entries, size=size), now)


def test_a_miss_is_asked_for_once_its_entry_is_late_and_no_sooner() -> None:
    desk = Desk()
    miss = desk.stage.miss(GUILD, AT, 0)
    assert (desk.look(PATIENCE_MS - 1), miss.fate) == (0, Fate.OPEN)
    assert (desk.look(PATIENCE_MS), miss.fate) == (1, Fate.ASKED)
    assert desk.stage.awaited == 1
    assert desk.stage.waits(GUILD)
    assert not desk.stage.waits(GUILD + 1)


def test_a_question_reaches_back_before_the_earliest_moment_whichever_came_first() -> None:
    desk = Desk()
    for at in (AT, AT - 5000, AT + 5000):
        desk.stage.miss(GUILD, at, 0)
    desk.look(PATIENCE_MS)
    assert snowflake_ms(desk.asked[0].after) == AT - 5000 - BACK_MS


@pytest.mark.parametrize("at", [0, DISCORD_EPOCH_MS - 1, DISCORD_EPOCH_MS])
def test_before_discord_there_was_no_id(at: int) -> None:
    assert first_id(at) == 0


def test_what_is_found_in_time_is_not_asked_for() -> None:
    desk = Desk()
    desk.stage.find(desk.stage.miss(GUILD, AT, 0))
    assert desk.look(PATIENCE_MS) == 0
    assert not desk.stage._searches, "nothing is kept of the guild"


@pytest.mark.parametrize(
    ("status", "fate", "pause"),
    [(200, Fate.CLEAR, PAUSE_MS), (403, Fate.BLIND, BLIND_MS), (404, Fate.BLIND, BLIND_MS)]
    + [(status, Fate.FAILED, PAUSE_MS) for status in (0, 500, 503)],
)
def test_an_answer_decides_for_everybody_asked_about_and_quiets_the_guild(
    status: int, fate: Fate, pause: int
) -> None:
    desk = Desk()
    asked = [desk.stage.miss(GUILD, AT, 0) for _ in range(3)]
    desk.look(PATIENCE_MS)
    later = desk.stage.miss(GUILD, AT, PATIENCE_MS)
    desk.answer(PATIENCE_MS, status)
    assert [miss.fate for miss in asked] == [fate] * 3
    assert later.fate is Fate.OPEN
    end = PATIENCE_MS + pause
    assert (desk.look(end - 1), desk.look(end)) == (0, 1)


def test_an_answer_that_does_not_come_has_failed_after_a_while() -> None:
    desk = Desk()
    miss = desk.stage.miss(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.look(PATIENCE_MS + ANSWER_MS - 1)
    fates = [miss.fate]
    desk.look(PATIENCE_MS + ANSWER_MS)
    fates.append(miss.fate)
    desk.answer(PATIENCE_MS + ANSWER_MS + 1)
    fates.append(miss.fate)
    assert fates == [Fate.ASKED, Fate.FAILED, Fate.FAILED], "an answer too late changes nothing"


def test_where_it_would_be_refused_a_miss_is_blind_at_once_and_leaves_nothing() -> None:
    desk = Desk()
    desk.blind.add(GUILD)
    assert desk.stage.miss(GUILD, AT, 0).fate is Fate.BLIND
    assert not desk.stage._searches
    assert desk.stage.miss(GUILD + 1, AT, 0).fate is Fate.OPEN


def test_pages_go_on_from_the_newest_entry_to_a_bound() -> None:
    desk = Desk()
    miss = desk.stage.miss(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    newest = desk.asked[0].after
    for _ in range(MAX_PAGES - 1):
        newest += 1000
        desk.answer(PATIENCE_MS, newest=newest, size=100)
        assert desk.asked[-1].after == newest
        assert miss.fate is Fate.ASKED
    desk.answer(PATIENCE_MS, newest=newest + 1000, size=100)
    assert len(desk.asked) == MAX_PAGES
    assert miss.fate is Fate.CLEAR


@pytest.mark.parametrize(("newest", "size"), [(0, 100), (1, 100), (2**62, 99)])
def test_a_page_that_leads_no_further_is_the_last(newest: int, size: int) -> None:
    desk = Desk()
    miss = desk.stage.miss(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.answer(PATIENCE_MS, newest=newest, size=size)
    assert (len(desk.asked), miss.fate) == (1, Fate.CLEAR)


def test_many_guilds_are_begun_with_a_few_at_a_time_and_none_is_left() -> None:
    desk = Desk()
    for guild_id in range(3 * MAX_ASKED):
        desk.stage.miss(guild_id, AT, 0)
    assert [desk.look(PATIENCE_MS + second) for second in range(4)] == [MAX_ASKED] * 3 + [0]
    assert {request.guild_id for request in desk.asked} == set(range(3 * MAX_ASKED))
    assert all(request.urgent and request.purpose == lookups.PURPOSE for request in desk.asked)


def test_a_guild_is_forgotten_once_it_is_quiet_no_more() -> None:
    desk = Desk()
    desk.stage.miss(GUILD, AT, 0)
    desk.look(PATIENCE_MS)
    desk.answer(PATIENCE_MS)
    desk.look(PATIENCE_MS + PAUSE_MS - 1)
    assert desk.stage._searches
    desk.look(PATIENCE_MS + PAUSE_MS)
    assert not desk.stage._searches

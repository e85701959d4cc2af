"""Of who opted out nothing goes on, by whatever fact; of everybody else everything does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec
import pytest

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact, Named, Subject
from exporter.events.facts.counting import Count, Person, Record, Series
from exporter.events.facts.guilds import (
    BotKnown,
    GuildDeleted,
    GuildObjectChanged,
    GuildUpdated,
    GuildUpserted,
    MemberRoles,
    RolesListed,
    VoiceState,
)
from exporter.events.facts.invites import InviteCreated, InviteKnown, MemberJoined
from exporter.events.facts.moderation import (
    Action,
    AuditEntry,
    AuditPage,
    MembershipStarted,
    MessageDeleted,
    TimeoutState,
)
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.model import EntryData

GUILD, OUT, ELSE, MOD_OUT = 1, 170141, 200, 300
AT = 1_700_000_000_000
SLOT = Series("messages", "human")
OUT_OF = frozenset({OUT, MOD_OUT})


def count(user_id: int = 0, person: int = 0) -> Count:
    return Count(SLOT, GUILD, AT, user_id=user_id, person=person)


def record(person: int) -> Record:
    return Record("T", GUILD, AT, "k", EntryData(), person)


def action(user_id: int) -> Action:
    return Action("GUILD_BAN_ADD", "ban", GUILD, AT, Person(user_id, f"name of {user_id}"))


def entry(target: int, actor: int = ELSE, number: int = 7) -> AuditEntry:
    return AuditEntry(GUILD, number, AT, 22, actor, target, "spam", 3, "ban", 4, 5, {"x": 1})


def joined(user_id: int) -> MemberJoined:
    return MemberJoined(GUILD, AT, Person(user_id, f"name of {user_id}"))


def silence(user_id: int) -> TimeoutState:
    return TimeoutState(GUILD, AT, Person(user_id, f"name of {user_id}"), AT + 5)


def voice(user_id: int) -> VoiceState:
    return VoiceState(GUILD, user_id, 9, AT)


def guild(owner_id: int, *members: int) -> GuildUpserted:
    states = tuple(voice(user_id) for user_id in members)
    return GuildUpserted(GUILD, AT, "Place", None, owner_id, (), 0, 0, 0, 12, AT, (), states)


def changed(owner_id: int) -> GuildUpdated:
    return GuildUpdated(GUILD, AT, "Place", None, owner_id, (), 0, 0, 0)


def roles(owner_id: int) -> RolesListed:
    return RolesListed(GUILD, owner_id, ((GUILD, 8), (2, 16)), ((5, (2,)),))


def page(*entries: AuditEntry, people: tuple[Person, ...] = ()) -> AuditPage:
    return AuditPage(
        RestRequest(RequestKind.AUDIT_LOG, GUILD, purpose="p"),
        AnswerMeaning.ANSWERED,
        entries,
        people,
        size=len(entries),
    )


def through(fact: Any, people: frozenset[int] = OUT_OF) -> list[Any]:
    """What components get of a fact."""
    remaining = fact.without(people) if people else fact
    return [] if remaining is None else [remaining]


ABOUT: list[Callable[[int], Any]] = [
    count,
    lambda user_id: count(person=user_id),
    record,
    lambda user_id: Person(user_id, f"name of {user_id}"),
    action,
    entry,
    lambda user_id: MembershipStarted(GUILD, user_id, AT),
    silence,
    joined,
    voice,
]
IDS = [
    *("count", "count of", "record", "person", "action", "entry", "member joined", "silence", "joined"),
    "voice",
]


@pytest.mark.parametrize("make", [make for make in ABOUT if make is not joined])
def test_a_fact_about_who_opted_out_goes_no_further(make: Callable[[int], Any]) -> None:
    assert through(make(OUT)) == []


def test_the_use_of_an_invite_goes_on_without_saying_by_whom() -> None:
    assert through(joined(OUT)) == [MemberJoined(GUILD, AT, Person(0, ""))]


@pytest.mark.parametrize("make", ABOUT, ids=IDS)
def test_a_fact_about_another_member_goes_on_as_it_is(make: Callable[[int], Any]) -> None:
    fact = make(ELSE)
    (taken,) = through(fact)
    assert taken is fact


@pytest.mark.parametrize("make", ABOUT, ids=IDS)
def test_where_no_member_opted_out_every_fact_goes_on(make: Callable[[int], Any]) -> None:
    fact = make(OUT)
    (taken,) = through(fact, frozenset())
    assert taken is fact


EVERYTHING = [make(OUT) for make in ABOUT] + [
    guild(OUT, OUT),
    changed(OUT),
    roles(OUT),
    page(entry(OUT), people=(Person(OUT, "out"),)),
]


@pytest.mark.parametrize("fact", EVERYTHING, ids=lambda fact: type(fact).__name__)
def test_neither_id_nor_name_of_who_opted_out_is_left_in_what_goes_on(fact: Any) -> None:
    for taken in through(fact):
        left = repr(taken)
        assert f"={OUT}," not in left
        assert f"={OUT})" not in left
        assert f"name of {OUT}" not in left
        assert "'out'" not in left


@pytest.mark.parametrize(
    "fact",
    [
        MessageDeleted(GUILD, OUT, AT),
        GuildDeleted(OUT, AT, unavailable=False),
        MemberRoles(GUILD, OUT, ()),
        InviteCreated(GUILD, InviteKnown("code", uses=OUT)),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_facts_that_are_about_no_person_are_not_touched(fact: Any) -> None:
    """A channel or a guild may have the number of a person who opted out."""
    (taken,) = through(fact)
    assert taken == fact


def every_fact_type() -> list[type[Fact]]:
    found, queue = [], [Fact]
    while queue:
        kind = queue.pop()
        queue += kind.__subclasses__()
        found += kind.__subclasses__()
    return found


NOT_PEOPLE = {(BotKnown, "user_id"), (MemberRoles, "user_id"), (GuildObjectChanged, "target_id")}
"""Bots, which cannot opt out, and objects of guilds."""
OVERRIDDEN = {(InviteKnown, "inviter_id"): InviteKnown}
"""Screened by a method of the type's own."""


def test_every_field_that_names_a_user_says_what_remains_without_them() -> None:
    named = {"user_id", "person", "target_id", "actor_id", "creator_id", "owner_id", "inviter_id"}
    for kind in every_fact_type():
        hints = get_type_hints(kind, include_extras=True)
        for name in named & set(kind.__struct_fields__):
            if (kind, name) not in NOT_PEOPLE | OVERRIDDEN.keys() and not is_fact(hints[name]):
                assert hints[name] in {Subject, Named}, (kind, name)
        if "people" in kind.__struct_fields__:
            assert hints["people"] == tuple[Person, ...]


def test_types_that_screen_by_a_method_of_their_own_do() -> None:
    for kind in OVERRIDDEN.values():
        assert kind.without is not Fact.without


def is_fact(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Fact)


# ---------------------------------------------------------------------- the audit log


def test_a_moderator_who_opted_out_is_not_named_and_the_action_stays() -> None:
    (taken,) = through(entry(ELSE, MOD_OUT))
    assert taken == msgspec.structs.replace(entry(ELSE), actor_id=0)


def test_what_a_moderator_who_opted_out_did_to_another_one_is_left_out_whole() -> None:
    assert through(entry(OUT, MOD_OUT)) == []


def test_a_page_keeps_its_other_entries_in_order_and_its_size() -> None:
    """The size says whether there is another page, so it stays that of Discord's answer."""
    sent = page(entry(ELSE, ELSE, 1), entry(OUT, ELSE, 2), entry(ELSE, MOD_OUT, 3), entry(ELSE + 1, ELSE, 4))
    (taken,) = through(sent)
    assert [one.entry_id for one in taken.entries] == [1, 3, 4]
    assert [one.actor_id for one in taken.entries] == [ELSE, 0, ELSE]
    assert (taken.size, taken.meaning, taken.request) == (4, AnswerMeaning.ANSWERED, sent.request)


def test_a_page_names_only_people_who_did_not_opt_out() -> None:
    people = (Person(OUT, "out"), Person(ELSE, "else"), Person(MOD_OUT, "moderator"))
    (taken,) = through(page(people=people))
    assert taken.people == (Person(ELSE, "else"),)


def test_a_page_of_nothing_but_who_opted_out_still_arrives_for_who_waits_for_it() -> None:
    sent = page(entry(OUT), people=(Person(OUT, "out"),))
    (taken,) = through(sent)
    assert (taken.entries, taken.people, taken.size) == ((), (), 1)


def test_a_refused_page_goes_on_with_its_status() -> None:
    refused = AuditPage(RestRequest(RequestKind.AUDIT_LOG, GUILD), AnswerMeaning.REFUSED)
    assert through(refused) == [refused]


# ---------------------------------------------------------------------- guilds


def test_who_opted_out_is_not_in_voice_of_a_guild_that_appears() -> None:
    (taken,) = through(guild(ELSE, OUT, ELSE, MOD_OUT))
    assert [state.user_id for state in taken.voice_states] == [ELSE]
    assert (taken.owner_id, taken.member_count) == (ELSE, 12), "as Discord tells it"


@pytest.mark.parametrize("make", [guild, changed, roles])
def test_an_owner_who_opted_out_is_not_named(make: Callable[[int], Any]) -> None:
    (taken,) = through(make(OUT))
    assert taken == msgspec.structs.replace(make(OUT), owner_id=0)
    (other,) = through(make(ELSE))
    assert other == make(ELSE)


def test_the_roles_of_a_guild_go_on_whole_although_its_owner_opted_out() -> None:
    (taken,) = through(roles(OUT))
    assert taken.roles == roles(ELSE).roles
    assert taken.holders == roles(ELSE).holders


# ---------------------------------------------------------------------- counts


def test_a_count_without_a_user_goes_on() -> None:
    fact = count()
    assert through(fact) == [fact]


@pytest.mark.parametrize(("user_id", "person"), [(OUT, ELSE), (ELSE, OUT), (OUT, OUT)])
def test_a_count_is_left_out_by_whose_it_is_or_by_whose_doing(user_id: int, person: int) -> None:
    assert through(count(user_id, person)) == []

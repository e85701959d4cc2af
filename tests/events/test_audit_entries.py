"""What an audit-log entry comes to, from the gateway or on request, whatever stands in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events import audit
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.audit import EntryPayload, read_answer, read_entry
from exporter.events.facts.base import ElementsRejected
from exporter.events.facts.counting import Person
from exporter.events.facts.moderation import AuditEntry, AuditPage
from exporter.events.moderation import ACTIONS
from exporter.events.payload import DISCORD_EPOCH_MS, MAX_ID, MAX_TEXT, snowflake_ms
from exporter.events.reading import PayloadReader
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.events.spec import Reader

NOW = 1_700_000_000_000
ID = NOW - DISCORD_EPOCH_MS << 22
GUILD, MODERATOR, TARGET = 5, 7, 9
ISO_LATER = "2023-11-15T00:00:00+00:00"
LATER = 1_700_006_400_000
ISO_EARLIER = "2023-11-14T00:00:00+00:00"


def raw(kind: int, **more: Any) -> dict[str, Any]:
    entry = {"id": str(ID), "action_type": kind, "user_id": str(MODERATOR), "target_id": str(TARGET)}
    return entry | more


def read_all(kind: int, **more: Any) -> tuple[AuditEntry, list[str]]:
    """An entry, and the paths of what was left out of it."""
    body = json.dumps(raw(kind, guild_id=str(GUILD)) | more).encode()
    entry, *rejected = read_entry(msgspec.json.decode(body, type=EntryPayload, strict=False), NOW)
    assert isinstance(entry, AuditEntry)
    return entry, paths_of(rejected)


def paths_of(rejected: list[Any]) -> list[str]:
    assert all(isinstance(fact, ElementsRejected) for fact in rejected)
    return [fact.path for fact in rejected for _ in range(fact.number)]


def read(kind: int, **more: Any) -> AuditEntry:
    entry, rejected = read_all(kind, **more)
    assert not rejected
    return entry


def change(key: str, new: object = None, old: object = None) -> dict[str, Any]:
    return {"key": key, "new_value": new, "old_value": old}


# ---------------------------------------------------------------------- who and whom


@pytest.mark.parametrize(("kind", "action"), sorted(audit.ACTIONS_BY_TYPE.items()))
def test_a_type_that_tells_all_by_itself_is_named_after_it(kind: int, action: str) -> None:
    entry = read(kind)
    assert (entry.action, entry.action_type, entry.guild_id, entry.at) == (action, kind, GUILD, NOW)
    assert action in ACTIONS.series_of


@pytest.mark.parametrize("kind", [143, 144, 145])
def test_automoderation_has_no_actor_though_the_entry_names_the_offender_twice(kind: int) -> None:
    entry = read(kind, user_id=str(TARGET), options={"auto_moderation_rule_name": "no\nspam"})
    assert (entry.actor_id, entry.target_id) == (0, TARGET)
    assert entry.details["rule"] == "no spam"


@pytest.mark.parametrize("kind", [audit.PRUNE, audit.MEMBER_MOVE, audit.MEMBER_DISCONNECT])
def test_where_the_target_is_no_person_none_is_named(kind: int) -> None:
    assert read(kind).target_id == 0


def test_the_target_of_messages_deleted_in_bulk_is_their_channel() -> None:
    entry = read(audit.MESSAGE_BULK_DELETE, target_id="77", options={"count": "30", "channel_id": "1"})
    assert (entry.target_id, entry.channel_id, entry.amount) == (0, 77, 30)
    assert entry.details == {"count": 30, "channel_id": 77}


@pytest.mark.parametrize("kind", sorted(audit.GROUPED))
def test_the_count_of_what_is_grouped_is_read_with_its_channel(kind: int) -> None:
    entry = read(kind, options={"count": "4", "channel_id": "12"})
    assert (entry.amount, entry.channel_id) == (4, 12)
    assert entry.details == {"count": 4, "channel_id": 12}


def test_a_prune_tells_how_many_and_after_how_many_days() -> None:
    entry = read(audit.PRUNE, target_id=None, options={"members_removed": "8", "delete_member_days": "30"})
    assert (entry.amount, entry.details) == (8, {"members_removed": 8, "days": 30})


@pytest.mark.parametrize("odd", ["x", "-1", "1.5", [], {"a": 1}, "9" * 30])
def test_a_count_that_cannot_be_read_costs_the_count_and_not_the_entry(odd: object) -> None:
    options = {"members_removed": odd, "delete_member_days": "30"}
    entry, rejected = read_all(audit.PRUNE, target_id=None, options=options)
    assert (entry.action, entry.actor_id, entry.amount, entry.details) == (
        "prune",
        MODERATOR,
        0,
        {"days": 30},
    )
    assert rejected == ["$.options.members_removed"]
    entry, rejected = read_all(audit.MESSAGE_DELETE, options={"count": odd, "channel_id": "12"})
    assert (entry.action, entry.amount, entry.details) == ("message_delete", 0, {"channel_id": 12})
    assert rejected == ["$.options.count"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_count_of_nothing_is_none(nothing: str | None) -> None:
    entry = read(audit.PRUNE, options={"members_removed": nothing, "delete_member_days": nothing})
    assert (entry.amount, entry.details) == (0, {"members_removed": 0, "days": 0})


@pytest.mark.parametrize("target", [None, "", "x", "-1", "1.0", "٣", str(MAX_ID + 1), "9" * 40, " 9"])
def test_a_target_that_is_no_id_is_none(target: str | None) -> None:
    assert read(audit.BAN, target_id=target).target_id == 0


@pytest.mark.parametrize("target", ["0", "9", str(MAX_ID)])
def test_a_target_that_fits_the_stores_is_taken(target: str) -> None:
    assert read(audit.BAN, target_id=target).target_id == int(target)


@pytest.mark.parametrize(
    ("reason", "stored"), [(None, None), ("", ""), ("a\x00b", "a b"), ("x" * 900, "x" * MAX_TEXT)]
)
def test_a_reason_is_made_fit_to_be_stored(reason: str | None, stored: str | None) -> None:
    assert read(audit.KICK, reason=reason).reason == stored


def test_an_entry_without_actor_or_guild() -> None:
    assert read(audit.KICK, user_id=None).actor_id == 0
    reader = PayloadReader(audit.ENTRY_CREATE, [Reader(EntryPayload, read_entry)])
    assert reader.read(json.dumps(raw(audit.KICK)).encode(), NOW) == ()


def test_a_type_not_known_is_no_action_and_is_passed_on_for_who_keeps_count() -> None:
    entry = read(9999, changes=[change("nick", "x")])
    assert (entry.action, entry.details, entry.entry_id) == ("", {}, ID)


# ---------------------------------------------------------------------- changes of a member


def updated(*changes: dict[str, Any], **more: Any) -> AuditEntry:
    return read(audit.MEMBER_UPDATE, changes=list(changes), **more)


@pytest.mark.parametrize(
    ("new", "old", "action", "until"),
    [
        (ISO_LATER, None, "timeout", LATER),
        (ISO_LATER, ISO_EARLIER, "timeout", LATER),
        (None, ISO_LATER, "timeout_removed", 0),
        (None, None, "timeout_removed", 0),
        (ISO_EARLIER, ISO_LATER, "timeout_removed", 0),
        (None, ISO_EARLIER, "", 0),
    ],
    ids=[
        "set",
        "set after one ran out",
        "lifted",
        "lifted, old unknown",
        "set to the past",
        "ran out already",
    ],
)
def test_a_timeout_is_judged_by_the_entry_s_own_time(
    new: str | None, old: str | None, action: str, until: int
) -> None:
    entry = updated(change("communication_disabled_until", new, old))
    assert (entry.action, entry.until) == (action, until)
    assert entry.details == ({"until": LATER} if until else {})


@pytest.mark.parametrize(
    ("key", "value", "action"),
    [
        ("mute", True, "voice_mute"),
        ("mute", False, "voice_unmute"),
        ("deaf", True, "voice_deafen"),
        ("deaf", False, "voice_undeafen"),
        ("deaf", None, "voice_undeafen"),
    ],
)
def test_a_switch_is_named_after_where_it_was_put(key: str, value: object, action: str) -> None:
    assert updated(change(key, value, old=not value)).action == action


def test_a_nickname_given_by_another_is_an_action_and_one_s_own_is_none() -> None:
    given_one = updated(change("nick", "new\u202e", "old"))
    assert (given_one.action, given_one.details) == ("nick", {"nick": "new ", "old_nick": "old"})
    own = updated(change("nick", "new", "old"), user_id=str(TARGET))
    assert (own.action, own.details) == ("", {})


def test_a_nickname_taken_away_is_none() -> None:
    assert updated(change("nick", None, "old")).details == {"nick": None, "old_nick": "old"}


def test_what_one_changes_of_oneself_besides_the_name_is_a_fact() -> None:
    """Only names are one's own affair."""
    entry = updated(change("mute", True), change("nick", "n"), user_id=str(TARGET))
    assert (entry.action, entry.details) == ("voice_mute", {})


def test_several_changes_at_once_are_one_action_by_the_weightiest() -> None:
    entry = updated(
        change("nick", "n"),
        change("deaf", True),
        change("mute", True),
        change("communication_disabled_until", ISO_LATER),
    )
    assert entry.action == "timeout"
    assert entry.details["also"] == ["voice_mute", "voice_deafen", "nick"]


@pytest.mark.parametrize("changes", [None, [], [change("bypasses_verification", True)], [{}]])
def test_an_update_of_nothing_known_is_no_action(changes: list[dict[str, Any]] | None) -> None:
    entry = read(audit.MEMBER_UPDATE, changes=changes)
    assert (entry.action, entry.until, entry.details) == ("", 0, {})


def test_a_change_without_values_reads_as_nothing() -> None:
    assert updated({"key": "mute"}).action == "voice_unmute"


def test_a_known_field_of_another_type_costs_that_field_and_is_reported() -> None:
    for bad in (change("mute", [1]), change("nick", 5), change("communication_disabled_until", "soon")):
        entry, rejected = read_all(audit.MEMBER_UPDATE, changes=[bad, change("deaf", True)])
        assert (entry.action, entry.details) == ("voice_deafen", {})
        assert rejected == ["$.changes[]"]


def test_an_unknown_field_of_any_type_is_passed_over() -> None:
    assert updated(change("flags", {"a": [1]}), change("mute", True)).action == "voice_mute"


# ---------------------------------------------------------------------- roles


def with_roles(*changes: dict[str, Any]) -> AuditEntry:
    return read(audit.MEMBER_ROLE_UPDATE, changes=list(changes))


def roles(*ids: int) -> list[dict[str, str]]:
    return [{"id": str(number), "name": "r"} for number in ids]


def test_roles_given_or_taken_are_listed() -> None:
    assert with_roles(change("$add", roles(1, 2))).details == {"roles": [1, 2]}
    taken = with_roles(change("$remove", roles(3)))
    assert (taken.action, taken.details) == ("role_remove", {"roles": [3]})


def test_roles_given_and_taken_at_once_are_one_action_with_both() -> None:
    entry = with_roles(change("$remove", roles(3)), change("$add", roles(1)))
    assert (entry.action, entry.details) == (
        "role_add",
        {"roles": [1], "roles_removed": [3], "also": ["role_remove"]},
    )


def test_no_more_roles_are_listed_than_a_guild_can_have() -> None:
    listed = with_roles(change("$add", roles(*range(1000)))).details["roles"]
    assert listed == list(range(audit.MAX_ROLES))


def test_roles_that_are_no_list_are_left_out_and_none_are_none() -> None:
    assert with_roles(change("$add", None)).details == {"roles": []}
    entry, rejected = read_all(audit.MEMBER_ROLE_UPDATE, changes=[change("$add", "1")])
    assert (entry.action, entry.details, rejected) == ("", {}, ["$.changes[]"])


def test_a_role_that_is_none_costs_that_role() -> None:
    entry, rejected = read_all(
        audit.MEMBER_ROLE_UPDATE, changes=[change("$add", [*roles(1), None, {"id": "x"}, *roles(2)])]
    )
    assert (entry.details, rejected) == ({"roles": [1, 2]}, ["$.changes[].new_value[]"] * 2)


# ---------------------------------------------------------------------- answers


REQUEST = RestRequest(RequestKind.AUDIT_LOG, GUILD, purpose="p")


def answered_with_report(body: object, status: int = 200) -> tuple[AuditPage, list[str]]:
    packed = msgspec.Raw(body if isinstance(body, bytes) else json.dumps(body).encode())
    page, *rejected = read_answer(Answer(REQUEST, status, packed), NOW)
    assert isinstance(page, AuditPage)
    assert page.request == REQUEST
    return page, paths_of(rejected)


def answered(body: object, status: int = 200) -> AuditPage:
    return answered_with_report(body, status)[0]


def test_a_page_gives_its_entries_the_guild_that_was_asked_about() -> None:
    page = answered({"audit_log_entries": [raw(20), raw(22, id=str(ID + 1))], "users": []})
    assert [(entry.guild_id, entry.entry_id, entry.action) for entry in page.entries] == [
        (GUILD, ID, "kick"),
        (GUILD, ID + 1, "ban"),
    ]


def test_an_old_entry_on_request_keeps_its_own_time() -> None:
    """One from the gateway that old would be dated by its receipt."""
    old = ID - (40 * 86_400_000 << 22)
    (entry,) = answered({"audit_log_entries": [raw(20, id=str(old))]}).entries
    assert entry.at == snowflake_ms(old)
    assert read(20, id=str(old)).at == NOW


def test_the_people_of_a_page_are_named_clean() -> None:
    page, rejected = answered_with_report(
        {
            "audit_log_entries": [],
            "users": [{"id": "1", "username": "a\u2028b"}, {"id": "2", "bot": True}, {"id": "x"}, 5],
        }
    )
    assert rejected == ["$.users[]"] * 2
    assert page.people == (Person(1, "a b"), Person(2, "", bot=True))


def test_what_cannot_be_read_of_a_page_costs_itself_alone_and_counts_to_its_size() -> None:
    bad_change = raw(24, changes=[change("mute", [])])
    page, rejected = answered_with_report(
        {"audit_log_entries": [raw(20), None, {}, bad_change, {"id": "x"}, raw(22, id="1")]}
    )
    assert [entry.action for entry in page.entries] == ["kick", "", "ban"]
    assert sorted(rejected) == ["$.audit_log_entries[]"] * 3 + ["$.audit_log_entries[].changes[]"]
    assert page.size == 6


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b'{"audit_log_entries":5}', b'{"users":{}}', b"{}"])
@pytest.mark.parametrize("status", [0, 200, 403, 500])
def test_an_answer_that_is_no_log_is_a_trouble_and_no_empty_page(body: bytes, status: int) -> None:
    page = answered(body, status)
    assert (page.meaning, page.entries, page.size) == (AnswerMeaning.TROUBLE, (), 0)


@pytest.mark.parametrize(("status", "code"), [(401, 0), (403, 50001), (403, 50013), (404, 10004)])
def test_what_discord_says_of_the_bots_rights_is_a_refusal(status: int, code: int) -> None:
    page = answered({"message": "no", "code": code}, status)
    assert (page.meaning, page.entries, page.size) == (AnswerMeaning.REFUSED, (), 0)


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(ISO_LATER)
_CHANGES = st.lists(
    st.builds(
        change,
        st.sampled_from(["nick", "mute", "deaf", "communication_disabled_until", "$add", "$remove", "x"]),
        _VALUES | st.lists(st.fixed_dictionaries({"id": _VALUES}), max_size=2),
        _VALUES,
    ),
    max_size=4,
)


@given(st.sampled_from([20, 21, 22, 24, 25, 26, 72, 73, 143, 1]), _CHANGES)
def test_whatever_changed_an_entry_on_request_is_taken_or_passed_over(kind: int, changes: Any) -> None:
    page = answered({"audit_log_entries": [raw(kind, changes=changes), raw(22, id="1")]})
    assert page.size == 2
    assert page.entries[-1].action == "ban"
    for entry in page.entries:
        assert entry.action == "" or entry.action in ACTIONS.series_of
        assert "also" not in entry.details or entry.action not in entry.details["also"]  # type: ignore[operator]  # a list
        assert (entry.action == "timeout") == (entry.until > 0)

"""Of an entry from before an opt-out, only what names no one who opted out is delivered."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.events.records.occurrences import InviteUseRecord, ModerationRecord
from exporter.events.records.snapshots import ActiveMember, MemberActivitySnapshot, MetricsSnapshot
from exporter.model import Entry, EntryData, Priority
from exporter.screen.entries import without

OUT, ELSE = 170141, 200
PERIOD = {"period_start": 0, "period_end": 60_000, "period_duration": 60}


def entry(data: EntryData | dict[str, Any]) -> Entry:
    return Entry("T", 1, 0, "k", Priority.SLOW, data)


@pytest.mark.parametrize(
    "data",
    [
        ModerationRecord(action="ban", target_user_id=OUT, target_username="ann"),
        InviteUseRecord(invitee_id=OUT, invitee_username="ann"),
        {"user_id": OUT},
    ],
)
def test_nothing_remains_of_an_entry_about_them(data: Any) -> None:
    assert without(entry(data), {OUT}) is None


def test_a_moderator_among_them_is_not_named_and_the_action_stays() -> None:
    data = ModerationRecord(
        action="ban", target_user_id=ELSE, moderator_id=OUT, moderator_username="ann", reason="spam"
    )
    remaining = without(entry(data), {OUT})
    assert remaining is not None
    assert remaining.data == ModerationRecord(action="ban", target_user_id=ELSE, reason="spam")


def test_an_amendment_that_names_its_person_by_the_key_alone_is_left_out() -> None:
    amendment = Entry("T", 1, 0, f"leave:1:{OUT}:1700", Priority.CRITICAL, ModerationRecord(reason="x"), True)
    assert without(amendment, {OUT}) is None
    assert without(amendment, {ELSE}) is amendment


def test_an_entry_of_an_unknown_type_is_screened_by_its_keys() -> None:
    remaining = without(entry({"inviter_id": OUT, "inviter_username": "ann", "code": "x"}), {OUT})
    assert remaining is not None
    assert remaining.data == {"code": "x"}


def test_an_entry_about_others_is_the_very_same() -> None:
    for data in (ModerationRecord(target_user_id=ELSE, moderator_id=ELSE), {"user_id": ELSE}):
        whole = entry(data)
        assert without(whole, {OUT}) is whole


def test_an_owner_among_them_is_left_out_of_the_change_of_a_guild() -> None:
    changes = {"owner_id": {"old": OUT, "new": ELSE}, "name": {"old": "a", "new": "b"}}
    remaining = without(entry({"owner_id": ELSE, "changes": changes}), {OUT})
    assert remaining is not None
    assert remaining.data == {
        "owner_id": ELSE,
        "changes": {"owner_id": {"old": None, "new": ELSE}, "name": {"old": "a", "new": "b"}},
    }


def test_members_are_left_out_of_snapshots_and_sums_of_the_guild_stay() -> None:
    series = [("messages", "human", 5, "", 3)]
    metrics = MetricsSnapshot(
        **PERIOD,
        series=series,
        gauges={},
        members=[("messages", "human", OUT, 1), ("messages", "human", ELSE, 2)],
    )
    remaining = without(entry(metrics), {OUT})
    assert remaining is not None
    assert isinstance(remaining.data, MetricsSnapshot)
    assert remaining.data.series == series
    assert remaining.data.members == [("messages", "human", ELSE, 2)]
    members = [ActiveMember(user, "n", 0, 0, False, []) for user in (OUT, ELSE)]
    remaining = without(entry(MemberActivitySnapshot(**PERIOD, members=members)), {OUT})
    assert remaining is not None
    assert isinstance(remaining.data, MemberActivitySnapshot)
    assert [member.user_id for member in remaining.data.members] == [ELSE]

"""What is known of an occurrence does not depend on the order in which it was reported."""

from __future__ import annotations

import itertools

import pytest

from exporter.events.audit import ENTRY_CREATE
from exporter.model import STORED, Entry
from exporter.sinks.sql.schema import member_events, moderation_logs
from tests.entry_data import entry_of
from tests.sinks.sql.conftest import Store
from tests.sinks.sql.entries import ANN, BOB, GUILD, MINUTE, MOD, NOON, attribution, ban, join, leave

ORIGINAL = ban(note="first", both="original")
MORE = ban(
    at=NOON + 900, amends=True, moderator_id=MOD, moderator_username="mod", reason="spam", both="amended"
)
MOST = ban(at=NOON + 950, amends=True, audit_entry_id=77, reason=None, nested={"a": {"b": 1}}, recovered=True)


@pytest.mark.parametrize("together", [True, False])
async def test_three_reports_of_one_ban_make_one_row_in_any_order(store: Store, *, together: bool) -> None:
    for order in itertools.permutations((ORIGINAL, MORE, MOST)):
        await store.wipe()
        for batch in [order] if together else [(entry,) for entry in order]:
            assert await store.deliver(*batch) == STORED
        row = await store.only(moderation_logs)
        assert (row["target_user_id"], row["moderator_id"], row["moderator_username"]) == (ANN, MOD, "mod")
        assert (row["reason"], row["audit_entry_id"], row["recovered"]) == ("spam", 77, True)
        assert (row["action"], row["at"]) == ("ban", NOON)
        assert row["details"] == {"note": "first", "both": "amended", "nested": {"a": {"b": 1}}}


async def test_a_leave_becomes_a_kick_whoever_speaks_first(store: Store) -> None:
    for user, amend_first in ((ANN, False), (BOB, True)):
        left = leave(user, reason="leave")
        kicked = attribution(left, reason="kick", moderator_id=MOD, audit_entry_id=5)
        for entry in (kicked, left) if amend_first else (left, kicked):
            assert await store.deliver(entry) == STORED
    for row in await store.read(member_events):
        assert (row["event"], row["reason"], row["moderator_id"]) == ("leave", "kick", MOD)
        assert (row["audit_entry_id"], row["username"]) == (5, f"user{row['user_id']}")


async def test_a_null_never_overwrites(store: Store) -> None:
    await store.deliver(ban(reason="spam", moderator_id=MOD, note=1))
    before = await store.only(moderation_logs)
    await store.deliver(ban(amends=True, reason=None, moderator_id=None, note=None, target_user_id=None))
    assert await store.only(moderation_logs) == before


async def test_of_two_amendments_the_later_counts(store: Store) -> None:
    await store.deliver(ban(), ban(amends=True, reason="first"))
    await store.deliver(ban(amends=True, reason="second"))
    assert (await store.only(moderation_logs))["reason"] == "second"


async def test_an_original_sent_again_by_another_spool_changes_nothing(store: Store) -> None:
    await store.deliver(ban(), ban(amends=True, reason="spam"))
    before = await store.only(moderation_logs)
    store.source = "spool-b"
    store.clock.advance(3600)
    assert await store.deliver(ban(reason="never")) == STORED
    assert await store.only(moderation_logs) == before


async def test_details_are_merged_key_by_key_and_not_deeper(store: Store) -> None:
    await store.deliver(ban(a={"x": 1, "y": None}, b=[1, None]))
    await store.deliver(ban(amends=True, a={"z": None}, c="é"))
    assert (await store.only(moderation_logs))["details"] == {"a": {"z": None}, "b": [1, None], "c": "é"}


async def test_an_amendment_whose_audit_entry_stands_elsewhere_does_nothing(store: Store) -> None:
    await store.deliver(ban("ban:1"), ban("audit:77", audit_entry_id=77, moderator_id=MOD))
    before = await store.read(moderation_logs)
    assert await store.deliver(ban("ban:1", amends=True, audit_entry_id=77, reason="late")) == STORED
    assert await store.read(moderation_logs) == before
    assert await store.deliver(ban("ban:1", amends=True, audit_entry_id=78, reason="other")) == STORED
    assert [row["audit_entry_id"] for row in await store.read(moderation_logs)] == [77, 78]


async def test_one_audit_entry_may_explain_a_ban_and_a_leave(store: Store) -> None:
    left = leave(BOB)
    await store.deliver(ban(audit_entry_id=77), left, attribution(left, reason="ban", audit_entry_id=77))
    assert (await store.only(moderation_logs))["audit_entry_id"] == 77
    assert (await store.only(member_events))["audit_entry_id"] == 77


async def test_tenure_survives_an_amendment_that_comes_after_the_rejoin(store: Store) -> None:
    left = leave(at=NOON + MINUTE)
    await store.deliver(join(at=NOON), left)
    await store.deliver(join(at=NOON + 2 * MINUTE))
    await store.deliver(attribution(left, reason="kick"))
    row = next(row for row in await store.read(member_events) if row["event"] == "leave")
    assert (row["tenure_seconds"], row["reason"]) == (60.0, "kick")


def counted_deletions(*, amends: bool = False, **data: object) -> Entry:
    """Deleted messages, known from an audit-log entry whose count rises."""
    record = data if amends else {"action": "message_delete", "target_user_id": ANN, **data}
    return entry_of(ENTRY_CREATE, record, guild=GUILD, at=NOON, key="audit:77", amends=amends)


async def test_an_amendment_whose_original_is_lost_is_marked_and_names_no_action(store: Store) -> None:
    assert await store.deliver(counted_deletions(amends=True, count=5, audit_entry_id=77)) == STORED
    row = await store.only(moderation_logs)
    assert (row["action"], row["target_user_id"], row["details"]) == ("unknown", None, {"count": 5})


async def test_an_original_that_comes_after_its_amendment_says_what_was_done(store: Store) -> None:
    await store.deliver(counted_deletions(amends=True, count=5, audit_entry_id=77))
    await store.deliver(counted_deletions(count=2, audit_entry_id=77))
    row = await store.only(moderation_logs)
    assert (row["action"], row["target_user_id"], row["details"]) == ("message_delete", ANN, {"count": 5})


async def test_what_the_type_says_is_known_without_the_original(store: Store) -> None:
    mute = entry_of("VOICE_MUTE", {"moderator_id": MOD}, guild=GUILD, at=NOON, key="mute:1", amends=True)
    await store.deliver(ban(amends=True, moderator_id=MOD), mute)
    rows = await store.read(moderation_logs)
    assert sorted(row["action"] for row in rows) == ["ban", "voice_mute"]

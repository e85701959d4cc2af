"""What was written live before a crash and what the audit log says of it afterwards are one row."""

from __future__ import annotations

import pytest

from exporter.model import STORED, Entry
from exporter.sinks.sql.reunion import APART_MS
from exporter.sinks.sql.schema import moderation_logs
from tests.sinks.sql.conftest import Store
from tests.sinks.sql.entries import ANN, BOB, GUILD, MOD, NOON, ban


def found(entry_id: int = 77, at: int = NOON + 400, **data: object) -> Entry:
    """A ban as the audit log tells it after a restart."""
    told = {"moderator_id": MOD, "reason": "spam", "audit_entry_id": entry_id, "recovered": True} | data
    return ban(f"audit:{entry_id}", at, **told)


async def rows(store: Store) -> list[tuple[object, ...]]:
    names = ("event_key", "target_user_id", "moderator_id", "audit_entry_id", "recovered")
    return [tuple(row[name] for name in names) for row in await store.read(moderation_logs)]


@pytest.mark.parametrize("together", [True, False])
async def test_an_entry_found_afterwards_joins_the_row_that_was_waiting(
    store: Store, *, together: bool
) -> None:
    for batch in [(ban("ban:1"), found())] if together else [(ban("ban:1"),), (found(),)]:
        assert await store.deliver(*batch) == STORED
    assert await rows(store) == [("ban:1", ANN, MOD, 77, True)]
    assert (await store.only(moderation_logs))["reason"] == "spam"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "other",
    [
        ban("ban:1", target_user_id=BOB),
        ban("ban:1", guild=GUILD + 1),
        ban("ban:1", action="unban"),
        ban("ban:1", NOON - APART_MS - 1),
        ban("ban:1", audit_entry_id=5),
    ],
    ids=["of somebody else", "in another guild", "another action", "long before", "with its own entry"],
)
async def test_a_row_of_something_else_is_left_alone(store: Store, other: Entry, *, together: bool) -> None:
    late = found(at=NOON)
    for batch in [(other, late)] if together else [(other,), (late,)]:
        assert await store.deliver(*batch) == STORED
    assert [row[0] for row in await rows(store)] == ["audit:77", "ban:1"]


async def test_two_entries_join_two_rows_the_closest_each(store: Store) -> None:
    await store.deliver(ban("ban:1", NOON), ban("ban:2", NOON + 4_000))
    await store.deliver(found(77, NOON + 3_500), found(78, NOON + 1_000))
    assert [(row[0], row[3]) for row in await rows(store)] == [("ban:1", 78), ("ban:2", 77)]


async def test_a_third_entry_is_a_row_of_its_own(store: Store) -> None:
    await store.deliver(ban("ban:1"))
    await store.deliver(found(77), found(78))
    assert [row[0] for row in await rows(store)] == ["audit:78", "ban:1"]


async def test_a_row_explained_in_the_same_batch_waits_no_more(store: Store) -> None:
    await store.deliver(ban("ban:1"))
    await store.deliver(ban("ban:1", amends=True, audit_entry_id=5), found(77))
    assert [(row[0], row[3]) for row in await rows(store)] == [("audit:77", 77), ("ban:1", 5)]


async def test_an_entry_seen_live_looks_for_nobody(store: Store) -> None:
    await store.deliver(ban("ban:1"))
    await store.deliver(found(77, recovered=False))
    assert [row[0] for row in await rows(store)] == ["audit:77", "ban:1"]


@pytest.mark.parametrize("together", [True, False])
async def test_an_entry_found_twice_stays_one_row(store: Store, *, together: bool) -> None:
    await store.deliver(ban("ban:1"))
    for batch in [(found(), found())] if together else [(found(),), (found(),)]:
        assert await store.deliver(*batch) == STORED
    assert await rows(store) == [("ban:1", ANN, MOD, 77, True)]


@pytest.mark.parametrize("together", [True, False])
async def test_more_about_the_entry_goes_to_the_row_it_joined(store: Store, *, together: bool) -> None:
    more = ban("audit:77", amends=True, target_username="anna", note=1)
    for batch in [(ban("ban:1"), found(), more)] if together else [(ban("ban:1"),), (found(),), (more,)]:
        assert await store.deliver(*batch) == STORED
    row = await store.only(moderation_logs)
    assert (row["event_key"], row["target_username"], row["details"]) == ("ban:1", "anna", {"note": 1})

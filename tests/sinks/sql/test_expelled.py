"""A user kicked or banned during an absence is a member no more, as far as that is known."""

from __future__ import annotations

import pytest

from exporter.model import STORED, Entry
from exporter.sinks.sql.schema import member_events, members
from tests.sinks.sql.conftest import Store
from tests.sinks.sql.entries import ANN, BOB, MINUTE, MOD, NOON, ban, join, leave


def found(at: int = NOON, **data: object) -> Entry:
    record = {"moderator_id": MOD, "audit_entry_id": at, "recovered": True} | data
    return ban(f"audit:{at}", at, **record)


async def left(store: Store) -> dict[int, int | None]:
    return {row["user_id"]: row["left_at"] for row in await store.read(members)}


@pytest.mark.parametrize("action", ["ban", "kick"])
@pytest.mark.parametrize("together", [True, False])
async def test_a_member_removed_unseen_has_left(store: Store, action: str, *, together: bool) -> None:
    came, gone = [join(at=NOON - MINUTE), join(BOB, NOON - MINUTE)], found(action=action)
    for batch in [[*came, gone]] if together else [came, [gone]]:
        assert await store.deliver(*batch) == STORED
    assert await left(store) == {ANN: NOON, BOB: None}
    assert len(await store.read(member_events)) == 2, "no departure is invented"


async def test_a_user_who_came_back_since_is_there(store: Store) -> None:
    await store.deliver(join(at=NOON + MINUTE))
    await store.deliver(found())
    assert await left(store) == {ANN: None}
    await store.deliver(found(NOON + 2 * MINUTE), join(at=NOON + 3 * MINUTE))
    assert await left(store) == {ANN: None}


async def test_a_later_departure_stands(store: Store) -> None:
    await store.deliver(join(at=NOON - MINUTE), leave(at=NOON + MINUTE))
    await store.deliver(found())
    assert await left(store) == {ANN: NOON + MINUTE}


async def test_a_stranger_who_is_banned_was_never_a_member(store: Store) -> None:
    await store.deliver(found())
    assert await left(store) == {}


@pytest.mark.parametrize("other", [found(action="unban"), found(action="timeout"), found(recovered=False)])
async def test_other_actions_remove_no_member(store: Store, other: Entry) -> None:
    await store.deliver(join(at=NOON - MINUTE))
    await store.deliver(other)
    assert await left(store) == {ANN: None}

"""Each change of what a guild is made of is one row, by whom it was, in whatever order it is told of."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import msgspec
import pytest

from exporter.events.audit import EntryPayload, to_fact
from exporter.events.catalogue import full_catalogue
from exporter.events.changes import CHANGES, CHANGES_BY_TYPE, WATCHED
from exporter.events.facts import (
    AuditEntry,
    GuildObject,
    GuildObjectChanged,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
)
from exporter.tracking.structure.guild_objects import MAX_OBJECTS, GuildObjects
from tests.tracking.moderation.moderators import AT, EPOCH, GUILD, MODERATOR, Log, entry_id

TYPES = tuple(action.upper() for action in CHANGES)
NUMBERS = {action: number for number, action in reversed(CHANGES_BY_TYPE.items())}
ROLE = 900

Facts = GuildObjectUpserted | GuildObjectDeleted | GuildObjectsListed


def part(kind: str = "role", part_id: int = ROLE, **traits: Any) -> GuildObject:
    return GuildObject(kind, part_id, {"name": "a"} | traits)


def seen(
    news: str, at: int = AT, kind: str = "role", maker_id: int = 0, **traits: Any
) -> GuildObjectUpserted:
    return GuildObjectUpserted(GUILD, at, part(kind, **traits), news, maker_id)


def gone(at: int = AT, kind: str = "role") -> GuildObjectDeleted:
    return GuildObjectDeleted(GUILD, at, kind, ROLE)


def listed(
    *parts: GuildObject, told: bool = False, kinds: tuple[str, ...] = tuple(WATCHED)
) -> GuildObjectsListed:
    return GuildObjectsListed(GUILD, AT, kinds, parts, told)


def entry(action: str, at: int = AT, number: int = 0, actor: int = MODERATOR, **changes: Any) -> AuditEntry:
    told = [{"key": key, "old_value": old, "new_value": new} for key, (old, new) in changes.items()]
    payload = {
        "id": str(entry_id(at, number)),
        "action_type": NUMBERS[action],
        "user_id": str(actor),
        "target_id": str(ROLE),
        "reason": "tidy",
        "changes": told,
    }
    return to_fact(msgspec.json.decode(json.dumps(payload), type=EntryPayload, strict=False), GUILD, at)


class Yard:
    """The stage with the types of structure, and what it puts out."""

    def __init__(self, *, blind: bool = False, types: tuple[str, ...] = TYPES) -> None:
        self.log = Log(types, blind=blind)

    def take(self, *facts: Any) -> Yard:
        self.log.take(*facts)
        return self

    def recover(self, entry: AuditEntry) -> None:
        """An entry is found that was made in an absence."""
        self.log.recover(entry)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.log.rows.values())

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row


RENAME = {"name": {"old": "a", "new": "b"}}
BLAME = {"actor_id": MODERATOR, "actor_username": "mod", "reason": "tidy", "audit_entry_id": entry_id(AT)}


@pytest.mark.parametrize("first", ["dispatch", "entry"])
def test_an_update_is_one_row_whichever_is_told_first(first: str) -> None:
    facts = [seen("changed", name="b"), entry("role_update", name=("a", "b"))]
    yard = Yard().take(listed(part()), *(facts if first == "dispatch" else reversed(facts)))
    assert yard.row == {"target_id": ROLE, "name": "b", "changes": RENAME, **BLAME}
    assert yard.log.counts == {"role_update": 1}


@pytest.mark.parametrize("first", ["dispatch", "entry"])
@pytest.mark.parametrize(("verb", "news"), [("create", seen("made")), ("delete", gone())])
def test_a_part_is_made_and_deleted_once(first: str, verb: str, news: Facts) -> None:
    told = entry(f"role_{verb}", name=(None, "a") if verb == "create" else ("a", None))
    facts = [news, told] if first == "dispatch" else [told, news]
    there = () if verb == "create" else (part(),)
    yard = Yard().take(listed(*there), *facts, told, *([news] if verb == "create" else []))
    assert yard.row == {"target_id": ROLE, "name": "a", **BLAME}
    assert yard.log.counts == {f"role_{verb}": 1}


@pytest.mark.parametrize("kind", ["emoji", "sticker"])
def test_lists_tell_what_was_made_changed_and_deleted(kind: str) -> None:
    old = (part(kind, 1, name="stays"), part(kind, 2, name="old"), part(kind, 3, name="goes"))
    new = (part(kind, 1, name="stays"), part(kind, 2, name="new"), part(kind, 4, name="comes"))
    yard = Yard().take(listed(*old, kinds=(kind,)), listed(*new, told=True, kinds=(kind,)))
    found = {(yard.log.kinds[key], row["target_id"]): row for key, row in yard.log.rows.items()}
    upper = kind.upper()
    assert found == {
        (f"{upper}_DELETE", 3): {"target_id": 3, "name": "goes"},
        (f"{upper}_CREATE", 4): {"target_id": 4, "name": "comes"},
        (f"{upper}_UPDATE", 2): {
            "target_id": 2,
            "name": "new",
            "changes": {"name": {"old": "old", "new": "new"}},
        },
    }


def test_a_list_that_a_guild_comes_with_is_no_news() -> None:
    yard = Yard().take(listed(part("emoji", 1)), listed(part("emoji", 2)))
    assert yard.rows == []


def test_what_changed_while_nobody_could_compare_is_not_made_up() -> None:
    yard = Yard().take(seen("changed", name="b"), gone(), listed(part("emoji", 1), told=True))
    assert yard.rows == []
    yard.take(listed(), seen("changed", name="b"), seen("changed", name="b"))
    assert yard.rows == []


def test_a_dispatch_in_which_nothing_watched_changed_is_no_row() -> None:
    yard = Yard().take(listed(part(position=3)), seen("changed", position=4))
    assert yard.rows == []


def test_an_entry_of_what_no_dispatch_tells_is_a_row_by_itself() -> None:
    yard = Yard().take(
        listed(part("channel")),
        entry("channel_update", position=(3, 4)),
        entry("channel_update", number=1, available_tags=([], [{"id": "1"}])),
    )
    assert [row["changes"] for row in yard.rows] == [
        {"position": {"old": 3, "new": 4}},
        {"available_tags": {}},
    ]


def test_a_new_thread_names_its_maker_and_nobody_is_asked() -> None:
    yard = Yard().take(listed(), seen("made", kind="thread", maker_id=MODERATOR))
    assert yard.row["actor_id"] == MODERATOR
    yard.log.answering = False
    yard.log.wait(30_000)
    assert yard.log.asked == []
    yard.take(entry("thread_create", name=(None, "a")))
    assert yard.row == {"target_id": ROLE, "name": "a", **BLAME}


def test_a_thread_the_bot_was_let_into_is_no_new_one() -> None:
    yard = Yard().take(listed(), seen("shown", kind="thread"))
    assert yard.rows == []
    yard.take(seen("changed", kind="thread", name="b"))
    assert yard.row["changes"] == RENAME


def test_a_burst_nobody_explains_costs_one_question() -> None:
    yard = Yard().take(listed(part()))
    yard.log.answering = False
    for number in range(40):
        yard.take(seen("changed", name=f"{number}", at=AT + number))
    yard.log.wait(9_000)
    (question,) = yard.log.asked
    yard.log.answer(
        *(
            entry("role_update", AT + number, name=("a" if not number else f"{number - 1}", f"{number}"))
            for number in range(40)
        )
    )
    assert len(yard.rows) == 40
    assert {row["actor_id"] for row in yard.rows} == {MODERATOR}
    assert question.guild_id == GUILD


def test_without_permission_nobody_is_asked_and_the_actor_stays_unknown() -> None:
    yard = Yard(blind=True).take(listed(part()), seen("changed", name="b"))
    yard.log.answering = False
    yard.log.wait(30_000)
    assert yard.log.asked == []
    assert yard.row == {"target_id": ROLE, "name": "b", "changes": RENAME}


def test_only_what_is_switched_on_has_rows() -> None:
    yard = Yard(types=("ROLE_DELETE",)).take(
        listed(part()), seen("changed", name="b"), entry("role_update", name=("a", "b")), gone()
    )
    assert list(yard.log.kinds.values()) == ["ROLE_DELETE"]
    assert yard.row == {"target_id": ROLE, "name": "b"}
    quiet = Yard(types=()).take(listed(part()), gone(), entry("role_delete", name=("a", None)))
    assert quiet.rows == []


def test_what_was_found_afterwards_is_marked() -> None:
    yard = Yard()
    yard.recover(entry("role_delete", name=("a", None)))
    assert yard.row == {"target_id": ROLE, "name": "a", "recovered": True, **BLAME}


def test_a_row_waits_for_its_entry_over_a_restart_and_is_not_marked_as_found_afterwards() -> None:
    before = Yard().take(listed(part()), seen("changed", name="b"))
    after = Yard()
    after.log.rows, after.log.kinds = before.log.rows, before.log.kinds
    after.log.restart(before.log)
    after.recover(entry("role_update", name=("a", "b")))
    assert after.row == {"target_id": ROLE, "name": "b", "changes": RENAME, **BLAME}


@pytest.mark.parametrize("seed", range(8))
def test_renamings_back_and_forth_are_told_apart_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    yard = Yard().take(listed(part(name="0")))
    told: list[tuple[float, int, Any]] = []
    truth = []
    numbers, name = itertools.count(), "0"
    for step in range(60):
        at, new, actor = AT + 700 * step, str(chance.randrange(4)), 50 + chance.randrange(9)
        if new == name:
            continue
        told.append((at + 100, next(numbers), seen("changed", at, name=new)))
        late = at + chance.randrange(-50, 5_000)
        told.append((late, next(numbers), entry("role_update", at, actor=actor, name=(name, new))))
        truth.append((name, new, actor, entry_id(at)))
        name = new
    for at, _, fact in sorted(told, key=lambda each: each[:2]):
        yard.log.pass_to(max(yard.log.steady, int(at) - AT))
        yard.take(fact)
    found = [(*row["changes"]["name"].values(), row["actor_id"], row["audit_entry_id"]) for row in yard.rows]
    assert sorted(found) == sorted(truth)
    for key, row in yard.log.rows.items():
        at = AT if key.startswith("audit") else int(key.split(":")[3])
        assert key.startswith("audit") or abs((row["audit_entry_id"] >> 22) + EPOCH - at) < 6_000


def test_the_entry_of_one_update_never_explains_another() -> None:
    yard = Yard().take(
        listed(part()),
        seen("changed", name="b"),
        entry("role_update", AT + 100, name=("b", "c")),
        seen("changed", AT + 300, name="c"),
    )
    first, second = yard.rows
    assert first == {"target_id": ROLE, "name": "b", "changes": RENAME}
    assert second["changes"] == {"name": {"old": "b", "new": "c"}}
    assert second["actor_id"] == MODERATOR


def test_memory_of_a_guild_s_parts_has_an_end_and_goes_with_the_guild() -> None:
    parts = GuildObjects(TYPES)
    list(parts.list_all(listed()))
    for number in range(MAX_OBJECTS + 5):
        thread = part("thread", 1 + number)
        assert len(list(parts.upsert(GuildObjectUpserted(GUILD, AT, thread, "made")))) == 1
    oldest = GuildObjectUpserted(GUILD, AT, part("thread", 1, name="b"), "changed")
    newest = GuildObjectUpserted(GUILD, AT, part("thread", MAX_OBJECTS + 5, name="b"), "changed")
    assert list(parts.upsert(oldest)) == []
    (change,) = parts.upsert(newest)
    assert change == GuildObjectChanged(GUILD, AT, "thread_update", MAX_OBJECTS + 5, "b", RENAME)
    parts.forget(GUILD)
    assert list(parts.delete(GuildObjectDeleted(GUILD, AT, "thread", MAX_OBJECTS + 5))) == []


def test_of_two_updates_alike_each_gets_the_entry_nearest_in_time() -> None:
    yard = Yard().take(listed(part()))
    steps = [("a", "b"), ("b", "a"), ("a", "b")]
    for number, (_, new) in enumerate(steps):
        yard.take(seen("changed", AT + 1_000 * number, name=new))
    for number, step in reversed(list(enumerate(steps))):
        yard.take(entry("role_update", AT + 1_000 * number, actor=50 + number, name=step))
    assert [row["actor_id"] for row in yard.rows] == [50, 51, 52]


def test_a_value_the_audit_log_leaves_out_is_the_same_as_none_or_no() -> None:
    yard = Yard().take(
        listed(part("channel", nsfw=False, rate_limit_per_user=0)),
        seen("changed", kind="channel", nsfw=True, rate_limit_per_user=5),
        entry("channel_update", nsfw=(None, True), rate_limit_per_user=(None, 5)),
    )
    assert yard.row["audit_entry_id"] == entry_id(AT)


def test_every_change_has_a_type_and_every_type_an_entry() -> None:
    family = {spec.type for spec in full_catalogue().events.values() if spec.family == "structure"}
    assert family == set(TYPES) == {action.upper() for action in CHANGES_BY_TYPE.values()}

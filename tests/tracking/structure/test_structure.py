"""Each change of an object of a guild is one row, by whom it was, in whatever order it is reported."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import msgspec
import pytest

from exporter.events.audit import ENTRY_CREATE, EntryPayload, to_fact
from exporter.events.catalogue import full_catalogue
from exporter.events.changes import CHANGES, CHANGES_BY_TYPE
from exporter.events.facts.guilds import (
    GuildObject,
    GuildObjectChanged,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
)
from exporter.events.facts.moderation import AuditEntry
from exporter.events.reading import PartDecoder
from exporter.events.traits import WATCHED
from exporter.tracking.structure.guild_objects import MAX_OBJECTS, GuildObjects
from tests.tracking.moderation.moderators import AT, EPOCH, GUILD, MODERATOR, Log, entry_id

TYPES = tuple(action.upper() for action in CHANGES)
NUMBERS = {action: number for number, action in reversed(CHANGES_BY_TYPE.items())}
ROLE = 900

Facts = GuildObjectUpserted | GuildObjectDeleted | GuildObjectsListed


def part(kind: str = "role", object_id: int = ROLE, **traits: Any) -> GuildObject:
    return GuildObject(kind, object_id, {"name": "a"} | traits)


def seen(
    news: str, at: int = AT, kind: str = "role", creator_id: int = 0, **traits: Any
) -> GuildObjectUpserted:
    return GuildObjectUpserted(GUILD, at, part(kind, **traits), news, creator_id)


def gone(at: int = AT, kind: str = "role") -> GuildObjectDeleted:
    return GuildObjectDeleted(GUILD, at, kind, ROLE)


def listed(
    *parts: GuildObject, updated: bool = False, kinds: tuple[str, ...] = tuple(WATCHED)
) -> GuildObjectsListed:
    return GuildObjectsListed(GUILD, AT, kinds, parts, updated=updated)


def entry(action: str, at: int = AT, number: int = 0, actor: int = MODERATOR, **changes: Any) -> AuditEntry:
    diff = [{"key": key, "old_value": old, "new_value": new} for key, (old, new) in changes.items()]
    payload = {
        "id": str(entry_id(at, number)),
        "action_type": NUMBERS[action],
        "user_id": str(actor),
        "target_id": str(ROLE),
        "reason": "tidy",
        "changes": diff,
    }
    entry = msgspec.json.decode(json.dumps(payload), type=EntryPayload, strict=False)
    return to_fact(entry, GUILD, at, PartDecoder(ENTRY_CREATE))


class Structure:
    """The stage with the types of structure, and what it puts out."""

    def __init__(self, *, blind: bool = False, types: tuple[str, ...] = TYPES) -> None:
        self.log = Log(types, blind=blind)

    def take(self, *facts: Any) -> Structure:
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
ACTOR = {"actor_id": MODERATOR, "actor_username": "mod", "reason": "tidy", "audit_entry_id": entry_id(AT)}


@pytest.mark.parametrize("first", ["dispatch", "entry"])
def test_an_update_is_one_row_whichever_comes_first(first: str) -> None:
    facts = [seen("updated", name="b"), entry("role_update", name=("a", "b"))]
    structure = Structure().take(listed(part()), *(facts if first == "dispatch" else reversed(facts)))
    assert structure.row == {"target_id": ROLE, "name": "b", "changes": RENAME, **ACTOR}
    assert structure.log.counts == {"role_update": 1}


@pytest.mark.parametrize("first", ["dispatch", "entry"])
@pytest.mark.parametrize(("verb", "news"), [("create", seen("created")), ("delete", gone())])
def test_a_part_is_made_and_deleted_once(first: str, verb: str, news: Facts) -> None:
    known = entry(f"role_{verb}", name=(None, "a") if verb == "create" else ("a", None))
    facts = [news, known] if first == "dispatch" else [known, news]
    there = () if verb == "create" else (part(),)
    structure = Structure().take(listed(*there), *facts, known, *([news] if verb == "create" else []))
    assert structure.row == {"target_id": ROLE, "name": "a", **ACTOR}
    assert structure.log.counts == {f"role_{verb}": 1}


@pytest.mark.parametrize("kind", ["emoji", "sticker"])
def test_lists_tell_what_was_made_changed_and_deleted(kind: str) -> None:
    old = (part(kind, 1, name="stays"), part(kind, 2, name="old"), part(kind, 3, name="goes"))
    new = (part(kind, 1, name="stays"), part(kind, 2, name="new"), part(kind, 4, name="comes"))
    structure = Structure().take(listed(*old, kinds=(kind,)), listed(*new, updated=True, kinds=(kind,)))
    found = {(structure.log.kinds[key], row["target_id"]): row for key, row in structure.log.rows.items()}
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
    structure = Structure().take(listed(part("emoji", 1)), listed(part("emoji", 2)))
    assert structure.rows == []


def test_what_changed_during_an_absence_is_not_made_up() -> None:
    structure = Structure().take(seen("updated", name="b"), gone(), listed(part("emoji", 1), updated=True))
    assert structure.rows == []
    structure.take(listed(), seen("updated", name="b"), seen("updated", name="b"))
    assert structure.rows == []


def test_a_dispatch_in_which_nothing_watched_changed_is_no_row() -> None:
    structure = Structure().take(listed(part(position=3)), seen("updated", position=4))
    assert structure.rows == []


def test_an_entry_of_what_no_dispatch_tells_is_a_row_by_itself() -> None:
    structure = Structure().take(
        listed(part("channel")),
        entry("channel_update", position=(3, 4)),
        entry("channel_update", number=1, available_tags=([], [{"id": "1"}])),
    )
    assert [row["changes"] for row in structure.rows] == [
        {"position": {"old": 3, "new": 4}},
        {"available_tags": {}},
    ]


def test_a_new_thread_names_its_maker_and_nothing_is_requested() -> None:
    structure = Structure().take(listed(), seen("created", kind="thread", creator_id=MODERATOR))
    assert structure.row["actor_id"] == MODERATOR
    structure.log.answering = False
    structure.log.wait(30_000)
    assert structure.log.asked == []
    structure.take(entry("thread_create", name=(None, "a")))
    assert structure.row == {"target_id": ROLE, "name": "a", **ACTOR}


def test_a_thread_the_bot_was_let_into_is_no_new_one() -> None:
    structure = Structure().take(listed(), seen("shown", kind="thread"))
    assert structure.rows == []
    structure.take(seen("updated", kind="thread", name="b"))
    assert structure.row["changes"] == RENAME


def test_an_unexplained_burst_costs_one_request() -> None:
    structure = Structure().take(listed(part()))
    structure.log.answering = False
    for number in range(40):
        structure.take(seen("updated", name=f"{number}", at=AT + number))
    structure.log.wait(9_000)
    (question,) = structure.log.asked
    structure.log.answer(
        *(
            entry("role_update", AT + number, name=("a" if not number else f"{number - 1}", f"{number}"))
            for number in range(40)
        )
    )
    assert len(structure.rows) == 40
    assert {row["actor_id"] for row in structure.rows} == {MODERATOR}
    assert question.guild_id == GUILD


def test_without_permission_nothing_is_requested_and_the_actor_stays_unknown() -> None:
    structure = Structure(blind=True).take(listed(part()), seen("updated", name="b"))
    structure.log.answering = False
    structure.log.wait(30_000)
    assert structure.log.asked == []
    assert structure.row == {"target_id": ROLE, "name": "b", "changes": RENAME}


def test_only_what_is_switched_on_has_rows() -> None:
    structure = Structure(types=("ROLE_DELETE",)).take(
        listed(part()), seen("updated", name="b"), entry("role_update", name=("a", "b")), gone()
    )
    assert list(structure.log.kinds.values()) == ["ROLE_DELETE"]
    assert structure.row == {"target_id": ROLE, "name": "b"}
    quiet = Structure(types=()).take(listed(part()), gone(), entry("role_delete", name=("a", None)))
    assert quiet.rows == []


def test_what_was_found_afterwards_is_marked() -> None:
    structure = Structure()
    structure.recover(entry("role_delete", name=("a", None)))
    assert structure.row == {"target_id": ROLE, "name": "a", "recovered": True, **ACTOR}


def test_a_row_waits_for_its_entry_over_a_restart_and_is_not_marked_as_found_afterwards() -> None:
    before = Structure().take(listed(part()), seen("updated", name="b"))
    after = Structure()
    after.log.rows, after.log.kinds = before.log.rows, before.log.kinds
    after.log.restart(before.log)
    after.recover(entry("role_update", name=("a", "b")))
    assert after.row == {"target_id": ROLE, "name": "b", "changes": RENAME, **ACTOR}


@pytest.mark.parametrize("seed", range(8))
def test_renamings_back_and_forth_are_distinguished_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    structure = Structure().take(listed(part(name="0")))
    facts: list[tuple[float, int, Any]] = []
    truth = []
    numbers, name = itertools.count(), "0"
    for step in range(60):
        at, new, actor = AT + 700 * step, str(chance.randrange(4)), 50 + chance.randrange(9)
        if new == name:
            continue
        facts.append((at + 100, next(numbers), seen("updated", at, name=new)))
        late = at + chance.randrange(-50, 5_000)
        facts.append((late, next(numbers), entry("role_update", at, actor=actor, name=(name, new))))
        truth.append((name, new, actor, entry_id(at)))
        name = new
    for at, _, fact in sorted(facts, key=lambda each: each[:2]):
        structure.log.pass_to(max(structure.log.steady, int(at) - AT))
        structure.take(fact)
    found = [
        (*row["changes"]["name"].values(), row["actor_id"], row["audit_entry_id"]) for row in structure.rows
    ]
    assert sorted(found) == sorted(truth)
    for key, row in structure.log.rows.items():
        at = AT if key.startswith("audit") else int(key.split(":")[3])
        assert key.startswith("audit") or abs((row["audit_entry_id"] >> 22) + EPOCH - at) < 6_000


def test_the_entry_of_one_update_never_explains_another() -> None:
    structure = Structure().take(
        listed(part()),
        seen("updated", name="b"),
        entry("role_update", AT + 100, name=("b", "c")),
        seen("updated", AT + 300, name="c"),
    )
    first, second = structure.rows
    assert first == {"target_id": ROLE, "name": "b", "changes": RENAME}
    assert second["changes"] == {"name": {"old": "b", "new": "c"}}
    assert second["actor_id"] == MODERATOR


def test_memory_of_a_guild_s_parts_has_an_end_and_goes_with_the_guild() -> None:
    parts = GuildObjects(TYPES)
    list(parts.list_all(listed()))
    for number in range(MAX_OBJECTS + 5):
        thread = part("thread", 1 + number)
        assert len(list(parts.upsert(GuildObjectUpserted(GUILD, AT, thread, "created")))) == 1
    oldest = GuildObjectUpserted(GUILD, AT, part("thread", 1, name="b"), "updated")
    newest = GuildObjectUpserted(GUILD, AT, part("thread", MAX_OBJECTS + 5, name="b"), "updated")
    assert list(parts.upsert(oldest)) == []
    (change,) = parts.upsert(newest)
    assert change == GuildObjectChanged(GUILD, AT, "thread_update", MAX_OBJECTS + 5, "b", RENAME)
    parts.forget(GUILD)
    assert list(parts.delete(GuildObjectDeleted(GUILD, AT, "thread", MAX_OBJECTS + 5))) == []


def test_of_two_updates_alike_each_gets_the_entry_nearest_in_time() -> None:
    structure = Structure().take(listed(part()))
    steps = [("a", "b"), ("b", "a"), ("a", "b")]
    for number, (_, new) in enumerate(steps):
        structure.take(seen("updated", AT + 1_000 * number, name=new))
    for number, step in reversed(list(enumerate(steps))):
        structure.take(entry("role_update", AT + 1_000 * number, actor=50 + number, name=step))
    assert [row["actor_id"] for row in structure.rows] == [50, 51, 52]


def test_a_value_the_audit_log_leaves_out_is_the_same_as_none_or_no() -> None:
    structure = Structure().take(
        listed(part("channel", nsfw=False, rate_limit_per_user=0)),
        seen("updated", kind="channel", nsfw=True, rate_limit_per_user=5),
        entry("channel_update", nsfw=(None, True), rate_limit_per_user=(None, 5)),
    )
    assert structure.row["audit_entry_id"] == entry_id(AT)


def test_every_change_has_a_type_and_every_type_an_entry() -> None:
    family = {spec.type for spec in full_catalogue().events.values() if spec.family == "structure"}
    assert family == set(TYPES) == {action.upper() for action in CHANGES_BY_TYPE.values()}

"""What is open of moderation is saved with the rows it belongs to, so a kill makes no second row."""

from __future__ import annotations

import pytest

from exporter.events.facts import GuildObjectChanged, Record
from exporter.model import entry_key
from exporter.tracking.previous_journal import (
    Begun,
    SavedAction,
    SavedDeparture,
    SavedModeration,
    add_begun,
)
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, Log, act, audit


def action(key: str) -> SavedAction:
    return SavedAction(GUILD, "ban", TARGET, AT, key, "GUILD_BAN_ADD", "")


def departure(key: str) -> SavedDeparture:
    return SavedDeparture("GUILD_MEMBER_REMOVE", GUILD, AT, TARGET, "nelly", False, key, 0)


def test_what_was_begun_is_added_to_what_is_open_once() -> None:
    known = SavedModeration(actions=[action("a")], departures=[departure("d")], told=7)
    added = add_begun(known, Begun([action("a"), action("b")], [departure("d"), departure("e")]))
    assert added == SavedModeration(
        actions=[action("a"), action("b")], departures=[departure("d"), departure("e")], told=7
    )


def test_a_ban_whose_process_was_killed_before_its_entry_came_is_one_row() -> None:
    before = Log()
    before.take(act("ban"), act("leave", AT + 1))
    after = Log()
    after.rows, after.kinds = before.rows, before.kinds
    after.attribution.restore(before.attribution.save(0), 0)
    after.take(audit("ban"))
    after.wait()
    assert after.actions() == [("ban", TARGET, MODERATOR, "spam", audit("ban").entry_id)]
    (left,) = after.of("GUILD_MEMBER_REMOVE")
    assert (left["reason"], left["moderator_id"]) == ("ban", MODERATOR)
    assert after.counts == {"ban": 1}, "the departure; the ban was counted by the process before"


def test_a_change_of_structure_is_known_to_the_next_process_with_its_row() -> None:
    log = Log(("ROLE_DELETE",))
    log.attribution.change(GuildObjectChanged(GUILD, AT, "role_delete", 77, "mods", {}), 0)
    (begun,) = log.attribution.save(0).actions
    assert (begun.kind, begun.target_id, begun.key) == ("ROLE_DELETE", 77, f"role_delete:{GUILD}:77")


def test_a_ban_after_a_restart_is_another_one_than_that_before_it() -> None:
    """Of whoever was banned before and is banned again, the unban was missed."""
    before = Log()
    before.take(act("ban"))
    after = Log()
    after.rows, after.kinds = before.rows, before.kinds
    after.attribution.restore(before.attribution.save(0), 0)
    again = AT + 60_000
    after.take(audit("ban", again, 2), act("ban", again))
    after.take(audit("ban", AT, 1))
    found = [entry for *_, entry in after.actions()]
    assert found == [audit("ban", AT, 1).entry_id, audit("ban", again, 2).entry_id]


class Stores(Log):
    """What a store makes of rows begun twice: one."""

    def _record(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - the callback's shape
        del amends
        self.rows.setdefault(record.key, {}).update(record.data)


@pytest.mark.parametrize("found", ["before", "after"])
def test_a_ban_whose_dispatch_comes_after_a_kill_is_one_row_with_its_entry(found: str) -> None:
    before = Log()
    before.take(audit("ban"))
    after = Stores()
    after.attribution.restore(before.attribution.save(0), 0)
    facts = [audit("ban"), act("ban", AT + 3_000)]
    after.take(*(facts if found == "before" else reversed(facts)))
    assert list(after.rows) == [entry_key(audit("ban").entry_id)]
    assert not after.attribution.save(0).actions


@pytest.mark.parametrize("action", ["kick", "ban"])
def test_a_departure_whose_entry_came_right_before_a_kill_is_not_left_a_leave(action: str) -> None:
    """How far the audit log was taken was not committed, so the entry is found again."""
    before = Log()
    before.take(act("leave"))
    saved = before.attribution.save(0)
    before.take(audit(action))
    after = Stores()
    after.rows, after.kinds = before.rows, before.kinds
    after.attribution.restore(saved, 0)
    after.take(audit(action))
    after.wait()
    (left,) = [row for key, row in after.rows.items() if key.startswith("leave:")]
    assert (left["reason"], left["moderator_id"]) == (action, MODERATOR)

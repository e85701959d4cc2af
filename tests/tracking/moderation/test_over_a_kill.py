"""What is open of moderation is saved with the rows it belongs to, so a kill makes no second row."""

from __future__ import annotations

import pytest

from exporter.events.facts.guilds import GuildObject, GuildObjectDeleted, GuildObjectsListed
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


def restart(before: Log) -> Log:
    after = Log()
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    return after


def test_what_was_begun_is_added_to_what_is_open_once() -> None:
    known = SavedModeration(actions=[action("a")], departures=[departure("d")], complete_until=7)
    added = add_begun(known, Begun([action("a"), action("b")], [departure("d"), departure("e")]))
    assert added == SavedModeration(
        actions=[action("a"), action("b")], departures=[departure("d"), departure("e")], complete_until=7
    )


def test_a_ban_whose_process_was_killed_before_its_entry_came_is_one_row() -> None:
    before = Log()
    before.take(act("ban"), act("leave", AT + 1))
    after = restart(before)
    after.take(audit("ban"))
    after.wait()
    assert after.actions() == [("ban", TARGET, MODERATOR, "spam", audit("ban").entry_id)]
    (left,) = after.of("GUILD_MEMBER_REMOVE")
    assert (left["reason"], left["moderator_id"]) == ("ban", MODERATOR)
    assert after.counts == {"ban": 1}, "the departure; the ban was counted by the previous run"


def test_a_change_of_structure_is_known_to_the_next_process_with_its_row() -> None:
    types = ("ROLE_DELETE",)
    before = Log(types)
    role = GuildObject("role", 77, {"name": "mods"})
    before.take(GuildObjectsListed(GUILD, AT, ("role",), (role,)), GuildObjectDeleted(GUILD, AT, "role", 77))
    assert list(before.rows) == [f"role_delete:{GUILD}:77"]
    (row,) = before.stage.saved("structure/actions")
    after = Log(types)
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    assert after.stage.saved("structure/actions") == [row]
    after.wait(7_000)
    assert len(after.asked) == 0
    assert not after.counts


def test_a_ban_after_a_restart_is_another_one_than_that_before_it() -> None:
    """Of whoever was banned before and is banned again, the unban was missed."""
    before = Log()
    before.take(act("ban"))
    after = restart(before)
    after.behind.add(GUILD)
    again = AT + 60_000
    after.take(audit("ban", again, 2), act("ban", again))
    after.take(audit("ban", AT, 1))
    found = [entry for *_, entry in after.actions()]
    assert found == [audit("ban", AT, 1).entry_id, audit("ban", again, 2).entry_id]


@pytest.mark.parametrize("committed", [True, False])
def test_a_ban_whose_dispatch_comes_after_a_kill_is_one_row_with_its_entry(committed: bool) -> None:  # noqa: FBT001 - a table
    """With the row is committed how far the audit log was taken, or neither is."""
    before = Log()
    if committed:
        before.take(audit("ban"))
    after = restart(before)
    after.take(audit("ban"), act("ban", AT + 3_000))
    assert list(after.rows) == [entry_key(audit("ban").entry_id)]
    assert after.counts == ({} if committed else {"ban": 1})
    assert not after.stage.saved("moderation/actions")


@pytest.mark.parametrize("action", ["kick", "ban"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_departure_whose_entry_came_right_before_a_kill_is_not_left_a_leave(
    action: str,
    committed: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    """The entry is saved with the departure, or is found again."""
    before = Log()
    before.take(act("leave"))
    before.stage.save()
    after = Log()
    if committed:
        before.take(audit(action))
        before.stage.save()
    after.rows = {key: row for key, row in before.rows.items() if key.startswith("leave:")}
    after.kinds = dict(before.kinds)
    after.stage.restore(list(before.stage.disk.values()))
    if not committed:
        after.take(audit(action))
    after.wait()
    (left,) = [row for key, row in after.rows.items() if key.startswith("leave:")]
    assert (left["reason"], left["moderator_id"]) == (action, MODERATOR)

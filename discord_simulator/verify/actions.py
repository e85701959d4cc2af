"""The moderation rows expected from a ledger: one for each action.

A grouped entry (deletions, moves, disconnects) is one row with its last count. An expired timeout is a row
of its own, though Discord sends no event for it. A row about an action that no observer could learn of is
optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from discord_simulator.verify.quantities import ExpectedRow, ModerationRow

if TYPE_CHECKING:
    from discord_simulator.verify.ledger_reader import LedgerLine
    from discord_simulator.verify.visibility import Visibility

NAMED: Final[Mapping[str, str]] = {"ban": "bans", "unban": "unbans", "kick": "kicks"}
"""Names in the table of the actions that have one."""

COUNTED: Final[Mapping[str, str]] = {
    "prune": "members_removed",
    "message_delete": "count",
    "message_bulk_delete": "count",
    "member_move": "count",
    "member_disconnect": "count",
}
"""Actions with a count, and the name of the count in the row's details."""

_BANS = {"GUILD_BAN_ADD": "ban", "GUILD_BAN_REMOVE": "unban"}
_TARGETLESS = frozenset({"member_move", "member_disconnect"})
"""Actions for which Discord publishes no target."""

_SELF_EXPLANATORY = frozenset({"timeout", "automod_block", "automod_flag", "automod_timeout"})
"""Actions that their event alone identifies, without an entry."""

_RESTRICTIONS = frozenset({"voice_mute", "voice_unmute", "voice_deafen", "voice_undeafen"})
"""Actions that the voice state after them identifies."""

_PARTS = frozenset({"ROLE", "CHANNEL", "THREAD", "EMOJI", "STICKER"})
_VERBS = frozenset({"CREATE", "UPDATE", "DELETE"})

_Place = tuple[int, int]


def is_structure(kind: str) -> bool:
    """Whether a line type is a change of roles, channels, threads, emoji or stickers."""
    part, _, verb = kind.partition("_")
    return part in _PARTS and verb in _VERBS


@dataclass(slots=True)
class Actions:
    """Collects the expected rows from the lines of a ledger."""

    visibility: Visibility
    _rows: list[ExpectedRow] = field(default_factory=list)
    _groups: dict[tuple[str, int], ExpectedRow] = field(default_factory=dict)
    _running_timeouts: dict[_Place, ExpectedRow] = field(default_factory=dict)
    """Timeouts in force, as the rows of their expiry."""

    _unconfirmed: dict[_Place, int] = field(default_factory=dict)
    """Indices of rows of voice actions with an unpublished entry, until the voice state after them."""

    def rows(self) -> tuple[ExpectedRow, ...]:
        """All rows; a timeout in force at the end of the ledger may have expired when a store is read."""
        running = (replace(row, optional=True) for row in self._running_timeouts.values())
        return (*self._rows, *self._groups.values(), *running)

    def take(self, line: LedgerLine) -> None:
        """Add a line; most lines are not actions."""
        match line.type:
            case "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE":
                unseen_event = self._is_lost(line) and self._is_unpublished(line)
                self._add(line, _BANS[line.type], line.reason, optional=unseen_event)
            case "GUILD_MEMBER_REMOVE":
                self._remove(line)
            case "MESSAGE_DELETE" if line.audit_entry_id:
                self._count(line, "message_delete", line.user_id, line.reason)
            case "MESSAGE_DELETE_BULK":
                self._count(line, "message_bulk_delete", 0, line.reason, line.count)
            case "MEMBER_ACTION" if line.action in _TARGETLESS:
                self._count(line, line.action, 0, line.reason)
            case "MEMBER_ACTION":
                self._act(line)
            case "VOICE_STATE":
                self._take_voice_state(line)
            case "TIMEOUT_EXPIRED":
                self._expire(line)

    def _remove(self, line: LedgerLine) -> None:
        """Add a removal, which is an action if it was a kick or a prune."""
        place = (line.guild_id, line.user_id)
        if place in self._running_timeouts:
            # Discord does not publish whether a timeout of a user who left is still in force.
            self._running_timeouts[place] = replace(self._running_timeouts[place], optional=True)
        if line.reason == "kick":
            self._add(line, "kick", line.audit_reason, optional=self._is_unpublished(line))
        elif line.reason == "prune":
            self._count(line, "prune", 0, line.audit_reason)

    def _take_voice_state(self, line: LedgerLine) -> None:
        """A voice state shows the voice action before it, so its row is required unless this line is lost."""
        number = self._unconfirmed.pop((line.guild_id, line.user_id), None)
        if number is not None:
            self._rows[number] = replace(self._rows[number], optional=self._is_lost(line))

    def _act(self, line: LedgerLine) -> None:
        unattributed = self._is_unpublished(line)
        unseen_event = self._is_lost(line) or not line.visible or line.action not in _SELF_EXPLANATORY
        unseen = unattributed and unseen_event
        self._add(line, line.action, line.reason, optional=unseen)
        if unattributed and line.action in _RESTRICTIONS:
            self._unconfirmed[line.guild_id, line.target_user_id] = len(self._rows) - 1
        if unseen and line.action == "automod_timeout":
            # An observer sees the timeout of the member and cannot know that it was not a moderator's.
            row = ModerationRow(line.guild_id, "timeout", line.target_user_id)
            self._rows.append(ExpectedRow(row, optional=True))
        place = (line.guild_id, line.target_user_id)
        if not line.until and line.action != "timeout_removed":
            return
        earlier = self._running_timeouts.pop(place, None)
        if earlier is not None and unattributed:
            # An observer that did not receive the change expects the timeout to expire as published before.
            self._rows.append(replace(earlier, optional=True))
        if line.until:
            row = ModerationRow(line.guild_id, "timeout_expired", line.target_user_id)
            # The end of a timeout by AutoMod is in the member update only, that of others in the entry, too.
            unended = unseen or (line.action == "automod_timeout" and self._is_lost(line))
            self._running_timeouts[place] = ExpectedRow(row, optional=unended)

    def _expire(self, line: LedgerLine) -> None:
        expected = self._running_timeouts.pop((line.guild_id, line.target_user_id), None)
        if expected is not None:
            self._rows.append(replace(expected, optional=expected.optional or not line.member))

    def _add(self, line: LedgerLine, action: str, reason: str | None, *, optional: bool) -> None:
        row = ModerationRow(
            guild_id=line.guild_id,
            action=action,
            target_user_id=line.target_user_id or line.user_id,
            moderator_id=line.moderator_id,
            reason=reason,
            audit_entry_id=line.audit_entry_id,
        )
        unlinked = action.startswith("automod_")
        self._rows.append(
            ExpectedRow(row, unattributed=self._is_unpublished(line), optional=optional, unlinked=unlinked)
        )

    def _count(self, line: LedgerLine, action: str, target: int, reason: str | None, number: int = 1) -> None:
        """Add to the count of the one row of a grouped entry."""
        place = (action, line.audit_entry_id or 0)
        known = self._groups.get(place)
        if known is None:
            row = ModerationRow(
                line.guild_id, action, target, line.moderator_id, reason, line.audit_entry_id, 0
            )
            unattributed = self._is_unpublished(line)
            known = ExpectedRow(row, unattributed=unattributed, optional=unattributed)
        targets = known.targets | {line.target_user_id} if action in _TARGETLESS else known.targets
        row = replace(known.row, count=(known.row.count or 0) + number)
        again = self.visibility.is_read_again(line.guild_id, line.at)
        uncounted = known.uncounted + (0 if again else number)
        self._groups[place] = replace(known, row=row, targets=targets, uncounted=uncounted)

    def _is_lost(self, line: LedgerLine) -> bool:
        return line.n in self.visibility.lost

    def _is_unpublished(self, line: LedgerLine) -> bool:
        return self.visibility.is_unpublished(line.audit_entry_id)

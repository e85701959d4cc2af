"""The rows of moderation that follow from a ledger: one for each real action.

Entries that go on counting (deletions, moves, disconnections) are one row with their last count. A timeout
that runs out is a row of its own, though Discord says nothing about it. What nobody could learn of may be
missing.
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
"""Actions whose number has a name of its own in the table."""

COUNTED: Final[Mapping[str, str]] = {
    "prune": "members_removed",
    "message_delete": "count",
    "message_bulk_delete": "count",
    "member_move": "count",
    "member_disconnect": "count",
}
"""Actions that are done to many, and what a row's details call the number."""

_BANS = {"GUILD_BAN_ADD": "ban", "GUILD_BAN_REMOVE": "unban"}
_TARGETLESS = frozenset({"member_move", "member_disconnect"})
"""Discord does not say to whom it was done."""

_SELF_EXPLANATORY = frozenset({"timeout", "automod_block", "automod_flag", "automod_timeout"})
"""Whoever sees the event knows what was done, even without an entry."""

_RESTRICTIONS = frozenset({"voice_mute", "voice_unmute", "voice_deafen", "voice_undeafen"})
"""Whoever sees the voice state that follows knows what was done."""

_PARTS = frozenset({"ROLE", "CHANNEL", "THREAD", "EMOJI", "STICKER"})
_VERBS = frozenset({"CREATE", "UPDATE", "DELETE"})

_Place = tuple[int, int]


def is_structure(kind: str) -> bool:
    """Whether an event type is a change of what a guild is made of."""
    part, _, verb = kind.partition("_")
    return part in _PARTS and verb in _VERBS


@dataclass(slots=True)
class Actions:
    """Takes the lines of a ledger one by one."""

    visibility: Visibility
    _rows: list[ExpectedRow] = field(default_factory=list)
    _groups: dict[tuple[str, int], ExpectedRow] = field(default_factory=dict)
    _running_timeouts: dict[_Place, ExpectedRow] = field(default_factory=dict)
    """Timeouts that are running, as the rows their ends will be."""

    _unconfirmed: dict[_Place, int] = field(default_factory=dict)
    """Rows of orders in voice of whose entry nobody was told, until their voice state comes."""

    def rows(self) -> tuple[ExpectedRow, ...]:
        """Every row; timeouts still running when the ledger ends may be over when somebody looks."""
        running = (replace(row, optional=True) for row in self._running_timeouts.values())
        return (*self._rows, *self._groups.values(), *running)

    def take(self, line: LedgerLine) -> None:
        """Take a line; most are no action."""
        match line.type:
            case "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE":
                unseen_event = self._is_lost(line) and self._is_blind(line)
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
        """Somebody went, and perhaps did not want to."""
        place = (line.guild_id, line.user_id)
        if place in self._running_timeouts:
            # What becomes of the timeout of somebody who is gone, Discord does not say.
            self._running_timeouts[place] = replace(self._running_timeouts[place], optional=True)
        if line.reason == "kick":
            self._add(line, "kick", line.audit_reason, optional=self._is_blind(line))
        elif line.reason == "prune":
            self._count(line, "prune", 0, line.audit_reason)

    def _take_voice_state(self, line: LedgerLine) -> None:
        """A voice state shows what was ordered just before."""
        number = self._unconfirmed.pop((line.guild_id, line.user_id), None)
        if number is not None:
            self._rows[number] = replace(self._rows[number], optional=self._is_lost(line))

    def _act(self, line: LedgerLine) -> None:
        blind = self._is_blind(line)
        unseen_event = self._is_lost(line) or not line.visible or line.action not in _SELF_EXPLANATORY
        unseen = blind and unseen_event
        self._add(line, line.action, line.reason, optional=unseen)
        if blind and line.action in _RESTRICTIONS:
            self._unconfirmed[line.guild_id, line.target_user_id] = len(self._rows) - 1
        if unseen and line.action == "automod_timeout":
            # The member is seen to be timed out, and nothing says that it was not a moderator.
            row = ModerationRow(line.guild_id, "timeout", line.target_user_id)
            self._rows.append(ExpectedRow(row, optional=True))
        place = (line.guild_id, line.target_user_id)
        if not line.until and line.action != "timeout_removed":
            return
        earlier = self._running_timeouts.pop(place, None)
        if earlier is not None and blind:
            # Whoever missed that it was lifted or changed still expects it to end as it was told.
            self._rows.append(replace(earlier, optional=True))
        if line.until:
            row = ModerationRow(line.guild_id, "timeout_expired", line.target_user_id)
            # How long one by AutoMod is, is seen from the member only; of other timeouts the entry says it.
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
        self._rows.append(ExpectedRow(row, blind=self._is_blind(line), optional=optional, unlinked=unlinked))

    def _count(self, line: LedgerLine, action: str, target: int, reason: str | None, number: int = 1) -> None:
        """Add to the row of a grouped entry, which exists once."""
        place = (action, line.audit_entry_id or 0)
        known = self._groups.get(place)
        if known is None:
            row = ModerationRow(
                line.guild_id, action, target, line.moderator_id, reason, line.audit_entry_id, 0
            )
            blind = self._is_blind(line)
            known = ExpectedRow(row, blind=blind, optional=blind)
        targets = known.targets | {line.target_user_id} if action in _TARGETLESS else known.targets
        row = replace(known.row, count=(known.row.count or 0) + number)
        again = self.visibility.is_read_again(line.guild_id, line.at)
        uncounted = known.uncounted + (0 if again else number)
        self._groups[place] = replace(known, row=row, targets=targets, uncounted=uncounted)

    def _is_lost(self, line: LedgerLine) -> bool:
        return line.n in self.visibility.lost

    def _is_blind(self, line: LedgerLine) -> bool:
        return self.visibility.is_blind(line.audit_entry_id)

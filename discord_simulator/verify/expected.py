"""The expected numbers: the ledger, added up.

Lines that no session received (LOST) are excluded and counted apart. Amounts that an observer can know only
approximately have a tolerance: the length of voice sessions, since a dispatch carries no time, and whatever
happens in a gap and is not sent to a new session.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.verify.actions import NAMED, Actions, is_structure
from discord_simulator.verify.joins import Joins
from discord_simulator.verify.ledger_reader import LedgerLine, read_lines
from discord_simulator.verify.quantities import (
    Amount,
    Expected,
    ExpectedRow,
    Key,
    ModerationRow,
    Quantity,
    Scope,
)
from discord_simulator.verify.visibility import LOOKUP_MS, Visibility
from discord_simulator.verify.voice import VoiceTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_MESSAGES = {
    "human": "messages",
    "bot": "bot_messages",
    "webhook": "webhook_messages",
    "system": "system_messages",
}


def load_expected(path: Path) -> Expected:
    """Add up a ledger file.

    Raises:
        LedgerError: the file is not a ledger.
    """
    return add_up(read_lines(path))


def add_up(lines: Iterable[LedgerLine]) -> Expected:
    """Add up the lines of a ledger."""
    kept = tuple(lines)
    visibility = Visibility.of(kept)
    totals = _Totals(visibility, Actions(visibility), Joins(visibility), VoiceTime(visibility))
    for line in kept:
        totals.take(line)
    rows = totals.actions.rows()
    for row in rows:
        name = NAMED.get(row.row.action, f"actions: {row.row.action}")
        totals.add(name, Scope.GUILD, (row.row.guild_id,), _MAYBE if row.optional else _ONE)
    header = next((line for line in kept if line.type == "HEADER"), None)
    return Expected(
        amounts={quantity: dict(found) for quantity, found in sorted(totals.amounts.items())},
        rows=(*rows, *totals.structure),
        uses=totals.joins.uses(),
        guilds=frozenset(totals.guilds),
        removed=frozenset(totals.removed),
        unseen=dict(sorted(totals.unseen.items())),
        complete=any(line.type == "END" for line in kept),
        rate=header.rate if header else 0.0,
        seed=header.seed if header else 0,
        began=min((line.at for line in kept), default=0),
        ended=max((line.at for line in kept), default=0),
    )


@dataclass(slots=True)
class _Totals:
    visibility: Visibility
    actions: Actions
    joins: Joins
    voice_time: VoiceTime
    amounts: defaultdict[Quantity, dict[Key, Amount]] = field(default_factory=lambda: defaultdict(dict))
    structure: list[ExpectedRow] = field(default_factory=list)
    guilds: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    unseen: Counter[str] = field(default_factory=Counter)
    automatic: set[int] = field(default_factory=set)
    """Authors of messages that were received and are not by people."""

    def take(self, line: LedgerLine) -> None:
        if self.is_lost(line):
            self.unseen[line.type] += 1
        self.actions.take(line)
        self.joins.take(line)
        if is_structure(line.type):
            self.structure.append(self._change(line))
        if (take := _TAKERS.get(line.type)) is not None:
            take(self, line)

    def is_lost(self, line: LedgerLine) -> bool:
        """Whether no session received this line."""
        return line.n in self.visibility.lost

    def _change(self, line: LedgerLine) -> ExpectedRow:
        """The expected row of a change of structure."""
        row = ModerationRow(
            line.guild_id,
            line.type,
            line.target_id,
            line.moderator_id,
            line.reason,
            line.audit_entry_id,
            changes=frozenset(change.as_compared(name) for name, change in line.changes.items()),
        )
        unattributed = line.audit_entry_id is None or self.visibility.is_unpublished(line.audit_entry_id)
        # THREAD_CREATE itself names the owner, without an entry.
        unlinked = unattributed and line.type == "THREAD_CREATE"
        return ExpectedRow(row, unattributed=unattributed, optional=self.is_lost(line), unlinked=unlinked)

    def add(self, name: str, scope: Scope, key: Key, amount: Amount) -> None:
        found = self.amounts[Quantity(name, scope)]
        found[key] = found[key] + amount if key in found else amount

    def add_activity(self, name: str, line: LedgerLine, amount: Amount) -> None:
        """Add to the totals of the guild and of the channel that the line's activity is counted on."""
        self.add(name, Scope.GUILD, (line.guild_id,), amount)
        self.add(name, Scope.CHANNEL, (line.guild_id, line.parent_id), amount)


def _take_guild(totals: _Totals, line: LedgerLine) -> None:
    totals.guilds.add(line.guild_id)
    totals.voice_time.set_afk_channel(line)
    totals.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)


def _take_removal(totals: _Totals, line: LedgerLine) -> None:
    totals.removed.add(line.guild_id)
    totals.amounts[Quantity("members")].pop((line.guild_id,), None)


def _take_message(totals: _Totals, line: LedgerLine) -> None:
    if totals.is_lost(line):
        return
    totals.add_activity(_MESSAGES[line.author], line, _ONE)
    if line.author != "human":
        totals.automatic.add(line.user_id)
    else:
        totals.add("messages", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)


def _take_edit(totals: _Totals, line: LedgerLine) -> None:
    # A later update of the message, such as a resolved embed, contains the time of a lost edit.
    totals.add_activity("message_edits", line, _MAYBE if totals.is_lost(line) else _ONE)


def _take_delete(totals: _Totals, line: LedgerLine) -> None:
    if not totals.is_lost(line):
        totals.add_activity("message_deletes", line, Amount(line.count or 1))


def _take_reaction(totals: _Totals, line: LedgerLine) -> None:
    if totals.is_lost(line):
        return
    if line.type == "MESSAGE_REACTION_REMOVE":
        totals.add_activity("reactions_removed", line, _ONE)
        return
    totals.add_activity("reactions", line, _ONE)
    totals.add("reactions", Scope.EMOJI, (line.guild_id, line.emoji), _ONE)
    totals.add("reactions_given", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)
    author = line.message_author_id
    # Of a bot whose messages were not received an observer may not know that it is one.
    known_bot = line.message_author_bot and author in totals.automatic
    if author and author != line.user_id and not known_bot:
        totals.add(
            "reactions_received",
            Scope.MEMBER,
            (line.guild_id, author),
            _MAYBE if line.message_author_bot else _ONE,
        )


def _take_session(totals: _Totals, line: LedgerLine) -> None:
    session = totals.voice_time.end(line)
    guild: Key = (line.guild_id,)
    member: Key = (line.guild_id, line.user_id)
    for scope, key in ((Scope.GUILD, guild), (Scope.MEMBER, member)):
        totals.add("voice_sessions", scope, key, session.number)
        for name, amount in session.kinds.items():
            totals.add(name, scope, key, amount)
    for (name, channel_id), amount in session.channels.items():
        totals.add(name, Scope.CHANNEL, (line.guild_id, channel_id), amount)


def _take_state(totals: _Totals, line: LedgerLine) -> None:
    totals.voice_time.change(line)


def _take_join(totals: _Totals, line: LedgerLine) -> None:
    totals.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)
    if not totals.is_lost(line):
        totals.add("joins", Scope.GUILD, (line.guild_id,), _ONE)
        totals.add("joins", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)


def _take_leave(totals: _Totals, line: LedgerLine) -> None:
    totals.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)
    reason = line.reason or "leave"
    if totals.is_lost(line):
        return
    guild: Key = (line.guild_id,)
    member: Key = (line.guild_id, line.user_id)
    for scope, key in ((Scope.GUILD, guild), (Scope.MEMBER, member)):
        totals.add("leaves", scope, key, _ONE)
        allowed = _reasons_for(totals.visibility, line)
        if allowed == {reason}:
            totals.add(f"leaves: {reason}", scope, key, _ONE)
            continue
        totals.add(f"leaves: {reason}", scope, key, Amount(1, below=1))
        for other in allowed - {reason}:
            totals.add(f"leaves: {other}", scope, key, _MAYBE)


def _reasons_for(visibility: Visibility, line: LedgerLine) -> set[str]:
    """The reasons that a correct observer may record: the true one and, if it is not visible, others."""
    reason = line.reason or "leave"
    allowed = {reason}
    unexplained = visibility.is_unexplained(reason, line.audit_entry_id)
    closed = visibility.is_audit_log_closed(line.guild_id, line.at)
    if line.n in visibility.ambiguous_prunes or (closed and (reason == "leave" or unexplained)):
        allowed.add("unknown")
    if line.n in visibility.leaves_before_ban:
        allowed.add("ban")
    if unexplained and visibility.gap_seconds(line.guild_id, line.at, line.at + LOOKUP_MS):
        # The look-up was not possible either, and the events were lost.
        allowed.add("leave")
    return allowed


_ONE = Amount(1)
_MAYBE = Amount(0, above=1)

_TAKERS: dict[str, Callable[[_Totals, LedgerLine], None]] = {
    "GUILD": _take_guild,
    "GUILD_CREATE": _take_guild,
    "GUILD_DELETE": _take_removal,
    "MESSAGE_CREATE": _take_message,
    "MESSAGE_UPDATE": _take_edit,
    "MESSAGE_DELETE": _take_delete,
    "MESSAGE_DELETE_BULK": _take_delete,
    "MESSAGE_REACTION_ADD": _take_reaction,
    "MESSAGE_REACTION_REMOVE": _take_reaction,
    "VOICE_STATE": _take_state,
    "VOICE_SESSION": _take_session,
    "GUILD_MEMBER_ADD": _take_join,
    "GUILD_MEMBER_REMOVE": _take_leave,
}

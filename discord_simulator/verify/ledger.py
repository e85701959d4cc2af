"""What the ledger says, added up.

Lines that no session could see (LOST) are left out and counted apart. What an observer can know only roughly
has an allowance: the length of voice sessions (a dispatch carries no time) and, in a gap, everything that a
new session cannot be told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.verify.actions import NAMED, Actions, is_structure
from discord_simulator.verify.joins import Arrivals
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
from discord_simulator.verify.visibility import ASKED_MS, Sight
from discord_simulator.verify.voice import Talk

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
        LedgerError: the file is no ledger.
    """
    return add_up(read_lines(path))


def add_up(lines: Iterable[LedgerLine]) -> Expected:
    """Add up the lines of a ledger."""
    kept = tuple(lines)
    sight = Sight.of(kept)
    books = _Books(sight, Actions(sight), Arrivals(sight), Talk(sight))
    for line in kept:
        books.take(line)
    rows = books.actions.rows()
    for row in rows:
        name = NAMED.get(row.row.action, f"actions: {row.row.action}")
        books.add(name, Scope.GUILD, (row.row.guild_id,), _MAYBE if row.optional else _ONE)
    header = next((line for line in kept if line.type == "HEADER"), None)
    return Expected(
        amounts={quantity: dict(found) for quantity, found in sorted(books.amounts.items())},
        rows=(*rows, *books.structure),
        uses=books.arrivals.uses(),
        guilds=frozenset(books.guilds),
        removed=frozenset(books.removed),
        unseen=dict(sorted(books.unseen.items())),
        complete=any(line.type == "END" for line in kept),
        rate=header.rate if header else 0.0,
        seed=header.seed if header else 0,
        began=min((line.at for line in kept), default=0),
        ended=max((line.at for line in kept), default=0),
    )


@dataclass(slots=True)
class _Books:
    sight: Sight
    actions: Actions
    arrivals: Arrivals
    talk: Talk
    amounts: defaultdict[Quantity, dict[Key, Amount]] = field(default_factory=lambda: defaultdict(dict))
    structure: list[ExpectedRow] = field(default_factory=list)
    guilds: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    unseen: Counter[str] = field(default_factory=Counter)

    def take(self, line: LedgerLine) -> None:
        if self.is_lost(line):
            self.unseen[line.type] += 1
        self.actions.take(line)
        self.arrivals.take(line)
        if is_structure(line.type):
            self.structure.append(self._change(line))
        if (take := _TAKERS.get(line.type)) is not None:
            take(self, line)

    def is_lost(self, line: LedgerLine) -> bool:
        """Whether no session could see this line."""
        return line.n in self.sight.lost

    def _change(self, line: LedgerLine) -> ExpectedRow:
        """The row of a change of structure: who did it, to what, and what became of it."""
        row = ModerationRow(
            line.guild_id,
            line.type,
            line.target_id,
            line.moderator_id,
            line.reason,
            line.audit_entry_id,
            changes=frozenset(change.told(name) for name, change in line.changes.items()),
        )
        blind = line.audit_entry_id is None or self.sight.is_blind(line.audit_entry_id)
        # A new thread names its maker even where the entry is not to be had.
        unlinked = blind and line.type == "THREAD_CREATE"
        return ExpectedRow(row, blind=blind, optional=self.is_lost(line), unlinked=unlinked)

    def add(self, name: str, scope: Scope, key: Key, amount: Amount) -> None:
        found = self.amounts[Quantity(name, scope)]
        found[key] = found[key] + amount if key in found else amount

    def book(self, name: str, line: LedgerLine, amount: Amount) -> None:
        """Book on the guild and on the channel that the line's activity belongs to."""
        self.add(name, Scope.GUILD, (line.guild_id,), amount)
        self.add(name, Scope.CHANNEL, (line.guild_id, line.parent_id), amount)


def _take_guild(books: _Books, line: LedgerLine) -> None:
    books.guilds.add(line.guild_id)
    books.talk.see_guild(line)
    books.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)


def _take_removal(books: _Books, line: LedgerLine) -> None:
    books.removed.add(line.guild_id)
    books.amounts[Quantity("members")].pop((line.guild_id,), None)


def _take_message(books: _Books, line: LedgerLine) -> None:
    if books.is_lost(line):
        return
    books.book(_MESSAGES[line.author], line, _ONE)
    if line.author == "human":
        books.add("messages", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)


def _take_edit(books: _Books, line: LedgerLine) -> None:
    # A later update of the same message, such as a resolved embed, still carries the time of a missed edit.
    books.book("message_edits", line, _MAYBE if books.is_lost(line) else _ONE)


def _take_delete(books: _Books, line: LedgerLine) -> None:
    if not books.is_lost(line):
        books.book("message_deletes", line, Amount(line.count or 1))


def _take_reaction(books: _Books, line: LedgerLine) -> None:
    if books.is_lost(line):
        return
    if line.type == "MESSAGE_REACTION_REMOVE":
        books.book("reactions_removed", line, _ONE)
        return
    books.book("reactions", line, _ONE)
    books.add("reactions", Scope.EMOJI, (line.guild_id, line.emoji), _ONE)
    books.add("reactions_given", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)
    if line.message_author_id:
        books.add("reactions_received", Scope.MEMBER, (line.guild_id, line.message_author_id), _ONE)


def _take_session(books: _Books, line: LedgerLine) -> None:
    talk = books.talk.end(line)
    guild: Key = (line.guild_id,)
    member: Key = (line.guild_id, line.user_id)
    for scope, key in ((Scope.GUILD, guild), (Scope.MEMBER, member)):
        books.add("voice_sessions", scope, key, talk.number)
        for name, amount in talk.kinds.items():
            books.add(name, scope, key, amount)
    for (name, channel_id), amount in talk.channels.items():
        books.add(name, Scope.CHANNEL, (line.guild_id, channel_id), amount)


def _take_state(books: _Books, line: LedgerLine) -> None:
    books.talk.change(line)


def _take_join(books: _Books, line: LedgerLine) -> None:
    books.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)
    if not books.is_lost(line):
        books.add("joins", Scope.GUILD, (line.guild_id,), _ONE)
        books.add("joins", Scope.MEMBER, (line.guild_id, line.user_id), _ONE)


def _take_leave(books: _Books, line: LedgerLine) -> None:
    books.amounts[Quantity("members")][line.guild_id,] = Amount(line.member_count)
    reason = line.reason or "leave"
    if books.is_lost(line):
        return
    guild: Key = (line.guild_id,)
    member: Key = (line.guild_id, line.user_id)
    for scope, key in ((Scope.GUILD, guild), (Scope.MEMBER, member)):
        books.add("leaves", scope, key, _ONE)
        allowed = _reasons_for(books.sight, line)
        if allowed == {reason}:
            books.add(f"leaves: {reason}", scope, key, _ONE)
            continue
        books.add(f"leaves: {reason}", scope, key, Amount(1, below=1))
        for other in allowed - {reason}:
            books.add(f"leaves: {other}", scope, key, _MAYBE)


def _reasons_for(sight: Sight, line: LedgerLine) -> set[str]:
    """What an honest observer may say: the reason, or where nobody can know it that it is unknown."""
    reason = line.reason or "leave"
    allowed = {reason}
    unexplained = sight.is_unexplained(reason, line.audit_entry_id)
    closed = sight.is_closed(line.guild_id, line.at)
    if line.n in sight.mingled or (closed and (reason == "leave" or unexplained)):
        allowed.add("unknown")
    if line.n in sight.overtaken:
        allowed.add("ban")
    if unexplained and sight.gap_seconds(line.guild_id, line.at, line.at + ASKED_MS):
        # Nobody could be asked, and what was sent by itself was lost.
        allowed.add("leave")
    return allowed


_ONE = Amount(1)
_MAYBE = Amount(0, above=1)

_TAKERS: dict[str, Callable[[_Books, LedgerLine], None]] = {
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

"""The vocabulary both sides of a comparison are put into.

A quantity is a name and a scope; a key says where: (guild,), (guild, channel), (guild, member) or
(guild, emoji). Amounts know how far an honest observer may be off.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias


class Scope(enum.StrEnum):
    """What a quantity is kept by."""

    GUILD = "guild"
    CHANNEL = "channel"
    MEMBER = "member"
    EMOJI = "emoji"


Key: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """Something counted, by its column name in the SQL tables."""

    name: str
    scope: Scope = Scope.GUILD


@dataclass(frozen=True, slots=True)
class Amount:
    """A true amount, and by how much an observer may be ``below`` or ``above`` it."""

    value: float = 0.0
    below: float = 0.0
    above: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.value + other.value, self.below + other.below, self.above + other.above)

    def allows(self, observed: float) -> bool:
        """Whether an observer who says so is right; allows for the rounding of a float to milliseconds."""
        return self.value - self.below - _ROUNDING <= observed <= self.value + self.above + _ROUNDING


_ROUNDING = 0.0015
"""Stores keep milliseconds or floats of seconds; counts differ by 1 or more."""

NOTHING = Amount()


FieldChange: TypeAlias = tuple[str, str, str]
"""A field, its old value and its new one, each as JSON."""


@dataclass(frozen=True, slots=True)
class ModerationRow:
    """One action, or one change of a guild's structure by its event type. Whatever is unknown is None.

    ``target_user_id`` is 0 where there is none; ``count`` is None for actions that happen one by one.
    ``changes`` are the fields an update of structure changed, each with its old and new value.
    """

    guild_id: int
    action: str
    target_user_id: int
    moderator_id: int | None = None
    reason: str | None = None
    audit_entry_id: int | None = None
    count: int | None = None
    changes: frozenset[FieldChange] = frozenset()


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """A row that must be there.

    ``blind``: nobody could learn who did it and why, so those fields may be empty. ``optional``: it happened
    out of sight, so the row may be missing, unless it was learnt from the audit log afterwards. ``targets``:
    Discord does not say which of these it was. ``unlinked``: the row need not name the entry. ``uncounted``:
    how much the entry counted up after it could last be read for certain.
    """

    row: ModerationRow
    blind: bool = False
    optional: bool = False
    targets: frozenset[int] = frozenset()
    unlinked: bool = False
    uncounted: int = 0

    def accepted(self) -> Iterator[ModerationRow]:
        """Every row that is right, the fullest first."""
        row = self.row
        fullest = [row]
        if row.count is not None:
            least = max(1, row.count - self.uncounted)
            fullest += [replace(row, count=count) for count in range(row.count - 1, least - 1, -1)]
        if self.unlinked:
            fullest.append(replace(row, audit_entry_id=None))
        for each in fullest:
            yield each
            for target in self.targets:
                yield replace(each, target_user_id=target)
        if self.blind:
            for target in (row.target_user_id, *self.targets):
                for count in {row.count, None}:
                    yield ModerationRow(row.guild_id, row.action, target, count=count, changes=row.changes)


@dataclass(frozen=True, slots=True)
class InviteRow:
    """How somebody joined, as a store has it. ``candidates`` are the codes it may have been."""

    guild_id: int
    invitee_id: int
    invite_code: str | None
    inviter_id: int | None
    method: str
    confidence: str
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InviteUse:
    """How somebody truly joined.

    ``clear``: an observer that reads the invites in time can be certain, since no other change of the guild's
    invites happened around that moment. ``optional``: no session received the join. ``unannounced``: the
    invite's INVITE_CREATE was not visible, so the invite may have existed between two readings only.
    """

    guild_id: int
    invitee_id: int
    at: int
    invite_code: str | None
    inviter_id: int | None
    method: str
    clear: bool = True
    optional: bool = False
    unannounced: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What the ledger says.

    Attributes:
        amounts: by quantity and key.
        rows: moderation rows, and changes of structure by their event type.
        uses: how everybody joined, where the ledger says so.
        guilds: every guild that was ever in sight.
        removed: guilds the bot was removed from, which a store of the present may have forgotten.
        unseen: lines no session could see, by type; they are not part of the amounts.
        complete: whether the ledger has its last line.
        rate: actions per second asked for.
        seed: what the world was made from.
        began: time of the ledger's first line in ms, 0 if unknown; ``ended`` that of its last.
    """

    amounts: Mapping[Quantity, Mapping[Key, Amount]]
    rows: tuple[ExpectedRow, ...] = ()
    uses: tuple[InviteUse, ...] = ()
    guilds: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    unseen: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    rate: float = 0.0
    seed: int = 0
    began: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """What one store says.

    Attributes:
        store: its name in the table.
        amounts: only the quantities this store keeps.
        rows: moderation rows, or None if it does not keep them.
        actions: which actions it keeps rows of; None for all.
        uses: how people joined, oldest first, or None if it does not keep that.
        lives_in_the_present: guilds the bot was removed from may be missing.
    """

    store: str
    amounts: Mapping[Quantity, Mapping[Key, float]]
    rows: tuple[ModerationRow, ...] | None = None
    actions: frozenset[str] | None = None
    uses: tuple[InviteRow, ...] | None = None
    only_current_guilds: bool = False

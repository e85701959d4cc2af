"""The types of both sides of a comparison.

A quantity is a name and a scope; a key is (guild,), (guild, channel), (guild, member) or (guild, emoji). An
expected amount has a tolerance: how far a correct observer may be off.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias


class Scope(enum.StrEnum):
    """What a quantity is counted by."""

    GUILD = "guild"
    CHANNEL = "channel"
    MEMBER = "member"
    EMOJI = "emoji"


Key: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """A counted quantity, by its column name in the SQL tables."""

    name: str
    scope: Scope = Scope.GUILD


@dataclass(frozen=True, slots=True)
class Amount:
    """A true amount, and by how much a correct observer may be ``below`` or ``above`` it."""

    value: float = 0.0
    below: float = 0.0
    above: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.value + other.value, self.below + other.below, self.above + other.above)

    def allows(self, observed: float) -> bool:
        """Whether an observed amount is within the tolerance, with a margin for rounding to milliseconds."""
        return self.value - self.below - _ROUNDING <= observed <= self.value + self.above + _ROUNDING


_ROUNDING = 0.0015
"""Stores keep milliseconds or floats of seconds; counts differ by at least 1."""

NOTHING = Amount()


FieldChange: TypeAlias = tuple[str, str, str]
"""A field, its old value and its new one, each as JSON."""


@dataclass(frozen=True, slots=True)
class ModerationRow:
    """One moderation action, or one change of structure by its event type. An unknown field is None.

    ``target_user_id`` is 0 if there is none; ``count`` is None for actions without a count. ``changes`` are
    the fields that an update of structure changed, each with its old and new value.
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
    """An expected row, with the deviations that are allowed.

    Attributes:
        row: the row with all its fields.
        unattributed: the audit entry was not published, so actor, reason and entry may be empty.
        optional: the action was not visible, so the row may be missing.
        targets: the possible targets, of which Discord publishes none.
        unlinked: the row need not name the audit entry.
        uncounted: how much the entry's count rose after the last certain reading of the entry.
    """

    row: ModerationRow
    unattributed: bool = False
    optional: bool = False
    targets: frozenset[int] = frozenset()
    unlinked: bool = False
    uncounted: int = 0

    def accepted(self) -> Iterator[ModerationRow]:
        """Every row that is correct, the most complete first."""
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
        if self.unattributed:
            for target in (row.target_user_id, *self.targets):
                for count in {row.count, None}:
                    yield ModerationRow(row.guild_id, row.action, target, count=count, changes=row.changes)


@dataclass(frozen=True, slots=True)
class InviteRow:
    """How a user joined, as a store has it. ``candidates`` are the possible invite codes."""

    guild_id: int
    invitee_id: int
    invite_code: str | None
    inviter_id: int | None
    method: str
    confidence: str
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InviteUse:
    """How a user joined, as the ledger has it.

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
    """The numbers expected from a ledger.

    Attributes:
        amounts: expected amounts by quantity and key.
        rows: moderation rows, and changes of structure by their event type.
        uses: invite uses, if the ledger has any.
        guilds: all guilds the bot was ever in.
        removed: guilds the bot was removed from.
        unseen: number of lines that no session received, by type; they are not part of the amounts.
        complete: whether the ledger has its END line.
        rate: configured actions per second.
        seed: seed of the simulation.
        began: time of the first line in ms, 0 if unknown.
        ended: time of the last line in ms, 0 if unknown.
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
    """The numbers read from one store.

    Attributes:
        store: name of the store in the table.
        amounts: amounts of the quantities that the store keeps.
        rows: moderation rows, or None if the store keeps none.
        actions: the actions the store keeps rows of; None for all.
        uses: invite uses, oldest first, or None if the store keeps none.
        only_current_guilds: whether guilds the bot was removed from may be missing.
    """

    store: str
    amounts: Mapping[Quantity, Mapping[Key, float]]
    rows: tuple[ModerationRow, ...] | None = None
    actions: frozenset[str] | None = None
    uses: tuple[InviteRow, ...] | None = None
    only_current_guilds: bool = False

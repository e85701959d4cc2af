"""What a comparison finds: lines of a table, and on each the first few differences in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.verify.quantities import Scope

SHOWN = 5
"""Differences spelt out per line; more would not be read."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which a store and the ledger do not agree, in words."""

    store: str
    where: str
    ledger: str
    found: str

    def __str__(self) -> str:
        return f"{self.store}: {self.where}: the ledger has {self.ledger}, found {self.found}"


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    """One line of the table.

    Attributes:
        quantity: what is compared.
        scope: what it is kept by.
        keys: how many guilds, channels or members were compared.
        ledger: the ledger's total.
        stores: the total of each store that keeps the quantity.
        differing: how many keys differ, over all stores.
        differences: the first few of them.
        gone: what a store cannot show any more, since the bot was removed from the guild.
    """

    quantity: str
    scope: Scope
    keys: int
    ledger: float
    stores: Mapping[str, float]
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    gone: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every store agrees with the ledger on every key."""
        return self.differing == 0

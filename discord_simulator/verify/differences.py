"""The result of a comparison: lines of a table, each with its first differences as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.verify.quantities import Scope

SHOWN = 5
"""Largest number of differences shown per line."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a store and the ledger, as text."""

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
        quantity: name of the quantity.
        scope: what the quantity is counted by.
        keys: number of guilds, channels or members compared.
        ledger: total of the ledger.
        stores: total of each store that keeps the quantity.
        differing: number of keys that differ, over all stores.
        differences: the first of them.
        removed: by store, the amount of guilds the bot was removed from, which the store does not show.
    """

    quantity: str
    scope: Scope
    keys: int
    ledger: float
    stores: Mapping[str, float]
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    removed: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every store agrees with the ledger on every key."""
        return self.differing == 0

"""The comparison of expected with observed numbers; pure, independent of where they were read.

The keys of both sides are compared: an amount or row that only a store has is a difference, too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from discord_simulator.verify.differences import SHOWN, ComparisonLine, Difference
from discord_simulator.verify.invite_uses import compare_uses
from discord_simulator.verify.quantities import (
    NOTHING,
    Amount,
    Expected,
    ExpectedRow,
    Key,
    ModerationRow,
    Observed,
    Quantity,
    Scope,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def compare(expected: Expected, observed_by_store: Mapping[str, Observed]) -> list[ComparisonLine]:
    """Compare every quantity that at least one store keeps; the order of lines is stable."""
    stores = tuple(observed_by_store.values())
    kept = {quantity: None for store in stores for quantity in store.amounts}
    wanted = [quantity for quantity in expected.amounts if quantity in kept]
    extra = [quantity for quantity in kept if quantity not in expected.amounts]
    lines = [_compare_amounts(expected, quantity, stores) for quantity in (*wanted, *extra)]
    if any(store.rows is not None for store in stores):
        actions = {row.row.action for row in expected.rows if any(_keeps(each, row) for each in stores)}
        lines += [_compare_rows(expected, action, stores) for action in sorted(actions | _actions(stores))]
    if expected.uses:
        lines += [
            line for store in stores if store.uses is not None for line in compare_uses(expected, store)
        ]
    return lines


def _actions(stores: Sequence[Observed]) -> set[str]:
    return {row.action for store in stores for row in store.rows or ()}


def _keeps(store: Observed, row: ExpectedRow) -> bool:
    return store.rows is not None and (store.actions is None or row.row.action in store.actions)


def _compare_amounts(expected: Expected, quantity: Quantity, stores: Sequence[Observed]) -> ComparisonLine:
    truth = expected.amounts.get(quantity, {})
    keys: set[Key] = set(truth)
    totals: dict[str, float] = {}
    removed: dict[str, float] = {}
    differences: list[Difference] = []
    for store in stores:
        found = store.amounts.get(quantity)
        if found is None:
            continue
        keys |= {key for key, amount in found.items() if amount}
        totals[store.store] = sum(found.values())
        for key in sorted(truth.keys() | found.keys(), key=str):
            amount, seen = truth.get(key, NOTHING), found.get(key)
            if store.only_current_guilds and key[0] in expected.removed and not seen:
                removed[store.store] = removed.get(store.store, 0) + amount.value
                continue
            if not amount.allows(seen or 0):
                where = f"{quantity.scope} {'/'.join(map(str, key))}"
                differences.append(Difference(store.store, where, _format_range(amount), f"{seen or 0:g}"))
    return ComparisonLine(
        quantity=quantity.name,
        scope=quantity.scope,
        keys=len(keys),
        ledger=sum(amount.value for amount in truth.values()),
        stores=totals,
        differing=len(differences),
        differences=tuple(differences[:SHOWN]),
        removed={name: value for name, value in removed.items() if value},
    )


def _format_range(amount: Amount) -> str:
    if amount.below == amount.above == 0:
        return f"{amount.value:.12g}"
    return f"{amount.value - amount.below:.12g} to {amount.value + amount.above:.12g}"


def _compare_rows(expected: Expected, action: str, stores: Sequence[Observed]) -> ComparisonLine:
    wanted = [row for row in expected.rows if row.row.action == action]
    totals: dict[str, float] = {}
    differences: list[Difference] = []
    for store in stores:
        if store.rows is None or not (store.actions is None or action in store.actions):
            continue
        found = [row for row in store.rows if row.action == action]
        totals[store.store] = len(found)
        differences += _match(store.store, wanted, found)
    return ComparisonLine(
        quantity=f"{action} rows",
        scope=Scope.MEMBER,
        keys=len(wanted),
        ledger=sum(not row.optional for row in wanted),
        stores=totals,
        differing=len(differences),
        differences=tuple(differences[:SHOWN]),
    )


def _match(store: str, wanted: Sequence[ExpectedRow], found: Sequence[ModerationRow]) -> list[Difference]:
    left = Counter(found)
    unmatched: list[ExpectedRow] = []
    # Required rows with all fields are matched first, since rows without an entry may be equal.
    for row in sorted(wanted, key=lambda row: (row.optional, row.unattributed)):
        for candidate in row.accepted():
            if left[candidate]:
                left[candidate] -= 1
                break
        else:
            unmatched.append(row)
    extra = list(left.elements())
    differences: list[Difference] = []
    for row in unmatched:
        like = next((other for other in extra if _same_target(row.row, other)), None)
        if like is not None:
            extra.remove(like)
            differences.append(
                Difference(store, _describe_target(row.row), _describe(row.row), _describe(like))
            )
        elif not row.optional:
            differences.append(
                Difference(store, _describe_target(row.row), _describe(row.row), "no such row")
            )
    differences += [Difference(store, _describe_target(row), "no such row", _describe(row)) for row in extra]
    return differences


def _same_target(one: ModerationRow, other: ModerationRow) -> bool:
    return (one.guild_id, one.target_user_id) == (other.guild_id, other.target_user_id)


def _describe_target(row: ModerationRow) -> str:
    return f"{row.action} of {row.target_user_id} in guild {row.guild_id}"


def _describe(row: ModerationRow) -> str:
    counted = "" if row.count is None else f", count {row.count}"
    changed = "".join(f", {name} from {old} to {new}" for name, old, new in sorted(row.changes))
    entry = f"audit entry {row.audit_entry_id}"
    return f"by {row.moderator_id}, reason {row.reason!r}, {entry}{counted}{changed}"

"""Compares invite uses: each join has a row, and an ``exact`` row is true.

Of the joins that were clear, 99 in 100 must be ``exact``. A ``probable`` row may be wrong; an ``ambiguous``
row must have the true invite among its candidates, unless that invite's creation was not visible; an
``unknown`` row names no code.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from discord_simulator.verify.differences import SHOWN, ComparisonLine, Difference
from discord_simulator.verify.quantities import InviteRow, InviteUse, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from discord_simulator.verify.quantities import Expected, Observed

_CERTAIN_SHARE = 0.99
_ALLOWED_UNCERTAIN = 1
"""Number of clear joins that may always be less than ``exact``."""


def compare_uses(expected: Expected, store: Observed) -> tuple[ComparisonLine, ComparisonLine]:
    """Two lines: the content of the rows, and the number of clear joins that are ``exact``."""
    rows = store.uses or ()
    pairs, missing, extra = _pair(expected.uses, rows)
    differences = [
        *(Difference(store.store, _join(use), _truth(use), "no such row") for use in missing),
        *(Difference(store.store, _join(row), "no such join", _describe(row)) for row in extra),
        *(
            Difference(store.store, _join(use), _truth(use), _describe(row))
            for use, row in pairs
            if _is_wrong(use, row)
        ),
    ]
    clear = [(use, row) for use, row in pairs if use.clear]
    certain = sum(row.confidence == "exact" for _, row in clear)
    uncertain = [
        Difference(store.store, _join(use), _truth(use), _describe(row))
        for use, row in clear
        if row.confidence != "exact"
    ]
    too_few = len(uncertain) > max(_ALLOWED_UNCERTAIN, (1 - _CERTAIN_SHARE) * len(clear))
    return (
        _line(
            "invite rows",
            len(expected.uses),
            sum(not use.optional for use in expected.uses),
            store,
            len(rows),
            differences,
        ),
        _line("exact invite rows", len(clear), len(clear), store, certain, uncertain if too_few else []),
    )


def _line(
    name: str, keys: int, wanted: int, store: Observed, found: int, differences: Sequence[Difference]
) -> ComparisonLine:
    return ComparisonLine(
        quantity=name,
        scope=Scope.MEMBER,
        keys=keys,
        ledger=wanted,
        stores={store.store: found},
        differing=len(differences),
        differences=tuple(differences[:SHOWN]),
    )


def _pair(
    uses: Iterable[InviteUse], rows: Iterable[InviteRow]
) -> tuple[list[tuple[InviteUse, InviteRow]], list[InviteUse], list[InviteRow]]:
    """Pair the joins and rows of each user in order; also the joins and rows without a partner."""
    left: defaultdict[tuple[int, int], list[InviteRow]] = defaultdict(list)
    for row in rows:
        left[row.guild_id, row.invitee_id].append(row)
    wanted: defaultdict[tuple[int, int], list[InviteUse]] = defaultdict(list)
    for use in sorted(uses, key=lambda use: use.at):
        wanted[use.guild_id, use.invitee_id].append(use)
    pairs: list[tuple[InviteUse, InviteRow]] = []
    missing: list[InviteUse] = []
    for place, joins in wanted.items():
        found = left.pop(place, [])
        surplus = len(joins) - len(found)
        for use in joins:
            if use.optional and surplus > 0:
                surplus -= 1
            elif found:
                pairs.append((use, found.pop(0)))
            else:
                missing.append(use)
        if found:
            left[place] = found
    return pairs, missing, [row for found in left.values() for row in found]


def _is_wrong(use: InviteUse, row: InviteRow) -> bool:
    match row.confidence:
        case "exact":
            named = row.inviter_id in ({use.inviter_id, None} if use.method == "oauth" else {use.inviter_id})
            return (row.method, row.invite_code) != (use.method, use.invite_code) or not named
        case "probable":
            return False
        case "ambiguous":
            among = use.unannounced or use.invite_code is None or use.invite_code in row.candidates
            return row.invite_code is not None or not among
        case "unknown":
            return row.invite_code is not None
        case _:
            return True


def _join(join: InviteUse | InviteRow) -> str:
    return f"join of {join.invitee_id} in guild {join.guild_id}"


def _truth(use: InviteUse) -> str:
    return f"{use.method} {use.invite_code} by {use.inviter_id}"


def _describe(row: InviteRow) -> str:
    among = f" among {', '.join(sorted(row.candidates))}" if row.candidates else ""
    return f"{row.confidence} {row.method} {row.invite_code} by {row.inviter_id}{among}"

"""How people joined: each join has a row, and what a row is certain of is true.

A row may be less certain than the truth allows, but not often: of the joins that were clear, 99 in 100 must
be ``exact``. A guess that says so (``probable``) may be wrong; ``ambiguous`` must hold the truth among its
candidates, unless nobody was told of that invite; ``unknown`` names no code.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from discord_simulator.verify.differences import SHOWN, ComparisonLine, Difference
from discord_simulator.verify.quantities import InviteRow, InviteUse, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from discord_simulator.verify.quantities import Expected, Observed

_SHARE = 0.99
_FORGIVEN = 1
"""Clear joins that may lack certainty however few there are."""


def compare_uses(expected: Expected, store: Observed) -> tuple[ComparisonLine, ComparisonLine]:
    """One line for what the rows say, one for how many clear joins they are certain of."""
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
    unsure = [
        Difference(store.store, _join(use), _truth(use), _describe(row))
        for use, row in clear
        if row.confidence != "exact"
    ]
    short = len(unsure) > max(_FORGIVEN, (1 - _SHARE) * len(clear))
    return (
        _line(
            "invite rows",
            len(expected.uses),
            sum(not use.optional for use in expected.uses),
            store,
            len(rows),
            differences,
        ),
        _line("exact invite rows", len(clear), len(clear), store, certain, unsure if short else []),
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
    """The same person's joins and rows, in their order; and what is left over on either side."""
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

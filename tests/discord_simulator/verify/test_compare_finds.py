"""Correct numbers pass; every kind of deviation is found, on its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.scenarios import SCENARIOS
from discord_simulator.verify.compare import compare
from discord_simulator.verify.differences import SHOWN, ComparisonLine
from discord_simulator.verify.quantities import (
    Amount,
    Expected,
    ExpectedRow,
    Key,
    ModerationRow,
    Observed,
    Quantity,
    Scope,
)


def wrong(evidence: Any, observed: Observed) -> dict[tuple[str, str], ComparisonLine]:
    lines = compare(evidence.expected, {"bot": observed})
    return {(line.quantity, line.scope.value): line for line in lines if not line.ok}


def changed(observed: Observed, quantity: Quantity, change: Mapping[Key, float]) -> Observed:
    amounts = {**observed.amounts, quantity: {**observed.amounts[quantity]}}
    for key, amount in change.items():
        amounts[quantity][key] = amounts[quantity].get(key, 0) + amount
    return replace(observed, amounts=amounts)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_correct_observer_agrees_on_every_number(make_evidence: Callable[[int], Any], seed: int) -> None:
    evidence = make_evidence(seed)
    lines = compare(evidence.expected, {"bot": evidence.observed})
    assert [str(difference) for line in lines for difference in line.differences] == []
    assert all(line.ok for line in lines)
    by_name = {(line.quantity, line.scope.value): line for line in lines}
    for name in ("messages", "reactions", "voice_seconds", "leaves", "bans", "message_deletes"):
        assert by_name[name, "guild"].ledger > 0
    assert evidence.expected.complete
    assert evidence.expected.unseen == {}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_correct_observer_agrees_in_every_scenario(
    make_evidence: Callable[..., Any], scenario: str
) -> None:
    evidence = make_evidence(4, scenario, rate=60)
    lines = compare(evidence.expected, {"bot": evidence.observed})
    assert [str(difference) for line in lines for difference in line.differences] == []
    assert any(line.quantity == "message_delete rows" and line.ledger > 0 for line in lines)


def test_a_deviation_of_one_is_found_in_every_quantity(evidence: Any) -> None:
    slack = {"voice_seconds": 10_000, "afk_voice_seconds": 10_000, "voice_sessions": 100}
    checked = 0
    for quantity, cells in evidence.observed.amounts.items():
        for sign in (1, -1):
            key = max(cells, key=lambda key: cells[key])
            off = changed(evidence.observed, quantity, {key: sign * slack.get(quantity.name, 1)})
            found = wrong(evidence, off)
            assert found.keys() == {(quantity.name, quantity.scope.value)}
            (line,) = found.values()
            assert line.differing == 1
            assert "/".join(map(str, key)) in line.differences[0].where
            checked += 1
    assert checked > 40


def test_a_message_counted_on_another_channel_is_found_twice(evidence: Any) -> None:
    quantity = Quantity("messages", Scope.CHANNEL)
    one, other = list(evidence.expected.amounts[quantity])[:2]
    found = wrong(evidence, changed(evidence.observed, quantity, {one: -1, other: 1}))
    (line,) = found.values()
    assert line.differing == 2
    assert line.stores["bot"] == line.ledger


def test_an_amount_of_an_unknown_channel_is_found(evidence: Any) -> None:
    quantity = Quantity("messages", Scope.CHANNEL)
    found = wrong(evidence, changed(evidence.observed, quantity, {(1, 2): 3}))
    assert "the ledger has 0, found 3" in str(found["messages", "channel"].differences[0])


def test_a_zero_of_an_unknown_channel_is_no_difference(evidence: Any) -> None:
    quantity = Quantity("messages", Scope.CHANNEL)
    assert not wrong(evidence, changed(evidence.observed, quantity, {(1, 2): 0}))


def test_a_quantity_a_store_does_not_keep_is_not_compared(evidence: Any) -> None:
    amounts = {Quantity("joins"): evidence.observed.amounts[Quantity("joins")]}
    lines = compare(evidence.expected, {"bot": Observed("bot", amounts)})
    assert [line.quantity for line in lines] == ["joins"]


def test_a_quantity_a_store_keeps_and_never_counted_is_found(evidence: Any) -> None:
    empty = replace(evidence.observed, amounts={**evidence.observed.amounts, Quantity("joins"): {}})
    (line,) = wrong(evidence, empty).values()
    assert line.differing == line.keys == len(evidence.expected.amounts[Quantity("joins")])
    assert len(line.differences) == min(SHOWN, line.differing)


def test_stores_are_compared_one_by_one(evidence: Any) -> None:
    quantity = Quantity("messages")
    key = next(iter(evidence.observed.amounts[quantity]))
    bad = replace(changed(evidence.observed, quantity, {key: 5}), store="bad")
    lines = compare(evidence.expected, {"bot": evidence.observed, "bad": bad})
    (line,) = [line for line in lines if not line.ok]
    assert [difference.store for difference in line.differences] == ["bad"]
    assert line.stores["bad"] == line.stores["bot"] + 5


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────


def with_row(evidence: Any, change: Callable[[ModerationRow], ModerationRow | None]) -> Observed:
    first, *rest = [row for row in evidence.observed.rows if row.action == "ban"]
    others = [row for row in evidence.observed.rows if row.action != "ban"]
    changed_row = change(first)
    return replace(evidence.observed, rows=(*([changed_row] if changed_row else []), *rest, *others))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("moderator_id", 42),
        ("moderator_id", None),
        ("reason", "something else"),
        ("audit_entry_id", 43),
        ("audit_entry_id", None),
    ],
)
def test_a_wrong_actor_reason_or_entry_is_found(evidence: Any, field: str, value: Any) -> None:
    (line,) = wrong(evidence, with_row(evidence, lambda row: replace(row, **{field: value}))).values()
    assert line.quantity == "ban rows"
    assert line.differing == 1
    assert repr(value) in line.differences[0].found


def test_a_missing_row_is_found(evidence: Any) -> None:
    (line,) = wrong(evidence, with_row(evidence, lambda _row: None)).values()
    assert line.differences[0].found == "no such row"


def test_a_repeated_row_is_found(evidence: Any) -> None:
    twice = replace(evidence.observed, rows=(*evidence.observed.rows, evidence.observed.rows[0]))
    (line,) = wrong(evidence, twice).values()
    assert line.differences[0].ledger == "no such row"


def test_a_row_of_an_action_that_never_happened_is_found(evidence: Any) -> None:
    invented = ModerationRow(1, "timeout", 2)
    found = wrong(evidence, replace(evidence.observed, rows=(*evidence.observed.rows, invented)))
    assert found.keys() == {("timeout rows", "member")}


def test_a_wrong_target_is_a_missing_row_and_an_extra_one(evidence: Any) -> None:
    (line,) = wrong(evidence, with_row(evidence, lambda row: replace(row, target_user_id=5))).values()
    assert line.differing == 2


ROW = ModerationRow(1, "ban", 2, 3, "spam", 4)
BARE = ModerationRow(1, "ban", 2)


@pytest.mark.parametrize(
    ("expected", "found", "ok"),
    [
        (ExpectedRow(ROW), (ROW,), True),
        (ExpectedRow(ROW), (BARE,), False),
        (ExpectedRow(ROW), (), False),
        (ExpectedRow(ROW, unattributed=True), (ROW,), True),
        (ExpectedRow(ROW, unattributed=True), (BARE,), True),
        (ExpectedRow(ROW, unattributed=True), (replace(ROW, moderator_id=9),), False),
        (ExpectedRow(ROW, unattributed=True), (), False),
        (ExpectedRow(ROW, optional=True), (), True),
        (ExpectedRow(ROW, optional=True), (ROW,), True),
        (ExpectedRow(ROW, optional=True), (ROW, ROW), False),
        (ExpectedRow(ROW, optional=True), (BARE,), False),
    ],
)
def test_what_no_observer_could_know_may_be_missing_but_not_wrong(
    expected: ExpectedRow, found: tuple[ModerationRow, ...], *, ok: bool
) -> None:
    lines = compare(Expected({}, (expected,)), {"s": Observed("s", {}, found)})
    assert all(line.ok for line in lines) is ok


# ── amounts ──────────────────────────────────────────────────────────────────────────────────────────


@given(
    value=st.integers(0, 10**9),
    below=st.integers(0, 1000),
    above=st.integers(0, 1000),
    off=st.integers(-2000, 2000),
)
def test_an_amount_allows_exactly_its_range(value: int, below: int, above: int, off: int) -> None:
    assert Amount(value, below, above).allows(value + off) is (-below <= off <= above)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 9), st.integers(0, 9))))
def test_amounts_add_up_with_their_allowances(parts: list[tuple[int, int, int]]) -> None:
    total = sum((Amount(*part) for part in parts), Amount())
    assert (total.value, total.below, total.above) == tuple(map(sum, zip(*parts, strict=True))) or not parts


def test_removed_guilds_may_be_missing_from_stores_of_current_guilds_only() -> None:
    quantity = Quantity("messages")
    expected = Expected({quantity: {(1,): Amount(5), (2,): Amount(7)}}, removed=frozenset({1}))

    def ok(cells: dict[Key, float], *, present: bool) -> bool:
        store = Observed("s", {quantity: cells}, only_current_guilds=present)
        return all(line.ok for line in compare(expected, {"s": store}))

    assert ok({(2,): 7}, present=True)
    assert ok({(1,): 5, (2,): 7}, present=True)
    assert not ok({(1,): 4, (2,): 7}, present=True)
    assert not ok({(1,): 5}, present=True)
    assert not ok({(2,): 7}, present=False)

"""Periods in SQL: both databases keep the same moments, and the period before ends where the range begins."""

from __future__ import annotations

import datetime as dt

import pytest

from dashboards.queries import clauses
from exporter.sinks.sql.views.dialect import DIALECTS, Dialect
from tests.dashboards.asking import Databases, Range, fill_in

NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z
DAY = 86_400_000
WEEK = Range(NOON - 7 * DAY, NOON)


@pytest.fixture(params=DIALECTS)
def sql(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def holds(databases: Databases, sql: Dialect, condition: str, at: int, *, span: Range = WEEK) -> bool:
    """Whether the condition keeps a moment, or its UTC day, given as column ``c``."""
    moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(timespec="milliseconds")
    moment = moment.replace("+00:00", "Z")
    if sql.name == "sqlite":
        text = f"SELECT 1 AS kept FROM (SELECT '{moment}' AS c, date('{moment}') AS d) WHERE {condition}"
        return bool(databases.ask_sqlite(fill_in(text, {}, span)))
    columns = f"'{moment}'::timestamptz AS c, ('{moment}'::timestamptz AT TIME ZONE 'UTC')::date AS d"
    text = f"SELECT 1 AS kept FROM (SELECT {columns}) AS one WHERE {condition}"
    return bool(databases.ask_postgres(fill_in(text, {}, span)))


@pytest.mark.parametrize(
    ("offset", "inside", "before"),
    [
        (1, False, False),
        (0, True, False),
        (-7 * DAY, True, False),
        (-7 * DAY - 1, False, True),
        (-14 * DAY, False, True),
        (-14 * DAY - 1, False, False),
    ],
)
def test_a_moment_is_in_the_range_or_before_it(databases, sql, offset, inside, before):
    assert holds(databases, sql, clauses.within(sql, "c"), NOON + offset) is inside
    assert holds(databases, sql, clauses.before(sql, "c"), NOON + offset) is before


@pytest.mark.parametrize(
    ("days", "inside", "before"),
    [
        (1, False, False),
        (0, True, False),
        (-7, True, False),
        (-8, False, True),
        (-15, False, True),
        (-16, False, False),
    ],
)
def test_a_day_touches_the_range_or_is_among_as_many_before_it(databases, sql, days, inside, before):
    assert holds(databases, sql, clauses.days_within(sql, "d"), NOON + days * DAY) is inside
    assert holds(databases, sql, clauses.days_before(sql, "d"), NOON + days * DAY) is before


def test_days_are_those_of_utc_whatever_the_hour(databases, sql):
    span = Range(NOON - 12 * 3_600_000, NOON - 12 * 3_600_000 + 1)
    assert holds(databases, sql, clauses.days_within(sql, "d"), NOON, span=span)
    assert not holds(databases, sql, clauses.days_within(sql, "d"), NOON - DAY, span=span)


@pytest.mark.parametrize(("days", "passed"), [(6, False), (7, True), (8, True)])
def test_days_have_passed_when_their_last_is_over(databases, sql, days, passed):
    ago = int(dt.datetime.now(dt.UTC).replace(hour=12).timestamp() * 1000) - days * DAY
    assert holds(databases, sql, clauses.elapsed(sql, "d", 7), ago) is passed


@pytest.mark.parametrize(("days", "recent"), [(0, True), (6, True), (7, False)])
def test_the_last_days_hold_today(databases, sql, days, recent):
    ago = int(dt.datetime.now(dt.UTC).replace(hour=12).timestamp() * 1000) - days * DAY
    assert holds(databases, sql, clauses.days_since(sql, "d", 7), ago) is recent

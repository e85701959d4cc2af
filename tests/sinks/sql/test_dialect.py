"""What the dialects say differently means the same: at the borders of days, weeks, months and years."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text

from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.types import EPOCH, MILLISECOND, rfc3339
from exporter.sinks.sql.views.dialect import DIALECTS, DISCORD_EPOCH_MS

SECOND = 1000
MOMENTS = st.integers(1_420_070_400_000, 3_619_093_655_551)
"""From 2015, when the first id was made, to 2084, when ids outgrow the 63 bits a column holds."""
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def ask(ready_dsn: str, kind: str) -> Any:
    """Evaluates SQL, in PostgreSQL within a session that is not in UTC."""
    engine = make_engine(SqlConfig(dsn=SecretStr(ready_dsn)))

    async def evaluate(*parts: str) -> tuple[Any, ...]:
        async with engine.connect() as connection:
            if kind == "postgresql":
                await connection.execute(text("SET TIME ZONE 'America/New_York'"))
            row = (await connection.exec_driver_sql("SELECT " + ", ".join(parts))).one()
            return tuple(map(normal, row))

    yield DIALECTS[kind], evaluate
    await engine.dispose()


def normal(value: Any) -> Any:
    """A cell of either dialect as text or number."""
    if isinstance(value, dt.datetime):
        return rfc3339(value.astimezone(dt.UTC))
    return value.isoformat() if isinstance(value, dt.date) else value


def moment(ms: int) -> dt.datetime:
    return EPOCH + ms * MILLISECOND


def literal(ms: int, kind: str) -> str:
    text = rfc3339(moment(ms))
    return f"'{text}'" if kind == "sqlite" else f"CAST('{text}' AS TIMESTAMP WITH TIME ZONE)"


def days(day: dt.date, kind: str) -> str:
    return f"'{day}'" if kind == "sqlite" else f"CAST('{day}' AS DATE)"


BORDERS = [
    "2026-02-01T23:59:59.999Z",  # a Sunday
    "2026-02-02T00:00:00.000Z",
    "2027-01-01T00:00:00.000Z",  # a Friday whose week began the year before
    "2024-02-29T12:34:56.789Z",
    "2026-12-31T23:59:59.999Z",
]


@pytest.mark.parametrize("border", BORDERS)
async def test_parts_of_a_moment(ask: Any, kind: str, border: str) -> None:
    sql, evaluate = ask
    when = dt.datetime.fromisoformat(border)
    at = literal((when - EPOCH) // MILLISECOND, kind)
    monday = when.date() - dt.timedelta(days=when.weekday())
    found = await evaluate(
        sql.day_of(at),
        sql.first_day_of("week", at),
        sql.first_day_of("month", at),
        sql.midnight(sql.day_of(at)),
        sql.weekday(at),
        sql.hour(at),
        sql.days_later(sql.day_of(at), "7 * 2"),
        sql.days_later(sql.day_of(at), "-1"),
        sql.hours_later(at, 24),
        sql.hours_later(at, -24),
    )
    assert found == (
        when.date().isoformat(),
        monday.isoformat(),
        when.date().replace(day=1).isoformat(),
        f"{when.date()}T00:00:00.000Z",
        when.isoweekday(),
        when.hour,
        (when.date() + dt.timedelta(days=14)).isoformat(),
        (when.date() - dt.timedelta(days=1)).isoformat(),
        rfc3339(when + dt.timedelta(days=1)),
        rfc3339(when - dt.timedelta(days=1)),
    )


async def test_the_day_it_is_and_those_around(ask: Any) -> None:
    sql, evaluate = ask
    before = dt.datetime.now(dt.UTC)
    today, week, month, past, now, ago = await evaluate(
        sql.today, sql.week, sql.month, sql.days_ago(40), sql.now, sql.ago(hours=30)
    )
    after = dt.datetime.now(dt.UTC)
    day = dt.date.fromisoformat(today)
    assert before.date() <= day <= after.date()
    assert dt.date.fromisoformat(week) == day - dt.timedelta(days=day.weekday())
    assert dt.date.fromisoformat(month) == day.replace(day=1)
    assert dt.date.fromisoformat(past) == day - dt.timedelta(days=40)
    assert rfc3339(before)[:-5] <= now[:-5] <= rfc3339(after)[:-5]
    seconds = (dt.datetime.fromisoformat(now) - dt.datetime.fromisoformat(ago)).total_seconds()
    assert seconds == pytest.approx(30 * 3600, abs=0.002)


@SETTINGS
@given(early=MOMENTS, late=MOMENTS, worker=st.integers(0, 2**22 - 1))
async def test_lengths_and_ids(ask: Any, kind: str, early: int, late: int, worker: int) -> None:
    sql, evaluate = ask
    snowflake = (early - DISCORD_EPOCH_MS) << 22 | worker
    found = await evaluate(
        sql.created_at(str(snowflake)),
        sql.moment(str(late)),
        sql.days_between(days(moment(late).date(), kind), days(moment(early).date(), kind)),
        sql.seconds_between(literal(late, kind), literal(early, kind)),
        sql.age_at(literal(late, kind), str(snowflake)),
    )
    assert found[:3] == (
        rfc3339(moment(early)),
        rfc3339(moment(late)),
        (moment(late).date() - moment(early).date()).days,
    )
    assert found[3] == pytest.approx((late - early) / SECOND, abs=2e-3)
    assert found[4] == pytest.approx((late - early) / SECOND, abs=2e-3)


async def test_details_of_a_document(ask: Any, kind: str) -> None:
    sql, evaluate = ask
    kept = """'{"channel_id": 9007199254740993, "rule": "no \\"links\\"", "count": null}'"""
    document = kept if kind == "sqlite" else f"CAST({kept} AS JSONB)"
    names = ("channel_id", "rule", "count", "absent")
    found = await evaluate(*(sql.json_text(document, name) for name in names))
    assert found == ("9007199254740993", 'no "links"', None, None)


async def test_names_of_the_fields_of_an_object_in_a_document(ask: Any, kind: str) -> None:
    sql, evaluate = ask
    kept = """'{"changes": {"topic": {}, "Name": {}, "name": 1}, "none": {}, "null": null, "list": [1]}'"""
    document = kept if kind == "sqlite" else f"CAST({kept} AS JSONB)"
    names = ("changes", "none", "null", "list", "absent")
    found = await evaluate(*(sql.json_fields(document, name) for name in names))
    assert found == ("Name, name, topic", None, None, None, None)


async def test_numbers_are_rounded_to_three_places(ask: Any) -> None:
    sql, evaluate = ask
    found = await evaluate(*(sql.rounded(number) for number in ("1.0 * 2 / 3", "1.0005e0 + 1", "7")))
    assert found == (pytest.approx(0.667), pytest.approx(2.0, abs=2e-3), 7)

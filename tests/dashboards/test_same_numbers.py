"""The same question has the same answer in every store: a guild's days, as each language asks for them.

SQL and InfluxDB are exact. Prometheus knows a counter at its scrapes alone and goes on from there to the ends
of the day, so it may be off by what is counted between two scrapes.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from dashboards.names import view
from dashboards.queries import flux, promql
from exporter.events.catalogue import full_catalogue
from tests.dashboards.asking import Points
from tests.dashboards.past import DAY, MEADOW, Past

DAYS = 7
MEASURES = full_catalogue().measures


@dataclass(frozen=True)
class Question:
    """A number by day; ``only`` is a label and its one value, ``rows`` the SQL that gives day and number."""

    measure: str
    rows: str
    only: tuple[str, str] | None = None


def from_days(*columns: str) -> str:
    days = view("v_guild_daily")
    amount = " + ".join(getattr(days, column) for column in columns)
    return f"SELECT {days.day}, {amount} FROM {days} WHERE {days.guild_id} = '{MEADOW}'"


_actions = view("v_moderation")
QUESTIONS = {
    "messages of people": Question("messages", from_days("messages"), ("author", "human")),
    "seconds in voice": Question("voice_seconds", from_days("voice_seconds", "afk_voice_seconds")),
    "joins": Question("member_joins", from_days("joins")),
    "leaves": Question("member_leaves", from_days("leaves")),
    "bans": Question(
        "moderation_actions",
        f"SELECT {{day}}, count(*) FROM {_actions} WHERE {_actions.guild_id} = '{MEADOW}' "
        f"AND {_actions.action} = 'ban' GROUP BY 1",
        ("action", "ban"),
    ),
}
DAY_OF = {
    "postgres": f"CAST({_actions.at} AT TIME ZONE 'UTC' AS date)",
    "sqlite": f"substr({_actions.at}, 1, 10)",
}


@pytest.fixture(scope="session")
def days(past: tuple[Past, Past]) -> list[dt.date]:
    """The last whole days."""
    last = past[0].end // DAY
    return [dt.datetime.fromtimestamp(day * DAY / 1000, dt.UTC).date() for day in range(last - DAYS, last)]


def happened(question: Question, past: Past, days: list[dt.date]) -> list[float]:
    """What happened."""
    measure = MEASURES[question.measure]
    slots = [
        slot for value, slot in measure.series_of.items() if not question.only or value == question.only[1]
    ]
    found = dict.fromkeys(days, 0)
    for end, counts, _ in past.counters:
        day = dt.datetime.fromtimestamp((end - 1) / 1000, dt.UTC).date()
        if day in found:
            found[day] += sum(counts[slot] for slot in slots)
    return [measure.unit.expose(amount) for amount in found.values()]


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_sql_tells_what_happened(question, database, databases, past: tuple[Past, Past], days):
    ask = databases.ask_postgres if database == "postgres" else databases.ask_sqlite
    rows = [list(row.values()) for row in ask(question.rows.format(day=DAY_OF[database]))]
    found = {str(day): float(number) for day, number in rows}
    assert [found.get(f"{day}", 0) for day in days] == pytest.approx(happened(question, past[0], days))


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_promql_tells_it_but_for_what_is_between_two_scrapes(question, scraped, past, days):
    matchers = [f'{question.only[0]}="{question.only[1]}"'] if question.only else []
    text = promql.counted(question.measure, *matchers).replace("$__interval", "1d")
    start = dt.datetime.combine(days[0], dt.time(), dt.UTC).timestamp() + DAY / 1000
    (series,) = scraped.ask_range(
        text.replace("$guild", f"{MEADOW}"), start, start + (DAYS - 1) * DAY / 1000, DAY / 1000
    )
    found = [float(value) for _, value in series["values"]]
    assert found == pytest.approx(happened(question, past[0], days), rel=0.01, abs=1)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_flux_tells_what_happened(question, influx: Points, past: tuple[Past, Past], days):
    start, stop = f"{days[0]}T00:00:00Z", f"{days[-1] + dt.timedelta(days=1)}T00:00:00Z"
    (table,) = influx.ask(flux.counted(question.measure, only=question.only), start, stop, "1d", MEADOW)
    found = {row.get_time().date(): row.get_value() for row in table.records}
    assert [found.get(day, 0) for day in days] == pytest.approx(happened(question, past[0], days))

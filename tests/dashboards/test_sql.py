"""Every SQL query of every panel, choice and mark runs on a real SQLite and a real PostgreSQL.

The real writer filled them; each query finds something there, and the same in both.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools

import pytest

from dashboards.provisioning import TIME_COLUMNS, Source
from tests.dashboards.asking import Databases, Range, fill_in
from tests.dashboards.committed import Asked, asked, titled
from tests.dashboards.past import DAY, HOUR, MEADOW, Past
from tests.entry_data import fields_of

QUERIES = asked(Source.POSTGRES, Source.SQLITE)
SHOWN = {str(found).partition("/")[2]: found for found in QUERIES if found.dashboard.variant == "full"}
PAIRS = [
    (found, other)
    for found in QUERIES
    if found.dashboard.variant == "lite"
    for other in [SHOWN[str(found).partition("/")[2]]]
]


@pytest.fixture(scope="session")
def span(past: tuple[Past, Past]) -> Range:
    end = past[0].end
    return Range(end - 30 * DAY, end, slot=24 * HOUR // 1000)


@pytest.fixture(scope="session")
def choices(past: tuple[Past, Past], span: Range) -> dict[str, str]:
    """What a person chose: the larger guild, and one of its active members against whom moderators acted."""
    active = {
        member[0]
        for entry in past[0].entries
        if entry.type == "MEMBER_ACTIVITY_SNAPSHOT" and span.start <= entry.at
        for member in fields_of(entry)["members"]
    }
    rowdy = next(entry for entry in past[0].entries if fields_of(entry).get("target_user_id") in active)
    return {
        "guild": str(MEADOW),
        "channel": "'*'",
        "action": "'*'",
        "moderator": "'*'",
        "invite": "'*'",
        "period": "all",
        "member": str(fields_of(rowdy)["target_user_id"]),
    }


def ask(databases: Databases, found: Asked, choices: dict[str, str], span: Range) -> list[dict]:
    text = fill_in(found.text, choices, span)
    return (databases.ask_sqlite if found.source == Source.SQLITE else databases.ask_postgres)(text)


@pytest.mark.parametrize("found", **titled(QUERIES))
def test_a_query_finds_something(found, databases, choices, span):
    rows = ask(databases, found, choices, span)
    assert rows
    assert any(value is not None for row in rows for value in row.values())


@pytest.mark.parametrize("found", **titled(QUERIES))
def test_ids_leave_the_database_as_text(found, databases, choices, span):
    for row in ask(databases, found, choices, span):
        for name, value in row.items():
            if name.endswith("_id") or name in {"Id", "__value", "__text"}:
                assert value is None or isinstance(value, str), name
            assert not isinstance(value, int) or abs(value) < 2**53, name


@pytest.mark.parametrize(
    "found",
    **titled(
        [
            one
            for one in QUERIES
            if one.target.get("format", one.target.get("queryType")) in {"time_series", "time series"}
        ]
    ),
)
def test_a_series_has_ascending_times(found, databases, choices, span):
    times = [row["time"] for row in ask(databases, found, choices, span)]
    assert times == sorted(times)
    if found.source == Source.SQLITE:
        assert all(isinstance(at, int) and 1_600_000_000 < at < 4_000_000_000 for at in times)
    else:
        assert all(at.tzinfo is not None for at in times)


@pytest.mark.parametrize(("lite", "full"), PAIRS, ids=[str(pair[0]).replace(" ", "-") for pair in PAIRS])
def test_both_databases_give_the_same_answer(lite, full, databases, choices, span):
    ours, theirs = (
        [
            {name: plain(name, value) for name, value in row.items()}
            for row in ask(databases, found, choices, span)
        ]
        for found in (lite, full)
    )
    assert [sorted(row) for row in ours] == [sorted(row) for row in theirs]
    for one, other in itertools.zip_longest(ours, theirs):
        for name in one:
            numbers = isinstance(one[name], float) and isinstance(other[name], float)
            assert one[name] == (pytest.approx(other[name], rel=1e-6) if numbers else other[name]), name


def plain(name: str, value: object) -> object:
    """A value in the form that both databases share: times as seconds, numbers as floats."""
    if isinstance(value, dt.datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, decimal.Decimal | float | int):
        return float(value)
    if isinstance(value, str) and name in TIME_COLUMNS:
        return round(dt.datetime.fromisoformat(value).timestamp(), 3)
    return value


@pytest.mark.parametrize("found", **titled(QUERIES))
def test_an_unknown_guild_breaks_nothing(found, databases, choices, span):
    ask(databases, found, choices | {"guild": "1"}, span)


@pytest.mark.parametrize("found", **titled([one for one in QUERIES if "sqlstring" in one.text]))
def test_a_choice_with_a_quote_stays_a_value(found, databases, choices, span):
    hostile = dict.fromkeys(choices, "x' OR 'a'='a")
    rows = ask(databases, found, choices | hostile, span)
    assert not any(
        isinstance(value, str) and value.startswith("1185") for row in rows for value in row.values()
    )


def test_the_raid_is_marked_as_a_wave_of_bans(databases, choices, span, past):
    wave = next(found for found in QUERIES if found.where == "Ban waves" and found.source == Source.SQLITE)
    rows = ask(databases, wave, choices, span)
    raid = past[0].end - 2 * DAY - 3 * HOUR
    assert len(rows) in {1, 2}, "the slots of ten minutes may part it"
    assert all(raid <= row["time"] * 1000 < raid + HOUR for row in rows)


def test_numbers_are_those_of_the_entries(databases, choices, span, past):
    within = [entry for entry in past[0].entries if span.start <= entry.at <= span.end]
    bans = [entry for entry in within if entry.type == "GUILD_BAN_ADD"]
    joins = [entry for entry in within if entry.type == "GUILD_MEMBER_ADD"]
    expected = {"discord-moderation/Bans/A": len(bans), "discord-growth/Joined/A": len(joins)}
    for name, number in expected.items():
        rows = ask(databases, SHOWN[name], choices, span)
        assert rows[-1]["value"] == number
        assert len(rows) == 2


def active_days(past: Past) -> set[tuple[int, dt.date]]:
    """Who wrote, was in voice (not AFK) or reacted on which UTC day, from the entries."""
    return {
        (member[0], dt.datetime.fromtimestamp(entry.at / 1000, dt.UTC).date())
        for entry in past.entries
        if entry.type == "MEMBER_ACTIVITY_SNAPSHOT"
        for member in fields_of(entry)["members"]
        if any(
            cell[0] in {"messages", "voice_seconds", "reactions"} and cell[1] != "afk" for cell in member[5]
        )
    }


def test_active_members_are_counted_once_each(databases, choices, span, past):
    first, last = (dt.datetime.fromtimestamp(at / 1000, dt.UTC).date() for at in (span.start, span.end))
    expected = {user for user, day in active_days(past[0]) if first <= day <= last}
    rows = ask(databases, SHOWN["discord-guild/Active/A"], choices, span)
    assert rows[-1]["value"] == len(expected)


def test_a_cohort_tells_which_part_was_active_in_each_whole_week_after(databases, choices, span, past):
    monday = past[0].end // DAY - 28
    monday = dt.date(1970, 1, 1) + dt.timedelta(days=monday)
    monday -= dt.timedelta(days=monday.weekday())
    joined = {
        fields_of(entry)["user_id"]
        for entry in past[0].entries
        if entry.type == "GUILD_MEMBER_ADD"
        and monday
        <= dt.datetime.fromtimestamp(entry.at / 1000, dt.UTC).date()
        < monday + dt.timedelta(days=7)
    }
    rows = ask(databases, SHOWN["discord-growth/Retention by week of join/A"], choices, span)
    row = next(row for row in rows if row["Joined in week of"] == monday.isoformat())
    assert row["People"] == len(joined)
    for week in range(3):
        start = monday + dt.timedelta(days=7 * week)
        active = {user for user, day in active_days(past[0]) if 0 <= (day - start).days < 7} & joined
        assert row[f"Week {week}"] == pytest.approx(len(active) / len(joined), abs=0.0006)
    running = (dt.datetime.now(dt.UTC).date() - monday).days // 7
    assert row[f"Week {running - 1}"] is not None
    assert row[f"Week {running}"] is None, "it is not over"

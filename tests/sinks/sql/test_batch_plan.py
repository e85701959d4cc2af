"""What a batch changes, without a database: sums by key, in order, and few statements for many rows."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec, Family, Measure
from exporter.model import Batch, Entry, EntryData, Priority, Row
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from exporter.sinks.sql.column_mapping import ColumnMapping
from exporter.sinks.sql.schema import channel_daily, guild_daily, member_daily
from exporter.sinks.sql.sink import SqlSink
from exporter.sinks.sql.writer import ROWS_PER_STATEMENT, SqlWriter
from tests.sinks.sql.conftest import CATALOGUE, Store
from tests.sinks.sql.entries import GUILD, MINUTE, NOON, active, activity, ban, join, leave, metrics
from tests.sinks.sql.histories import counters, expected_sums

RULES = Rules.of(CATALOGUE)


def rows(*entries: Entry) -> list[Row]:
    return [Row(position, entry) for position, entry in enumerate(entries, start=1)]


@given(counters)
def test_sums_do_not_depend_on_order_or_grouping(entries: list[Entry]) -> None:
    shuffled = random.Random(1).sample(entries, len(entries))
    one, other = (plan_batch(rows(*order), RULES, NOON).increments for order in (entries, shuffled))
    assert one.daily_rows(guild_daily) == other.daily_rows(guild_daily)
    assert one.daily_rows(channel_daily) == other.daily_rows(channel_daily)
    assert one.daily_rows(member_daily) == other.daily_rows(member_daily)


@given(counters)
def test_sums_are_those_of_the_declared_columns(entries: list[Entry]) -> None:
    increments = plan_batch(rows(*entries), RULES, NOON).increments
    expected = expected_sums(entries)
    for found, table, names in (
        (increments.daily_rows(guild_daily), "guild_daily", ("guild_id", "day")),
        (increments.daily_rows(channel_daily), "channel_daily", ("guild_id", "channel_id", "day")),
        (increments.daily_rows(member_daily), "member_daily", ("guild_id", "user_id", "day")),
    ):
        sums = {
            tuple(row[name] for name in names): Counter(
                {
                    column: round(value * 1000) if column.endswith("_seconds") else value
                    for column, value in row.items()
                    if column not in names
                }
            )
            for row in found
        }
        assert {key: +cells for key, cells in sums.items() if +cells} == {
            key: +cells for key, cells in expected[table].items() if +cells
        }


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_milliseconds_are_summed_before_they_become_seconds(amounts: list[int]) -> None:
    series = [["voice_seconds", "active", 1, "", amount] for amount in amounts]
    (row,) = plan_batch(rows(metrics(*series)), RULES, NOON).increments.daily_rows(guild_daily)
    assert row["voice_seconds"] == sum(amounts) / 1000


def test_rows_of_a_table_are_in_the_order_of_their_keys() -> None:
    entries = [metrics(["messages", "human", 9 - n, "", 1], guild=GUILD - n) for n in range(5)]
    entries += [activity(active(50 - n, ["messages", "human", 1, 1]), key=f"a{n}") for n in range(5)]
    entries += [join(90 - n) for n in range(5)]
    changes = plan_batch(rows(*entries), RULES, NOON)
    for found, names in (
        (changes.increments.daily_rows(guild_daily), ("guild_id",)),
        (changes.increments.daily_rows(channel_daily), ("guild_id", "channel_id")),
        (changes.increments.daily_rows(member_daily), ("guild_id", "user_id")),
        (changes.increments.total_rows(), ("guild_id", "user_id")),
        (changes.member_rows(), ("guild_id", "user_id")),
    ):
        keys = [tuple(row[name] for name in names) for row in found]
        assert len(keys) == 5
        assert keys == sorted(keys)


def test_a_leave_counts_from_the_latest_join_before_it() -> None:
    entries = [join(at=NOON), join(at=NOON + 5), leave(at=NOON + 9), join(at=NOON + 20)]
    (tenure,) = plan_batch(rows(*entries), RULES, NOON).tenures
    assert (tenure.member, tenure.joined_at) == ((GUILD, 202), NOON + 5)


def test_occurrences_keep_their_order_and_are_grouped_by_rule() -> None:
    entries = [ban("b"), ban("a"), ban("b", amends=True), ban("c")]
    runs = plan_batch(rows(*entries), RULES, NOON).occurrences["moderation_logs"]
    assert [(run.amends, [row["event_key"] for row in run.rows]) for run in runs] == [
        (False, ["b", "a"]),
        (True, ["b"]),
        (False, ["c"]),
    ]


class SneezeRecord(EntryData, frozen=True, kw_only=True):
    actor_id: int | None = None
    volume: int | None = None


def test_a_new_event_needs_no_code_here() -> None:
    measure = Measure(
        name="sneezes",
        help="",
        metric=None,
        measurement="m",
        field="f",
        label="how",
        values=("loud", "soft"),
        columns={"loud": "messages", "soft": "no_such_column"},
    )
    spec = EventSpec(
        type="SNEEZE",
        help="",
        priority=Priority.CRITICAL,
        measures=(measure,),
        record=SneezeRecord,
        table="guild_events",
    )
    rules = Rules.of(Catalogue((Family("f", "", (spec,)),)))
    assert rules.mapping.guild == {("sneezes", "loud"): "messages"}
    assert rules.mapping.channel == {}
    sneeze = Entry("SNEEZE", GUILD, NOON, "s", Priority.CRITICAL, SneezeRecord(actor_id=5, volume=11))
    snapshot = metrics(["sneezes", "loud", 1, "", 4], ["sneezes", "soft", 1, "", 5])
    changes = plan_batch(rows(sneeze, snapshot), rules, NOON)
    (run,) = changes.occurrences["guild_events"]
    assert run.rows == [
        {
            "event_key": "s",
            "guild_id": GUILD,
            "type": "SNEEZE",
            "actor_id": 5,
            "target_id": None,
            "at": NOON,
            "details": {"volume": 11},
            "reason": None,
            "audit_entry_id": None,
            "recovered": False,
        }
    ]
    (row,) = changes.increments.daily_rows(guild_daily)
    assert row["messages"] == 4


def test_every_counted_column_has_a_unit() -> None:
    mapping = ColumnMapping.of(CATALOGUE)
    for places in (mapping.guild, mapping.channel, mapping.member):
        for column in places.values():
            assert mapping.expose(column, 1000) in (1000, 1.0)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_large_batch_takes_few_statements(dialect: str) -> None:
    entries = [
        metrics(
            ["messages", "human", 1, "", 1],
            ["voice_seconds", "active", 2, "", 1],
            guild=GUILD + n % 1000,
            at=NOON + n // 1000 * MINUTE,
            gauges={"members": 5},
        )
        for n in range(5000)
    ]
    work = SqlWriter(dialect).arrange(plan_batch(rows(*entries), RULES, NOON))
    # 1,000 guilds and 2,000 channels: one statement for each thousand rows of each of three tables.
    assert [len(part) for _, part in work.operations] == [1000, 1000, 1000, 1000]
    assert all(len(part) <= ROWS_PER_STATEMENT for _, part in work.operations)


async def test_counters_are_planned_off_the_event_loop_and_records_on_it(store: Store) -> None:
    sink = SqlSink(store.config, catalogue=CATALOGUE)
    for lane, entry in ((Priority.SLOW, metrics()), (Priority.CRITICAL, ban())):
        work = await sink._plan(Batch("s", lane, tuple(rows(entry))), tuple(rows(entry)))
        assert len(work.operations) == (0 if lane is Priority.SLOW else 1)

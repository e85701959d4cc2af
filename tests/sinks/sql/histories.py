"""Random histories of entries, and what they must add up to, reckoned the simple way: one entry at a time."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.events.spec import Dimension
from exporter.model import Entry
from tests.entry_data import fields_of
from tests.sinks.sql.entries import (
    GUILD,
    MINUTE,
    NOON,
    activity,
    attribution,
    ban,
    guild,
    join,
    leave,
    metrics,
)

MEASURES = full_catalogue().measures
GUILDS = (GUILD, GUILD + 1)
CHANNELS = (0, 11, 12)
USERS = (101, 102, 103)

_slots = st.sampled_from([(name, value) for name, measure in MEASURES.items() for value in measure.values])
_amounts = st.integers(0, 10**7)
_times = st.integers(0, 40).map(lambda step: NOON + step * 37 * MINUTE)
_guilds = st.sampled_from(GUILDS)
_users = st.sampled_from(USERS)


@st.composite
def _metrics(draw: st.DrawFn) -> Entry:
    cells = draw(st.lists(st.tuples(_slots, st.sampled_from(CHANNELS), _amounts), max_size=6))
    series = [[*series, channel, "", amount] for series, channel, amount in cells]
    gauges = {"members": draw(st.integers(0, 50))} if draw(st.booleans()) else {}
    return metrics(*series, at=draw(_times), guild=draw(_guilds), gauges=gauges)


@st.composite
def _activity(draw: st.DrawFn) -> Entry:
    members = []
    for user in draw(st.lists(_users, max_size=3, unique=True)):
        cells = draw(st.lists(st.tuples(_slots, st.sampled_from(CHANNELS), _amounts), max_size=4))
        first = draw(st.integers(NOON, NOON + 10**6))
        last = first + draw(st.integers(0, 10**6))
        name = draw(st.sampled_from(["", "ann", "bob"]))
        members.append(
            [user, name, first, last, False, [[*series, channel, n] for series, channel, n in cells]]
        )
    return activity(*members, at=draw(_times), guild=draw(_guilds))


@st.composite
def _record(draw: st.DrawFn) -> Entry:
    at, of, user = draw(_times), draw(_guilds), draw(_users)
    left = leave(user, at, guild=of)
    return draw(
        st.sampled_from(
            [
                ban(f"ban:{of}:{user}", at, guild=of, target_user_id=user, note=str(at)),
                ban(f"ban:{of}:{user}", at, guild=of, amends=True, reason="spam", audit_entry_id=user),
                join(user, at, guild=of),
                left,
                attribution(left, reason="kick", moderator_id=7),
                guild(
                    "GUILD_SYNC", at, guild_id=of, name=f"at {at}", member_count=3, channels=[[11, "a", 0, 0]]
                ),
                guild("GUILD_UPDATE", at, guild_id=of, name=f"new {at}"),
                guild("GUILD_DELETE", at, guild_id=of),
            ]
        )
    )


@st.composite
def _channels(draw: st.DrawFn) -> Entry:
    """A list of all channels, or some that changed; the last one is a thread."""
    at, of = draw(_times), draw(_guilds)
    numbers = draw(st.lists(st.integers(1, 4), max_size=4, unique=True))
    described = [[number, f"{number} at {at}", 11 if number == 4 else 0, 0] for number in numbers]
    if draw(st.booleans()):
        return guild("GUILD_SYNC", at, guild_id=of, name=f"at {at}", channels=described)
    deleted = draw(st.lists(st.integers(1, 4).filter(lambda number: number not in numbers), unique=True))
    return guild("GUILD_CHANNELS", at, guild_id=of, channels=described, deleted=deleted)


counters = st.lists(_metrics() | _activity(), min_size=1, max_size=12)
records = st.lists(_record() | _channels(), min_size=1, max_size=12)

Sums = dict[str, dict[tuple[Any, ...], Counter[str]]]


def expected_sums(entries: Sequence[Entry]) -> Sums:
    """Amounts by table, key and column, in the measures' own steps."""
    sums: Sums = {"guild_daily": {}, "channel_daily": {}, "member_daily": {}}

    def add(table: str, key: tuple[Any, ...], column: str | None, amount: int) -> None:
        if column is not None:
            sums[table].setdefault(key, Counter())[column] += amount

    for entry in entries:
        data = fields_of(entry)
        day = dt.datetime.fromtimestamp(data["period_start"] / 1000, dt.UTC).date()
        if entry.type == "METRICS_SNAPSHOT":
            for name, value, channel, _, amount in data["series"]:
                measure = MEASURES[name]
                add("guild_daily", (entry.guild_id, day), measure.columns.get(value), amount)
                if channel and Dimension.CHANNEL in measure.by:
                    key = (entry.guild_id, channel, day)
                    add("channel_daily", key, measure.columns.get(value), amount)
        else:
            for user, *_, cells in data["members"]:
                for name, value, _, amount in cells:
                    column = MEASURES[name].member_columns.get(value)
                    add("member_daily", (entry.guild_id, user, day), column, amount)
    return sums


def stored_sums(everything: dict[str, list[dict[str, Any]]]) -> Sums:
    """What the tables say, in the same form; columns of seconds back in milliseconds."""
    keys = {"guild_daily": ("guild_id", "day"), "channel_daily": ("guild_id", "channel_id", "day")}
    keys["member_daily"] = ("guild_id", "user_id", "day")
    return {
        table: {
            tuple(row[name] for name in names): Counter(
                {
                    column: round(value * 1000) if column.endswith("_seconds") else value
                    for column, value in row.items()
                    if column not in names
                }
            )
            for row in everything[table]
        }
        for table, names in keys.items()
    }

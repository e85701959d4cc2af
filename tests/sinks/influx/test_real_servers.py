"""Points written to a real server over HTTP and read back sum to what was sent."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from exporter.clock import SystemClock
from exporter.events.catalogue import Catalogue
from exporter.events.spec import Dimension, Unit
from exporter.model import STORED, Batch, Json, Outcome, Priority, Row
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from tests.servers.victoria import Victoria
from tests.sinks.influx.buckets import InfluxStore, influx_buckets
from tests.sinks.influx.entries import MINUTE, activity, member, record, snapshot

Key = tuple[str, frozenset[tuple[str, str]]]
Sums = Counter[Key]
EMOJIS = ("👍", "party, blob=1", "C:\\dir", "1185034534534534534", "a b")


def series_key(measurement: str, field: str, **tags: object) -> Key:
    return f"{measurement}_{field}", frozenset((name, str(value)) for name, value in tags.items() if value)


def traffic(catalogue: Catalogue, guild: int) -> tuple[list[Row], Sums]:
    """Twenty windows and some bans of one guild, and the sums they must come to."""
    chance = random.Random(guild)
    now = int(time.time()) * 1000
    rows: list[Row] = []
    expected: Sums = Counter()
    for position in range(1, 21):
        series: list[list[Json]] = []
        for measure in catalogue.measures.values():
            if measure.by == {Dimension.MEMBER}:
                continue
            value = chance.choice(measure.values)
            channel = chance.randrange(100, 103) if Dimension.CHANNEL in measure.by else 0
            emoji = chance.choice(EMOJIS) if Dimension.EMOJI in measure.by else ""
            amount = chance.randrange(1, 100_000)
            series.append([measure.name, value, channel, emoji, amount])
            label = {measure.label: value} if measure.label else {}
            key = series_key(
                measure.measurement, measure.field, guild_id=guild, channel_id=channel, emoji=emoji, **label
            )
            expected[key] += amount if measure.unit is Unit.COUNT else amount / 1000  # type: ignore[assignment] # seconds
        # Every third window is a late part of the one before: same window, same series, other position.
        start = now - (30 - position + (position % 3 == 0)) * MINUTE
        rows.append(snapshot(position, series, guild=guild, start=start))
    for position in range(21, 61):
        rows.append(record(position, guild=guild, at=now - 500_000))
        expected[series_key("discord_events", "count", guild_id=guild, type="GUILD_BAN_ADD")] += 1
    members = [
        member(user, ("messages", "human", 100, user), ("voice_seconds", "alone", 1, 2500)) for user in (1, 2)
    ]
    rows.append(activity(61, members, guild=guild, start=now - 400_000))
    for user in (1, 2):
        tags = {"guild_id": guild, "user_id": user}
        expected[series_key("discord_member_activity", "messages", **tags)] += user
        expected[series_key("discord_member_activity", "voice_seconds", **tags)] += 2.5  # type: ignore[assignment] # seconds
    return rows, expected


class VictoriaStore:
    def __init__(self, server: Victoria) -> None:
        self.config = InfluxConfig.model_validate({"url": server.url})
        self.guild = random.SystemRandom().randrange(10**17, 10**18)
        self._server = server

    async def sums(self) -> dict[Key, float]:
        found = self._server.sums(f'{{guild_id="{self.guild}"}}')
        return {
            (name, frozenset(t for t in tags if t[0] != "db")): total for (name, tags), total in found.items()
        }


Store = VictoriaStore | InfluxStore


@pytest.fixture(params=["victoria-metrics", "influxdb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "victoria-metrics":
        yield VictoriaStore(request.getfixturevalue("victoria"))
        return
    url = os.environ.get("INFLUXDB_URL")
    if not url:
        pytest.skip("no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN and INFLUXDB_ORG to test against one")
    store = InfluxStore(
        url, os.environ["INFLUXDB_TOKEN"], os.environ["INFLUXDB_ORG"], f"exporter_{uuid.uuid4().hex[:8]}"
    )
    async with influx_buckets(store):
        yield store


@pytest.fixture
async def deliver(store: Store, catalogue: Catalogue) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    sink = InfluxSink(store.config, catalogue, SystemClock())
    await sink.open()

    async def send(*rows: Row, source: str = "spool-1") -> None:
        assert await sink.deliver(Batch(source, Priority.SLOW, rows)) == STORED

    yield send
    await sink.close()


async def test_lines_written_over_http_sum_to_what_was_sent(
    store: Store, catalogue: Catalogue, deliver: Callable[..., Awaitable[None]]
) -> None:
    rows, expected = traffic(catalogue, store.guild)
    for first in range(0, len(rows), 13):
        await deliver(*rows[first : first + 13])
    found = await store.sums()
    assert found.keys() == expected.keys()
    assert {key: round(total, 6) for key, total in found.items()} == {
        key: round(total, 6) for key, total in expected.items()
    }


async def test_gauges_are_there_with_the_guild(store: Store, deliver: Callable[..., Awaitable[None]]) -> None:
    start = int(time.time()) * 1000 - 10 * MINUTE
    await deliver(snapshot(1, [], guild=store.guild, start=start, gauges={"members": 812, "boosts": 7}))
    assert await store.sums() == {
        series_key("discord_guild", "members", guild_id=store.guild): 812,
        series_key("discord_guild", "boosts", guild_id=store.guild): 7,
    }


async def test_a_bucket_that_does_not_exist_is_named(store: Store, catalogue: Catalogue) -> None:
    if isinstance(store, VictoriaStore):
        pytest.skip("VictoriaMetrics has no buckets")
    sink = InfluxSink(store.config.model_copy(update={"bucket": "nowhere"}), catalogue, SystemClock())
    probe = await sink.probe()
    assert not probe.ok
    assert "nowhere" in probe.detail
    await sink.open()
    verdict = await sink.deliver(Batch("s", Priority.SLOW, (record(1, at=int(time.time()) * 1000),)))
    await sink.close()
    assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "not_found")

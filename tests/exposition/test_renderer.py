from __future__ import annotations

import asyncio
import gzip

import pytest
from prometheus_client.metrics import MetricWrapperBase

from exporter.exposition import renderer as renderer_module
from exporter.exposition import series_admission
from exporter.plain_metric import PlainMetric
from exporter.telemetry import Telemetry
from tests.exposition.held import CATALOGUE, OPENMETRICS, Held, families, key, rendering, samples
from tests.servers.prometheus import promtool_check

TURN_BYTES = 16 * 1024
MANY = 250
"""Guilds enough for several blocks and many turns of the size these tests set."""

MOVES = {"counter": "inc", "gauge": "set", "histogram": "observe"}


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer_module, "TURN_BYTES", TURN_BYTES)
    monkeypatch.setattr(series_admission, "BLOCK_GUILDS", 50)


def busy(guilds: int = 3) -> Held:
    source = Held()
    for guild in range(1, guilds + 1):
        for measure in CATALOGUE.measures.values():
            for nth, value in enumerate(measure.values):
                source.add(measure.name, value, guild, 1000 * guild + nth, channel=900 + nth)
        for name in CATALOGUE.gauges:
            source.states.setdefault(name, {})[guild] = guild
    return source


def moved() -> Telemetry:
    """Every meter with a sample, however it is labelled."""
    telemetry = Telemetry()
    families = {spec.name: spec for spec in telemetry.specs}
    for metric in vars(telemetry).values():
        if not isinstance(metric, PlainMetric | MetricWrapperBase):
            continue
        (family,) = metric.collect()
        spec = families.pop(family.name)
        labels = tuple(f'{name} "x"\\\n' for name in spec.labels)
        child = metric.labels(*labels) if labels else metric
        getattr(child, MOVES[spec.kind])(5)
    assert not families, "each declared family is an attribute"
    return telemetry


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
async def test_the_content_type_names_the_format(accept: str | None, content_type: str) -> None:
    assert (await rendering(busy()).render(accept, None)).headers["Content-Type"] == content_type


async def test_openmetrics_ends_with_its_mark_and_text_does_not() -> None:
    by = rendering(busy())
    assert (await by.render(OPENMETRICS, None)).body.endswith(b"\n# EOF\n")
    assert b"# EOF" not in (await by.render(None, None)).body


async def test_both_formats_say_the_same() -> None:
    by = rendering(busy(), moved(), channels=True)
    text, openmetrics = await by.render(None, None), await by.render(OPENMETRICS, None)
    assert samples(text) == samples(openmetrics)
    assert [f.name for f in families(text)] == [f.name for f in families(openmetrics)]


async def test_compressed_is_the_same_text_and_smaller() -> None:
    by = rendering(busy(guilds=MANY))
    plain, packed = await by.render(None, None), await by.render(None, "gzip")
    assert len(plain.body) > 2 * TURN_BYTES
    assert packed.headers.get("Content-Encoding") == "gzip"
    assert plain.headers.get("Content-Encoding") is None
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 5


async def test_each_family_is_declared_once_and_its_samples_stand_together() -> None:
    body = (await rendering(busy(), moved(), channels=True).render(None, None)).body.decode()
    declared = [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")]
    assert len(set(declared)) == len(declared)
    order = []
    for line in body.splitlines():
        if not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            family = next((n for n in (name, name.rsplit("_", 1)[0]) if n in declared), name)
            if not order or order[-1] != family:
                order.append(family)
    assert len(set(order)) == len(order)


@pytest.mark.parametrize("channels", [False, True])
async def test_promtool_finds_nothing_to_say(*, channels: bool) -> None:
    assert promtool_check((await rendering(busy(), moved(), channels=channels).render(None, None)).body) == ""


async def test_the_loop_turns_while_a_large_scrape_is_written() -> None:
    by = rendering(busy(guilds=MANY))
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    size = len((await by.render(None, None)).body)
    turning.cancel()
    assert turns >= size // (2 * TURN_BYTES)


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_guilds_that_come_go_and_act_during_a_scrape_do_not_break_it(encoding: str | None) -> None:
    source = busy(guilds=MANY)
    by = rendering(source, channels=True)

    async def change() -> None:
        for guild in range(1, MANY - 20):
            source.leave(guild)
            source.add("messages", "human", guild + 10_000, 1, channel=5)
            source.add("messages", "human", MANY, 1, channel=guild)
            await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    first = samples(await by.render(None, encoding))
    await changing
    second = samples(await by.render(None, encoding))
    human = key("discord_messages_total", guild_id=MANY, author="human")
    assert 0 < first[human] <= second[human] == source.totals("messages", "human")[MANY]
    assert key("discord_messages_total", guild_id=1, author="human") not in second
    assert second[key("discord_messages_total", guild_id=10_001, author="human")] == 1


async def test_scrapes_at_the_same_time_are_each_whole() -> None:
    source = busy(guilds=MANY)
    by = rendering(source)
    answers = await asyncio.gather(*(by.render(accept, "gzip") for accept in (None, OPENMETRICS) * 4))
    assert len({answer.body for answer in answers}) == 2
    assert samples(answers[0]) == samples(answers[1])


async def test_a_scrape_given_up_half_way_does_not_hold_up_the_next() -> None:
    by = rendering(busy(guilds=MANY))
    task = asyncio.create_task(by.render(None, "gzip"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert samples(await by.render(None, None))


async def test_a_name_that_utf8_cannot_hold_does_not_break_the_scrape() -> None:
    telemetry = Telemetry()
    telemetry.dropped.labels("\ud800\x00").inc()
    found = samples(await rendering(Held({1: "\udfff"}), telemetry).render(None, None))
    assert found[key("discord_guild_info", guild_id=1, guild_name="\ufffd")] == 1
    assert found[key("discord_exporter_dropped_total", reason="\ufffd\ufffd")] == 1

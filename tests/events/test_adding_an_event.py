"""To declare an event in one file is all there is to do: everything else about it follows."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import msgspec
import pytest

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.config.load import load_config
from exporter.config.schema import config_schema
from exporter.discord.intents import INTENTS, intent_mask
from exporter.events.catalogue import Catalogue, families
from exporter.events.facts.counting import Count
from exporter.events.payload import Snowflake
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.renderer import MetricsRenderer
from exporter.model import Entry, Priority, Row
from exporter.pipeline import Pipeline
from exporter.reference.pages import write_pages
from exporter.screen.config import PrivacyConfig
from exporter.sinks.influx.line_protocol import Encoder
from exporter.telemetry import Telemetry, value
from tests.memory_spool import MemorySpool

GUILD = 197038439483310086

TYPING = Measure(
    name="typing",
    help="Times a user began to type.",
    metric="discord_typing",
    measurement="discord_typing",
    field="typing",
    label="device",
    values=("phone", "desk"),
)


class TypingPayload(msgspec.Struct):
    channel_id: Snowflake
    guild_id: Snowflake = 0


def read_typing(typing: TypingPayload, received_at: int) -> tuple[Count, ...]:
    return (Count(TYPING["phone"], typing.guild_id, received_at, typing.channel_id),)


FAMILY = Family(
    "typing",
    "Who begins to type.",
    (
        EventSpec(
            type="TYPING_START",
            help="A user began to type.",
            priority=Priority.SLOW,
            reads={"TYPING_START": Reader(TypingPayload, read_typing)},
            intents=("guild_message_typing",),
            measures=(TYPING,),
        ),
    ),
)


@pytest.fixture
def catalogue() -> Catalogue:
    module = ModuleType("exporter.events.typing")
    module.FAMILY = FAMILY  # type: ignore[attr-defined]  # as a file of the package has it
    return Catalogue((*families(), *families([module])))


async def observe(catalogue: Catalogue) -> tuple[Pipeline, Telemetry, list[Entry]]:
    sink, clock, telemetry = MemorySpool(), ManualClock(), Telemetry()
    sections = MetricsConfig(), BatchingConfig(), PrivacyConfig()
    pipeline = Pipeline(catalogue, *sections, sink, clock, telemetry)
    await pipeline.start()
    guild: dict[str, Any] = {"id": str(GUILD), "name": "Place"}
    typing = {"channel_id": "9", "guild_id": str(GUILD)}
    for name, data in (("GUILD_CREATE", guild), ("TYPING_START", typing)):
        pipeline.accept(name, json.dumps(data).encode(), 0, clock.now_ms())
    await pipeline.flush()
    return pipeline, telemetry, sink.entries


def test_it_has_a_switch_in_yaml_and_in_the_schema(catalogue: Catalogue, tmp_path: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("events: {TYPING_START: false}\n")
    config = load_config(path, {}, catalogue=catalogue)
    assert "TYPING_START" not in config.chosen(catalogue).events
    path.write_text("events: {TYPING_START: true}\n")
    assert "TYPING_START" in load_config(path, {}, catalogue=catalogue).chosen(catalogue).events
    assert "TYPING_START" in json.dumps(config_schema(catalogue))


def test_its_intent_is_asked_for_while_it_is_on(catalogue: Catalogue) -> None:
    bit = INTENTS["guild_message_typing"]
    assert intent_mask(catalogue.intents) & bit
    assert not intent_mask(catalogue.switched({"TYPING_START": False}).intents) & bit


async def test_it_is_on_the_metrics_page(catalogue: Catalogue) -> None:
    pipeline, telemetry, _ = await observe(catalogue)
    page = await MetricsRenderer(pipeline, telemetry, catalogue, ExpositionConfig()).render(
        "text/plain", None
    )
    assert f'discord_typing_total{{guild_id="{GUILD}",device="phone"}} 1' in page.body.decode()


async def test_it_is_written_to_influxdb(catalogue: Catalogue) -> None:
    _, _, entries = await observe(catalogue)
    (snapshot,) = (entry for entry in entries if entry.type == "METRICS_SNAPSHOT")
    lines = Encoder(catalogue).encode("test", (Row(1, snapshot),))
    assert not lines.rejected
    (line,) = (line for line in lines.activity if line.startswith("discord_typing,"))
    assert "device=phone" in line
    assert " typing=1i " in line


async def test_switched_off_it_is_neither_received_nor_counted(catalogue: Catalogue) -> None:
    rest = catalogue.switched({"TYPING_START": False})
    pipeline, telemetry, entries = await observe(rest)
    page = await MetricsRenderer(pipeline, telemetry, rest, ExpositionConfig()).render("text/plain", None)
    assert "discord_typing" not in page.body.decode()
    assert value(telemetry.received, "TYPING_START") == 0
    assert not [entry for entry in entries if entry.type == "METRICS_SNAPSHOT"]


@pytest.mark.parametrize(
    "page", ["events.md", "metrics.md", "influxdb.md", "configuration.md", "config.schema.json"]
)
def test_it_is_in_the_reference(catalogue: Catalogue, page: str) -> None:
    word = {"metrics.md": "discord_typing_total", "influxdb.md": "discord_typing"}.get(page, "TYPING_START")
    assert word in write_pages(catalogue)[page]
    assert word not in write_pages()[page]

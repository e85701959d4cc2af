from __future__ import annotations

import dataclasses
from types import ModuleType

import disnake
import disnake.state
import msgspec
import pytest

from exporter.discord.gateway.dispatches import LABELS
from exporter.discord.intents import INTENTS
from exporter.events.catalogue import Catalogue, families, full_catalogue
from exporter.events.facts.counting import Count
from exporter.events.permissions import PERMISSIONS
from exporter.events.rest_request import RequestKind
from exporter.events.spec import SHARD_STATE, Dimension, EventSpec, Family, Gauge, Measure, Reader, Unit

CATALOGUE = full_catalogue()
UNKNOWN_TO_DISNAKE: frozenset[str] = frozenset()
"""Dispatches Discord documents and disnake has no parser for: none that is read so far."""

ANSWERS = {f"REST_{kind}" for kind in RequestKind}
"""Dispatches that are answers to questions; the gateway does not send them."""

AGGREGATES = {"METRICS_SNAPSHOT", "MEMBER_ACTIVITY_SNAPSHOT"}
DERIVED = AGGREGATES | {"XP_GAIN", "LEVEL_UP"}
"""Types that are made of others and read nothing themselves."""


def measure(name: str = "waves", **kwargs: object) -> Measure:
    defaults = {"help": "Waves.", "metric": f"discord_{name}", "measurement": "discord_fun", "field": name}
    return Measure(name=name, **(defaults | kwargs))  # type: ignore[arg-type]  # the table of a test


def event(kind: str, *measures: Measure, **kwargs: object) -> EventSpec:
    defaults = {"help": "Fun.", "measures": measures}
    return EventSpec(type=kind, **(defaults | kwargs))  # type: ignore[arg-type]  # the table of a test


def catalogue(*events: EventSpec) -> Catalogue:
    return Catalogue((Family("fun", "Fun.", events),))


def test_every_dispatch_read_is_one_that_disnake_parses() -> None:
    parsed = {name.removeprefix("parse_").upper() for name in vars(disnake.state.ConnectionState)}
    assert not CATALOGUE.readers.keys() - parsed - UNKNOWN_TO_DISNAKE - ANSWERS - {SHARD_STATE}
    assert not UNKNOWN_TO_DISNAKE & parsed


def test_every_dispatch_read_is_one_that_discord_documents() -> None:
    assert CATALOGUE.readers.keys() - ANSWERS - {SHARD_STATE} <= LABELS.keys()


def test_every_dispatch_read_has_recorded_payloads_and_every_recording_is_read(
    recorded: dict[str, list[object]],
) -> None:
    assert recorded.keys() == CATALOGUE.readers.keys()
    assert all(cases for cases in recorded.values())


def test_every_type_is_read_from_something_or_derived() -> None:
    core = {dispatch for family in CATALOGUE.families for dispatch in family.core}
    blind = {
        kind
        for kind, spec in CATALOGUE.events.items()
        if not spec.reads and not any(dispatch.startswith("GUILD_") for dispatch in core)
    }
    assert not blind - DERIVED
    assert {kind for kind, spec in CATALOGUE.events.items() if spec.family == "aggregates"} == AGGREGATES


def test_every_intent_and_permission_exists() -> None:
    assert CATALOGUE.intents.keys() <= INTENTS.keys()
    assert CATALOGUE.permissions.keys() <= set(disnake.Permissions.VALID_FLAGS)


def test_the_default_asks_for_no_message_content_and_no_presences() -> None:
    assert not {"message_content", "guild_presences"} & CATALOGUE.switched({}).intents.keys()


def test_members_and_channels_are_no_label_of_a_guild_s_metric() -> None:
    labels = {spec.label for spec in CATALOGUE.measures.values()}
    assert not labels & {"user", "user_id", "member", "member_id", "channel_id", "emoji", "username"}


@pytest.mark.parametrize("spec", CATALOGUE.measures.values(), ids=lambda spec: spec.name)
def test_a_measure_follows_the_rules_for_names(spec: Measure) -> None:
    if spec.metric is not None:
        assert spec.metric.startswith("discord_")
        assert not spec.metric.endswith("_total")
        assert not spec.metric.endswith(("_ms", "_milliseconds", "_minutes", "_hours"))
    assert (spec.unit is Unit.MILLISECONDS) == spec.name.endswith("_seconds")
    assert spec.values if spec.label else spec.values == ("",)
    assert len(spec.values) <= 24
    assert spec.help.endswith(".")


@pytest.mark.parametrize("spec", CATALOGUE.measures.values(), ids=lambda spec: spec.name)
def test_columns_are_declared_for_known_values_only(spec: Measure) -> None:
    assert set(spec.columns) <= set(spec.values)
    assert set(spec.member_columns) <= set(spec.values)
    assert not spec.member_columns or Dimension.MEMBER in spec.by


def test_no_two_quantities_share_a_field_of_a_measurement() -> None:
    places = [
        (spec.measurement, spec.field) for spec in (*CATALOGUE.measures.values(), *CATALOGUE.gauges.values())
    ]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("spec", CATALOGUE.events.values(), ids=lambda spec: spec.type)
def test_a_type_says_what_it_is_blind_without(spec: EventSpec) -> None:
    assert set(spec.blind_without) == set(spec.permissions)
    for group in spec.blind_without_all:
        assert len(group) > 1
        assert set(group) <= PERMISSIONS.keys()
        assert set(group) & set(spec.permissions), "the invite link asks for none of them"
    assert spec.help.endswith(".")


@pytest.mark.parametrize("spec", CATALOGUE.events.values(), ids=lambda spec: spec.type)
def test_without_its_switch_a_type_leaves_no_trace(spec: EventSpec) -> None:
    rest = CATALOGUE.switched({spec.type: False})
    assert spec.type not in rest.events
    assert all(spec.type not in types for types in (*rest.intents.values(), *rest.permissions.values()))
    shared = {id(own) for other in rest.events.values() for own in other.measures}
    assert {name for name, own in CATALOGUE.measures.items() if id(own) in shared} == rest.measures.keys()


def test_all_switches_off_leave_what_names_guilds_and_channels() -> None:
    rest = CATALOGUE.switched(dict.fromkeys(CATALOGUE.events, False))
    assert not rest.events
    assert not rest.measures
    assert rest.intents == {"guilds": ()}
    assert {"READY", "GUILD_CREATE", "GUILD_DELETE", "CHANNEL_UPDATE", "THREAD_CREATE"} <= rest.readers.keys()


def test_a_type_that_is_off_by_default_comes_with_its_switch() -> None:
    quiet = catalogue(event("WAVE", default=False))
    assert not quiet.switched({}).events
    assert quiet.switched({"WAVE": True}).events.keys() == {"WAVE"}


def test_a_type_declared_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="WAVE is declared twice"):
        catalogue(event("WAVE"), event("WAVE"))


@pytest.mark.parametrize("attribute", ["name", "metric"])
def test_measures_that_share_a_name_are_refused(attribute: str) -> None:
    other = (
        measure("others", **{attribute: {"name": "waves", "metric": "discord_waves"}[attribute]})
        if (attribute == "metric")
        else measure("waves", metric="discord_others", field="others")
    )
    with pytest.raises(ValueError, match=f"share the {attribute}"):
        catalogue(event("WAVE", measure()), event("OTHER", other))


def test_measures_that_share_a_field_of_influx_are_refused() -> None:
    with pytest.raises(ValueError, match=r"discord_fun\.waves"):
        catalogue(event("WAVE", measure()), event("OTHER", measure("others", field="waves")))


def test_a_gauge_that_takes_a_measure_s_metric_is_refused() -> None:
    gauge = Gauge(name="sea", help="Sea.", metric="discord_waves", measurement="discord_fun", field="sea")
    with pytest.raises(ValueError, match="share the metric"):
        catalogue(event("WAVE", measure(), gauges=(gauge,)))


def test_a_measure_shared_by_two_types_is_one() -> None:
    shared = measure()
    assert list(catalogue(event("WAVE", shared), event("OTHER", shared)).measures) == ["waves"]


def test_readers_shared_by_several_types_read_a_dispatch_once() -> None:
    (voice,) = CATALOGUE.readers["VOICE_STATE_UPDATE"]
    assert voice.payload.__name__ == "VoicePayload"


class Wave(msgspec.Struct):
    guild_id: int


def test_a_new_file_s_family_brings_switch_intent_metric_and_reader() -> None:
    waves = measure(label="size", values=("small", "big"))

    def read(wave: Wave, at: int) -> tuple[Count, ...]:
        return (Count(waves["big"], wave.guild_id, at),)

    module = ModuleType("exporter.events.waves")
    module.FAMILY = Family(  # type: ignore[attr-defined]  # a file as it would stand in the package
        "fun",
        "Fun.",
        (event("WAVE", waves, reads={"WAVE": Reader(Wave, read)}, intents=("guild_webhooks",)),),
    )
    wider = Catalogue((*families(), *families([module])))
    assert wider.intents["guild_webhooks"] == ("WAVE",)
    assert wider.measures["waves"]["big"].value == "big"
    assert wider.readers["WAVE"][0].payload is Wave
    assert "guild_webhooks" not in wider.switched({"WAVE": False}).intents


def test_a_module_without_a_family_declares_nothing() -> None:
    assert families([ModuleType("exporter.events.notes")]) == ()


def test_declarations_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CATALOGUE.events["GUILD_BAN_ADD"].help = "else"  # type: ignore[misc]  # that it is refused is the point

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.events.spec import Dimension, Unit
from exporter.exposition import series_admission
from exporter.telemetry import Telemetry
from tests.exposition.held import CATALOGUE, OPENMETRICS, Held, families, key, rendering, samples, scrape
from tests.scale import scaled

ACCEPTS = pytest.mark.parametrize("accept", [None, OPENMETRICS], ids=["text", "openmetrics"])

DESIGN_NAMES = {
    "discord_guild_info": {"guild_id", "guild_name"},
    "discord_guild_members": {"guild_id"},
    "discord_guild_boosts": {"guild_id"},
    "discord_messages": {"guild_id", "author"},
    "discord_message_edits": {"guild_id"},
    "discord_message_deletes": {"guild_id", "kind"},
    "discord_voice_seconds": {"guild_id", "state"},
    "discord_voice_sessions": {"guild_id"},
    "discord_voice_members": {"guild_id"},
    "discord_reactions": {"guild_id", "kind"},
    "discord_member_joins": {"guild_id"},
    "discord_member_leaves": {"guild_id", "reason"},
    "discord_moderation_actions": {"guild_id", "action"},
}
"""The names people write queries against."""

SLOTS = [(m.name, value) for m in CATALOGUE.measures.values() if m.metric for value in m.values]


def expected_key(measure: str, value: str, guild: object) -> tuple[str, frozenset[tuple[str, str]]]:
    declared = CATALOGUE.measures[measure]
    label = {declared.label: value} if declared.label else {}
    return key(f"{declared.metric}_total", guild_id=guild, **label)


def one_guild() -> Held:
    source = Held({10: "guild 10"})
    source.states = {name: {10: 5.0} for name in CATALOGUE.gauges}
    return source


@ACCEPTS
async def test_every_name_of_the_interface_is_there_with_its_labels(accept: str | None) -> None:
    found = {
        family.name: {frozenset(sample.labels) for sample in family.samples}
        for family in families(await rendering(one_guild()).render(accept, None))
    }
    for name, labels in DESIGN_NAMES.items():
        assert found[name] == {frozenset(labels)}


@ACCEPTS
async def test_a_known_guild_has_every_counter_at_zero_before_anything_happened(accept: str | None) -> None:
    found = await scrape(one_guild(), accept)
    for measure, value in SLOTS:
        assert found[expected_key(measure, value, 10)] == 0


async def test_voice_is_in_seconds() -> None:
    source = one_guild()
    source.add("voice_seconds", "active", 10, 61_500)
    assert (await scrape(source))[expected_key("voice_seconds", "active", 10)] == 61.5


async def test_a_guild_whose_state_is_not_known_has_no_gauge() -> None:
    source = one_guild()
    source.names[11] = ""
    found = await scrape(source)
    assert key("discord_guild_members", guild_id=10) in found
    assert key("discord_guild_members", guild_id=11) not in found
    assert found[key("discord_guild_info", guild_id=11, guild_name="")] == 1


async def test_a_measure_without_a_metric_is_not_shown() -> None:
    hidden = [measure for measure in CATALOGUE.measures.values() if not measure.metric]
    assert hidden
    text = (await rendering(one_guild()).render(None, None)).body.decode()
    assert all(f"discord_{measure.name}" not in text for measure in hidden)


async def test_no_member_is_ever_a_label() -> None:
    source = one_guild()
    members = [m for m in CATALOGUE.measures.values() if Dimension.MEMBER in m.by]
    assert members
    found = await scrape(source, channels=True)
    labels = {label for (name, pairs) in found for label, _ in pairs if name.startswith("discord_")}
    assert not {label for label in labels if re.search("user|member|name", label)} - {"guild_name"}


async def test_what_is_switched_off_is_not_there() -> None:
    catalogue = full_catalogue().switched({"MESSAGE_UPDATE": False})
    text = (await rendering(one_guild(), catalogue=catalogue).render(None, None)).body
    assert b"discord_message_edits" not in text
    assert b"discord_message_deletes_total" in text


async def test_guilds_can_be_switched_off_leaving_the_exporters_own_meters() -> None:
    found = await scrape(one_guild(), enabled=False)
    assert not {name for name, labels in found if "guild_id" in dict(labels)}
    assert key("discord_exporter_spooled_total") in found


async def test_the_source_is_brought_up_to_date_before_it_is_read() -> None:
    source = one_guild()
    refresh = source.refresh

    def count_late() -> None:
        refresh()
        source.add("messages", "human", 10, 1)

    source.refresh = count_late  # type: ignore[method-assign] # time in progress, settled at the last moment
    assert (await scrape(source))[expected_key("messages", "human", 10)] == 1


@ACCEPTS
@given(
    names=st.dictionaries(st.integers(1, 2**63 - 1), st.text(max_size=40), min_size=1, max_size=5),
    amounts=st.lists(
        st.tuples(st.sampled_from(SLOTS), st.integers(0, 4), st.integers(0, 2**48)), max_size=20
    ),
)
@settings(max_examples=scaled(40), deadline=None)
async def test_names_and_amounts_read_back_as_they_were(
    accept: str | None, names: dict[int, str], amounts: list[tuple[tuple[str, str], int, int]]
) -> None:
    source = Held(dict(names))
    ids = list(names)
    for (measure, value), nth, amount in amounts:
        source.add(measure, value, ids[nth % len(ids)], amount)
    found = await scrape(source, accept)
    for measure, value in SLOTS:
        for guild in ids:
            amount = source.totals(measure, value).get(guild, 0)
            unit = CATALOGUE.measures[measure].unit
            assert found[expected_key(measure, value, guild)] == (
                amount / 1000 if unit is Unit.MILLISECONDS else amount
            )
    shown = {
        dict(pairs)["guild_id"]: dict(pairs)["guild_name"] for n, pairs in found if n == "discord_guild_info"
    }
    unreadable = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
    assert shown == {str(guild): unreadable.sub("\ufffd", name) for guild, name in names.items()}


@ACCEPTS
async def test_more_guilds_than_a_block_are_all_there(
    accept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_admission, "BLOCK_GUILDS", 10)
    source = Held()
    for guild in range(1, 32):
        source.add("messages", "human", guild, guild)
    found = await scrape(source, accept)
    assert [found[expected_key("messages", "human", guild)] for guild in source.names] == list(source.names)


async def test_the_series_shown_are_counted() -> None:
    telemetry = Telemetry()
    source = one_guild()
    source.add("messages", "human", 10, 4, channel=900)
    by = rendering(source, telemetry, channels=True, max_series=5000)
    found = samples(await by.render(None, None))
    about_guilds = [labels for _, labels in found if "guild_id" in dict(labels)]
    assert found[key("discord_exporter_series")] == len(about_guilds)
    assert found[key("discord_exporter_series_limit")] == 5000

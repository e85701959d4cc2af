"""A switch changes what is counted and which intents are asked for."""

from __future__ import annotations

import pytest

from exporter.discord.intents import intent_mask
from exporter.events.catalogue import full_catalogue

pytestmark = pytest.mark.timeout(60)

CATALOGUE = full_catalogue()
PRIVILEGED = {"message_content", "guild_presences"}


@pytest.mark.parametrize("kind", sorted(CATALOGUE.events))
def test_each_switch_takes_its_type_its_measures_and_its_intents_with_it(kind):
    without = CATALOGUE.switched({kind: False})
    assert kind in CATALOGUE.switched({kind: True}).events
    assert kind not in without.events
    kept = {measure for event in without.events.values() for measure in event.measures}
    assert set(without.measures.values()) == kept
    still_needed = {intent for event in without.events.values() for intent in event.intents}
    assert set(without.intents) == still_needed | {"guilds"}


def test_the_default_asks_for_no_content_and_no_presences():
    default = CATALOGUE.switched({})
    assert not PRIVILEGED & default.intents.keys()
    assert not intent_mask(default.intents) & intent_mask(PRIVILEGED)


async def test_what_is_off_is_neither_asked_for_nor_counted(simulation, exporter):
    await simulation.start("--rate", "200", "--duration", "4s", "--seed", "8")
    exporter.api_url = simulation.url
    exporter.settings = {"track": {"voice": False, "reactions": False}, "events": {"MESSAGE_UPDATE": False}}
    await exporter.start()
    await simulation.over()
    metrics = await exporter.metrics()
    assert metrics.total("discord_messages_total") > 0
    for family in ("discord_voice_seconds_total", "discord_reactions_total", "discord_message_edits_total"):
        assert family not in metrics.text
    seen = metrics.by("discord_gateway_events_total", "type")
    assert "VOICE_STATE_UPDATE" not in seen
    assert "MESSAGE_REACTION_ADD" not in seen

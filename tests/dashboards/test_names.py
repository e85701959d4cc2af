"""Names come from the exporter's declarations, and one that is not there stops the build."""

from __future__ import annotations

import pytest

from dashboards import names
from dashboards.names import UnknownNameError
from exporter.events.spec import Dimension
from tests.dashboards.committed import ROOT


@pytest.mark.parametrize(
    "ask",
    [
        lambda: names.counter("mesages"),
        lambda: names.counter("reactions_received"),
        lambda: names.channel_counter("reactions"),
        lambda: names.gauge("messages"),
        lambda: names.meter("discord_exporter_gone"),
        lambda: names.label_value("messages", "robot"),
        lambda: names.field("gone"),
        lambda: names.view("v_gone"),
        lambda: names.view("v_guilds").gone,
    ],
)
def test_an_unknown_name_is_refused(ask):
    with pytest.raises(UnknownNameError):
        ask()


def test_names_are_those_of_the_reference():
    assert names.counter("messages") == "discord_messages_total"
    assert names.channel_counter("voice_seconds") == "discord_channel_voice_seconds_total"
    assert names.gauge("members") == "discord_guild_members"
    assert names.field("voice_members") == ("discord_guild", "voice_members")
    assert names.has_tag("reactions", Dimension.EMOJI)
    assert not names.has_tag("voice_sessions", Dimension.CHANNEL)
    view = names.view("v_guilds")
    assert f"{view}.{view.guild_id}" == "v_guilds.guild_id"


def test_what_is_exposed_is_what_the_reference_page_lists():
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert all(f"`{name}`" in text for name in names.exposed())
    assert text.count("| `discord_") == len(names.exposed())

"""Every value that a label takes has its colour, so that none is left to Grafana's palette."""

from __future__ import annotations

import pytest

from dashboards import style
from dashboards.names import label_values

COLOURS = {
    "moderation_actions": style.ACTIONS,
    "structure_changes": style.CHANGE_COLOURS,
    "member_leaves": style.LEAVES,
    "voice_seconds": style.VOICE_STATES,
    "presence_updates": style.STATUSES,
    "invite_uses": style.JOIN_METHODS,
    "messages": style.AUTHORS,
}


@pytest.mark.parametrize("measure", COLOURS)
def test_every_value_of_a_label_has_a_colour(measure):
    assert set(label_values(measure)) <= COLOURS[measure].keys()


def test_no_colour_is_of_a_value_that_is_no_more():
    of_the_guild = {"guild_create", "guild_update", "guild_delete"}
    for measure, colours in COLOURS.items():
        assert colours.keys() - of_the_guild <= set(label_values(measure)), measure

"""Every type of the eight categories of events that a community is watched by is declared."""

from __future__ import annotations

import pytest

from exporter.config.fields import settings
from exporter.config.model import config_type
from exporter.events.catalogue import full_catalogue
from exporter.events.moderation import ACTIONS
from exporter.reference.events import describe_events

CATEGORIES = {
    "moderation": "GUILD_BAN_ADD GUILD_BAN_REMOVE GUILD_MEMBER_REMOVE GUILD_MEMBER_ADD MESSAGE_DELETE "
    "MESSAGE_DELETE_BULK GUILD_AUDIT_LOG_ENTRY_CREATE AUTO_MODERATION_ACTION_EXECUTION",
    "invites": "INVITE_CREATE INVITE_DELETE INVITE_USE",
    "guilds": "GUILD_SYNC GUILD_CREATE GUILD_DELETE GUILD_UPDATE",
    "aggregates": "METRICS_SNAPSHOT MEMBER_ACTIVITY_SNAPSHOT",
    "messages": "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK",
    "voice": "VOICE_CHANNEL_JOIN VOICE_CHANNEL_LEAVE VOICE_CHANNEL_MOVE VOICE_MUTE VOICE_UNMUTE "
    "VOICE_SELF_MUTE VOICE_SELF_DEAFEN",
    "reactions": "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL "
    "MESSAGE_REACTION_REMOVE_EMOJI",
    "later": "ROLE_CREATE ROLE_DELETE ROLE_UPDATE CHANNEL_CREATE CHANNEL_DELETE CHANNEL_UPDATE "
    "THREAD_CREATE THREAD_UPDATE THREAD_DELETE EMOJI_CREATE EMOJI_DELETE EMOJI_UPDATE "
    "XP_GAIN LEVEL_UP PRESENCE_UPDATE",
}

ELSEWHERE = {
    "MEMBER_KICK": {"kick"},
    "MEMBER_BAN_ADD": {"ban"},
    "MEMBER_BAN_REMOVE": {"unban"},
    "MEMBER_TIMEOUT_ADD": {"timeout"},
    "MEMBER_TIMEOUT_REMOVE": {"timeout_removed", "timeout_expired"},
    "MEMBER_ROLE_UPDATE": {"role_add", "role_remove"},
}
"""Actions, which are rows of ``GUILD_AUDIT_LOG_ENTRY_CREATE`` or of a ban's own type, and no types beside
them: one real action is one row, whatever reported it."""

TYPES = sorted({kind for kinds in CATEGORIES.values() for kind in kinds.split()})
DESCRIBED = {event.type: event for event in describe_events(full_catalogue())}
SWITCHES = {setting.path for setting in settings(config_type(full_catalogue()))}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_declared_with_a_switch_and_a_store(kind: str) -> None:
    event = DESCRIBED[kind]
    assert ("events", kind) in SWITCHES
    assert event.priority in {"critical", "important", "slow"}
    assert event.prometheus or any(event.stores.values())


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_action_has_its_name_among_the_actions(name: str) -> None:
    assert ELSEWHERE[name] <= set(ACTIONS.values)

"""The script of every event type.

A type that is named as its dispatch and needs nothing else has none here: the first payload recorded of the
dispatch is played.
"""

from __future__ import annotations

from exporter.tracking.levels.config import LevelsConfig
from tests.goldens.script import READY, Script, Step, audit, begin, first_case, script, step

CHANNEL, SECOND_VOICE, NEW_CHANNEL = "197038439483310087", "197038439483310092", "197038439483310099"
AFK_VOICE = "197038439483310091"
THREAD, NEW_THREAD = "1174000000000000001", "1174000000000000002"
EMOJI, NEW_EMOJI = "41771983429993937", "1174000000000000011"
STICKER, NEW_STICKER = "749054660769218631", "1174000000000000012"
WAVE = {"id": STICKER, "name": "Wave", "tags": "hello", "type": 2, "format_type": 1, "description": ""}

ENTER, LEAVE = step("VOICE_STATE_UPDATE", "enter"), step("VOICE_STATE_UPDATE", "leave", 30)
JOIN = step("GUILD_MEMBER_ADD", "person", joined_at="2023-11-14T22:13:20+00:00")
MESSAGE, REACTION = step("MESSAGE_CREATE", "human"), step("MESSAGE_REACTION_ADD", "unicode")
AN_HOUR_LATER = step("MESSAGE_CREATE", "human", id="1174124940492800000")
"""A guild's state goes to InfluxDB with its activity."""
ONE_MESSAGE_A_LEVEL = LevelsConfig(message=20, base=20)


def renamed(old: str | None, new: str | None) -> list[dict[str, str]]:
    """A change of name as the audit log has it."""
    change = {"key": "name", "old_value": old, "new_value": new}
    return [{key: value for key, value in change.items() if value is not None}]


def entry(number: int, target: str, old: str | None, new: str | None) -> Step:
    """The entry of something made, renamed or deleted."""
    return audit("channel changed", action_type=number, target_id=target, changes=renamed(old, new))


ACTORS = ("GUILD_AUDIT_LOG_ENTRY_CREATE",)
"""By whom and why a ban, a kick or an order in voice was, is in the audit log."""

ACTIVITY = (
    JOIN,
    MESSAGE,
    step("MESSAGE_CREATE", "reply", 1),
    step("MESSAGE_CREATE", "bot"),
    REACTION,
    ENTER,
    LEAVE,
)
ACTIVE_TYPES = (
    "GUILD_MEMBER_ADD",
    "MESSAGE_CREATE",
    "MESSAGE_REACTION_ADD",
    "VOICE_CHANNEL_JOIN",
    "VOICE_CHANNEL_LEAVE",
    "GUILD_SYNC",
)

_MODERATION: dict[str, Script] = {
    "GUILD_MEMBER_ADD": script(JOIN),
    "GUILD_MEMBER_REMOVE": script(
        step("GUILD_MEMBER_ADD", "person", joined_at="2023-11-14T22:13:10+00:00"),
        step("GUILD_MEMBER_REMOVE", "person"),
        audit("kick"),
        alongside=("GUILD_MEMBER_ADD", *ACTORS),
    ),
    "GUILD_BAN_ADD": script(step("GUILD_BAN_ADD", "person"), audit("ban"), alongside=ACTORS),
    "GUILD_BAN_REMOVE": script(step("GUILD_BAN_REMOVE", "person"), audit("unban"), alongside=ACTORS),
    "GUILD_AUDIT_LOG_ENTRY_CREATE": script(audit("timeout"), rest=720),
}

_INVITES: dict[str, Script] = {
    "INVITE_DELETE": script(
        step("INVITE_CREATE", "for a week"),
        step("INVITE_DELETE", "of a guild", 30),
        alongside=("INVITE_CREATE",),
    ),
    "INVITE_USE": script(
        step("REST_INVITES", "two", 3),
        step("GUILD_MEMBER_ADD", "person", 5, joined_at="2023-11-14T22:13:28+00:00"),
        step("REST_INVITES", "two, one used since", 3),
    ),
}

_GUILDS: dict[str, Script] = {
    "GUILD_SYNC": script(
        *begin(), step("REST_COUNTS", "counts", 3600), AN_HOUR_LATER, before=(), alongside=("MESSAGE_CREATE",)
    ),
    "GUILD_CHANNELS": script(
        *begin(),
        step("CHANNEL_CREATE", "text", id=NEW_CHANNEL, name="news"),
        step("CHANNEL_UPDATE", "text", name="chat"),
        step("CHANNEL_DELETE", "text", id=AFK_VOICE, name="away", type=2),
        step("THREAD_DELETE", "gone"),
        before=(),
        alongside=("GUILD_SYNC",),
    ),
    "GUILD_CREATE": script(
        step("GUILD_CREATE", "full", voice_states=[]), before=(step("READY", READY.case, guilds=[]),)
    ),
    "GUILD_DELETE": script(step("GUILD_DELETE", "bot removed")),
}

_AGGREGATES: dict[str, Script] = {
    "METRICS_SNAPSHOT": script(*ACTIVITY, alongside=ACTIVE_TYPES, store_snapshots=True),
    "MEMBER_ACTIVITY_SNAPSHOT": script(*ACTIVITY, alongside=ACTIVE_TYPES),
    "XP_GAIN": script(MESSAGE, REACTION, alongside=("MESSAGE_CREATE", "MESSAGE_REACTION_ADD")),
    "LEVEL_UP": script(MESSAGE, alongside=("XP_GAIN", "MESSAGE_CREATE"), levels=ONE_MESSAGE_A_LEVEL),
}

_SHOWN = script(
    ENTER, step("VOICE_STATE_UPDATE", "stream with camera", 10), step("VOICE_STATE_UPDATE", "enter", 20)
)
_VOICE: dict[str, Script] = {
    "VOICE_CHANNEL_JOIN": script(ENTER),
    "VOICE_CHANNEL_LEAVE": script(ENTER, LEAVE),
    "VOICE_CHANNEL_MOVE": script(ENTER, step("VOICE_STATE_UPDATE", "enter", 30, channel_id=SECOND_VOICE)),
    "VOICE_SELF_MUTE": script(
        ENTER, step("VOICE_STATE_UPDATE", "mute oneself", 10), step("VOICE_STATE_UPDATE", "enter", 20)
    ),
    "VOICE_SELF_DEAFEN": script(
        ENTER,
        step("VOICE_STATE_UPDATE", "enter", 10, self_deaf=True),
        step("VOICE_STATE_UPDATE", "enter", 20),
    ),
    "VOICE_STREAM": _SHOWN,
    "VOICE_VIDEO": _SHOWN,
    "VOICE_MUTE": script(
        ENTER, step("VOICE_STATE_UPDATE", "muted by a moderator"), audit("muted in voice"), alongside=ACTORS
    ),
    "VOICE_UNMUTE": script(
        step("VOICE_STATE_UPDATE", "muted by a moderator"), ENTER, audit("unmuted in voice"), alongside=ACTORS
    ),
    "VOICE_DEAFEN": script(
        ENTER, step("VOICE_STATE_UPDATE", "enter", deaf=True), audit("deafened in voice"), alongside=ACTORS
    ),
    "VOICE_UNDEAFEN": script(
        step("VOICE_STATE_UPDATE", "enter", deaf=True), ENTER, audit("undeafened in voice"), alongside=ACTORS
    ),
}

_ROLE_MADE = step("GUILD_ROLE_CREATE", "made")
_WITH_STICKER = begin(stickers=[WAVE])
_STRUCTURE: dict[str, Script] = {
    "ROLE_CREATE": script(_ROLE_MADE, audit("role made")),
    "ROLE_UPDATE": script(
        step("GUILD_ROLE_UPDATE", "permits less"),
        audit(
            "role renamed and permitted more",
            changes=[{"key": "permissions", "old_value": "160", "new_value": "32"}],
        ),
        before=(*begin(), _ROLE_MADE),
    ),
    "ROLE_DELETE": script(
        step("GUILD_ROLE_DELETE", "removed"), audit("role deleted"), before=(*begin(), _ROLE_MADE)
    ),
    "CHANNEL_CREATE": script(
        step("CHANNEL_CREATE", "text", id=NEW_CHANNEL, name="news"), entry(10, NEW_CHANNEL, None, "news")
    ),
    "CHANNEL_UPDATE": script(
        step("CHANNEL_UPDATE", "text", name="chat"), entry(11, CHANNEL, "general", "chat")
    ),
    "CHANNEL_DELETE": script(step("CHANNEL_DELETE", "text"), entry(12, CHANNEL, "general", None)),
    "THREAD_CREATE": script(
        step("THREAD_CREATE", "new", id=NEW_THREAD), audit("thread made", target_id=NEW_THREAD)
    ),
    "THREAD_UPDATE": script(
        step("THREAD_UPDATE", "archived"),
        audit("thread locked", changes=[{"key": "archived", "old_value": False, "new_value": True}]),
    ),
    "THREAD_DELETE": script(step("THREAD_DELETE", "gone"), entry(112, THREAD, "release party", None)),
    "EMOJI_CREATE": script(
        step("GUILD_EMOJIS_UPDATE", "one was added"), entry(60, NEW_EMOJI, None, "party_new")
    ),
    "EMOJI_UPDATE": script(
        step("GUILD_EMOJIS_UPDATE", "one was added"), entry(61, EMOJI, "partyparrot", "LUL")
    ),
    "EMOJI_DELETE": script(
        step("GUILD_EMOJIS_UPDATE", "none is left"), entry(62, EMOJI, "partyparrot", None)
    ),
    "STICKER_CREATE": script(
        step("GUILD_STICKERS_UPDATE", "one was added"),
        entry(90, NEW_STICKER, None, "Nod"),
        before=_WITH_STICKER,
    ),
    "STICKER_UPDATE": script(
        step("GUILD_STICKERS_UPDATE", "one was added", stickers=[{**WAVE, "name": "Hello"}]),
        entry(91, STICKER, "Wave", "Hello"),
        before=_WITH_STICKER,
    ),
    "STICKER_DELETE": script(
        step("GUILD_STICKERS_UPDATE", "none is left"), audit("sticker deleted"), before=_WITH_STICKER
    ),
}

SCRIPTS = _MODERATION | _INVITES | _GUILDS | _AGGREGATES | _VOICE | _STRUCTURE


def script_of(kind: str) -> Script:
    """The script of a type; a simple one is its first recorded payload."""
    return SCRIPTS.get(kind) or script(first_case(kind))

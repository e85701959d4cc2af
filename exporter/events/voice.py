"""Voice: time spent, by channel, member and state; joins, moves and finished sessions.

A dispatch says where a member is now. Time follows from two of them, so the pipeline, which remembers, turns
states into time; this file declares what is counted and how a state is read.
"""

from __future__ import annotations

import zlib

import msgspec

from exporter.events.facts import Person, VoiceState
from exporter.events.moderation import ACTIONS, RECORDS, VOICE_ORDERS
from exporter.events.payload import MemberOf, Snowflake, clean
from exporter.events.spec import Dimension, EventSpec, Family, Gauge, Measure, Reader, Unit
from exporter.model import Priority

STATES = ("active", "alone", "muted", "deafened", "afk", "bot")
"""What a second in voice can be. The first that applies, from the end: a bot is never a person, the AFK
channel never activity, a deafened member is taken as away, a muted one as listening, and whoever is the only
person in a channel is alone."""

_APART = {"afk": "afk_voice_seconds", "bot": "bot_voice_seconds"}
"""Columns of what is no activity of people."""

SECONDS = Measure(
    name="voice_seconds",
    help="Time members spent in voice channels, by state.",
    metric="discord_voice_seconds",
    measurement="discord_voice",
    field="seconds",
    label="state",
    values=STATES,
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER}),
    unit=Unit.MILLISECONDS,
    columns=dict.fromkeys(STATES, "voice_seconds") | _APART,
    member_columns=dict.fromkeys(STATES[:-1], "voice_seconds") | {"afk": _APART["afk"]},
    live=True,
)
JOINS = Measure(
    name="voice_joins",
    help="Times members entered voice.",
    metric="discord_voice_joins",
    measurement="discord_voice",
    field="joins",
    by=frozenset({Dimension.CHANNEL}),
)
SESSIONS = Measure(
    name="voice_sessions",
    help="Voice sessions that ended, from entering voice to leaving it.",
    metric="discord_voice_sessions",
    measurement="discord_voice",
    field="sessions",
    by=frozenset({Dimension.MEMBER}),
    columns={"": "voice_sessions"},
    member_columns={"": "voice_sessions"},
)
SESSION_TIME = Measure(
    name="voice_session_seconds",
    help="Length of voice sessions that ended; with their number it gives the average.",
    metric="discord_voice_session_seconds",
    measurement="discord_voice",
    field="session_seconds",
    unit=Unit.MILLISECONDS,
)
MOVES = Measure(
    name="voice_moves",
    help="Times members changed from one voice channel to another.",
    metric="discord_voice_moves",
    measurement="discord_voice",
    field="moves",
    by=frozenset({Dimension.CHANNEL}),
)
STREAM_SECONDS = Measure(
    name="voice_stream_seconds",
    help="Time members shared their screen or a game in voice.",
    metric="discord_voice_stream_seconds",
    measurement="discord_voice",
    field="stream_seconds",
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER}),
    unit=Unit.MILLISECONDS,
    live=True,
)
VIDEO_SECONDS = Measure(
    name="voice_video_seconds",
    help="Time members had their camera on in voice.",
    metric="discord_voice_video_seconds",
    measurement="discord_voice",
    field="video_seconds",
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER}),
    unit=Unit.MILLISECONDS,
    live=True,
)


def _switch(what: str, help_: str) -> Measure:
    return Measure(
        name=f"voice_{what}",
        help=help_,
        metric=f"discord_voice_{what}",
        measurement="discord_voice",
        field=what,
        label="change",
        values=("on", "off"),
    )


SELF_MUTES = _switch("self_mutes", "Times members muted themselves, or ended it.")
SELF_DEAFENS = _switch("self_deafens", "Times members deafened themselves, or ended it.")
STREAMS = _switch("streams", "Streams that members began in voice, and streams that ended.")
VIDEOS = _switch("videos", "Times members switched their camera on in voice, or off.")

MEMBERS = Gauge(
    name="voice_members",
    help="Members in voice channels now, bots apart.",
    metric="discord_voice_members",
    measurement="discord_guild",
    field="voice_members",
)


class VoicePayload(msgspec.Struct):
    """Discord docs, Resources › Voice › Voice State; in GUILD_CREATE without ``guild_id`` and ``member``."""

    user_id: Snowflake
    channel_id: Snowflake | None = None
    session_id: str = ""
    guild_id: Snowflake = 0
    member: MemberOf | None = None
    self_mute: bool = False
    self_deaf: bool = False
    mute: bool = False
    deaf: bool = False
    suppress: bool = False
    self_stream: bool = False
    self_video: bool = False

    def fact(self, guild_id: int, at: int, *, bot: bool) -> VoiceState:
        """The state as a fact."""
        return VoiceState(
            guild_id,
            self.user_id,
            self.channel_id or 0,
            at,
            bot=bot,
            self_mute=self.self_mute,
            self_deaf=self.self_deaf,
            mute=self.mute,
            deaf=self.deaf,
            suppress=self.suppress,
            stream=self.self_stream,
            video=self.self_video,
            session=zlib.crc32(self.session_id.encode()),
        )


def read_state(state: VoicePayload, received_at: int) -> tuple[Person | VoiceState, ...]:
    """The member's name, which for members who only use voice is in no other dispatch, and the state."""
    if not state.guild_id:
        return ()
    user = state.member.user if state.member else None
    fact = state.fact(state.guild_id, received_at, bot=bool(user and user.bot))
    if user is None or user.bot or not user.username:
        return (fact,)
    return (Person(state.user_id, clean(user.username)), fact)


_READER = Reader(VoicePayload, read_state)


_BLIND = {"view_channel": "voice channels the bot cannot see"}


def _declare(kind: str, help_: str, *measures: Measure, gauges: tuple[Gauge, ...] = ()) -> EventSpec:
    return EventSpec(
        type=kind,
        family="voice",
        help=help_,
        priority=Priority.SLOW,
        reads={"VOICE_STATE_UPDATE": _READER},
        intents=("guild_voice_states",),
        permissions=("view_channel",),
        blind_without=_BLIND,
        measures=measures,
        gauges=gauges,
    )


def _declare_order(action: str, help_: str) -> EventSpec:
    """Something a moderator does: a row of the moderation log, whose actor tells the audit log."""
    return EventSpec(
        type=VOICE_ORDERS[action],
        family="voice",
        help=help_,
        priority=Priority.CRITICAL,
        reads={"VOICE_STATE_UPDATE": _READER},
        intents=("guild_voice_states",),
        permissions=("view_channel", "view_audit_log"),
        blind_without=_BLIND | {"view_audit_log": "who did it and why stays unknown"},
        measures=(ACTIONS,),
        table="moderation_logs",
        record=RECORDS[VOICE_ORDERS[action]],
    )


FAMILY = Family(
    "voice",
    "Time in voice by state, and where.",
    (
        _declare("VOICE_CHANNEL_JOIN", "A member entered voice.", SECONDS, JOINS, gauges=(MEMBERS,)),
        _declare("VOICE_CHANNEL_LEAVE", "A member left voice.", SECONDS, SESSIONS, SESSION_TIME),
        _declare("VOICE_CHANNEL_MOVE", "A member changed the voice channel.", SECONDS, MOVES),
        _declare("VOICE_SELF_MUTE", "A member in voice muted themselves, or ended it.", SELF_MUTES),
        _declare("VOICE_SELF_DEAFEN", "A member in voice deafened themselves, or ended it.", SELF_DEAFENS),
        _declare("VOICE_STREAM", "A member in voice began or ended a stream.", STREAMS, STREAM_SECONDS),
        _declare("VOICE_VIDEO", "A member in voice switched the camera on or off.", VIDEOS, VIDEO_SECONDS),
        _declare_order("voice_mute", "A moderator muted a member in voice."),
        _declare_order("voice_unmute", "A moderator unmuted a member in voice."),
        _declare_order("voice_deafen", "A moderator deafened a member in voice."),
        _declare_order("voice_undeafen", "A moderator undeafened a member in voice."),
    ),
)

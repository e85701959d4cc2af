"""Voice: time spent, by channel, member and state; joins, moves and finished sessions.

A dispatch says where a member is now. Time follows from two of them, so the pipeline, which remembers, turns
states into time; this file declares what is counted and how a state is read.
"""

from __future__ import annotations

import zlib
from functools import partial

from exporter.events.facts.counting import BotSeen, Person
from exporter.events.facts.guilds import VoiceState
from exporter.events.members import LEFT
from exporter.events.moderation import ACTIONS, RECORDS, VOICE_ORDERS
from exporter.events.payload import InGuild, MemberOf, Snowflake, UserEvent, clean
from exporter.events.spec import Dimension, EventSpec, Family, Gauge, Measure, Reader, Unit
from exporter.model import Priority

STATES = ("active", "alone", "muted", "deafened", "afk", "bot")
"""What a second in voice can be. The first that applies, from the end: a bot is never a person, the AFK
channel never activity, a deafened member is taken as away, a muted one as listening, and whoever is the only
person in a channel is alone."""

_APART = {"afk": "afk_voice_seconds", "bot": "bot_voice_seconds"}
"""Columns of what is no activity of people."""

_BY_CHANNEL = frozenset({Dimension.CHANNEL})
_BY_MEMBER_TOO = frozenset({Dimension.CHANNEL, Dimension.MEMBER})

_count = partial(Measure, measurement="discord_voice")
_time = partial(_count, unit=Unit.MILLISECONDS)
_switch = partial(_count, label="change", values=("on", "off"))

SECONDS = _time(
    name="voice_seconds",
    help="Time members spent in voice channels, by state.",
    field="seconds",
    label="state",
    values=STATES,
    by=_BY_MEMBER_TOO,
    columns=dict.fromkeys(STATES, "voice_seconds") | _APART,
    member_columns=dict.fromkeys(STATES[:-1], "voice_seconds") | {"afk": _APART["afk"]},
    live=True,
)
JOINS = _count(name="voice_joins", help="Times members entered voice.", field="joins", by=_BY_CHANNEL)
SESSIONS = _count(
    name="voice_sessions",
    help="Voice sessions that ended, from entering voice to leaving it.",
    field="sessions",
    by=frozenset({Dimension.MEMBER}),
    columns={"": "voice_sessions"},
    member_columns={"": "voice_sessions"},
)
SESSION_TIME = _time(
    name="voice_session_seconds",
    help="Length of voice sessions that ended; with their number it gives the average.",
    field="session_seconds",
)
MOVES = _count(
    name="voice_moves",
    help="Times members changed from one voice channel to another.",
    field="moves",
    by=_BY_CHANNEL,
)
STREAM_SECONDS = _time(
    name="voice_stream_seconds",
    help="Time members shared their screen or a game in voice.",
    field="stream_seconds",
    by=_BY_MEMBER_TOO,
    live=True,
)
VIDEO_SECONDS = _time(
    name="voice_video_seconds",
    help="Time members had their camera on in voice.",
    field="video_seconds",
    by=_BY_MEMBER_TOO,
    live=True,
)
SELF_MUTES = _switch(
    name="voice_self_mutes", help="Times members muted themselves, or ended it.", field="self_mutes"
)
SELF_DEAFENS = _switch(
    name="voice_self_deafens", help="Times members deafened themselves, or ended it.", field="self_deafens"
)
STREAMS = _switch(
    name="voice_streams", help="Streams that members began in voice, and streams that ended.", field="streams"
)
VIDEOS = _switch(
    name="voice_videos", help="Times members switched their camera on in voice, or off.", field="videos"
)

MEMBERS = Gauge(name="voice_members", help="Members in voice channels now, bots apart.")


class VoicePayload(InGuild):
    """Discord docs, Resources › Voice › Voice State; in GUILD_CREATE without ``guild_id`` and ``member``."""

    user_id: Snowflake
    channel_id: Snowflake | None = None
    session_id: str = ""
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


def read_state(state: VoicePayload, received_at: int) -> tuple[BotSeen | Person | VoiceState, ...]:
    """The member's name, which for members who only use voice is in no other dispatch, and the state."""
    user = state.member.user if state.member else None
    fact = state.fact(state.guild_id, received_at, bot=bool(user and user.bot))
    if user is None or not (user.bot or user.username):
        return (fact,)
    if user.bot:
        return (BotSeen(state.user_id), fact)
    return (Person(state.user_id, clean(user.username)), fact)


def read_departure(member: UserEvent, received_at: int) -> tuple[VoiceState, ...]:
    """Who leaves the guild leaves voice; Discord need not say so in a dispatch of its own."""
    return (VoiceState(member.guild_id, member.user.id, 0, received_at, bot=member.user.bot),)


_event = partial(
    EventSpec,
    reads={
        "VOICE_STATE_UPDATE": Reader(VoicePayload, read_state),
        "GUILD_MEMBER_REMOVE": Reader(UserEvent, read_departure, LEFT),
    },
    intents=("guild_voice_states",),
)
_BLIND = {"view_channel": "voice channels the bot cannot see"}


def _declare(kind: str, help_: str, *measures: Measure, gauges: tuple[Gauge, ...] = ()) -> EventSpec:
    return _event(kind, help_, blind_without=_BLIND, measures=measures, gauges=gauges)


def _declare_order(action: str, help_: str) -> EventSpec:
    """Something a moderator does: a row of the moderation log, whose actor is in the audit log."""
    return _event(
        VOICE_ORDERS[action],
        help_,
        priority=Priority.CRITICAL,
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

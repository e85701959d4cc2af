"""Windows of counted facts.

A snapshot holds deltas: what happened in its window and no other entry says again. A fact that arrives late
makes a second, small snapshot of the same window, so sums are right however late it was. A guild too busy for
one entry leaves as several; tops and ``unique_users`` then are about their own part only.

Amounts are whole numbers in the measure's own step (voice: milliseconds). Ids in tops are text: they are made
for JSON documents, whose readers round long numbers.
"""

from __future__ import annotations

import enum
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from exporter.events.records.values import Doc, Finite, Id, Int64, Milliseconds
from exporter.model import EntryData

Amount = Annotated[int, msgspec.Meta(gt=-(2**48), lt=2**48)]
"""No window can hold as much: it is 8,900 years of milliseconds. Sums of such amounts stay inside 64 bits."""

Delta: TypeAlias = tuple[str, str, Id, str, Amount]
"""Measure, label value, channel, emoji, amount; of all members."""

MemberDelta: TypeAlias = tuple[str, str, Id, Amount]
"""Measure, label value, user, amount; the same amounts as in deltas, by member."""

ChannelDelta: TypeAlias = tuple[str, str, Id, Amount]
"""Measure, label value, channel, amount; of one member."""


class SnapshotDetail(enum.StrEnum):
    """What snapshots hold only if a sink that is enabled stores it; fields of METRICS_SNAPSHOT, but one."""

    MEMBERS = "members"
    UNIQUE_USERS = "unique_users"
    SESSIONS = "sessions"
    PEAK_VOICE = "peak_voice"
    TOP_CHANNELS = "top_channels"
    TOP_EMOJIS = "top_emojis"
    TOP_MEMBERS = "top_members"
    NEWCOMERS = "newcomers"
    """Which of the members of MEMBER_ACTIVITY_SNAPSHOT joined in its window."""


ALL_DETAILS: Final = frozenset(SnapshotDetail)


class VoiceSessions(msgspec.Struct, frozen=True):
    """Voice sessions that ended in a window."""

    count: Int64
    average_seconds: Int64 | Finite


class VoicePeak(msgspec.Struct, frozen=True):
    """Most members in voice at once, in all and by channel id."""

    members: Int64
    by_channel: dict[str, Int64]


class TopChannel(msgspec.Struct, frozen=True):
    """One of the most active channels."""

    channel_id: str
    channel_name: str | None
    messages: Int64
    voice_minutes: Finite
    peak_users: Int64


class TopEmoji(msgspec.Struct, frozen=True):
    """One of the most used emoji; ``emoji_id`` of a custom one."""

    emoji: str
    emoji_id: str | None
    count: Int64


class MemberPlace(msgspec.Struct, frozen=True):
    """A channel a member was active in."""

    channel_id: str
    channel_name: str | None
    messages: Int64
    voice_minutes: Finite


class TopMember(msgspec.Struct, frozen=True):
    """One of the most active members."""

    user_id: str
    username: str | None
    messages: Int64
    voice_minutes: Finite
    reactions: Int64
    activity_score: Finite
    top_channels: list[MemberPlace]


class ActiveMember(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a member did in a window; ``is_new`` who joined in it, ``name`` empty where unknown."""

    user_id: Id
    name: str
    first_seen: Milliseconds
    last_seen: Milliseconds
    is_new: bool
    deltas: list[ChannelDelta]


class WindowData(EntryData, frozen=True, kw_only=True):
    """The window of a snapshot."""

    period_start: Annotated[Milliseconds, Doc("Start of the window, ms since the epoch.")]
    period_end: Annotated[Milliseconds, Doc("End of the window, ms since the epoch.")]
    period_duration: Annotated[Int64, Doc("Length of the window in seconds.")]


class MetricsSnapshot(WindowData, frozen=True, kw_only=True):
    """A guild's activity in one window; details (``SnapshotDetail``) are there if a sink stores them."""

    series: Annotated[list[Delta], Doc("Deltas: measure, label value, channel, emoji, amount.")]
    members: Annotated[
        list[MemberDelta] | UnsetType,
        Doc("Deltas by member: measure, label value, user, amount.", personal=True),
    ] = UNSET
    gauges: Annotated[dict[str, Int64], Doc("States at the end of the window.")]
    unique_users: Annotated[Int64 | UnsetType, Doc("Members who were active.")] = UNSET
    sessions: Annotated[
        VoiceSessions | UnsetType, Doc("Voice sessions that ended: count and average length.")
    ] = UNSET
    peak_voice: Annotated[
        VoicePeak | UnsetType, Doc("Most members in voice at once, in all and by channel.")
    ] = UNSET
    top_channels: Annotated[list[TopChannel] | UnsetType, Doc("The most active channels, with names.")] = (
        UNSET
    )
    top_emojis: Annotated[list[TopEmoji] | UnsetType, Doc("The most used emojis.")] = UNSET
    top_members: Annotated[
        list[TopMember] | UnsetType,
        Doc("The most active members, with names and score.", personal=True),
    ] = UNSET


class MemberActivitySnapshot(WindowData, frozen=True, kw_only=True):
    """Every active member's activity in one window."""

    members: Annotated[
        list[ActiveMember], Doc("Per member: name, first and last seen, deltas.", personal=True)
    ]

"""A guild's part of a closed window becomes an entry.

What of a snapshot only some sinks store (``SnapshotDetail``) is computed only if one of them is enabled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from exporter.aggregation.cells import Activity, Cell
from exporter.aggregation.config import MetricsConfig
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.facts.counting import Series
from exporter.events.messages import MESSAGES
from exporter.events.reactions import REACTIONS, RECEIVED
from exporter.events.records.snapshots import (
    ActiveMember,
    MemberActivitySnapshot,
    MemberDelta,
    MemberPlace,
    MetricsSnapshot,
    SnapshotDetail,
    TopChannel,
    TopEmoji,
    TopMember,
    VoicePeak,
    VoiceSessions,
)
from exporter.events.voice import SECONDS, SESSION_TIME, SESSIONS
from exporter.model import Entry, Priority

VOICE_WEIGHT = 0.5
REACTION_WEIGHT = 0.2
"""A minute in voice counts half a message, a reaction a fifth."""

_ACTIVE_VOICE = frozenset(series for state, series in SECONDS.series_of.items() if state != "afk")
"""Time in voice that is activity: members in the AFK channel are away."""

MAX_PLACES = 3
"""Channels listed for a top member."""

NAMED: Final = frozenset({SnapshotDetail.TOP_CHANNELS, SnapshotDetail.TOP_MEMBERS})
"""Details that name channels."""

Place: TypeAlias = tuple[Series, int, str]
"""Series, channel, emoji."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a snapshot says besides its counts."""

    gauges: Mapping[str, int]
    peak: int
    channel_peaks: Mapping[int, int]
    channel_names: Mapping[int, str]
    people: Mapping[int, str]


@dataclass(slots=True)
class _Score:
    messages: int = 0
    voice_ms: int = 0
    reactions: int = 0

    @property
    def activity(self) -> float:
        minutes = self.voice_ms / 60_000
        return round(self.messages + VOICE_WEIGHT * minutes + REACTION_WEIGHT * self.reactions, 3)


def metrics_entry(
    guild_id: int,
    period: tuple[int, int],
    key: str,
    activity: Activity,
    around: Surroundings,
    limits: MetricsConfig,
    details: Container[SnapshotDetail],
) -> Entry:
    """METRICS_SNAPSHOT of one guild; ``period`` is start and end in ms, ``details`` what is stored of it."""
    sums: Counter[Place] = Counter()
    for (series, channel_id, _user_id, emoji), amount in activity.cells.items():
        sums[series, channel_id, emoji] += amount
    start, end = period
    data = MetricsSnapshot(
        period_start=start,
        period_end=end,
        period_duration=(end - start) // 1000,
        series=[
            (series.measure, series.value, channel_id, emoji, amount)
            for (series, channel_id, emoji), amount in sums.items()
        ],
        gauges=dict(around.gauges),
        **_details(activity.cells, sums, around, limits, details),
    )
    return Entry(METRICS_SNAPSHOT, guild_id, start, key, Priority.SLOW, data)


def _details(
    cells: Mapping[Cell, int],
    sums: Mapping[Place, int],
    around: Surroundings,
    limits: MetricsConfig,
    wanted: Container[SnapshotDetail],
) -> dict[str, Any]:
    """The wanted fields of METRICS_SNAPSHOT by name."""
    builders: dict[SnapshotDetail, Callable[[], object]] = {
        SnapshotDetail.MEMBERS: lambda: _members(cells),
        SnapshotDetail.UNIQUE_USERS: lambda: _count_users(cells),
        SnapshotDetail.SESSIONS: lambda: _sessions(sums),
        SnapshotDetail.PEAK_VOICE: lambda: _peak(around),
        SnapshotDetail.TOP_CHANNELS: lambda: _top_channels(sums, around, limits.max_top_channels),
        SnapshotDetail.TOP_EMOJIS: lambda: _top_emojis(sums, limits.max_top_emojis),
        SnapshotDetail.TOP_MEMBERS: lambda: _top_members(cells, around, limits),
    }
    return {detail: build() for detail, build in builders.items() if detail in wanted}


def _members(cells: Mapping[Cell, int]) -> list[MemberDelta]:
    members: Counter[tuple[Series, int]] = Counter()
    for (series, _channel_id, user_id, _emoji), amount in cells.items():
        if user_id:
            members[series, user_id] += amount
    return [(series.measure, series.value, user_id, amount) for (series, user_id), amount in members.items()]


def _count_users(cells: Mapping[Cell, int]) -> int:
    """Members active by message, voice or reaction given."""
    return len({user_id for series, _, user_id, _ in cells if user_id and series is not RECEIVED.series})


def _sessions(sums: Mapping[Place, int]) -> VoiceSessions:
    sessions = sum(amount for (series, _, _), amount in sums.items() if series is SESSIONS.series)
    spent = sum(amount for (series, _, _), amount in sums.items() if series is SESSION_TIME.series)
    return VoiceSessions(sessions, round(spent / 1000 / sessions, 3) if sessions else 0)


def _peak(around: Surroundings) -> VoicePeak:
    return VoicePeak(around.peak, {str(channel): peak for channel, peak in around.channel_peaks.items()})


def activity_entry(
    guild_id: int,
    period: tuple[int, int],
    key: str,
    activity: Activity,
    people: Mapping[int, str],
    newcomers: Container[int],
) -> Entry | None:
    """MEMBER_ACTIVITY_SNAPSHOT of one guild, None if no member was active; ``newcomers`` joined meanwhile."""
    deltas: dict[int, dict[tuple[Series, int], int]] = {}
    for (series, channel_id, user_id, _emoji), amount in activity.cells.items():
        if user_id:
            sums = deltas.get(user_id)
            if sums is None:
                sums = deltas[user_id] = {}
            place = (series, channel_id)
            sums[place] = sums.get(place, 0) + amount
    if not deltas:
        return None
    start, end = period
    members = []
    for user_id, sums in deltas.items():
        first, last = activity.seen.get(user_id, (start, start))
        counts = [
            (series.measure, series.value, channel_id, amount)
            for (series, channel_id), amount in sums.items()
        ]
        members.append(
            ActiveMember(user_id, people.get(user_id, ""), first, last, user_id in newcomers, counts)
        )
    data = MemberActivitySnapshot(
        period_start=start, period_end=end, period_duration=(end - start) // 1000, members=members
    )
    return Entry(MEMBER_ACTIVITY_SNAPSHOT, guild_id, start, key, Priority.SLOW, data)


def _top_channels(sums: Mapping[Place, int], around: Surroundings, limit: int) -> list[TopChannel]:
    messages: Counter[int] = Counter()
    voice: Counter[int] = Counter()
    for (series, channel_id, _), amount in sums.items():
        if not channel_id:
            continue
        if series.measure == MESSAGES.name:
            messages[channel_id] += amount
        elif series in _ACTIVE_VOICE:
            voice[channel_id] += amount
    ranked = sorted(
        messages.keys() | voice.keys(),
        key=lambda channel: (-messages[channel] - VOICE_WEIGHT * voice[channel] / 60_000, channel),
    )
    return [
        TopChannel(
            channel_id=str(channel),
            channel_name=around.channel_names.get(channel),
            messages=messages[channel],
            voice_minutes=round(voice[channel] / 60_000, 3),
            peak_users=around.channel_peaks.get(channel, 0),
        )
        for channel in ranked[:limit]
    ]


def _top_emojis(sums: Mapping[Place, int], limit: int) -> list[TopEmoji]:
    emojis: Counter[str] = Counter()
    for (series, _, emoji), amount in sums.items():
        if emoji and series.measure == REACTIONS.name:
            emojis[emoji] += amount
    return [
        TopEmoji(emoji=emoji, emoji_id=emoji if emoji.isdigit() else None, count=count)
        for emoji, count in emojis.most_common(limit)
    ]


def _top_members(cells: Mapping[Cell, int], around: Surroundings, limits: MetricsConfig) -> list[TopMember]:
    scores: dict[int, _Score] = {}
    places: dict[int, dict[int, _Score]] = {}
    for (series, channel_id, user_id, _emoji), amount in cells.items():
        if not user_id:
            continue
        for score in (
            scores.setdefault(user_id, _Score()),
            places.setdefault(user_id, {}).setdefault(channel_id, _Score()),
        ):
            if series.measure == MESSAGES.name:
                score.messages += amount
            elif series in _ACTIVE_VOICE:
                score.voice_ms += amount
            elif series.measure == REACTIONS.name:
                score.reactions += amount
    ranked = sorted(scores.items(), key=lambda item: (-item[1].activity, item[0]))
    return [
        TopMember(
            user_id=str(user_id),
            username=around.people.get(user_id),
            messages=score.messages,
            voice_minutes=round(score.voice_ms / 60_000, 3),
            reactions=score.reactions,
            activity_score=score.activity,
            top_channels=_top_places(places[user_id], around),
        )
        for user_id, score in ranked[: limits.max_top_members]
        if score.activity
    ]


def _top_places(places: Mapping[int, _Score], around: Surroundings) -> list[MemberPlace]:
    ranked = sorted(
        (item for item in places.items() if item[0]), key=lambda item: (-item[1].activity, item[0])
    )
    return [
        MemberPlace(
            channel_id=str(channel),
            channel_name=around.channel_names.get(channel),
            messages=score.messages,
            voice_minutes=round(score.voice_ms / 60_000, 3),
        )
        for channel, score in ranked[:MAX_PLACES]
    ]

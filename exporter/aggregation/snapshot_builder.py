"""A guild's part of a closed window becomes an entry; its layout is told where the event is declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.aggregation.cells import Activity
from exporter.aggregation.config import MetricsConfig
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.facts import Series
from exporter.events.messages import MESSAGES
from exporter.events.reactions import REACTIONS, RECEIVED
from exporter.events.voice import SECONDS, SESSION_TIME, SESSIONS
from exporter.model import Entry, Json, Priority

VOICE_WEIGHT = 0.5
REACTION_WEIGHT = 0.2
"""A minute of talk counts half a message, a reaction a fifth."""

_TALK = frozenset(series for state, series in SECONDS.series_of.items() if state != "afk")
"""Time in voice that is activity: whoever was put into the AFK channel is away."""

MAX_PLACES = 3
"""Channels listed for a top member."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a snapshot says besides its counts."""

    gauges: Mapping[str, Json]
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
) -> Entry:
    """METRICS_SNAPSHOT of one guild; ``period`` is start and end in ms."""
    sums: Counter[tuple[Series, int, str]] = Counter()
    members: Counter[tuple[Series, int]] = Counter()
    for (series, channel_id, user_id, emoji), amount in activity.cells.items():
        sums[series, channel_id, emoji] += amount
        if user_id:
            members[series, user_id] += amount
    sessions = sum(amount for (series, _, _), amount in sums.items() if series is SESSIONS.series)
    talked = sum(amount for (series, _, _), amount in sums.items() if series is SESSION_TIME.series)
    data: dict[str, Json] = {
        **_period(period),
        "series": [
            [series.measure, series.value, channel_id, emoji, amount]
            for (series, channel_id, emoji), amount in sums.items()
        ],
        "members": [
            [series.measure, series.value, user_id, amount] for (series, user_id), amount in members.items()
        ],
        "gauges": around.gauges,
        "unique_users": len({user_id for series, user_id in members if series is not RECEIVED.series}),
        "sessions": {
            "count": sessions,
            "average_seconds": round(talked / 1000 / sessions, 3) if sessions else 0,
        },
        "peak_voice": {
            "members": around.peak,
            "by_channel": {str(channel): peak for channel, peak in around.channel_peaks.items()},
        },
        "top_channels": _top_channels(sums, around, limits.max_top_channels),
        "top_emojis": _top_emojis(sums, limits.max_top_emojis),
        "top_members": _top_members(activity.cells, around, limits),
    }
    return Entry(METRICS_SNAPSHOT, guild_id, period[0], key, Priority.SLOW, data)


def activity_entry(
    guild_id: int,
    period: tuple[int, int],
    key: str,
    activity: Activity,
    people: Mapping[int, str],
    newcomers: Iterable[int],
) -> Entry | None:
    """MEMBER_ACTIVITY_SNAPSHOT of one guild, None if nobody was active; ``newcomers`` joined meanwhile."""
    new = frozenset(newcomers)
    deltas: dict[int, list[Json]] = {}
    for (series, channel_id, user_id, _emoji), amount in _without_emoji(activity.cells).items():
        if user_id:
            deltas.setdefault(user_id, []).append([series.measure, series.value, channel_id, amount])
    if not deltas:
        return None
    members: list[Json] = []
    for user_id, counts in deltas.items():
        first, last = activity.seen.get(user_id, (period[0], period[0]))
        members.append([user_id, people.get(user_id, ""), first, last, user_id in new, counts])
    data: dict[str, Json] = {**_period(period), "members": members}
    return Entry(MEMBER_ACTIVITY_SNAPSHOT, guild_id, period[0], key, Priority.SLOW, data)


def _without_emoji(
    cells: Mapping[tuple[Series, int, int, str], int],
) -> Counter[tuple[Series, int, int, str]]:
    merged: Counter[tuple[Series, int, int, str]] = Counter()
    for (series, channel_id, user_id, _emoji), amount in cells.items():
        merged[series, channel_id, user_id, ""] += amount
    return merged


def _period(period: tuple[int, int]) -> dict[str, Json]:
    start, end = period
    return {"period_start": start, "period_end": end, "period_duration": (end - start) // 1000}


def _top_channels(
    sums: Mapping[tuple[Series, int, str], int], around: Surroundings, limit: int
) -> list[Json]:
    messages: Counter[int] = Counter()
    voice: Counter[int] = Counter()
    for (series, channel_id, _), amount in sums.items():
        if not channel_id:
            continue
        if series.measure == MESSAGES.name:
            messages[channel_id] += amount
        elif series in _TALK:
            voice[channel_id] += amount
    ranked = sorted(
        messages.keys() | voice.keys(),
        key=lambda channel: (-messages[channel] - VOICE_WEIGHT * voice[channel] / 60_000, channel),
    )
    return [
        {
            "channel_id": str(channel),
            "channel_name": around.channel_names.get(channel),
            "messages": messages[channel],
            "voice_minutes": round(voice[channel] / 60_000, 3),
            "peak_users": around.channel_peaks.get(channel, 0),
        }
        for channel in ranked[:limit]
    ]


def _top_emojis(sums: Mapping[tuple[Series, int, str], int], limit: int) -> list[Json]:
    emojis: Counter[str] = Counter()
    for (series, _, emoji), amount in sums.items():
        if emoji and series.measure == REACTIONS.name:
            emojis[emoji] += amount
    return [
        {"emoji": emoji, "emoji_id": emoji if emoji.isdigit() else None, "count": count}
        for emoji, count in emojis.most_common(limit)
    ]


def _top_members(
    cells: Mapping[tuple[Series, int, int, str], int], around: Surroundings, limits: MetricsConfig
) -> list[Json]:
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
            elif series in _TALK:
                score.voice_ms += amount
            elif series.measure == REACTIONS.name:
                score.reactions += amount
    ranked = sorted(scores.items(), key=lambda item: (-item[1].activity, item[0]))
    return [
        {
            "user_id": str(user_id),
            "username": around.people.get(user_id),
            "messages": score.messages,
            "voice_minutes": round(score.voice_ms / 60_000, 3),
            "reactions": score.reactions,
            "activity_score": score.activity,
            "top_channels": [
                {
                    "channel_id": str(channel),
                    "channel_name": around.channel_names.get(channel),
                    "messages": place.messages,
                    "voice_minutes": round(place.voice_ms / 60_000, 3),
                }
                for channel, place in sorted(
                    (item for item in places[user_id].items() if item[0]),
                    key=lambda item: (-item[1].activity, item[0]),
                )[:MAX_PLACES]
            ],
        }
        for user_id, score in ranked[: limits.max_top_members]
        if score.activity
    ]

"""What stands in the snapshots of a window, and what is forgotten once they are committed.

A component that cannot say its part costs a snapshot that part alone: the counts leave without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from exporter.aggregation.cells import Activity
from exporter.aggregation.config import MetricsConfig
from exporter.aggregation.snapshot_builder import NAMED, Surroundings, activity_entry, metrics_entry
from exporter.checkpoint.event_recorder import EventRecorder
from exporter.dispatch.component import Component
from exporter.events.aggregates import METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.guilds import BOOSTS, MEMBERS, ONLINE
from exporter.events.records.snapshots import SnapshotDetail
from exporter.events.voice import MEMBERS as VOICE_MEMBERS
from exporter.model import Entry
from exporter.state.guild import Guild
from exporter.state.guild_cache import GuildCache
from exporter.tracking.voice.tracker import VoiceTracker


class SnapshotContents:
    """Makes snapshots of what was counted and of the state around it; ``details`` is what sinks store."""

    def __init__(
        self,
        guilds: GuildCache,
        voice: VoiceTracker,
        recorder: EventRecorder,
        catalogue: Catalogue,
        metrics: MetricsConfig,
        details: frozenset[SnapshotDetail],
    ) -> None:
        self._guilds = guilds
        self._voice = voice
        self._recorder = recorder
        self._catalogue = catalogue
        self._metrics = metrics
        self._details = details
        self._gauges: dict[str, Callable[[Guild], int | None]] = {
            MEMBERS.name: lambda guild: guild.member_count,
            BOOSTS.name: lambda guild: guild.premium_subscription_count,
            ONLINE.name: lambda guild: guild.online,
            VOICE_MEMBERS.name: lambda guild: voice.members(guild.guild_id),
        }

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """A state by guild; guilds not seen whole yet have none."""
        nothing: dict[int, float] = {}
        return self._owner(gauge).ask(partial(self._read_gauge, gauge), nothing)

    def _owner(self, gauge: str) -> Component:
        return self._voice if gauge == VOICE_MEMBERS.name else self._guilds

    def _read_gauge(self, gauge: str) -> dict[int, float]:
        read = self._gauges[gauge]
        return {
            guild.guild_id: value
            for guild in self._guilds.guilds.values()
            if guild.known and (value := read(guild)) is not None
        }

    def metrics_entry(self, guild_id: int, period: tuple[int, int], key: str, activity: Activity) -> Entry:
        """The snapshot of a guild; ``period`` is from and to, in ms."""
        guild = self._guilds.guilds.get(guild_id)
        gauges = {
            name: value
            for name in self._catalogue.gauges
            if guild
            and guild.known
            and (value := self._owner(name).ask(partial(self._gauges[name], guild), None)) is not None
        }
        nothing: tuple[int, dict[int, int]] = (0, {})
        peak, channel_peaks = self._voice.ask(partial(self._voice.peaks, guild_id), nothing)
        names: dict[int, str] = {}
        if not self._details.isdisjoint(NAMED):
            names = self._guilds.ask(partial(self._guilds.channel_names, guild_id), names)
        around = Surroundings(gauges, peak, channel_peaks, names, self._guilds.people)
        return metrics_entry(guild_id, period, key, activity, around, self._metrics, self._details)

    def activity_entry(
        self, guild_id: int, period: tuple[int, int], key: str, activity: Activity
    ) -> Entry | None:
        """The snapshot of a guild's members, newcomers among them; none where no member was active."""
        joined = self._recorder.newcomers.get(guild_id, {})
        new = {user for user, at in joined.items() if period[0] <= at < period[1]}
        return activity_entry(guild_id, period, key, activity, self._guilds.people, new)

    def committed(self, kind: str, period: tuple[int, int], guild_ids: Iterable[int]) -> None:
        """Forget what the snapshots just committed have said."""
        for guild_id in guild_ids:
            if kind == METRICS_SNAPSHOT:
                self._voice.ask(partial(self._voice.reset_peaks, guild_id), None)
            else:
                self._recorder.ask(partial(self._recorder.forget_newcomers, guild_id, period[1]), None)

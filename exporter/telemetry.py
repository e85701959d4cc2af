"""The exporter's own metrics: one table of names, kinds, help and bounded labels.

Stages move these meters; only the exposition reads them. A meter is a dictionary, because the hot path
moves several for each frame and a locked counter object costs about a microsecond each time; the whole
program counts on one thread. The reference page and the dashboards take the names from ``METERS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

SECONDS_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a local SQLite commit (about 1 ms) to a request that ran into its deadline (30 s)."""


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """One row of the table. ``name`` is the family's name without ``_total``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class Meter:
    """The current values of one family, by label values in the order of ``spec.labels``."""

    spec: MeterSpec
    values: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Raise a counter."""
        self.values[labels] = self.values.get(labels, 0) + amount

    def set(self, value: float, *labels: str) -> None:
        """Set a gauge, or a counter whose true value is kept elsewhere."""
        self.values[labels] = value

    def get(self, *labels: str) -> float:
        """The current value; 0 where nothing was counted."""
        return self.values.get(labels, 0)

    def total(self) -> float:
        """The sum over all label values."""
        return sum(self.values.values())


@dataclass(slots=True)
class Histogram:
    """Observations in cumulative buckets, by label values."""

    spec: MeterSpec
    buckets: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    sums: dict[tuple[str, ...], float] = field(default_factory=dict)

    def observe(self, seconds: float, *labels: str) -> None:
        """Add one observation."""
        counts = self.buckets.get(labels)
        if counts is None:
            counts = self.buckets[labels] = [0] * (len(SECONDS_BUCKETS) + 1)
        for index, bound in enumerate(SECONDS_BUCKETS):
            if seconds <= bound:
                counts[index] += 1
        counts[-1] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + seconds


def _counter(name: str, help_: str, *labels: str) -> MeterSpec:
    return MeterSpec(name, "counter", help_, labels)


def _gauge(name: str, help_: str, *labels: str) -> MeterSpec:
    return MeterSpec(name, "gauge", help_, labels)


def _histogram(name: str, help_: str, *labels: str) -> MeterSpec:
    return MeterSpec(name, "histogram", help_, labels)


class Telemetry:
    """Every meter of the process, one attribute each."""

    def __init__(self) -> None:
        self.gateway_events = self._meter(
            _counter("discord_gateway_events", "Dispatches received from the gateway.", "type")
        )
        self.gateway_connected = self._meter(
            _gauge("discord_gateway_connected", "1 while the shard has a session.", "shard")
        )
        self.gateway_latency = self._meter(
            _gauge("discord_gateway_latency_seconds", "Heartbeat round trip.", "shard")
        )
        self.gateway_resumes = self._meter(
            _counter("discord_gateway_resumes", "Sessions resumed after a lost connection.", "shard")
        )
        self.gateway_identifies = self._meter(
            _counter("discord_gateway_identifies", "New sessions asked for.", "shard")
        )
        self.identifies_remaining = self._meter(
            _gauge("discord_gateway_identifies_remaining", "New sessions the bot may still ask for today."),
            known=False,
        )
        self.rest_requests = self._meter(
            _counter("discord_rest_requests", "REST requests answered.", "route", "status")
        )
        self.inquiries_asked = self._meter(
            _counter("discord_exporter_inquiries_asked", "Questions to the REST API put by stages.", "kind")
        )
        self.inquiries_merged = self._meter(
            _counter("discord_exporter_inquiries_merged", "Questions equal to one that waited.", "kind")
        )
        self.inquiries_answered = self._meter(
            _counter(
                "discord_exporter_inquiries_answered",
                "Questions answered: answered, refused, remembered, failed, unreadable or dropped.",
                "kind",
                "outcome",
            )
        )
        self.inquiries_waiting = self._meter(
            _gauge("discord_exporter_inquiries_waiting", "Questions that wait for their turn.")
        )
        self.received = self._meter(
            _counter("discord_exporter_received", "Events taken in that a switch asks for.", "type")
        )
        self.accepted = self._meter(
            _counter("discord_exporter_accepted", "Events counted or recorded.", "type")
        )
        self.rejected = self._meter(
            _counter("discord_exporter_rejected", "Events that could not be used.", "type", "reason")
        )
        self.levels_forgotten = self._meter(
            _counter(
                "discord_exporter_levels_forgotten",
                "Members whose experience had to be forgotten, since more than levels.max_members have some.",
            )
        )
        self.dropped = self._meter(
            _counter("discord_exporter_dropped", "Entries given up on purpose.", "reason")
        )
        self.offered = self._meter(
            _counter("discord_exporter_offered", "Entries offered to the spool.", "type")
        )
        self.spooled = self._meter(
            _counter("discord_exporter_spooled", "Entries committed to the spool, ever.")
        )
        self.damaged_state = self._meter(
            _counter("discord_exporter_damaged_state", "Rows of saved state left out, being damaged.")
        )
        self.unspooled = self._meter(
            _gauge("discord_exporter_unspooled_entries", "Entries in memory that a crash would lose.")
        )
        self.delivered = self._meter(
            _counter("discord_exporter_delivered", "Entries a sink has stored, ever.", "sink")
        )
        self.dead = self._meter(
            _counter("discord_exporter_dead", "Entries a sink will never take, ever.", "sink")
        )
        self.evicted = self._meter(
            _counter("discord_exporter_evicted", "Entries given up unsent, the spool being full.", "sink")
        )
        self.pending = self._meter(
            _gauge("discord_exporter_pending_entries", "Entries waiting in the spool.", "sink")
        )
        self.oldest_unsent = self._meter(
            _gauge("discord_exporter_oldest_unsent_seconds", "Age of the oldest unsent entry.", "sink")
        )
        self.spool_bytes = self._meter(
            _gauge("discord_exporter_spool_bytes", "Size of the spool on disk.", "file")
        )
        self.spool_limit = self._meter(
            _gauge("discord_exporter_spool_limit_bytes", "Size up to which nothing unsent is given up.")
        )
        self.volume_free = self._meter(
            _gauge("discord_exporter_volume_free_bytes", "Free space on the volume of the data directory.")
        )
        self.sink_up = self._meter(_gauge("discord_exporter_sink_up", "1 while deliveries succeed.", "sink"))
        self.sink_failures = self._meter(
            _counter("discord_exporter_sink_failures", "Deliveries not stored, by cause.", "sink", "reason")
        )
        self.deliver_seconds = self._histogram(
            _histogram("discord_exporter_deliver_seconds", "Duration of one delivery.", "sink")
        )
        self.commit_seconds = self._histogram(
            _histogram("discord_exporter_commit_seconds", "Duration of one spool commit.")
        )
        self.loop_lag = self._histogram(
            _histogram("discord_exporter_loop_lag_seconds", "How late the event loop woke a timer.")
        )
        self.series = self._meter(
            _gauge("discord_exporter_series", "Series exposed for guilds and channels.")
        )
        self.series_limit = self._meter(
            _gauge("discord_exporter_series_limit", "Series that may be exposed.")
        )
        self.guilds_folded = self._meter(
            _gauge(
                "discord_exporter_guilds_folded",
                "Guilds shown only within guild_id=other, for want of room.",
            )
        )
        self.blind = self._meter(
            _gauge(
                "discord_exporter_blind",
                "Guilds in which an event type lacks a permission.",
                "feature",
                "missing",
            )
        )
        self.member_corrections = self._meter(
            _counter(
                "discord_exporter_member_count_corrections",
                "Guilds' member counts found wrong and put right.",
            )
        )
        self.member_drift = self._meter(
            _counter("discord_exporter_member_count_drift", "Members by which those counts were wrong.")
        )
        self.start_time = self._meter(
            _gauge("discord_exporter_start_time_seconds", "Unix time at which the process started.")
        )
        self.build_info = self._meter(
            _gauge("discord_exporter_build_info", "Always 1.", "version", "python", "disnake")
        )

    def families(self) -> Iterator[Meter | Histogram]:
        """Every family, in the order declared above."""
        for value in vars(self).values():
            if isinstance(value, Meter | Histogram):
                yield value

    @staticmethod
    def _meter(spec: MeterSpec, *, known: bool = True) -> Meter:
        # A family without labels always has its one sample, unless 0 would be a lie until it is known; with
        # labels it appears when first moved.
        return Meter(spec, {} if spec.labels or not known else {(): 0})

    @staticmethod
    def _histogram(spec: MeterSpec) -> Histogram:
        return Histogram(spec)


def meter_specs() -> Iterable[MeterSpec]:
    """The table, for the reference page and the dashboards."""
    return tuple(family.spec for family in Telemetry().families())

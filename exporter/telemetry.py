"""The exporter's own metrics: every family with its type, help text and bounded labels, in one registry.

Components move them through the interface of ``prometheus_client``: ``metric.labels("sql").inc()``,
``.set(1)``, ``.observe(0.2)``. What moves with each frame or entry is a ``PlainMetric`` with the same
interface. The reference page and the dashboards take names from ``metric_specs``.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from exporter.plain_metric import MetricSpec, MetricType, PlainMetric

SECONDS_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a local SQLite commit (about 1 ms) to a request that ran into its deadline (30 s)."""


class Telemetry:
    """Every own metric of one application, an attribute each; ``registry`` holds them for the exposition."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)  # refuses a name that is declared twice
        self.specs: list[MetricSpec] = []
        self._declare_discord()
        self._declare_events()
        self._declare_storage()
        self._declare_process()

    def _declare_discord(self) -> None:
        self.gateway_events = self._plain_counter(
            "discord_gateway_events", "Dispatches received from the gateway.", "type"
        )
        self.gateway_connected = self._gauge(
            "discord_gateway_connected", "1 while the shard has a session.", "shard"
        )
        self.gateway_latency = self._plain_gauge(
            "discord_gateway_latency_seconds", "Round trip of the last heartbeat, in seconds.", "shard"
        )
        self.gateway_resumes = self._counter(
            "discord_gateway_resumes", "Sessions resumed after a lost connection.", "shard"
        )
        self.gateway_identifies = self._counter(
            "discord_gateway_identifies", "New sessions requested (IDENTIFY).", "shard"
        )
        self.identifies_remaining = self._plain_gauge(
            "discord_gateway_identifies_remaining", "New sessions the bot may still request today."
        )
        self.rest_requests = self._counter(
            "discord_rest_requests", "REST requests, by the status of their response.", "route", "status"
        )
        self.rest_answers = self._counter(
            "discord_rest_answers",
            "REST requests, by what came of them: answered, refused, absent, or a trouble that says nothing.",
            "meaning",
        )
        self.requests_submitted = self._counter(
            "discord_exporter_inquiries_asked", "REST requests submitted by components.", "kind"
        )
        self.requests_merged = self._counter(
            "discord_exporter_inquiries_merged",
            "REST requests merged with an equal or newer one in the queue.",
            "kind",
        )
        self.requests_completed = self._counter(
            "discord_exporter_inquiries_answered",
            "REST requests completed: answered, refused, remembered, failed, unreadable or dropped.",
            "kind",
            "outcome",
        )
        self.clock_offset = self._plain_gauge(
            "discord_exporter_clock_offset_seconds",
            "By how much Discord's time, which is used, is ahead of the machine's, in seconds.",
        )
        self.requests_waiting = self._gauge(
            "discord_exporter_inquiries_waiting", "REST requests in the queue."
        )

    def _declare_events(self) -> None:
        self.received = self._plain_counter(
            "discord_exporter_received", "Events received whose type is switched on.", "type"
        )
        self.accepted = self._plain_counter(
            "discord_exporter_accepted", "Events counted or recorded.", "type"
        )
        self.repeated = self._plain_counter(
            "discord_exporter_repeated", "Dispatches that Discord delivered again; counted once.", "type"
        )
        self.rejected = self._plain_counter(
            "discord_exporter_rejected", "Events that could not be read.", "type", "reason"
        )
        self.rejected_elements = self._plain_counter(
            "discord_exporter_rejected_elements",
            "Elements of lists in events that could not be read and were left out.",
            "type",
            "list",
        )
        self.shed = self._counter(
            "discord_exporter_shed",
            "Unsaved data dropped because memory is full while the disk takes no commits, by class.",
            "class",
        )
        self.audit_gaps = self._counter(
            "discord_exporter_audit_log_gaps",
            "Gaps in the audit log of a guild that were given up unread, since too much came meanwhile.",
        )
        self.component_errors = self._counter(
            "discord_exporter_component_errors", "Errors isolated in a component.", "component"
        )
        self.component_skipped = self._plain_counter(
            "discord_exporter_component_skipped",
            "Facts not handled by a component because it was suspended after an error.",
            "component",
        )
        self.pending_decisions = self._gauge(
            "discord_exporter_pending_decisions",
            "What waits for an answer or for time to pass before it is counted, by component.",
            "component",
        )
        self.levels_forgotten = self._counter(
            "discord_exporter_levels_forgotten",
            "Members whose experience was removed because more than levels.max_members have some.",
        )
        self.member_corrections = self._counter(
            "discord_exporter_member_count_corrections", "Member counts of guilds that were corrected."
        )
        self.member_drift = self._counter(
            "discord_exporter_member_count_drift", "Sum of the members by which those counts were wrong."
        )
        self.blind = self._gauge(
            "discord_exporter_blind",
            "Guilds in which an event type lacks a permission.",
            "feature",
            "missing",
        )

    def _declare_storage(self) -> None:
        self.offered = self._plain_counter(
            "discord_exporter_offered", "Entries offered to the spool.", "type"
        )
        self.dropped = self._plain_counter(
            "discord_exporter_dropped", "Entries dropped before they were committed.", "reason"
        )
        self.spooled = self._plain_counter(
            "discord_exporter_spooled", "Entries committed to the spool since it was created."
        )
        self.damaged_state = self._counter(
            "discord_exporter_damaged_state",
            "Rows of saved state left out because they are damaged or missing.",
        )
        self.unsaved_seconds = self._gauge(
            "discord_exporter_unsaved_seconds",
            "How long the oldest counts, state and entries that are only in memory have been there.",
        )
        self.unspooled = self._gauge(
            "discord_exporter_unspooled_entries", "Entries in memory that a crash would lose."
        )
        self.spool_bytes = self._gauge("discord_exporter_spool_bytes", "Size of the spool on disk.", "file")
        self.spool_limit = self._gauge(
            "discord_exporter_spool_limit_bytes", "Size up to which no undelivered entry is evicted."
        )
        self.volume_free = self._gauge(
            "discord_exporter_volume_free_bytes", "Free space on the volume of the data directory."
        )
        self.commit_seconds = self._histogram(
            "discord_exporter_commit_seconds", "Duration of one spool commit."
        )
        self.delivered = self._plain_counter(
            "discord_exporter_delivered", "Entries a sink has stored since the spool was created.", "sink"
        )
        self.withheld = self._counter(
            "discord_exporter_withheld",
            "Entries not delivered because the person they are about opted out after they were committed.",
            "sink",
        )
        self.dead = self._plain_counter(
            "discord_exporter_dead", "Entries a sink refused for good since the spool was created.", "sink"
        )
        self.evicted = self._plain_counter(
            "discord_exporter_evicted",
            "Entries evicted undelivered because the spool was full, or lost with a damaged spool.",
            "sink",
        )
        self.pending = self._gauge(
            "discord_exporter_pending_entries", "Entries in the spool that a sink has yet to store.", "sink"
        )
        self.oldest_unsent = self._gauge(
            "discord_exporter_oldest_unsent_seconds", "Age of the oldest undelivered entry.", "sink"
        )
        self.sink_up = self._gauge("discord_exporter_sink_up", "1 while deliveries succeed.", "sink")
        self.sink_lost = self._counter(
            "discord_exporter_sink_lost",
            "Entries a sink had stored that its store no longer holds, as a deleted or replaced SQLite file.",
            "sink",
        )
        self.sink_failures = self._counter(
            "discord_exporter_sink_failures", "Deliveries that failed, by reason.", "sink", "reason"
        )
        self.deliver_seconds = self._histogram(
            "discord_exporter_deliver_seconds", "Duration of one delivery.", "sink"
        )

    def _declare_process(self) -> None:
        self.loop_lag = self._histogram(
            "discord_exporter_loop_lag_seconds", "Delay with which the event loop ran a timer."
        )
        self.series = self._gauge("discord_exporter_series", "Series exposed for guilds and channels.")
        self.series_limit = self._gauge(
            "discord_exporter_series_limit", "Largest number of series that may be exposed."
        )
        self.guilds_folded = self._gauge(
            "discord_exporter_guilds_folded",
            "Guilds exposed only as part of guild_id=other because of the series limit.",
        )
        self.start_time = self._gauge(
            "discord_exporter_start_time_seconds", "Unix time at which the process started."
        )
        self.build_info = self._gauge(
            "discord_exporter_build_info", "Always 1.", "version", "python", "disnake"
        )

    def _spec(self, kind: MetricType, name: str, help_: str, labels: tuple[str, ...]) -> MetricSpec:
        self.specs.append(MetricSpec(name, kind, help_, labels))
        return self.specs[-1]

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        self._spec("counter", name, help_, labels)
        return Counter(name, help_, labels, registry=self.registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        self._spec("gauge", name, help_, labels)
        return Gauge(name, help_, labels, registry=self.registry)

    def _histogram(self, name: str, help_: str, *labels: str) -> Histogram:
        self._spec("histogram", name, help_, labels)
        return Histogram(name, help_, labels, registry=self.registry, buckets=SECONDS_BUCKETS)

    def _plain_counter(self, name: str, help_: str, *labels: str) -> PlainMetric:
        return self._plain(self._spec("counter", name, help_, labels))

    def _plain_gauge(self, name: str, help_: str, *labels: str) -> PlainMetric:
        return self._plain(self._spec("gauge", name, help_, labels))

    def _plain(self, spec: MetricSpec) -> PlainMetric:
        metric = PlainMetric(spec)
        self.registry.register(metric)
        return metric


def metric_specs() -> tuple[MetricSpec, ...]:
    """Every family's declaration, for the reference page and the dashboards."""
    return tuple(Telemetry().specs)


def samples(metric: Collector) -> dict[tuple[str, ...], float]:
    """The values of one family by label values, in the order of its labels; of a histogram, its counts."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name in {family.name, f"{family.name}_total", f"{family.name}_count"}
    }


def value(metric: Collector, *labels: str) -> float:
    """The current value of one series; 0 where it has none."""
    return samples(metric).get(labels, 0)


def total(metric: Collector) -> float:
    """The sum over all series of a family."""
    return sum(samples(metric).values())

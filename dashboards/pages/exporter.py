"""Health of the exporter: input, spool, delivery and losses."""

from __future__ import annotations

from dashboards.alerts.delivery import SHED_COUNTS
from dashboards.model import (
    Band,
    Folder,
    Heat,
    Page,
    Panel,
    Prom,
    Section,
    Series,
    Stat,
    Step,
    Timeline,
)
from dashboards.names import meter
from dashboards.pages import parts, spool_panels
from dashboards.queries import promql
from dashboards.style import Colour, Unit

_SECONDS_OLD = (Step(Colour.CALM), Step(Colour.MILD, 60), Step(Colour.BAD, 300))

SINKS = Panel(
    slug="sinks",
    title="Sinks down",
    about="Do all sinks accept deliveries? Above 0 at least one is unavailable: no data is lost while "
    "the spool has space, but the dashboards that read it are out of date. The failures below "
    "show the cause.",
    view=Stat(filled=True),
    queries=(Prom(f"count({meter('discord_exporter_sink_up')} == 0) or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=parts.NONE_ALLOWED,
    empty="Exporter down",
)
LATE = Panel(
    slug="late",
    title="Oldest undelivered",
    about="How far behind are the stores? Seconds are normal; minutes mean that a sink is unavailable "
    "or too slow.",
    view=Stat(filled=True),
    queries=(Prom(promql.own("discord_exporter_oldest_unsent_seconds", how="max"), instant=True),),
    unit=Unit.SECONDS,
    decimals=0,
    steps=_SECONDS_OLD,
    empty="Exporter down",
)
LOST = Panel(
    slug="lost",
    title="Entries lost",
    about="Was data lost in this range? Counted are entries that a sink rejects permanently (dead), "
    "entries that a full spool or full memory discards (evicted, dropped), counts that full memory discards "
    "(shed), and entries in a SQLite file that was deleted or replaced. Above 0: "
    "discord-exporter spool dead list names the dead entries with their reasons.",
    view=Stat(filled=True),
    queries=(
        Prom(
            " + ".join(
                f"({promql.grown(name, *matchers)} or vector(0))"
                for name, *matchers in (
                    ("discord_exporter_dead_total",),
                    ("discord_exporter_evicted_total",),
                    ("discord_exporter_sink_lost_total",),
                    ("discord_exporter_dropped_total",),
                    # A shed entry is counted as dropped too.
                    ("discord_exporter_shed_total", SHED_COUNTS),
                )
            ),
            instant=True,
        ),
    ),
    unit=Unit.WHOLE,
    decimals=0,
    steps=parts.NONE_ALLOWED,
    empty="Exporter down",
)
LAG = Panel(
    slug="lag",
    title="Event loop lag, p99",
    about="Does the process have enough CPU time? Above 0.25 s heartbeats are at risk: the machine is "
    "too small or overloaded.",
    view=Stat(),
    queries=(Prom(promql.quantile(0.99, "discord_exporter_loop_lag_seconds")),),
    unit=Unit.SECONDS,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 0.1), Step(Colour.BAD, 0.25)),
    empty="Exporter down",
)
SERIES = Panel(
    slug="series",
    title="Series used",
    about="What share of the limit on Prometheus series is used? At 100 % further servers are summed "
    "in guild_id=other.",
    view=Stat(),
    queries=(
        Prom(
            f"{promql.own('discord_exporter_series')} / {promql.own('discord_exporter_series_limit')}",
            instant=True,
        ),
    ),
    unit=Unit.RATIO,
    decimals=1,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 0.8), Step(Colour.BAD, 0.95)),
    empty="Exporter down",
)
UPTIME = Panel(
    slug="uptime",
    title="Uptime",
    about="How long has the exporter been running? A short uptime indicates an unplanned restart: read "
    "the log.",
    view=Stat(),
    queries=(Prom(f"time() - {promql.own('discord_exporter_start_time_seconds', how='max')}", instant=True),),
    unit=Unit.SECONDS,
    decimals=1,
    colour=Colour.MESSAGE,
    empty="Exporter down",
)
VERSION = Panel(
    slug="version",
    title="Version",
    about="Which version is running? Two versions indicate an incomplete rollout.",
    view=Stat(label_only=True),
    queries=(
        Prom(
            f"count by (version) ({meter('discord_exporter_build_info')})",
            "{{version}}",
            instant=True,
        ),
    ),
    unit=Unit.WHOLE,
    colour=Colour.MESSAGE,
    empty="Exporter down",
)
FLOW = Panel(
    slug="flow",
    title="Events received and delivered",
    about="Are entries delivered as fast as they are spooled? Counters are summed in windows, so far "
    "fewer entries are spooled than events are received; for each sink, delivered follows "
    "spooled. A line that falls behind shows the stage with the problem.",
    view=Series(),
    queries=(
        Prom(promql.rate("discord_exporter_received_total"), "received"),
        Prom(promql.rate("discord_exporter_repeated_total"), "repeated"),
        Prom(promql.rate("discord_exporter_accepted_total"), "accepted"),
        Prom(promql.rate("discord_exporter_spooled_total"), "spooled"),
        Prom(promql.rate("discord_exporter_delivered_total", by="sink"), "delivered to {{sink}}"),
    ),
    unit=Unit.PER_SECOND,
    colours={"received": Colour.MESSAGE, "accepted": Colour.GOOD, "spooled": Colour.MILD},
    empty="Exporter down",
)
WAITING = Panel(
    slug="waiting",
    title="Backlog by sink",
    about="Does a backlog grow? A saw-tooth is normal. A line that only rises means that a sink is "
    "unavailable or too slow; the spool stores its entries until the spool is full.",
    view=Series(stacked=False),
    queries=(
        Prom(f"sum by (sink) ({meter('discord_exporter_pending_entries')})", "{{sink}}"),
        Prom(promql.own("discord_exporter_unspooled_entries"), "in memory"),
    ),
    colours={"in memory": Colour.WARN},
    decimals=0,
    empty="No entries waiting",
)
AGE = Panel(
    slug="age",
    title="Age of the oldest waiting entry",
    about="How old is the oldest undelivered entry of each sink? Dashboards that read the sink are "
    "late by this time. What is only in memory is saved every few seconds: a crash loses what is younger.",
    view=Series(threshold_line=True),
    queries=(
        Prom(f"max by (sink) ({meter('discord_exporter_oldest_unsent_seconds')})", "{{sink}}"),
        Prom(promql.own("discord_exporter_unsaved_seconds", how="max"), "only in memory"),
    ),
    unit=Unit.SECONDS,
    steps=_SECONDS_OLD,
    empty="No entries waiting",
)
UP = Panel(
    slug="up",
    title="Sinks",
    about="Which sink was unavailable, and when? Gaps at the same hour each day indicate its backups "
    "or its limits.",
    view=Timeline({"1": ("up", Colour.CALM), "0": ("down", Colour.BAD)}),
    queries=(Prom(f"min by (sink) ({meter('discord_exporter_sink_up')})", "{{sink}}"),),
    unit=Unit.WHOLE,
    empty="No sink is configured",
)
FAILURES = Panel(
    slug="failures",
    title="Failed deliveries",
    about="Why do deliveries fail? Timeouts and refused connections indicate a problem of the host, "
    "unauthorized one of the token; report failures that name a row as a bug.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(
            promql.grown("discord_exporter_sink_failures_total", by="sink, reason", over="$__interval")
            + " > 0",
            "{{sink}}: {{reason}}",
        ),
    ),
    colour=None,
    step="1m",
    decimals=0,
    empty="No failed deliveries",
)
DELIVER = Panel(
    slug="deliver",
    title="Delivery duration, p50 and p99",
    about="How fast are the stores? A p99 near 30 s leads to failed deliveries.",
    view=Series(),
    queries=(
        Prom(promql.quantile(0.5, "discord_exporter_deliver_seconds", by="sink"), "{{sink}} p50"),
        Prom(promql.quantile(0.99, "discord_exporter_deliver_seconds", by="sink"), "{{sink}} p99"),
    ),
    unit=Unit.SECONDS,
    empty="No deliveries",
)
DISK = Panel(
    slug="disk",
    title="Free disk space",
    about="How much space is left on the data volume? Below 1 GiB free space at once, or lower "
    "spool.max_bytes so that old entries are discarded before new ones are refused.",
    view=Series(threshold_line=True, legend=False),
    queries=(Prom(promql.own("discord_exporter_volume_free_bytes", how="min"), "free"),),
    unit=Unit.BYTES,
    steps=(Step(Colour.BAD), Step(Colour.WARN, 2**30), Step(Colour.GOOD, 4 * 2**30)),
    empty="Exporter down",
)
COMMITS = Panel(
    slug="commits",
    title="Spool commit duration",
    about="Is the disk fast enough? Commits take milliseconds; a band above 100 ms indicates a slow or "
    "shared disk, and a crash then loses more.",
    view=Heat(),
    queries=(Prom(promql.buckets("discord_exporter_commit_seconds"), "{{le}}", heatmap=True),),
    unit=Unit.PER_SECOND,
    step="1m",
    empty="No commits",
)
PAGE = Page(
    uid=parts.EXPORTER,
    title="Exporter health",
    about="Does the exporter work, and if not, which stage has the problem? Panels follow the data "
    "flow from left to right.",
    folder=Folder.OPERATIONS,
    annotations=(parts.OUTAGES, parts.RESTARTS),
    since="6h",
    refresh="30s",
    sections=(
        Section(
            "",
            (
                Band(4, (SINKS, LATE, LOST, LAG, SERIES, UPTIME, VERSION)),
                Band(8, (FLOW, WAITING, AGE)),
            ),
        ),
        Section("Stores", (Band(8, (UP, FAILURES, DELIVER)),)),
        Section("Spool and losses", (Band(8, (spool_panels.SPOOL, DISK, COMMITS, spool_panels.GIVEN_UP)),)),
        Section("Input", (Band(10, (spool_panels.TYPES, spool_panels.LOOKUPS, spool_panels.DRIFT)),)),
    ),
)

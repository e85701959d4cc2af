"""Does the exporter do its work, and if not, where does it stick?"""

from __future__ import annotations

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
    title="Sinks away",
    about="Does every store take what it is given? Above 0 one is away: nothing is lost while the spool has "
    "room, but dashboards stand still. The failures below say why.",
    view=Stat(filled=True),
    queries=(Prom(f"count({meter('discord_exporter_sink_up')} == 0) or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=parts.NONE_ALLOWED,
    empty="Exporter down",
)
LATE = Panel(
    slug="late",
    title="Oldest undelivered",
    about="How far behind are the stores? Seconds are normal, minutes mean that a sink is away or too slow.",
    view=Stat(filled=True),
    queries=(Prom(promql.own("discord_exporter_oldest_unsent_seconds", how="max"), instant=True),),
    unit=Unit.SECONDS,
    decimals=0,
    steps=_SECONDS_OLD,
    empty="Exporter down",
)
LOST = Panel(
    slug="lost",
    title="Given up",
    about="Was anything lost in this range? Entries that a sink never takes (dead), or that a full spool "
    "had to give up (evicted, dropped). Above 0: discord-exporter spool dead shows them and why.",
    view=Stat(filled=True),
    queries=(
        Prom(
            " + ".join(
                f"({promql.grown(name)} or vector(0))"
                for name in (
                    "discord_exporter_dead_total",
                    "discord_exporter_evicted_total",
                    "discord_exporter_dropped_total",
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
    title="Event loop late, p99",
    about="Has the process time to work? Above a quarter of a second heartbeats are at risk: the machine "
    "is too small or too busy.",
    view=Stat(),
    queries=(Prom(promql.quantile(0.99, "discord_exporter_loop_lag_seconds")),),
    unit=Unit.SECONDS,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 0.1), Step(Colour.BAD, 0.25)),
    empty="Exporter down",
)
SERIES = Panel(
    slug="series",
    title="Series used",
    about="How much of the limit on Prometheus series is used? At 100 % further servers appear only as "
    "other.",
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
    title="Running for",
    about="When did it start last? Minutes where days were expected is a restart nobody asked for: read "
    "the log.",
    view=Stat(),
    queries=(Prom(f"time() - {promql.own('discord_exporter_start_time_seconds', how='max')}", instant=True),),
    unit=Unit.SECONDS,
    decimals=1,
    colour=Colour.TALK,
    empty="Exporter down",
)
VERSION = Panel(
    slug="version",
    title="Version",
    about="Which version runs? Two at once is a rollout that has not ended.",
    view=Stat(label_only=True),
    queries=(
        Prom(
            f"count by (version) ({meter('discord_exporter_build_info')})",
            "{{version}}",
            instant=True,
        ),
    ),
    unit=Unit.WHOLE,
    colour=Colour.TALK,
    empty="Exporter down",
)
FLOW = Panel(
    slug="flow",
    title="From Discord to the stores",
    about="Does as much go out as comes in? Counters are summed into windows, so far fewer entries are "
    "spooled than events received; delivered follows spooled for each sink. A line that falls away shows "
    "where it sticks.",
    view=Series(),
    queries=(
        Prom(promql.rate("discord_exporter_received_total"), "received"),
        Prom(promql.rate("discord_exporter_accepted_total"), "accepted"),
        Prom(promql.rate("discord_exporter_spooled_total"), "spooled"),
        Prom(promql.rate("discord_exporter_delivered_total", by="sink"), "delivered to {{sink}}"),
    ),
    unit=Unit.PER_SECOND,
    colours={"received": Colour.TALK, "accepted": Colour.GOOD, "spooled": Colour.MILD},
    empty="Exporter down",
)
WAITING = Panel(
    slug="waiting",
    title="Waiting for each sink",
    about="Does a backlog grow? A saw-tooth is normal. A line that only rises is a sink that is away or "
    "too slow; the spool keeps it until it is full.",
    view=Series(stacked=False),
    queries=(
        Prom(f"sum by (sink) ({meter('discord_exporter_pending_entries')})", "{{sink}}"),
        Prom(promql.own("discord_exporter_unspooled_entries"), "in memory"),
    ),
    colours={"in memory": Colour.WARN},
    decimals=0,
    empty="Nothing waits",
)
AGE = Panel(
    slug="age",
    title="Age of the oldest waiting entry",
    about="How late are the dashboards that read this sink? Above five minutes somebody is paged.",
    view=Series(threshold_line=True),
    queries=(Prom(f"max by (sink) ({meter('discord_exporter_oldest_unsent_seconds')})", "{{sink}}"),),
    unit=Unit.SECONDS,
    steps=_SECONDS_OLD,
    empty="Nothing waits",
)
UP = Panel(
    slug="up",
    title="Sinks",
    about="Which store was away, and when? Gaps that come back at the same hour are its backups or its "
    "limits.",
    view=Timeline({"1": ("takes", Colour.CALM), "0": ("away", Colour.BAD)}),
    queries=(Prom(f"min by (sink) ({meter('discord_exporter_sink_up')})", "{{sink}}"),),
    unit=Unit.WHOLE,
    empty="No sink is configured",
)
FAILURES = Panel(
    slug="failures",
    title="Deliveries that failed",
    about="Why does a sink not take what it is given? Timeouts and refused connections are its host; "
    "unauthorized is a token; anything about a row is a bug worth reporting.",
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
    empty="No delivery failed",
)
DELIVER = Panel(
    slug="deliver",
    title="Duration of a delivery, p50 and p99",
    about="How quick are the stores? A p99 that climbs towards 30 s becomes failures.",
    view=Series(),
    queries=(
        Prom(promql.quantile(0.5, "discord_exporter_deliver_seconds", by="sink"), "{{sink}} p50"),
        Prom(promql.quantile(0.99, "discord_exporter_deliver_seconds", by="sink"), "{{sink}} p99"),
    ),
    unit=Unit.SECONDS,
    empty="Nothing was delivered",
)
DISK = Panel(
    slug="disk",
    title="Room on the disk",
    about="How long until the disk is full? Below 1 GiB there is no time left to wait: free some, or lower "
    "spool.max_bytes so that old entries go before new ones are refused.",
    view=Series(threshold_line=True, legend=False),
    queries=(Prom(promql.own("discord_exporter_volume_free_bytes", how="min"), "free"),),
    unit=Unit.BYTES,
    steps=(Step(Colour.BAD), Step(Colour.WARN, 2**30), Step(Colour.GOOD, 4 * 2**30)),
    empty="Exporter down",
)
COMMITS = Panel(
    slug="commits",
    title="Duration of spool commits",
    about="Is the disk quick enough? Commits should take milliseconds; a band above 100 ms is a slow or "
    "shared disk, and a crash then loses more.",
    view=Heat(),
    queries=(Prom(promql.buckets("discord_exporter_commit_seconds"), "{{le}}", heatmap=True),),
    unit=Unit.PER_SECOND,
    step="1m",
    empty="Nothing was committed",
)
PAGE = Page(
    uid=parts.EXPORTER,
    title="Exporter health",
    about="Does the exporter do its work, and if not, where does it stick? From left to right as the data "
    "flows.",
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
        Section(
            "What comes in", (Band(10, (spool_panels.TYPES, spool_panels.INQUIRIES, spool_panels.DRIFT)),)
        ),
    ),
)

"""Alerts for whoever runs the exporter."""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Alert, Audience, Group, Severity
from dashboards.names import meter

JOB: Final = 'job="discord-exporter"'
"""The scrape job; a Prometheus that names it otherwise needs the rules adapted."""

_PAGE: Final = "discord-exporter"

LATE_SECONDS: Final = 300
"""A store that takes five minutes to catch up is away, not slow: delivery is a matter of seconds."""

VERY_LATE_SECONDS: Final = 6 * 3600
"""A quarter of a day unsent: the spool's limit comes into sight."""

FORECAST_SECONDS: Final = 4 * 86_400
"""Four days are a long weekend."""

SPOOL_SHARE: Final = 0.8
"""Counters are given up only at the limit; here there is still time to bring the store back."""

FEW_IDENTIFIES: Final = 100
"""Of a thousand a day. At none Discord resets the token, and the bot is offline until a person acts."""

REFUSED_PER_SECOND: Final = 0.1
"""Discord blocks an address after 10,000 refused requests in ten minutes; a tenth a second is far from that
and still nothing that happens by itself."""

WAITING_ENTRIES: Final = 5_000
"""What a crash would lose. A commit takes milliseconds, so only a disk that refuses lets so much gather."""

SLOW_LOOP_SECONDS: Final = 0.5
"""Heartbeats still go out in time; answers to Discord begin to suffer."""


def _grown(family: str, by: str, window: str) -> str:
    """By how much a counter grew; one that was born within the window counts with all it has."""
    name = meter(family)
    born = f"sum by ({by}) ({name}) unless sum by ({by}) ({name} offset {window})"
    return f"sum by ({by}) (increase({name}[{window}])) > 0 or ({born})"


DOWN: Final = Alert(
    name="DiscordExporterDown",
    title="Exporter is down",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=f"up{{{JOB}}} or (absent(up{{{JOB}}}) - 1)",
    comparison="<",
    threshold=1,
    lasting="2m",
    summary="The exporter {{ $labels.instance }} cannot be scraped.",
    page=_PAGE,
    meaning=(
        "Prometheus cannot reach /metrics. If the process is gone, what happens in the guilds is missed; "
        "bans, kicks and other entries of the audit log are read afterwards, counts of messages and voice "
        "are not."
    ),
    steps="""
        1. Is the process there? `docker compose ps exporter`, `systemctl status discord-exporter`,
           `kubectl get pods`.
        2. Exit code 78 means that the configuration, the token, an intent or a schema is wrong, and
           the last line of the log says which: `docker compose logs --tail 20 exporter`.
        3. Is it there but not scraped? `curl http://127.0.0.1:9464/healthz` on its machine; then
           look at Prometheus' page of targets for the reason.
    """,
    absence=True,
)

DISCONNECTED: Final = Alert(
    name="DiscordGatewayDisconnected",
    title="Shard has no session",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=f"min by (instance, shard) ({meter('discord_gateway_connected')})",
    comparison="<",
    threshold=1,
    lasting="3m",
    summary="Shard {{ $labels.shard }} of {{ $labels.instance }} has had no session for three minutes.",
    page=_PAGE,
    meaning=(
        "Nothing is heard of this shard's guilds. A session that is resumed within a few minutes replays "
        "what was missed; after that only the audit log can be read again."
    ),
    steps="""
        1. The log says what the shard waits for: `docker compose logs exporter | grep -i shard`.
        2. See <https://discordstatus.com>: during an outage of Discord there is nothing to do but
           wait.
        3. If it waits for a session, see *DiscordIdentifiesRunningOut*.
    """,
)

SILENT: Final = Alert(
    name="DiscordGatewaySilent",
    title="No events though connected",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=(
        f"sum by (instance) (rate({meter('discord_gateway_events_total')}[15m])) "
        f"and sum by (instance) (rate({meter('discord_gateway_events_total')}[6h] offset 15m)) > 0.05 "
        f"and min by (instance) ({meter('discord_gateway_connected')}) == 1"
    ),
    comparison="<",
    threshold=0.001,
    lasting="5m",
    summary="{{ $labels.instance }} is connected but has received nothing for 15 minutes.",
    page=_PAGE,
    meaning=(
        "Sessions stand and heartbeats are answered, but no event arrives, although some did in the hours "
        "before. Either the bot was removed from its guilds, or an intent was taken away."
    ),
    steps="""
        1. `discord-exporter check --online` lists guilds, intents and permissions.
        2. Restart the exporter: it then asks for new sessions. Nothing accepted is lost.
    """,
)

BLIND: Final = Alert(
    name="DiscordFeatureBlind",
    title="A permission is missing",
    severity=Severity.INFO,
    audience=Audience.OPERATORS,
    value=f"sum by (feature, missing) ({meter('discord_exporter_blind')})",
    comparison=">",
    threshold=0,
    lasting="15m",
    summary="{{ $labels.feature }} is incomplete in {{ $value }} guilds: {{ $labels.missing }} is missing.",
    page=_PAGE,
    meaning=(
        "The bot may not see what this event type needs. Numbers of these guilds are too low, or say "
        "`unknown` where they would name somebody; everything else is complete."
    ),
    steps="""
        1. `discord-exporter check --online` says in which guilds and what is lost, and prints the
           link that invites the bot with what it needs.
        2. If that is wanted so, switch the event type off in `events:` of config.yaml: then nobody
           expects it.
    """,
)

LATE: Final = Alert(
    name="DiscordExporterUnsentOld",
    title="A store is behind",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=f"max by (instance, sink) ({meter('discord_exporter_oldest_unsent_seconds')})",
    comparison=">",
    threshold=LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    page=_PAGE,
    meaning=(
        "Entries wait in the spool because the store does not take them. Nothing is lost while the spool "
        "has room; dashboards that read this store are behind."
    ),
    steps="""
        1. `discord-exporter check` says what the store answers; so does the page of the exporter at
           `/`.
        2. Is the store up, is its disk full, has a password changed?
        3. Once it takes entries again the spool drains by itself, oldest first.
    """,
)

VERY_LATE: Final = Alert(
    name="DiscordExporterUnsentVeryOld",
    title="A store has been away for hours",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=LATE.value,
    comparison=">",
    threshold=VERY_LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    page=_PAGE,
    meaning=(
        "As *DiscordExporterUnsentOld*, for so long that the spool may fill before anybody looks again."
    ),
    steps="""
        1. As above; and compare *Spool* on the dashboard with its limit.
        2. If the store will be away for longer, raise `spool.max_bytes` and restart: a restart
           loses nothing.
    """,
)

SINK_FAILING: Final = Alert(
    name="DiscordSinkFailing",
    title="Deliveries fail",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=f"min by (instance, sink) ({meter('discord_exporter_sink_up')})",
    comparison="<",
    threshold=1,
    lasting="10m",
    summary="Deliveries of {{ $labels.instance }} to {{ $labels.sink }} have failed for ten minutes.",
    page=_PAGE,
    meaning=("The store refuses or cannot be reached. The spool keeps everything and tries again for ever."),
    steps="""
        1. `discord-exporter check` says what the store answers.
        2. The label `reason` of `discord_exporter_sink_failures_total` tells refused from
           unreachable.
    """,
)

LOSS: Final = Alert(
    name="DiscordExporterLoss",
    title="Entries were lost",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=" or ".join(
        f'label_replace({_grown(family, by, "10m")}, "what", "{what}", "", "")'
        for family, by, what in (
            ("discord_exporter_dropped_total", "instance, reason", "dropped"),
            ("discord_exporter_evicted_total", "instance, sink", "evicted"),
            ("discord_exporter_dead_total", "instance, sink", "dead"),
        )
    ),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="{{ $labels.instance }} has given up {{ $value }} entries ({{ $labels.what }}).",
    page=_PAGE,
    meaning=(
        "`dropped`: memory was full while the disk took nothing, or an entry was too large. `evicted`: the "
        "spool was full, and the oldest unsent counters went first. `dead`: a store refused entries for "
        "good."
    ),
    steps="""
        1. The log names type and reason at level error.
        2. evicted or dropped: bring the store or the disk back; then raise `spool.max_bytes`.
        3. dead: the entries are kept for `spool.dead_max_age`; the reason in the log says whether
           the store's schema or the exporter is at fault.
    """,
)

SPOOL_FULL: Final = Alert(
    name="DiscordSpoolFilling",
    title="The spool is nearly full",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=(
        f'sum by (instance) ({meter("discord_exporter_spool_bytes")}{{file="database"}}) '
        f"/ sum by (instance) ({meter('discord_exporter_spool_limit_bytes')})"
    ),
    comparison=">",
    threshold=SPOOL_SHARE,
    lasting="5m",
    summary="The spool of {{ $labels.instance }} is {{ $value | humanizePercentage }} full.",
    page=_PAGE,
    meaning=("At its limit the spool gives up the oldest unsent counters. Bans, joins and leaves go last."),
    steps="""
        1. Bring the store back that is behind: *DiscordExporterUnsentOld* names it.
        2. Raise `spool.max_bytes` if the volume has room, and restart.
    """,
)

DISK: Final = Alert(
    name="DiscordVolumeFilling",
    title="The volume will be full in days",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=f"predict_linear({meter('discord_exporter_volume_free_bytes')}[6h], {FORECAST_SECONDS})",
    comparison="<",
    threshold=0,
    lasting="1h",
    summary="The data volume of {{ $labels.instance }} will be full within four days at this rate.",
    page=_PAGE,
    meaning="The straight line through the last six hours of free space meets zero within four days.",
    steps="""
        1. What grows? `du -sh data/*`: the SQLite log, the spool, or something else on the same
           volume.
        2. The SQLite log grows for ever by design; move to PostgreSQL or a larger volume in time.
    """,
)

IDENTIFIES: Final = Alert(
    name="DiscordIdentifiesRunningOut",
    title="Few sessions left today",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=f"min by (instance) ({meter('discord_gateway_identifies_remaining')})",
    comparison="<",
    threshold=FEW_IDENTIFIES,
    lasting="0s",
    summary="Only {{ $value }} new sessions are left for the bot of {{ $labels.instance }} today.",
    page=_PAGE,
    meaning=(
        "Discord grants a bot a fixed number of sessions a day and resets its token beyond that. The "
        "exporter stops before; it shares the allowance with every other program that uses the same token."
    ),
    steps="""
        1. Is something restarting in a loop? `docker compose ps`, `systemctl status`.
        2. Does another program use the same token? Give it a bot of its own.
    """,
)

LIMITED: Final = Alert(
    name="DiscordRateLimited",
    title="Discord refuses requests",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=f'sum by (instance) (rate({meter("discord_rest_requests_total")}{{status=~"401|403|429"}}[10m]))',
    comparison=">",
    threshold=REFUSED_PER_SECOND,
    lasting="10m",
    summary="Discord refuses {{ $value | humanize }} requests a second of {{ $labels.instance }}.",
    page=_PAGE,
    meaning=(
        "Too many requests at once, or requests for what the bot may not see. Discord shuts an address out "
        "that makes 10,000 of them in ten minutes."
    ),
    steps="""
        1. The label `route` of `discord_rest_requests_total` says which requests, `status` says
           why.
        2. 429: lower `discord.requests_per_second`, above all when other programs use the same
           token.
        3. 403: `discord-exporter check --online` names the missing permission.
    """,
)

REFUSING_DISK: Final = Alert(
    name="DiscordNothingCommitted",
    title="Entries gather in memory",
    severity=Severity.CRITICAL,
    audience=Audience.OPERATORS,
    value=f"max by (instance) ({meter('discord_exporter_unspooled_entries')})",
    comparison=">",
    threshold=WAITING_ENTRIES,
    lasting="2m",
    summary="{{ $value }} entries of {{ $labels.instance }} are in memory only; a crash would lose them.",
    page=_PAGE,
    meaning="The disk under `data_dir` refuses to be written, or is far too slow.",
    steps="""
        1. The page of the exporter at `/` says why nothing can be committed.
        2. Free space, or make the directory writable; do not restart before, for that loses what is
           in memory.
    """,
)

REJECTED: Final = Alert(
    name="DiscordPayloadsRejected",
    title="Payloads cannot be understood",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=_grown("discord_exporter_rejected_total", "instance, type, reason", "1h"),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="{{ $labels.instance }} cannot use {{ $labels.type }}: {{ $labels.reason }}.",
    page=_PAGE,
    meaning=("Discord sent something in a form the exporter does not know. These events are not counted."),
    steps="""
        1. Is there a newer version of the exporter? Its changelog says.
        2. Report type and reason.
    """,
)

FOLDED: Final = Alert(
    name="DiscordGuildsFolded",
    title="Guilds without series of their own",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=f"max by (instance) ({meter('discord_exporter_guilds_folded')})",
    comparison=">",
    threshold=0,
    lasting="15m",
    summary="{{ $value }} guilds of {{ $labels.instance }} are summed up in guild_id=other.",
    page="discord-fleet",
    meaning=("The limit of series is reached; the sums are right, single guilds are missing in Prometheus."),
    steps="""
        1. Raise `sinks.prometheus.max_series`, or give the bot more processes with
           `discord.cluster`.
    """,
)

SLOW_LOOP: Final = Alert(
    name="DiscordExporterSlow",
    title="The exporter cannot keep up",
    severity=Severity.WARNING,
    audience=Audience.OPERATORS,
    value=(
        "histogram_quantile(0.99, sum by (instance, le) "
        f"(rate({meter('discord_exporter_loop_lag_seconds')}_bucket[10m])))"
    ),
    comparison=">",
    threshold=SLOW_LOOP_SECONDS,
    lasting="15m",
    summary="The event loop of {{ $labels.instance }} wakes {{ $value | humanizeDuration }} late.",
    page=_PAGE,
    meaning="The process has more to do than one core can, or the machine gives it too little.",
    steps="""
        1. Is the machine busy with something else? Compare the process's CPU with the machine's.
        2. Split the bot with `discord.cluster`: each process takes a share of the shards.
    """,
)

GROUP: Final = Group(
    "discord-exporter",
    "1m",
    alerts=(
        DOWN,
        DISCONNECTED,
        SILENT,
        BLIND,
        LATE,
        VERY_LATE,
        SINK_FAILING,
        LOSS,
        SPOOL_FULL,
        DISK,
        IDENTIFIES,
        LIMITED,
        REFUSING_DISK,
        REJECTED,
        FOLDED,
        SLOW_LOOP,
    ),
)

"""Alerts for operators: whether the exporter runs and receives events from Discord."""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Alert, Severity
from dashboards.names import meter

JOB: Final = 'job="discord-exporter"'
"""The scrape job; adapt the rules if Prometheus uses another name."""

FEW_IDENTIFIES: Final = 100
"""Of 1,000 a day. At 0 Discord resets the token, and the bot is offline until the operator sets a new one."""

REFUSED_PER_SECOND: Final = 0.1
"""Discord blocks an address after 10,000 rejected requests in ten minutes; 0.1 per second is far below that
and does not occur in normal operation."""

SLOW_LOOP_SECONDS: Final = 0.5
"""Heartbeats are still in time; processing of events is late."""

DOWN: Final = Alert(
    name="DiscordExporterDown",
    title="Exporter is down",
    severity=Severity.CRITICAL,
    value=f"up{{{JOB}}} or (absent(up{{{JOB}}}) - 1)",
    comparison="<",
    threshold=1,
    lasting="2m",
    summary="The exporter {{ $labels.instance }} cannot be scraped.",
    meaning=(
        "Prometheus cannot scrape /metrics. If the process is not running, events are missed; bans, kicks "
        "and other entries of the audit log are read after the restart, counts of messages and voice are "
        "not."
    ),
    steps="""
        1. Is the process running? `docker compose ps exporter`, `systemctl status discord-exporter`,
           `kubectl get pods`.
        2. Exit code 78 means that the configuration, the token, an intent or a schema is wrong, and
           the last line of the log says which one: `docker compose logs --tail 20 exporter`.
        3. Is it running but not scraped? Run `curl http://127.0.0.1:9464/healthz` on its machine; the
           targets page of Prometheus shows the reason.
    """,
    absence=True,
)

DISCONNECTED: Final = Alert(
    name="DiscordGatewayDisconnected",
    title="Shard has no session",
    severity=Severity.CRITICAL,
    value=f"min by (instance, shard) ({meter('discord_gateway_connected')})",
    comparison="<",
    threshold=1,
    lasting="3m",
    summary="Shard {{ $labels.shard }} of {{ $labels.instance }} has had no session for three minutes.",
    meaning=(
        "The exporter receives no events from this shard's guilds. A session that resumes within a few "
        "minutes replays the missed events; later only the audit log can be read."
    ),
    steps="""
        1. The log says why the shard is not connected: `docker compose logs exporter | grep -i shard`.
        2. See <https://discordstatus.com>: during an outage of Discord the shard reconnects by
           itself when it ends.
        3. If it waits for a new session, see *DiscordIdentifiesRunningOut*.
    """,
)

SILENT: Final = Alert(
    name="DiscordGatewaySilent",
    title="No events while connected",
    severity=Severity.WARNING,
    value=(
        f"sum by (instance) (rate({meter('discord_gateway_events_total')}[15m])) "
        f"and sum by (instance) (rate({meter('discord_gateway_events_total')}[6h] offset 15m)) > 0.05 "
        f"and min by (instance) ({meter('discord_gateway_connected')}) == 1"
    ),
    comparison="<",
    threshold=0.001,
    lasting="5m",
    summary="{{ $labels.instance }} is connected but has received no events for 15 minutes.",
    meaning=(
        "Sessions are open and heartbeats are acknowledged, but no event has arrived, unlike in the hours "
        "before. Either the bot was removed from its guilds, or an intent was revoked."
    ),
    steps="""
        1. `discord-exporter check --online` lists guilds, intents and permissions.
        2. Restart the exporter: it then opens new sessions. No accepted event is lost.
    """,
)

BLIND: Final = Alert(
    name="DiscordFeatureBlind",
    title="A permission is missing",
    severity=Severity.INFO,
    value=f"sum by (feature, missing) ({meter('discord_exporter_blind')})",
    comparison=">",
    threshold=0,
    lasting="15m",
    summary="{{ $labels.feature }} is incomplete without {{ $labels.missing }}. Guilds concerned: {{ $value"
    " }}.",
    meaning=(
        "The bot lacks a permission that this event type needs. Its numbers for these guilds are too low, or "
        "`unknown` instead of a moderator or an invite; all other data is complete."
    ),
    steps="""
        1. `discord-exporter check --online` lists the guilds and the missing data, and prints a link
           that invites the bot with all permissions.
        2. If that is intended, disable the event type in `events:` of config.yaml.
    """,
)

IDENTIFIES: Final = Alert(
    name="DiscordIdentifiesRunningOut",
    title="Few sessions left today",
    severity=Severity.CRITICAL,
    value=f"min by (instance) ({meter('discord_gateway_identifies_remaining')})",
    comparison="<",
    threshold=FEW_IDENTIFIES,
    lasting="0s",
    summary="Sessions left today for the bot of {{ $labels.instance }}: {{ $value }}.",
    meaning=(
        "Discord allows a bot a fixed number of sessions a day and resets its token beyond that. The "
        "exporter stops before; every other program with the same token uses the same limit."
    ),
    steps="""
        1. Is the exporter restarting in a loop? `docker compose ps`, `systemctl status`.
        2. Does another program use the same token? Give it a bot of its own.
    """,
)

LIMITED: Final = Alert(
    name="DiscordRateLimited",
    title="Discord rejects requests",
    severity=Severity.WARNING,
    value=f'sum by (instance) (rate({meter("discord_rest_requests_total")}{{status=~"401|403|429"}}[10m]))',
    comparison=">",
    threshold=REFUSED_PER_SECOND,
    lasting="10m",
    summary="Discord rejects {{ $value | humanize }} requests per second of {{ $labels.instance }}.",
    meaning=(
        "The exporter sends too many requests, or requests without the permission. Discord blocks an address "
        "after 10,000 rejected requests in ten minutes."
    ),
    steps="""
        1. The labels `route` and `status` of `discord_rest_requests_total` show the requests and the
           reason.
        2. 429: lower `discord.requests_per_second`, in particular if other programs use the same
           token.
        3. 403: `discord-exporter check --online` names the missing permission.
    """,
)

FOLDED: Final = Alert(
    name="DiscordGuildsFolded",
    title="Guilds without series of their own",
    severity=Severity.WARNING,
    value=f"max by (instance) ({meter('discord_exporter_guilds_folded')})",
    comparison=">",
    threshold=0,
    lasting="15m",
    summary="Guilds of {{ $labels.instance }} summed in guild_id=other: {{ $value }}.",
    page="discord-fleet",
    meaning="The limit of series is reached: the sums are complete, but these guilds have no own series.",
    steps="""
        1. Raise `sinks.prometheus.max_series`, or run more processes with `discord.cluster`.
    """,
)

SLOW_LOOP: Final = Alert(
    name="DiscordExporterSlow",
    title="Event loop overloaded",
    severity=Severity.WARNING,
    value=(
        "histogram_quantile(0.99, sum by (instance, le) "
        f"(rate({meter('discord_exporter_loop_lag_seconds')}_bucket[10m])))"
    ),
    comparison=">",
    threshold=SLOW_LOOP_SECONDS,
    lasting="15m",
    summary="The event loop of {{ $labels.instance }} lags by {{ $value | humanizeDuration }}.",
    meaning="The process needs more than one core, or gets too little CPU time.",
    steps="""
        1. Do other processes use the CPU? Compare the CPU time of the process with that of the machine.
        2. Split the bot with `discord.cluster`: each process takes a share of the shards.
    """,
)

ALERTS: Final = (DOWN, DISCONNECTED, SILENT, BLIND, IDENTIFIES, LIMITED, FOLDED, SLOW_LOOP)

"""Alerts for whoever runs the exporter: whether it runs, and hears what Discord says."""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Alert, Severity
from dashboards.names import meter

JOB: Final = 'job="discord-exporter"'
"""The scrape job; a Prometheus that names it otherwise needs the rules adapted."""

FEW_IDENTIFIES: Final = 100
"""Of a thousand a day. At none Discord resets the token, and the bot is offline until a person acts."""

REFUSED_PER_SECOND: Final = 0.1
"""Discord blocks an address after 10,000 refused requests in ten minutes; a tenth a second is far from that
and still nothing that happens by itself."""

SLOW_LOOP_SECONDS: Final = 0.5
"""Heartbeats still go out in time; answers to Discord begin to suffer."""

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
    value=f"min by (instance, shard) ({meter('discord_gateway_connected')})",
    comparison="<",
    threshold=1,
    lasting="3m",
    summary="Shard {{ $labels.shard }} of {{ $labels.instance }} has had no session for three minutes.",
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
    value=(
        f"sum by (instance) (rate({meter('discord_gateway_events_total')}[15m])) "
        f"and sum by (instance) (rate({meter('discord_gateway_events_total')}[6h] offset 15m)) > 0.05 "
        f"and min by (instance) ({meter('discord_gateway_connected')}) == 1"
    ),
    comparison="<",
    threshold=0.001,
    lasting="5m",
    summary="{{ $labels.instance }} is connected but has received nothing for 15 minutes.",
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
    value=f"sum by (feature, missing) ({meter('discord_exporter_blind')})",
    comparison=">",
    threshold=0,
    lasting="15m",
    summary="{{ $labels.feature }} is incomplete in {{ $value }} guilds: {{ $labels.missing }} is missing.",
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

IDENTIFIES: Final = Alert(
    name="DiscordIdentifiesRunningOut",
    title="Few sessions left today",
    severity=Severity.CRITICAL,
    value=f"min by (instance) ({meter('discord_gateway_identifies_remaining')})",
    comparison="<",
    threshold=FEW_IDENTIFIES,
    lasting="0s",
    summary="Only {{ $value }} new sessions are left for the bot of {{ $labels.instance }} today.",
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
    value=f'sum by (instance) (rate({meter("discord_rest_requests_total")}{{status=~"401|403|429"}}[10m]))',
    comparison=">",
    threshold=REFUSED_PER_SECOND,
    lasting="10m",
    summary="Discord refuses {{ $value | humanize }} requests a second of {{ $labels.instance }}.",
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

FOLDED: Final = Alert(
    name="DiscordGuildsFolded",
    title="Guilds without series of their own",
    severity=Severity.WARNING,
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
    value=(
        "histogram_quantile(0.99, sum by (instance, le) "
        f"(rate({meter('discord_exporter_loop_lag_seconds')}_bucket[10m])))"
    ),
    comparison=">",
    threshold=SLOW_LOOP_SECONDS,
    lasting="15m",
    summary="The event loop of {{ $labels.instance }} wakes {{ $value | humanizeDuration }} late.",
    meaning="The process has more to do than one core can, or the machine gives it too little.",
    steps="""
        1. Is the machine busy with something else? Compare the process's CPU with the machine's.
        2. Split the bot with `discord.cluster`: each process takes a share of the shards.
    """,
)

ALERTS: Final = (DOWN, DISCONNECTED, SILENT, BLIND, IDENTIFIES, LIMITED, FOLDED, SLOW_LOOP)

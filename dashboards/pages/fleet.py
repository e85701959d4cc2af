"""All servers and all shards: connections, permissions and limits."""

from __future__ import annotations

from dashboards.model import (
    Band,
    Column,
    Folder,
    Link,
    Page,
    Panel,
    Prom,
    Rows,
    Section,
    Series,
    Sql,
    Stat,
    Step,
    Timeline,
    Trend,
)
from dashboards.names import meter
from dashboards.pages import gateway, parts
from dashboards.queries import activity, promql
from dashboards.style import Colour, Unit

_CONNECTED = meter("discord_gateway_connected")

GUILDS = Panel(
    slug="guilds",
    title="Servers",
    about="How many servers is the bot in? The change is relative to the start of the range. A fall "
    "means that the bot was removed, or an outage that Discord has not reported yet.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.guilds(), instant=True, rows=True),),
    colour=Colour.MESSAGE,
    empty="Exporter down",
)
MEMBERS = Panel(
    slug="members",
    title="Members",
    about="How many members do all servers have in total? A person in several servers counts once for each.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.members_everywhere(), instant=True, rows=True),),
    colour=Colour.GOOD,
    empty="Exporter down",
)
SHARDS = Panel(
    slug="shards",
    title="Shards down",
    about="Does every shard have a session? Above 0 the exporter receives no events from the servers "
    "of a shard: only what the audit log records can be read later. See the time line below.",
    view=Stat(filled=True),
    queries=(Prom(f"count({_CONNECTED} == 0) or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=parts.NONE_ALLOWED,
    empty="Exporter down",
)
RATE = Panel(
    slug="rate",
    title="Events",
    about="How many events does Discord send per second? Zero while servers are active indicates a "
    "dead connection.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.rate("discord_gateway_events_total")),),
    unit=Unit.PER_SECOND,
    colour=Colour.MESSAGE,
    empty="Exporter down",
)
LIMITED = Panel(
    slug="limited",
    title="Rate limited",
    about="How often did Discord answer 429 in this range? More than a few a day put the bot at risk "
    "of a block: lower discord.requests_per_second.",
    view=Stat(filled=True),
    queries=(
        Prom(
            promql.grown("discord_rest_requests_total", 'status="429"') + " or vector(0)",
            instant=True,
        ),
    ),
    unit=Unit.WHOLE,
    decimals=0,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1), Step(Colour.BAD, 20)),
    empty="Exporter down",
)
BLIND = Panel(
    slug="blind",
    title="Incomplete",
    about="In how many servers is data incomplete because a permission is missing? The table below "
    "shows the permission and the feature; discord-exporter check prints an invite link with all "
    "permissions.",
    view=Stat(),
    queries=(Prom(f"{promql.own('discord_exporter_blind', how='max')} or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1)),
    empty="Exporter down",
)
FOLDED = Panel(
    slug="folded",
    title="Folded servers",
    about="How many servers have no series of their own in Prometheus? Their sums are in "
    "guild_id=other; SQL and InfluxDB store each of them. Raise sinks.prometheus.max_series if "
    "Prometheus has capacity.",
    view=Stat(),
    queries=(Prom(promql.own("discord_exporter_guilds_folded"), instant=True),),
    unit=Unit.WHOLE,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1)),
    empty="Exporter down",
)
BUDGET = Panel(
    slug="budget",
    title="Sessions left",
    about="How many new sessions does Discord allow until the daily limit resets? Near 0 a shard that "
    "loses its session cannot reconnect: find the cause of new sessions (below) before "
    "restarting the exporter.",
    view=Stat(),
    queries=(Prom(promql.own("discord_gateway_identifies_remaining", how="min"), instant=True),),
    unit=Unit.COUNT,
    steps=(Step(Colour.BAD), Step(Colour.WARN, 50), Step(Colour.CALM, 200)),
    empty="Not received yet",
)
TABLE = Panel(
    slug="table",
    title="Servers",
    about="Which servers need attention? Click a name for the overview. Red marks a fall in messages "
    "of a fifth or more compared with the previous week; many actions in 24 hours indicate a "
    "conflict or a raid.",
    view=Rows(
        (
            *parts.hidden("guild_id", "url"),
            Column(
                "Guild",
                links=(
                    parts.inside("Overview of this server", parts.OVERVIEW, guild=parts.cell("guild_id")),
                    parts.inside("Channels of this server", parts.CHANNELS, guild=parts.cell("guild_id")),
                    Link("Open in Discord", f"{parts.DISCORD}/{parts.cell('guild_id')}", outside=True),
                ),
            ),
            Column("Members", bar=True, steps=(Step(Colour.GOOD),)),
            Column(
                "Growth 7 d",
                width=120,
                steps=(Step(Colour.BAD), Step(Colour.PLAIN, 0), Step(Colour.GOOD, 1)),
            ),
            Column("Messages today", width=150),
            Column("Messages 7 d", bar=True, steps=(Step(Colour.MESSAGE),)),
            Column("Week change", Unit.PERCENT, width=130, steps=parts.CHANGE, decimals=0),
            Column("Active today", width=130),
            Column("Voice 7 d", Unit.SECONDS, width=110),
            Column(
                "Actions 24 h",
                width=130,
                steps=(Step(Colour.PLAIN), Step(Colour.WARN, 10), Step(Colour.BAD, 50)),
            ),
            Column("Boosts", width=95),
        ),
        tall=True,
    ),
    queries=(Sql(activity.guild_table),),
    empty="The bot is in no server yet",
)
STATES = Panel(
    slug="states",
    title="Connection of each shard",
    about="Which shard was disconnected, and when? A short gap is a resume without loss; during a long "
    "one the events of its servers are missed. If all shards disconnect together, the cause is "
    "Discord or the network.",
    view=Timeline({"1": ("connected", Colour.CALM), "0": ("disconnected", Colour.BAD)}, many=True),
    queries=(Prom(f"min by (shard) ({_CONNECTED})", "shard {{shard}}"),),
    unit=Unit.WHOLE,
    empty="No shard has connected yet",
)
LATENCY = Panel(
    slug="latency",
    title="Heartbeat round trip and clock",
    about="How long does Discord take to acknowledge a heartbeat? Above one second for minutes, events "
    "are late and the connection can break: check the network and the load of the machine. The clock is off "
    "by as much as the machine's time differs from Discord's, which is used: synchronise it.",
    view=Series(threshold_line=True),
    queries=(
        Prom(f"max by (shard) ({meter('discord_gateway_latency_seconds')})", "shard {{shard}}"),
        Prom(f"max(abs({meter('discord_exporter_clock_offset_seconds')}))", "clock off by"),
    ),
    unit=Unit.SECONDS,
    steps=(Step(Colour.GOOD), Step(Colour.MILD, 0.5), Step(Colour.BAD, 1)),
    empty="No heartbeat acknowledged yet",
)
PAGE = Page(
    uid=parts.FLEET,
    title="Fleet",
    about="All servers and all shards: does the exporter receive every event?",
    folder=Folder.OPERATIONS,
    annotations=(parts.OUTAGES, parts.RESTARTS),
    since="24h",
    refresh="1m",
    sections=(
        Section(
            "",
            (
                Band(4, (SHARDS, LIMITED, BUDGET, BLIND, FOLDED, GUILDS, MEMBERS, RATE)),
                Band(7, (STATES, LATENCY)),
                Band(12, (TABLE,)),
            ),
        ),
        Section(
            "Discord",
            (
                Band(8, (gateway.EVENTS, gateway.SESSIONS, gateway.TOTALS)),
                Band(9, (gateway.REST, gateway.ROUTES, gateway.MISSING)),
            ),
        ),
    ),
)

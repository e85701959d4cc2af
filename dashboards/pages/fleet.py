"""All servers and all shards: does the bot see everything?"""

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
    about="In how many servers is the bot? The change is against the start of the range; a fall is being "
    "removed, or an outage that Discord has not told yet.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.guilds(), instant=True, rows=True),),
    colour=Colour.TALK,
    empty="Exporter down",
)
MEMBERS = Panel(
    slug="members",
    title="Members",
    about="How many members do all servers have together? People in several servers count several times.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.members_everywhere(), instant=True, rows=True),),
    colour=Colour.GOOD,
    empty="Exporter down",
)
SHARDS = Panel(
    slug="shards",
    title="Shards away",
    about="Does every shard have a session? Above 0 the servers of a shard are not seen: what happens "
    "there is lost unless the audit log tells it later. See the time line below.",
    view=Stat(filled=True),
    queries=(Prom(f"count({_CONNECTED} == 0) or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=parts.NONE_ALLOWED,
    empty="Exporter down",
)
RATE = Panel(
    slug="rate",
    title="Events",
    about="How busy is Discord for this bot? None while servers are busy is a dead connection.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.rate("discord_gateway_events_total")),),
    unit=Unit.PER_SECOND,
    colour=Colour.TALK,
    empty="Exporter down",
)
LIMITED = Panel(
    slug="limited",
    title="Rate limited",
    about="Does Discord tell the bot to slow down? Answers 429 in this range; more than a few a day put the "
    "bot at risk of a ban. Lower discord.requests_per_second.",
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
    title="Partly blind",
    about="In how many servers does something go unseen for want of a permission? The table below says what "
    "and which; the invite link of discord-exporter check asks for all that is needed.",
    view=Stat(),
    queries=(Prom(f"{promql.own('discord_exporter_blind', how='max')} or vector(0)", instant=True),),
    unit=Unit.WHOLE,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1)),
    empty="Exporter down",
)
FOLDED = Panel(
    slug="folded",
    title="Folded servers",
    about="Are there more servers than Prometheus is given? Their sums are under other; SQL and InfluxDB "
    "have them all. Raise sinks.prometheus.max_series if Prometheus can take it.",
    view=Stat(),
    queries=(Prom(promql.own("discord_exporter_guilds_folded"), instant=True),),
    unit=Unit.WHOLE,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1)),
    empty="Exporter down",
)
BUDGET = Panel(
    slug="budget",
    title="Sessions left",
    about="How many new sessions does Discord allow until its daily budget is refilled? Near 0 shards "
    "that lose theirs stay away: find out why they begin anew (below) before restarting anything.",
    view=Stat(),
    queries=(Prom(promql.own("discord_gateway_identifies_remaining", how="min"), instant=True),),
    unit=Unit.COUNT,
    steps=(Step(Colour.BAD), Step(Colour.WARN, 50), Step(Colour.CALM, 200)),
    empty="Not told yet",
)
TABLE = Panel(
    slug="table",
    title="Servers",
    about="Which server needs a look? Click a name for its overview. Red has lost a fifth of its messages "
    "against the week before; many actions in 24 hours are trouble.",
    view=Rows(
        (
            *parts.hidden("guild_id", "url"),
            Column(
                "Guild",
                links=(
                    parts.inside("Overview of this server", parts.OVERVIEW, guild=parts.cell("guild_id")),
                    parts.inside("Its channels", parts.CHANNELS, guild=parts.cell("guild_id")),
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
            Column("Messages 7 d", bar=True, steps=(Step(Colour.TALK),)),
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
    about="Which shard was away, and when? A short gap is a resume and loses nothing; a long one is blind "
    "time for its servers. All at once is Discord or the network, one alone is that shard.",
    view=Timeline({"1": ("connected", Colour.CALM), "0": ("away", Colour.BAD)}, many=True),
    queries=(Prom(f"min by (shard) ({_CONNECTED})", "shard {{shard}}"),),
    unit=Unit.WHOLE,
    empty="No shard has connected yet",
)
LATENCY = Panel(
    slug="latency",
    title="Heartbeat round trip",
    about="How far away is Discord? Above a second for minutes, events come late and the connection is about "
    "to break: look at the network and the machine's load.",
    view=Series(threshold_line=True),
    queries=(Prom(f"max by (shard) ({meter('discord_gateway_latency_seconds')})", "shard {{shard}}"),),
    unit=Unit.SECONDS,
    steps=(Step(Colour.GOOD), Step(Colour.MILD, 0.5), Step(Colour.BAD, 1)),
    empty="No heartbeat answered yet",
)
PAGE = Page(
    uid=parts.FLEET,
    title="Fleet",
    about="All servers and all shards: does the bot see everything?",
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

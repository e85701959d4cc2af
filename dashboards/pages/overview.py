"""The home page: key numbers of one server, and what changed."""

from __future__ import annotations

from typing import Final

from dashboards.model import (
    Band,
    Column,
    Flux,
    Folder,
    Page,
    Panel,
    Prom,
    Rows,
    Section,
    Series,
    Sql,
    Stat,
    Step,
    Trend,
)
from dashboards.names import meter
from dashboards.pages import parts
from dashboards.pages.heatmap import week_heatmap
from dashboards.queries import activity, flux, growth, moderation, promql
from dashboards.style import LEAVES, STATUSES, Colour, Unit

_HUMAN: Final = ("author", "human")

MEMBERS = Panel(
    slug="members",
    title="Members",
    about="How many members does the server have? The change is relative to the start of the range. If "
    "the number falls while joins are few, new members do not replace those who leave: see "
    "Growth.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.state("members")),),
    colour=Colour.GOOD,
    links=(parts.inside("Growth", parts.GROWTH),),
    empty="Not counted yet",
    width=3,
)
ONLINE = Panel(
    slug="online",
    title="Online",
    about="About how many members are online? The change is relative to the start of the range. The "
    "exporter asks Discord once an hour by default. If the number falls for weeks while Members "
    "stays the same, activity is declining.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.state("online")),),
    colour=Colour.GOOD,
    empty="Not received yet",
    width=2,
)
NET = parts.count(
    "net",
    "Net growth",
    "How many more members joined than left in this range? The change is relative to the previous "
    "period. Below zero the server shrinks: Growth shows who leaves, and after how long.",
    growth.net,
    trend=Trend.UP,
    steps=(Step(Colour.BAD), Step(Colour.PLAIN, 0), Step(Colour.GOOD, 1)),
    links=(parts.inside("Growth", parts.GROWTH),),
    width=3,
)
MESSAGES = Panel(
    slug="messages",
    title="Messages",
    about="How many messages do people send, without bots and webhooks? The change is relative to the "
    "previous period. If the number falls by more than a fifth outside holidays, check the "
    "channels.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.compared("messages", only=_HUMAN)),),
    lite=(Prom(promql.compared("messages", promql.HUMAN), instant=True, rows=True),),
    colour=Colour.MESSAGE,
    decimals=0,
    links=(parts.inside("Channels", parts.CHANNELS),),
    empty="No messages",
    width=3,
)
ACTIVE = parts.count(
    "active",
    "Active",
    "How many different people sent a message, were in voice or reacted? The change is relative to the "
    "previous days. If messages rise while this number falls, fewer people send more messages.",
    activity.active_members,
    trend=Trend.UP,
    colour=Colour.MESSAGE,
    links=(parts.inside("Leaderboards", parts.LEADERBOARDS),),
    width=3,
)
IN_VOICE = Panel(
    slug="in-voice",
    title="In voice now",
    about="How many people, without bots, are in voice channels now? Zero at a usually busy hour can "
    "indicate a broken voice region.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.state("voice_members")),),
    colour=Colour.VOICE,
    links=(parts.inside("Voice", parts.VOICE),),
    empty="No one in voice",
    width=3,
)
ACTIONS = parts.count(
    "actions",
    "Moderation actions",
    "How many bans, kicks and timeouts were there in this range? The change is relative to the "
    "previous period. A sudden rise indicates a raid or a conflict: the list below shows which.",
    moderation.taken(*moderation.SANCTIONS),
    trend=Trend.DOWN,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 5), Step(Colour.BAD, 50)),
    links=(parts.inside("Moderation", parts.MODERATION),),
    width=4,
)
WATCHING = Panel(
    slug="watching",
    title="Data complete",
    about="Are the numbers on this page complete? No means that a shard has no connection or a sink "
    "rejects deliveries: current data is late or missing. The dashboard Exporter health shows "
    "the cause.",
    view=Stat(filled=True, texts={"1": "Yes", "0": "No"}),
    queries=(
        Prom(
            f"min({meter('discord_gateway_connected')}) * min({meter('discord_exporter_sink_up')})",
            instant=True,
        ),
    ),
    unit=Unit.WHOLE,
    steps=(Step(Colour.BAD), Step(Colour.CALM, 1)),
    links=(parts.across("Exporter health", parts.EXPORTER),),
    empty="Exporter down",
    width=3,
)
BY_HOUR = Panel(
    slug="talk",
    title="Messages compared with the week before",
    about="When do people send messages, and are there more or fewer than a week ago? The line shows "
    "the same hours of the previous week. Bars far below it for hours indicate a quiet day or an "
    "outage (see the annotations).",
    view=Series(bars=True),
    queries=(
        Flux(flux.counted("messages", name="Messages", only=_HUMAN)),
        Flux(flux.a_week_before("messages", name="A week before", only=_HUMAN)),
    ),
    lite=(
        Prom(promql.counted("messages", promql.HUMAN), "Messages"),
        Prom(promql.counted("messages", promql.HUMAN, offset="1w"), "A week before"),
    ),
    colours={"Messages": Colour.MESSAGE, "A week before": Colour.OTHER},
    columns=(Column("A week before", line=True),),
    step="1h",
    decimals=0,
    width=2,
    empty="No messages in this range",
)
FLOW = Panel(
    slug="flow",
    title="Joins and leaves",
    about="How many members join and leave, and why do they leave? Leaves point down, coloured by "
    "reason. Many joins followed by bans indicate a raid; many leaves after an announcement "
    "indicate a reaction to it.",
    view=Series(bars=True, stacked=True, downwards=tuple(LEAVES)),
    queries=(Sql(growth.joins_over_time, series=True), Sql(growth.leaves_over_time, series=True)),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="6h",
    empty="No joins or leaves",
)
CHANNELS = parts.ranking(
    "channels",
    "Top channels",
    "Which channels have the most messages? Click one for its details.",
    activity.top_channels("messages", "Messages"),
    of="channel",
    header="Messages",
    colour=Colour.MESSAGE,
    empty="No messages in this range",
)
PEOPLE = parts.ranking(
    "people",
    "Top members",
    "Who sends the most messages? If two members send half of all messages, activity depends on them. "
    "Click one for the member's history.",
    activity.top_members("messages", "Messages"),
    of="member",
    header="Messages",
    colour=Colour.MESSAGE,
    empty="No messages in this range",
)
LATEST = Panel(
    slug="latest",
    title="Latest moderation actions",
    about="Which members were banned, kicked or timed out last, by whom and why? Ask the moderator "
    "about an action without a reason.",
    view=Rows(
        (
            parts.WHEN,
            parts.ACTION_COLUMN,
            Column("Member", links=parts.member_links("target_id")),
            *parts.hidden("target_id"),
        )
    ),
    queries=(Sql(moderation.latest),),
    links=(),
    empty="No bans, kicks or timeouts in this range",
    width=2,
)
DAILY = Panel(
    slug="daily",
    title="Active members by day",
    about="How many members are active each day? If the line falls for weeks while messages stay the "
    "same, fewer members send all messages.",
    view=Series(legend=False),
    queries=(Sql(activity.active_by_day, series=True),),
    colour=Colour.MESSAGE,
    step="1d",
    empty="No activity in this range",
)
QUIET = Panel(
    slug="quiet",
    title="Inactive channels",
    about=f"Which channels had no message and no voice time for {activity.INACTIVE_DAYS} days? Consider "
    "archiving them.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Inactive for", Unit.DAYS, width=120),
        )
    ),
    queries=(Sql(activity.inactive_channels),),
    empty="Every channel is in use",
)

PRESENCE = Panel(
    slug="presence",
    title="Status changes",
    about="When do members come online and go offline? Only counts are stored, never the status of a "
    "person. Hours with many changes and few messages show members who look in without writing.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("presence_updates", by="status"), "{{status}}"),),
    colours=STATUSES,
    step="1h",
    decimals=0,
    empty="Disabled by default: enable PRESENCE_UPDATE in events:",
)

PAGE = Page(
    uid=parts.OVERVIEW,
    title="Server overview",
    about="What is the state of the server, and what changed? The first row shows the key numbers, the "
    "other panels the causes.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD,),
    annotations=parts.MARKS,
    refresh="1m",
    sections=(
        Section(
            "",
            (
                # The widths are columns of the grid, so that each title fits.
                Band(4, (MEMBERS, ONLINE, NET, MESSAGES, ACTIVE, IN_VOICE, ACTIONS, WATCHING)),
                Band(8, (BY_HOUR, FLOW)),
                Band(8, (CHANNELS, PEOPLE, LATEST)),
            ),
        ),
        Section(
            "Activity by time, inactive channels",
            (
                Band(9, (week_heatmap("when", "messages", _HUMAN, promql.HUMAN, noun="Messages"),)),
                Band(8, (DAILY, PRESENCE, QUIET)),
            ),
        ),
    ),
)

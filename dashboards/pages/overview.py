"""The home page: is the server well, and what changed?"""

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
from dashboards.pages.heatmap import week
from dashboards.queries import activity, flux, growth, moderation, promql
from dashboards.style import LEAVES, STATUSES, Colour, Unit

_HUMAN: Final = ("author", "human")

MEMBERS = Panel(
    slug="members",
    title="Members",
    about="How big is the server? The change is against the start of the range. A falling line with few "
    "joins means that newcomers do not make up for those who go: see Growth.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.state("members")),),
    colour=Colour.GOOD,
    links=(parts.inside("Growth", parts.GROWTH),),
    empty="Not counted yet",
)
ONLINE = Panel(
    slug="online",
    title="Online",
    about="How many members are online, about? The change is against the start of the range. Discord is "
    "asked once an hour by default. One that falls for weeks while Members holds is a server going quiet.",
    view=Stat(trend=Trend.NEITHER),
    queries=(Prom(promql.state("online")),),
    colour=Colour.GOOD,
    empty="Not told yet",
)
NET = parts.count(
    "net",
    "Net growth",
    "Did more people come than go in this range? The change is against the period before. Below zero the "
    "server shrinks: look at who leaves, and how soon, in Growth.",
    growth.net,
    trend=Trend.UP,
    steps=(Step(Colour.BAD), Step(Colour.PLAIN, 0), Step(Colour.GOOD, 1)),
    links=(parts.inside("Growth", parts.GROWTH),),
)
MESSAGES = Panel(
    slug="messages",
    title="Messages",
    about="How much do people write? Bots and webhooks are left out. The change is against the period "
    "before; a fall of more than a fifth that no holiday explains deserves a look at the channels.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.compared("messages", only=_HUMAN)),),
    lite=(Prom(promql.compared("messages", promql.HUMAN), instant=True, rows=True),),
    colour=Colour.TALK,
    decimals=0,
    links=(parts.inside("Channels", parts.CHANNELS),),
    empty="Nobody wrote",
)
ACTIVE = parts.count(
    "active",
    "Active",
    "How many different people wrote, talked or reacted? The change is against the days before. Messages "
    "that rise while this falls mean that fewer people do all the talking.",
    activity.active_members,
    trend=Trend.UP,
    colour=Colour.TALK,
    links=(parts.inside("Leaderboards", parts.LEADERBOARDS),),
)
IN_VOICE = Panel(
    slug="in-voice",
    title="In voice now",
    about="How many people are in voice channels at this moment, bots apart? Nobody at an hour that is "
    "otherwise busy may mean a broken voice region.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.state("voice_members")),),
    colour=Colour.VOICE,
    links=(parts.inside("Voice", parts.VOICE),),
    empty="Nobody",
)
ACTIONS = parts.count(
    "actions",
    "Against people",
    "Is there trouble? Bans, kicks and timeouts in this range, against the period before. A jump "
    "is a raid or a quarrel: the log below says which.",
    moderation.taken(*moderation.HARD),
    trend=Trend.DOWN,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 5), Step(Colour.BAD, 50)),
    links=(parts.inside("Moderation", parts.MODERATION),),
)
WATCHING = Panel(
    slug="watching",
    title="Complete?",
    about="Can the page be believed? Blind means that a shard has no connection or a sink takes nothing: "
    "what happens now comes late, or is missing. Exporter health says what to do.",
    view=Stat(filled=True, texts={"1": "Yes", "0": "Blind"}),
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
)
TALK = Panel(
    slug="talk",
    title="Messages against the week before",
    about="When do people write, and is it more or less than a week ago? The line is the same hours of last "
    "week; bars far below it for hours are a quiet day, or an outage (see the marks).",
    view=Series(bars=True),
    queries=(
        Flux(flux.counted("messages", name="Messages", only=_HUMAN)),
        Flux(flux.a_week_before("messages", name="A week before", only=_HUMAN)),
    ),
    lite=(
        Prom(promql.counted("messages", promql.HUMAN), "Messages"),
        Prom(promql.counted("messages", promql.HUMAN, offset="1w"), "A week before"),
    ),
    colours={"Messages": Colour.TALK, "A week before": Colour.REST},
    columns=(Column("A week before", line=True),),
    step="1h",
    decimals=0,
    width=2,
    empty="No messages in this range",
)
FLOW = Panel(
    slug="flow",
    title="Coming and going",
    about="Who joins and who goes, and why? Leaves point down, coloured by reason. A tall bar of joins with "
    "bans after it is a raid; leaves by themselves after an announcement are an answer to it.",
    view=Series(bars=True, stacked=True, downwards=tuple(LEAVES)),
    queries=(Sql(growth.coming, series=True), Sql(growth.going, series=True)),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="6h",
    empty="Nobody came or went",
)
CHANNELS = parts.ranking(
    "channels",
    "Where people talk",
    "Which channels carry the server? Click one for its detail.",
    activity.top_channels("messages", "Messages"),
    of="channel",
    header="Messages",
    colour=Colour.TALK,
    empty="No messages in this range",
)
PEOPLE = parts.ranking(
    "people",
    "Who carries it",
    "Who writes most? If two names have half of everything, the server depends on them. Click one for the "
    "history.",
    activity.top_members("messages", "Messages"),
    of="member",
    header="Messages",
    colour=Colour.TALK,
    empty="No messages in this range",
)
LATEST = Panel(
    slug="latest",
    title="Latest actions against people",
    about="What did moderators do last, to whom and why? An entry without a reason is worth asking about.",
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
    about="On how many people does the server rest? A line that falls for weeks while messages hold is a "
    "core that talks among itself.",
    view=Series(legend=False),
    queries=(Sql(activity.active_by_day, series=True),),
    colour=Colour.TALK,
    step="1d",
    empty="Nobody was active in this range",
)
QUIET = Panel(
    slug="quiet",
    title="Quiet channels",
    about=f"Which channels has nobody used for {activity.QUIET_DAYS} days? They are candidates for the "
    f"archive.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Quiet for", Unit.DAYS, width=110),
        )
    ),
    queries=(Sql(activity.quiet_channels),),
    empty="Every channel is in use",
)

PRESENCE = Panel(
    slug="presence",
    title="Changes of status",
    about="When do people come online and go? Counted, never kept for a person. Hours with many changes "
    "and few messages are people who look in and find nothing to answer.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("presence_updates", by="status"), "{{status}}"),),
    colours=STATUSES,
    step="1h",
    decimals=0,
    empty="Off by default: switch on PRESENCE_UPDATE in events:",
)

PAGE = Page(
    uid=parts.OVERVIEW,
    title="Server overview",
    about="Is the server well, and what changed? The first row answers; the rest says why.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD,),
    annotations=parts.MARKS,
    refresh="1m",
    sections=(
        Section(
            "",
            (
                Band(4, (MEMBERS, ONLINE, NET, MESSAGES, ACTIVE, IN_VOICE, ACTIONS, WATCHING)),
                Band(8, (TALK, FLOW)),
                Band(8, (CHANNELS, PEOPLE, LATEST)),
            ),
        ),
        Section(
            "When, and where not",
            (
                Band(9, (week("when", "messages", _HUMAN, promql.HUMAN, noun="Messages"),)),
                Band(8, (DAILY, PRESENCE, QUIET)),
            ),
        ),
    ),
)

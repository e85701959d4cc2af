"""Rankings of the members of one server."""

from __future__ import annotations

from dashboards.model import Band, Column, Flux, Folder, Page, Panel, Prom, Rows, Section, Series, Sql, Step
from dashboards.pages import parts
from dashboards.queries import activity, flux, promql
from dashboards.style import Colour, Unit

_OFF = "Disabled by default: enable XP_GAIN and LEVEL_UP in events:"
_EMPTY = "No activity in this period; periods begin at midnight UTC"

SCORE = parts.ranking(
    "score",
    "Activity score",
    "Who is most active? The score is messages + 0.5 × minutes in voice + 0.2 × reactions given. "
    "Members who lead it for months are candidates for a role in the team.",
    activity.ranking("score", "Score", limit=15),
    of="member",
    header="Score",
    colour=Colour.GOOD,
    empty=_EMPTY,
)
MESSAGES = parts.ranking(
    "messages",
    "Messages",
    "Who sends the most messages in this period? A member with more messages than all others together "
    "may be a bot on a user account.",
    activity.ranking("messages", "Messages", limit=15),
    of="member",
    header="Messages",
    colour=Colour.MESSAGE,
    empty=_EMPTY,
)
VOICE = parts.ranking(
    "voice",
    "Time in voice",
    "Who spends the most time in voice in this period? Time in the AFK channel does not count.",
    activity.ranking("voice_seconds", "In voice", limit=15),
    of="member",
    header="In voice",
    colour=Colour.VOICE,
    unit=Unit.SECONDS,
    empty=_EMPTY,
)
GIVEN = parts.ranking(
    "given",
    "Reactions given",
    "Who gives the most reactions? Few entries here mean that members rarely react to each other.",
    activity.ranking("reactions_given", "Given", limit=15),
    of="member",
    header="Given",
    colour=Colour.REACTION,
    empty=_EMPTY,
)
RECEIVED = parts.ranking(
    "received",
    "Reactions received",
    "Whose messages receive the most reactions? Many reactions for few messages show messages that "
    "others value.",
    activity.ranking("reactions_received", "Received", limit=15),
    of="member",
    header="Received",
    colour=Colour.REACTION,
    empty=_EMPTY,
)
RISING = Panel(
    slug="rising",
    title="Rising members",
    about="Whose activity score rose most compared with the previous period? Active newcomers appear "
    "here first. This panel uses the time range, not the period selected above.",
    view=Rows(
        (
            *parts.hidden("user_id"),
            Column("Member", links=parts.member_links()),
            Column("Before", width=80, decimals=0),
            Column("Now", width=80, decimals=0),
            Column("Gain", bar=True, steps=(Step(Colour.GOOD),), decimals=0),
        )
    ),
    queries=(Sql(activity.rising),),
    empty="No score rose",
)
CHANNELS = parts.ranking(
    "channels",
    "Channels by messages",
    "Which channels have the most messages in the time range? Consider splitting a channel that is far "
    "ahead of the others.",
    activity.top_channels("messages", "Messages", limit=15),
    of="channel",
    header="Messages",
    colour=Colour.MESSAGE,
    empty="No messages in this range",
)
EMOJI = Panel(
    slug="emoji",
    title="Emoji",
    about="Which emoji do members react with most? Custom emoji are shown by id. Replace custom emoji "
    "that are never used.",
    view=Rows((Column("Used", bar=True, steps=(Step(Colour.REACTION),)),)),
    queries=(Flux(flux.ranked("reactions", "emoji", limit=15, header="Emoji", amount="Used")),),
    lite=(),
    transformations=(("organize", {"indexByName": {"Emoji": 0, "Used": 1}}),),
    empty="No reactions in this range",
)
REACTIONS = Panel(
    slug="reactions",
    title="Reactions over time",
    about="How many reactions do members add and remove? Reactions per message show engagement better "
    "than messages alone.",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("reactions", by="kind"), "{{kind}}"),
        Prom(promql.counted("reactions_removed"), "removed"),
    ),
    colours={"normal": Colour.REACTION, "super": Colour.VOICE, "removed": Colour.OTHER},
    step="6h",
    decimals=0,
    empty="No reactions in this range",
)

EXPERIENCE = parts.ranking(
    "experience",
    "Experience",
    "Who earned the most experience points in this period? Points follow the rules under levels: and "
    "have a cooldown, so they reward regular activity more than many messages.",
    activity.ranking("xp", "Earned", limit=15),
    of="member",
    header="Earned",
    colour=Colour.GOOD,
    empty=_OFF,
)
LEVELS = Panel(
    slug="levels",
    title="Levels",
    about="Who reached the highest level of all time? If no new member reaches the top for months, "
    "flatten the curve (levels:).",
    view=Rows(
        (
            *parts.hidden("user_id"),
            Column("Member", links=parts.member_links()),
            Column("Level", width=80),
            Column("Experience", bar=True, steps=(Step(Colour.GOOD),)),
        )
    ),
    queries=(Sql(activity.levels),),
    empty=_OFF,
)
LEVEL_UPS = Panel(
    slug="level-ups",
    title="Levels reached",
    about="How many levels do members reach? If the number falls while activity stays the same, the "
    "next level is too far away for most members.",
    view=Series(bars=True, legend=False),
    queries=(Prom(promql.counted("level_ups"), "Levels reached"),),
    colour=Colour.GOOD,
    step="6h",
    decimals=0,
    empty=_OFF,
)

EARNED = Panel(
    slug="earned",
    title="Experience earned over time",
    about="How many experience points are earned? A sudden rise without more messages or voice time "
    "indicates farming: check the leaders of this period.",
    view=Series(bars=True, legend=False),
    queries=(Prom(promql.counted("xp"), "Experience"),),
    colour=Colour.CALM,
    step="6h",
    decimals=0,
    empty=_OFF,
)

PAGE = Page(
    uid=parts.LEADERBOARDS,
    title="Leaderboards",
    about="Which members are most active? Opted-out members are not counted and do not appear.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.PERIOD),
    annotations=parts.MARKS,
    refresh="15m",
    sections=(
        Section("", (Band(15, (SCORE, MESSAGES, VOICE)), Band(11, (RECEIVED, GIVEN, RISING)))),
        Section("Levels", (Band(9, (EXPERIENCE, LEVELS, EARNED, LEVEL_UPS)),)),
        Section("Time range", (Band(11, (CHANNELS, EMOJI, REACTIONS)),)),
    ),
)

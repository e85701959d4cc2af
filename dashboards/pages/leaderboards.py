"""Who does how much?"""

from __future__ import annotations

from dashboards.model import Band, Column, Flux, Folder, Page, Panel, Prom, Rows, Section, Series, Sql, Step
from dashboards.pages import parts
from dashboards.queries import activity, flux, promql
from dashboards.style import Colour, Unit

_OFF = "Levels are off by default: switch on XP_GAIN and LEVEL_UP in events:"
_EMPTY = "Nobody in this period; days and weeks begin at midnight UTC"

SCORE = parts.ranking(
    "score",
    "Most active",
    "Who does most in all? The score is messages + 0.5 × minutes in voice + 0.2 × reactions given. Give "
    "those who lead it month after month something to do.",
    activity.ranking("score", "Score", limit=15),
    of="member",
    header="Score",
    colour=Colour.GOOD,
    empty=_EMPTY,
)
MESSAGES = parts.ranking(
    "messages",
    "Messages",
    "Who writes most in this period? Much more than all others together is somebody monologuing, or a bot "
    "that runs as a person.",
    activity.ranking("messages", "Messages", limit=15),
    of="member",
    header="Messages",
    colour=Colour.TALK,
    empty=_EMPTY,
)
VOICE = parts.ranking(
    "voice",
    "Time in voice",
    "Who talks most in this period? Time in the AFK channel or deafened does not count as talk here or "
    "there.",
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
    "Who answers others with a reaction? Those at the top make a server feel friendly; nobody here makes it "
    "feel empty.",
    activity.ranking("reactions_given", "Given", limit=15),
    of="member",
    header="Given",
    colour=Colour.REACTION,
    empty=_EMPTY,
)
RECEIVED = parts.ranking(
    "received",
    "Reactions received",
    "Whose messages do others react to? High here with few messages is somebody worth listening to.",
    activity.ranking("reactions_received", "Received", limit=15),
    of="member",
    header="Received",
    colour=Colour.REACTION,
    empty=_EMPTY,
)
RISING = Panel(
    slug="rising",
    title="Rising",
    about="Who does much more than in the period before? Newcomers who take root appear here first. Follows "
    "the time range, not the period chosen above.",
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
    empty="Nobody did more than before",
)
CHANNELS = parts.ranking(
    "channels",
    "Channels by messages",
    "Where is most written in the time range? A channel far ahead may need a second one beside it.",
    activity.top_channels("messages", "Messages", limit=15),
    of="channel",
    header="Messages",
    colour=Colour.TALK,
    empty="No messages in this range",
)
EMOJI = Panel(
    slug="emoji",
    title="Emoji",
    about="Which emoji does the server speak with? Numbers are the ids of its own. Own emoji that nobody "
    "uses can make room for others.",
    view=Rows((Column("Used", bar=True, steps=(Step(Colour.REACTION),)),)),
    queries=(Flux(flux.ranked("reactions", "emoji", limit=15, header="Emoji", amount="Used")),),
    lite=(),
    transformations=(("organize", {"indexByName": {"Emoji": 0, "Used": 1}}),),
    empty="No reactions in this range",
)
REACTIONS = Panel(
    slug="reactions",
    title="Reactions over time",
    about="Do people answer each other? Reactions per message tell more about a community than messages "
    "alone. Those taken back are drawn apart.",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("reactions", by="kind"), "{{kind}}"),
        Prom(promql.counted("reactions_removed"), "taken back"),
    ),
    colours={"normal": Colour.REACTION, "super": Colour.VOICE, "taken back": Colour.REST},
    step="6h",
    decimals=0,
    empty="No reactions in this range",
)

EXPERIENCE = parts.ranking(
    "experience",
    "Experience",
    "Who earned most in this period? Experience follows the rules under levels: and has cooldowns, so it "
    "rewards coming back more than writing much.",
    activity.ranking("xp", "Earned", limit=15),
    of="member",
    header="Earned",
    colour=Colour.GOOD,
    empty=_OFF,
)
LEVELS = Panel(
    slug="levels",
    title="Levels",
    about="Who has come furthest of all time? A top that nobody new reaches in months needs a gentler curve "
    "(levels:).",
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
    about="Do members still rise? A line that falls while activity holds means that the next level is too "
    "far away for most.",
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
    about="Does the pace at which experience is earned hold? A sudden jump without more messages or voice is "
    "somebody farming: look who leads this period.",
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
    about="Who does how much? Opted-out members are not here, since they are not counted.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.PERIOD),
    annotations=parts.MARKS,
    refresh="15m",
    sections=(
        Section("", (Band(15, (SCORE, MESSAGES, VOICE)), Band(11, (RECEIVED, GIVEN, RISING)))),
        Section("Levels", (Band(9, (EXPERIENCE, LEVELS, EARNED, LEVEL_UPS)),)),
        Section("In the time range", (Band(11, (CHANNELS, EMOJI, REACTIONS)),)),
    ),
)

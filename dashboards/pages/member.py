"""One member: who is this, and what happened?"""

from __future__ import annotations

from dashboards.model import Band, Column, Folder, Link, Page, Panel, Rows, Section, Series, Sql, Step
from dashboards.pages import parts
from dashboards.queries import activity, moderation
from dashboards.style import ACTIONS, Colour, Unit

FACTS = Panel(
    slug="facts",
    title="Who is this?",
    about="Since when is this member here, how active, and when last? An account made just before joining "
    "deserves a second look. Click the name to open Discord.",
    view=Rows(
        (
            Column("Name", links=(Link("Open in Discord", parts.cell("url"), outside=True),)),
            *parts.hidden("url"),
            Column("Here", width=70, colours={"yes": Colour.GOOD, "no": Colour.REST}),
            Column("Account made", Unit.AGO),
            Column("Joined at", Unit.AGO),
            Column("Left at", Unit.AGO),
            Column("Last active", Unit.AGO),
            Column("Voice", Unit.SECONDS),
            Column("Score", decimals=0),
        )
    ),
    queries=(Sql(moderation.member_facts),),
    empty="Nothing is known of this member",
)
AGAINST = parts.count(
    "against",
    "Actions against",
    "How often did moderators or AutoMod act against this member? Read the reasons below before the number.",
    moderation.member_count(),
    trend=None,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1), Step(Colour.BAD, 3)),
)
TIMEOUTS = parts.count(
    "timeouts",
    "Timeouts",
    "How often was this member silenced? Many in a row mean that warnings do not help.",
    moderation.member_count("timeout"),
    trend=None,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1), Step(Colour.BAD, 3)),
)
JOINS = parts.count(
    "joins",
    "Joins seen",
    "How often did this member come? More than one with bans between is evasion, or forgiveness.",
    moderation.member_count("join"),
    trend=None,
    colour=Colour.GOOD,
)
INVITED = parts.count(
    "invited",
    "People invited",
    "How many came by this member's invites? Whether they stayed is in Growth.",
    moderation.member_count("invited"),
    trend=None,
    colour=Colour.GOOD,
    links=(parts.inside("Growth", parts.GROWTH),),
)
DAYS = Panel(
    slug="days",
    title="Day by day",
    about="Is this member becoming more active, or leaving quietly? A regular who stops is worth a message.",
    view=Series(bars=True),
    queries=(Sql(activity.member_days, series=True),),
    colours={
        "Messages": Colour.TALK,
        "Reactions given": Colour.REACTION,
        "Minutes in voice": Colour.VOICE,
    },
    step="1d",
    decimals=0,
    empty="Not active in this range",
)
HISTORY = Panel(
    slug="history",
    title="All that is recorded",
    about="What happened to, and because of, this member? Everything, whatever the time range. Click a name "
    "to go on to that member.",
    view=Rows(
        (
            Column("When", Unit.TIME, width=190),
            Column(
                "Event",
                width=150,
                colours={
                    "join": Colour.GOOD,
                    "leave": Colour.MILD,
                    "invited": Colour.TALK_LIGHT,
                    **ACTIONS,
                },
            ),
            Column("By, or whom", links=parts.member_links("other_id")),
            Column("Invite", links=(parts.inside("This invite", parts.GROWTH, invite=parts.cell("Invite")),)),
            *parts.hidden("other_id"),
        ),
        tall=True,
    ),
    queries=(Sql(moderation.history),),
    empty="Nothing is recorded of this member",
)

PAGE = Page(
    uid=parts.MEMBER,
    title="Member history",
    about="One member: who is this, and what happened? Every name on the other dashboards leads here.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.MEMBER_CHOICE),
    annotations=(parts.OUTAGES, parts.RESTARTS),
    since="90d",
    refresh="15m",
    sections=(
        Section(
            "",
            (
                Band(4, (FACTS,)),
                Band(4, (AGAINST, TIMEOUTS, JOINS, INVITED)),
                Band(9, (HISTORY,)),
                Band(8, (DAYS,)),
            ),
        ),
    ),
)

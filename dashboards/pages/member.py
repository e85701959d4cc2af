"""The history of one member."""

from __future__ import annotations

from dashboards.model import Band, Column, Folder, Link, Page, Panel, Rows, Section, Series, Sql, Step
from dashboards.pages import parts
from dashboards.queries import activity, moderation
from dashboards.style import ACTIONS, Colour, Unit

FACTS = Panel(
    slug="facts",
    title="Member",
    about="When did this member join, how active is the member, and when was the last activity? Check "
    "accounts created just before the join. Click the name to open Discord.",
    view=Rows(
        (
            Column("Name", links=(Link("Open in Discord", parts.cell("url"), outside=True),)),
            *parts.hidden("url"),
            Column("In server", width=90, colours={"yes": Colour.GOOD, "no": Colour.OTHER}),
            Column("Account created", Unit.AGO),
            Column("Joined at", Unit.AGO),
            Column("Left at", Unit.AGO),
            Column("Last active", Unit.AGO),
            Column("Voice", Unit.SECONDS),
            Column("Score", decimals=0),
        )
    ),
    queries=(Sql(moderation.member_facts),),
    empty="This member is not in the database",
)
AGAINST = parts.count(
    "against",
    "Actions against member",
    "How many moderation and AutoMod actions were there against this member? Read the reasons below "
    "before the number.",
    moderation.member_count(),
    trend=None,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1), Step(Colour.BAD, 3)),
)
TIMEOUTS = parts.count(
    "timeouts",
    "Timeouts",
    "How many timeouts did this member receive? Many in a row mean that warnings have no effect.",
    moderation.member_count("timeout"),
    trend=None,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 1), Step(Colour.BAD, 3)),
)
JOINS = parts.count(
    "joins",
    "Observed joins",
    "How often did this member join? Several joins with bans between them indicate ban evasion or an "
    "accepted appeal.",
    moderation.member_count("join"),
    trend=None,
    colour=Colour.GOOD,
)
INVITED = parts.count(
    "invited",
    "Invited members",
    "How many members joined by this member's invites? The dashboard Growth shows whether they stayed.",
    moderation.member_count("invited"),
    trend=None,
    colour=Colour.GOOD,
    links=(parts.inside("Growth", parts.GROWTH),),
)
DAYS = Panel(
    slug="days",
    title="Activity by day",
    about="Is this member becoming more or less active? Contact a regular member whose activity stops.",
    view=Series(bars=True),
    queries=(Sql(activity.member_days, series=True),),
    colours={
        "Messages": Colour.MESSAGE,
        "Reactions given": Colour.REACTION,
        "Minutes in voice": Colour.VOICE,
    },
    step="1d",
    decimals=0,
    empty="Not active in this range",
)
HISTORY = Panel(
    slug="history",
    title="Recorded events",
    about="Which events are recorded of this member, and which of other people concern the member? All "
    "events, whatever the time range. Click a name for that member's history.",
    view=Rows(
        (
            Column("When", Unit.TIME, width=190),
            Column(
                "Event",
                width=150,
                colours={
                    "join": Colour.GOOD,
                    "leave": Colour.MILD,
                    "invited": Colour.MESSAGE_LIGHT,
                    **ACTIONS,
                },
            ),
            Column("Other person", links=parts.member_links("other_id")),
            Column(
                "Invite",
                links=(parts.inside("Joins by this invite", parts.GROWTH, invite=parts.cell("Invite")),),
            ),
            *parts.hidden("other_id"),
        ),
        tall=True,
    ),
    queries=(Sql(moderation.history),),
    empty="No recorded events of this member",
)

PAGE = Page(
    uid=parts.MEMBER,
    title="Member history",
    about="Who is this member, and what happened? Names on the other dashboards link here.",
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

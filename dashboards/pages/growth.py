"""Growth of one server: joins, leaves, invites and retention."""

from __future__ import annotations

from dashboards.model import (
    Band,
    Bars,
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
    Step,
    Trend,
)
from dashboards.pages import parts
from dashboards.queries import growth, promql
from dashboards.style import JOIN_METHODS, LEAVES, Colour, Unit

_YES_NO = {"yes": Colour.GOOD, "no": Colour.OTHER}

NET = parts.count(
    "net",
    "Net growth",
    "How many more members joined than left? The change is relative to the previous period. Below zero "
    "the server shrinks.",
    growth.net,
    trend=Trend.UP,
    steps=(Step(Colour.BAD), Step(Colour.PLAIN, 0), Step(Colour.GOOD, 1)),
)
JOINED = parts.count(
    "joined",
    "Joined",
    "How many members joined, compared with the previous period? After a fall, check the table of "
    "invites for one that expired.",
    growth.joins,
    trend=Trend.UP,
    colour=Colour.GOOD,
    empty="No joins",
)
LEFT = parts.count(
    "left",
    "Left",
    "How many members left for any reason, compared with the previous period? Reasons and tenure are below.",
    growth.leaves,
    trend=Trend.DOWN,
    colour=Colour.MILD,
    empty="No leaves",
)
ACTIVATION = parts.count(
    "activation",
    "Newcomers active within a day",
    "What share of the members who joined in this range sent a message, was in voice or reacted within "
    "24 hours, compared with the previous days? Below 30 % the first steps are too many or hard to "
    "find.",
    growth.activation,
    trend=Trend.UP,
    unit=Unit.PERCENT,
    steps=parts.SHARE_PERCENT,
    empty="No joins",
)
WEEK_ONE = parts.count(
    "week-one",
    "Active a week later",
    "What share of the last four cohorts was active in the week after the week of the join, compared "
    "with the older cohorts? Healthy servers report 30 to 40 %.",
    growth.week_one,
    trend=Trend.UP,
    unit=Unit.PERCENT,
    steps=parts.SHARE_PERCENT,
    empty="No complete cohort yet",
)
FLOW = Panel(
    slug="flow",
    title="Joins and leaves",
    about="When do members join and leave? Leaves point down, coloured by reason. Compare peaks of "
    "joins with announcements, and peaks of leaves with decisions.",
    view=Series(bars=True, stacked=True, downwards=tuple(LEAVES)),
    queries=(Sql(growth.joins_over_time, series=True), Sql(growth.leaves_over_time, series=True)),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="1d",
    empty="No joins or leaves",
    width=2,
)
SIZE = Panel(
    slug="size",
    title="Members",
    about="How did the number of members develop? A flat line with many joins means that as many "
    "members leave.",
    view=Series(minimum=None, legend=False),
    queries=(Prom(promql.state("members"), "Members"),),
    colour=Colour.GOOD,
    step="1h",
    decimals=0,
    empty="Not counted yet",
)
FUNNEL = Panel(
    slug="funnel",
    title="Newcomer funnel",
    about="At which step do newcomers become inactive? A long first bar and a short second one mean "
    "that the welcome gets no answer. Newcomers who write but are inactive in week 2 need a "
    "reason to return.",
    view=Bars(),
    queries=(Sql(growth.funnel),),
    colour=Colour.GOOD,
    decimals=0,
    empty="No joins in the last 60 days",
)
COHORTS = Panel(
    slug="cohorts",
    title="Retention by week of join",
    about="Do newer members stay longer than older ones? A row is the cohort of one week, a column the "
    "share of it that was active so many weeks later. Compare the values of a column: greener is "
    "better.",
    view=Rows(
        (
            Column("Joined in week of", width=140),
            Column("People", width=80),
            Column("Still here", Unit.RATIO, width=90, coloured=True, steps=parts.SHARE, decimals=0),
            *(
                Column(f"Week {week}", Unit.RATIO, width=76, coloured=True, steps=parts.SHARE, decimals=0)
                for week in range(growth.WEEKS)
            ),
        )
    ),
    queries=(Sql(growth.cohorts),),
    empty="No joins in the last 9 weeks",
    width=2,
)
WAYS = Panel(
    slug="ways",
    title="Joins by method",
    about="How do members join? The share of unknown should be small: more means that the bot lacks "
    "the permission Manage Server.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(growth.joins_by_method, series=True),),
    label="${__field.labels.method}",
    colours=JOIN_METHODS,
    step="1d",
    empty="No joins",
)
AGES = Panel(
    slug="ages",
    title="Account age at the join",
    about="How old are the accounts that join? Many accounts younger than a week indicate spam or a raid.",
    view=Bars(all_values=True),
    queries=(Sql(growth.account_ages),),
    colour=Colour.GOOD,
    empty="No joins",
)
TENURE = Panel(
    slug="tenure",
    title="Tenure of members who left",
    about="How long had members been in the server when they left? Most within an hour: the first "
    "impression is the problem. Most after months: something changed for regular members.",
    view=Bars(all_values=True),
    queries=(Sql(growth.tenure),),
    colour=Colour.MILD,
    empty="No leaves",
)
INVITES = Panel(
    slug="invites",
    title="Invites",
    about="Which invites bring members who stay? Delete invites whose members are banned. Click a code "
    "for everyone who joined by it.",
    view=Rows(
        (
            *parts.hidden("inviter_id", "url"),
            Column(
                "Invite",
                links=(
                    parts.inside("Members who joined by it", parts.GROWTH, invite=parts.cell("Invite")),
                    Link("Open in Discord", parts.cell("url"), outside=True),
                ),
                width=130,
            ),
            Column("Created by", links=parts.member_links("inviter_id")),
            Column("Valid", width=70, colours=_YES_NO),
            Column("Uses", width=80),
            Column("Joined", bar=True, steps=(Step(Colour.GOOD),)),
            Column("Still here", Unit.RATIO, width=100, coloured=True, steps=parts.SHARE, decimals=0),
            Column("Active", width=80),
            Column("Banned", width=100, steps=parts.NONE_ALLOWED),
            Column("Last used", Unit.AGO, width=120),
        ),
        tall=True,
    ),
    queries=(Sql(growth.invites),),
    empty="No invites known: the bot needs the permission Manage Server",
)
INVITERS = Panel(
    slug="inviters",
    title="Top inviters",
    about="Whose invites bring the most members, and do those members stay? Many of them banned "
    "indicate a spammer.",
    view=Rows(
        (
            *parts.hidden("inviter_id"),
            Column("Member", links=parts.member_links("inviter_id")),
            Column("Joins", bar=True, steps=(Step(Colour.GOOD),)),
            Column("Still here", Unit.RATIO, width=100, coloured=True, steps=parts.SHARE, decimals=0),
            Column("Banned", width=100, steps=parts.NONE_ALLOWED),
        )
    ),
    queries=(Sql(growth.inviters),),
    empty="No invite was used",
)
USES = Panel(
    slug="uses",
    title="Joins by invite",
    about="Who joined by which invite? Select an invite above, or click one in the table. Confidence "
    "shows how certain the match is: Discord does not report the invite of a join.",
    view=Rows(
        (
            parts.WHEN,
            *parts.hidden("user_id", "inviter_id"),
            Column("Member", links=parts.member_links()),
            Column("Invited by", links=parts.member_links("inviter_id")),
            Column("Method", width=110, colours=JOIN_METHODS),
            Column("Confidence", width=110),
            Column("In server", width=90, colours=_YES_NO),
        ),
        tall=True,
    ),
    queries=(Sql(growth.uses),),
    empty="No joins by this invite in this range",
    width=2,
)
LIVE = Panel(
    slug="live",
    title="Joins, leaves and invites, live",
    about="How many joins, leaves and invites are counted now? Prometheus shows them within seconds; "
    "the panels above show exact numbers.",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("member_joins"), "joined"),
        Prom(promql.counted("member_leaves", by="reason"), "{{reason}}"),
        Prom(promql.counted("invites_created"), "invites created"),
        Prom(promql.counted("invite_uses", by="method"), "joined by {{method}}"),
    ),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="1h",
    decimals=0,
    empty="No joins, leaves or invites",
)
BOOSTS = Panel(
    slug="boosts",
    title="Boosts",
    about="How many boosts does the server have? The boost level falls below 2, 7 and 14 boosts.",
    view=Series(legend=False, threshold_line=True),
    queries=(Prom(promql.state("boosts"), "Boosts"),),
    steps=(
        Step(Colour.OTHER),
        Step(Colour.VOICE_LIGHT, 2),
        Step(Colour.VOICE, 7),
        Step(Colour.REACTION, 14),
    ),
    decimals=0,
    empty="Not counted yet",
)

PAGE = Page(
    uid=parts.GROWTH,
    title="Growth, invites and retention",
    about="Does the server grow, by which invites, and do members stay?",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.INVITE),
    annotations=parts.MARKS,
    since="30d",
    refresh="15m",
    sections=(
        Section(
            "",
            (
                Band(4, (NET, JOINED, LEFT, ACTIVATION, WEEK_ONE)),
                Band(8, (FLOW, SIZE)),
                Band(9, (COHORTS, FUNNEL)),
            ),
        ),
        Section("Invites", (Band(8, (INVITES,)), Band(9, (INVITERS, USES)))),
        Section("Joins and leaves in detail", (Band(8, (WAYS, AGES, TENURE)), Band(8, (LIVE, BOOSTS)))),
    ),
)

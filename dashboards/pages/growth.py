"""Does the server grow, by whom, and do people stay?"""

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
from dashboards.style import LEAVES, WAYS_IN, Colour, Unit

_YES_NO = {"yes": Colour.GOOD, "no": Colour.REST}

NET = parts.count(
    "net",
    "Net growth",
    "Did more people come than go? The change is against the period before. Below zero the server shrinks.",
    growth.net,
    trend=Trend.UP,
    steps=(Step(Colour.BAD), Step(Colour.PLAIN, 0), Step(Colour.GOOD, 1)),
)
JOINED = parts.count(
    "joined",
    "Joined",
    "How many came, against the period before? A fall after an invite ended or a listing was lost is "
    "found in the table of invites.",
    growth.joins,
    trend=Trend.UP,
    colour=Colour.GOOD,
    empty="Nobody joined",
)
LEFT = parts.count(
    "left",
    "Left",
    "How many went, for whatever reason, against the period before? Why, and how soon, is below.",
    growth.leaves,
    trend=Trend.DOWN,
    colour=Colour.MILD,
    empty="Nobody left",
)
ACTIVATION = parts.count(
    "activation",
    "Newcomers active within a day",
    "Does the welcome work? The share of those who joined in this range and wrote, talked or reacted "
    "within 24 hours, against the days before. Below 30 % the first steps are too many, or too hidden.",
    growth.activation,
    trend=Trend.UP,
    unit=Unit.PERCENT,
    steps=parts.SHARE_PERCENT,
    empty="Nobody joined",
)
WEEK_ONE = parts.count(
    "week-one",
    "Active a week later",
    "Do they stay? The share of the last cohorts that was active in the week after the one they joined in, "
    "against the older cohorts. 30 to 40 % is what healthy servers report.",
    growth.week_one,
    trend=Trend.UP,
    unit=Unit.PERCENT,
    steps=parts.SHARE_PERCENT,
    empty="Too early to tell",
)
FLOW = Panel(
    slug="flow",
    title="Coming and going",
    about="When do people come and go? Leaves point down, coloured by reason. Compare peaks of joins with "
    "what was announced, and leaves with what was decided.",
    view=Series(bars=True, stacked=True, downwards=tuple(LEAVES)),
    queries=(Sql(growth.coming, series=True), Sql(growth.going, series=True)),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="1d",
    empty="Nobody came or went",
    width=2,
)
SIZE = Panel(
    slug="size",
    title="Members",
    about="How did the size develop? A flat line with many joins means that as many go.",
    view=Series(minimum=None, legend=False),
    queries=(Prom(promql.state("members"), "Members"),),
    colour=Colour.GOOD,
    step="1h",
    decimals=0,
    empty="Not counted yet",
)
FUNNEL = Panel(
    slug="funnel",
    title="What became of those who joined",
    about="At which step are newcomers lost? A long first bar and a short second is a welcome nobody "
    "answers; people who write and are gone in week two found nothing to come back for.",
    view=Bars(),
    queries=(Sql(growth.funnel),),
    colour=Colour.GOOD,
    decimals=0,
    empty="Nobody joined in the last 60 days",
)
COHORTS = Panel(
    slug="cohorts",
    title="Who was active in the weeks after joining",
    about="Do newer members stay better than older ones did? A row is all who joined in a week, a column "
    "what part of them was active so many weeks later. Look down a column: greener is better.",
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
    empty="Nobody joined in the last 12 weeks",
    width=2,
)
WAYS = Panel(
    slug="ways",
    title="How they came",
    about="By which kind of door do people come? Unknown should be a small part: more of it means that the "
    "bot lacks the permission Manage Server.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(growth.ways_in, series=True),),
    label="${__field.labels.method}",
    colours=WAYS_IN,
    step="1d",
    empty="Nobody joined",
)
AGES = Panel(
    slug="ages",
    title="Age of the accounts that joined",
    about="Are these people, or made-up accounts? A server that is found by people has few accounts younger "
    "than a week.",
    view=Bars(all_values=True),
    queries=(Sql(growth.ages),),
    colour=Colour.GOOD,
    empty="Nobody joined",
)
TENURE = Panel(
    slug="tenure",
    title="How long those who left had stayed",
    about="When do people give up? Most within an hour: the entrance puts them off. Most after months: "
    "something changed for the regulars.",
    view=Bars(all_values=True),
    queries=(Sql(growth.tenure),),
    colour=Colour.MILD,
    empty="Nobody left",
)
INVITES = Panel(
    slug="invites",
    title="Invites",
    about="Which invites bring people who stay? Keep those, and remove what brings only people who are "
    "banned. Click a code for everybody who came by it.",
    view=Rows(
        (
            *parts.hidden("inviter_id", "url"),
            Column(
                "Invite",
                links=(
                    parts.inside("Who came by it", parts.GROWTH, invite=parts.cell("Invite")),
                    Link("Open in Discord", parts.cell("url"), outside=True),
                ),
                width=130,
            ),
            Column("Made by", links=parts.member_links("inviter_id")),
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
    title="Who brings people",
    about="Who is the server's best friend? Thank those whose guests stay.",
    view=Rows(
        (
            *parts.hidden("inviter_id"),
            Column("Member", links=parts.member_links("inviter_id")),
            Column("Brought", bar=True, steps=(Step(Colour.GOOD),)),
            Column("Still here", Unit.RATIO, width=100, coloured=True, steps=parts.SHARE, decimals=0),
            Column("Banned", width=100, steps=parts.NONE_ALLOWED),
        )
    ),
    queries=(Sql(growth.inviters),),
    empty="Nobody's invite was used",
)
USES = Panel(
    slug="uses",
    title="Who came, and by which invite",
    about="Who came by this invite? Choose one above, or click one in the table. Sure tells how certain the "
    "match is; Discord does not say it itself.",
    view=Rows(
        (
            parts.WHEN,
            *parts.hidden("user_id", "inviter_id"),
            Column("Member", links=parts.member_links()),
            Column("Invited by", links=parts.member_links("inviter_id")),
            Column("Found by", width=110, colours=WAYS_IN),
            Column("Sure", width=110),
            Column("Here", width=80, colours=_YES_NO),
        ),
        tall=True,
    ),
    queries=(Sql(growth.uses),),
    empty="Nobody joined by this invite in this range",
    width=2,
)
DOORS = Panel(
    slug="doors",
    title="Joins, leaves and invites as they are counted",
    about="Is anything moving right now? From Prometheus, which knows within seconds; exact numbers are "
    "those above.",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("member_joins"), "joined"),
        Prom(promql.counted("member_leaves", by="reason"), "{{reason}}"),
        Prom(promql.counted("invites_created"), "invites made"),
        Prom(promql.counted("invite_uses", by="method"), "came by {{method}}"),
    ),
    colours={"joined": Colour.GOOD, **LEAVES},
    step="1h",
    decimals=0,
    empty="Nothing moved",
)
BOOSTS = Panel(
    slug="boosts",
    title="Boosts",
    about="Is the server's boost level safe? It falls when boosts run out: 2, 7 and 14 are the limits.",
    view=Series(legend=False, threshold_line=True),
    queries=(Prom(promql.state("boosts"), "Boosts"),),
    steps=(
        Step(Colour.REST),
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
    about="Does the server grow, by whom, and do people stay?",
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
        Section("Who comes, and who goes", (Band(8, (WAYS, AGES, TENURE)), Band(8, (DOORS, BOOSTS)))),
    ),
)

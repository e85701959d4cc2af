"""Is the server under attack, and does the team cope?"""

from __future__ import annotations

from dashboards.model import Band, Column, Folder, Page, Panel, Prom, Rows, Section, Series, Sql, Step, Trend
from dashboards.pages import parts
from dashboards.queries import activity, moderation, promql
from dashboards.style import ACTIONS, CHANGE_COLOURS, Colour, Unit

BANS = parts.count(
    "bans",
    "Bans",
    "How many were banned, against the period before? Many at once are marked as a ban wave on the graphs.",
    moderation.taken("ban"),
    trend=Trend.DOWN,
    colour=Colour.HARM,
    empty="No bans in this range",
)
KICKS = parts.count(
    "kicks",
    "Kicks and prunes",
    "How many were removed without a ban, against the period before? Many with few bans mean that people "
    "come back.",
    moderation.taken("kick", "prune"),
    trend=Trend.DOWN,
    colour=Colour.BAD,
    empty="No kicks in this range",
)
TIMEOUTS = parts.count(
    "timeouts",
    "Timeouts",
    "How many were silenced for a while, against the period before? More of these and fewer bans is a team "
    "that warns first.",
    moderation.taken("timeout"),
    trend=Trend.DOWN,
    colour=Colour.WARN,
    empty="No timeouts in this range",
)
AUTOMOD = parts.count(
    "automod",
    "Stopped by AutoMod",
    "How much did Discord's rules stop by themselves? A sudden rise is spam; a rule that stops hundreds a "
    "day in quiet times may be too strict.",
    moderation.taken(*moderation.AUTOMATIC),
    trend=Trend.NEITHER,
    colour=Colour.MILD,
    empty="Nothing stopped",
)
DELETED = parts.count(
    "deleted",
    "Deletions",
    "How often did moderators delete messages? One entry may stand for many messages.",
    moderation.taken(*moderation.DELETIONS),
    trend=Trend.DOWN,
    colour=Colour.TALK_LIGHT,
    empty="No deletions in this range",
)
YOUNG = parts.count(
    "young",
    "Young accounts",
    "Which part of those who joined has an account younger than a week? Above a third with many joins is "
    "the sign of a raid: raise the verification level.",
    moderation.young_share,
    trend=None,
    unit=Unit.PERCENT,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 15), Step(Colour.BAD, 35)),
    empty="Nobody joined",
)
UNKNOWN = parts.count(
    "unknown",
    "Unknown origin",
    "For which part is it not known who acted? It should be near zero; else the bot lacks the permission "
    "View Audit Log, or was away while it happened.",
    moderation.unknown_share,
    trend=None,
    unit=Unit.PERCENT,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 10), Step(Colour.BAD, 40)),
    empty="No actions in this range",
)
OVER_TIME = Panel(
    slug="over-time",
    title="Actions",
    about="What is done, and when? Red and orange are against people. Bars that grow from week to week mean "
    "that the rules, or the doors, need a change.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(moderation.over_time, series=True),),
    label="${__field.labels.action}",
    colours=ACTIONS,
    step="1h",
    empty="No actions in this range",
    width=3,
)
ARRIVALS = Panel(
    slug="arrivals",
    title="Joins and young accounts",
    about="Is this a raid? Many joins in one slot, most of them with accounts of days, are one. Compare with "
    "the ban waves marked in red.",
    view=Series(bars=True),
    queries=(Sql(moderation.arrivals, series=True),),
    colours={"Joined": Colour.GOOD, f"Account under {moderation.YOUNG_DAYS} days": Colour.BAD},
    step="10m",
    empty="Nobody joined",
    width=2,
)
LOG = Panel(
    slug="log",
    title="What was done",
    about="Who did what to whom, when and why? Filter with the choices above. Click a member for the whole "
    "history.",
    view=Rows(
        (
            parts.WHEN,
            parts.ACTION_COLUMN,
            Column("Member", width=180, links=parts.member_links("target_id")),
            Column("By", width=180, links=parts.member_links("moderator_id")),
            Column("Until", Unit.TIME, width=180),
            *parts.hidden("target_id", "moderator_id", "channel_id", "target_url", "moderator_url"),
        ),
        tall=True,
    ),
    queries=(Sql(moderation.log),),
    empty="No such actions in this range",
)
WORKLOAD = Panel(
    slug="workload",
    title="Moderators",
    about="Who does the work? One name with nearly everything is somebody about to burn out; a name far out "
    "of its usual pattern is worth a question.",
    view=Rows(
        (
            *parts.hidden("moderator_id"),
            Column(
                "Moderator",
                links=(
                    parts.inside(
                        "Only their actions", parts.MODERATION, moderator=parts.cell("moderator_id")
                    ),
                    *parts.member_links("moderator_id"),
                ),
            ),
            Column("Actions", bar=True, steps=(Step(Colour.TALK),)),
            Column("Against people", width=120),
            Column("Deletions", width=90),
            Column("Last", Unit.AGO, width=120),
        )
    ),
    queries=(Sql(moderation.workload),),
    empty="Nobody moderated in this range",
)
OFFENDERS = Panel(
    slug="offenders",
    title="Acted against more than once (90 days)",
    about="Who comes up again and again? Somebody with many timeouts and no ban has been warned enough, or "
    "is treated unfairly: the history tells.",
    view=Rows(
        (
            *parts.hidden("user_id", "url"),
            Column("Member", links=parts.member_links()),
            Column("Times", width=80),
            Column("Bans", width=70),
            Column("Kicks", width=70),
            Column("Timeouts", width=90),
            Column("AutoMod", width=90),
            Column("By moderators", width=125),
            Column("Last", Unit.AGO, width=120),
            Column("Here", width=70, colours={"yes": Colour.MILD, "no": Colour.REST}),
        )
    ),
    queries=(Sql(moderation.offenders),),
    empty="Nobody was acted against twice",
)
INVITES = Panel(
    slug="invites-of-the-banned",
    title="Invites of those who were banned",
    about="By which door did they come? An invite that brought several of them should be removed.",
    view=Rows(
        (
            Column("Invite", links=(parts.inside("This invite", parts.GROWTH, invite=parts.cell("Invite")),)),
            Column("Banned", bar=True, steps=(Step(Colour.HARM),)),
            Column("Stayed", Unit.SECONDS, width=100),
            Column("Last ban", Unit.AGO, width=120),
        )
    ),
    queries=(Sql(moderation.invites_of_the_banned),),
    empty="Nobody was banned",
)
WHERE = Panel(
    slug="deletions",
    title="Where messages are deleted",
    about="Which channels need the broom? The share tells a troubled channel from a busy one.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Deleted", bar=True, steps=(Step(Colour.TALK_LIGHT),)),
            Column("Of messages", Unit.PERCENT, width=110, decimals=1),
        )
    ),
    queries=(Sql(activity.deletions_by_channel),),
    empty="No message was deleted",
)
CLEANED = Panel(
    slug="cleaned",
    title="Messages deleted, and reactions cleared",
    about="How much is removed, by anybody? Bulk deletions are purges, by a bot or after a ban. Authors "
    "deleting their own messages count as single.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(promql.counted("message_deletes", by="kind"), "deleted, {{kind}}"),
        Prom(promql.counted("reaction_clears"), "reactions cleared"),
    ),
    colours={
        "deleted, single": Colour.TALK_LIGHT,
        "deleted, bulk": Colour.TALK,
        "reactions cleared": Colour.REACTION,
    },
    step="1h",
    decimals=0,
    empty="Nothing was deleted",
)
LIVE = Panel(
    slug="live",
    title="Actions as they happen",
    about="What is being done right now? From Prometheus, which knows within seconds; the exact numbers are "
    "those from the log above.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("moderation_actions", by="action") + " > 0", "{{action}}"),),
    colours=ACTIONS,
    step="5m",
    empty="No actions in this range",
)

CHANGES = Panel(
    slug="changes",
    title="Changes of roles, channels, threads, emoji and stickers",
    about="Who rebuilt what, and when? A deletion nobody announced, or a role whose permissions changed, is "
    "worth a question at once: a stolen account begins there.",
    view=Rows(
        (
            parts.WHEN,
            Column("Change", width=130, colours=CHANGE_COLOURS),
            Column("What", width=120),
            Column("Changed", width=120),
            Column("By", width=110, links=parts.member_links("actor_id")),
            *parts.hidden("actor_id"),
        ),
        tall=True,
    ),
    queries=(Sql(moderation.changes),),
    empty="Off by default: switch on ROLE_CREATE to STICKER_DELETE in events:",
    width=3,
)
BUILT = Panel(
    slug="built",
    title="Changes over time",
    about="When is the server rebuilt? Many deletions within minutes are a nuke: take away the permissions "
    "of whoever is named beside this.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("structure_changes", by="change") + " > 0", "{{change}}"),),
    colours=CHANGE_COLOURS,
    step="1h",
    decimals=0,
    empty="Nothing changed, or off by default",
    width=2,
)

PAGE = Page(
    uid=parts.MODERATION,
    title="Moderation",
    about="Is the server under attack, and does the team cope?",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.ACTION, parts.MODERATOR),
    annotations=parts.MARKS,
    refresh="1m",
    sections=(
        Section(
            "",
            (
                Band(4, (BANS, KICKS, TIMEOUTS, AUTOMOD, DELETED, YOUNG, UNKNOWN)),
                Band(9, (OVER_TIME, ARRIVALS)),
                Band(11, (LOG,)),
            ),
        ),
        Section("The team, and those it deals with", (Band(9, (WORKLOAD, OFFENDERS)),)),
        Section("What the server is made of", (Band(10, (CHANGES, BUILT)),)),
        Section("Doors and channels", (Band(8, (INVITES, WHERE)), Band(8, (LIVE, CLEANED)))),
    ),
)

"""Moderation of one server: actions, moderators, members concerned and changes of the server."""

from __future__ import annotations

from dashboards.model import Band, Column, Folder, Page, Panel, Prom, Rows, Section, Series, Sql, Step, Trend
from dashboards.pages import parts
from dashboards.queries import activity, moderation, promql
from dashboards.style import ACTIONS, CHANGE_COLOURS, Colour, Unit

BANS = parts.count(
    "bans",
    "Bans",
    "How many members were banned, compared with the previous period? Many bans within ten minutes are "
    "marked as a ban wave on the graphs.",
    moderation.taken("ban"),
    trend=Trend.DOWN,
    colour=Colour.HARM,
    empty="No bans in this range",
)
KICKS = parts.count(
    "kicks",
    "Kicks and prunes",
    "How many members were removed without a ban, compared with the previous period? Many kicks with "
    "few bans mean that removed members can return.",
    moderation.taken("kick", "prune"),
    trend=Trend.DOWN,
    colour=Colour.BAD,
    empty="No kicks in this range",
)
TIMEOUTS = parts.count(
    "timeouts",
    "Timeouts",
    "How many timeouts were there, compared with the previous period? More timeouts and fewer bans "
    "show a team that warns first.",
    moderation.taken("timeout"),
    trend=Trend.DOWN,
    colour=Colour.WARN,
    empty="No timeouts in this range",
)
AUTOMOD = parts.count(
    "automod",
    "AutoMod actions",
    "How many actions did AutoMod take, compared with the previous period? A sudden rise indicates "
    "spam; hundreds a day in normal times indicate a rule that is too strict.",
    moderation.taken(*moderation.AUTOMATIC),
    trend=Trend.NEITHER,
    colour=Colour.MILD,
    empty="No AutoMod actions",
)
DELETED = parts.count(
    "deleted",
    "Deletions",
    "How often did moderators delete messages? One audit-log entry can stand for many messages.",
    moderation.taken(*moderation.DELETIONS),
    trend=Trend.DOWN,
    colour=Colour.MESSAGE_LIGHT,
    empty="No deletions in this range",
)
YOUNG = parts.count(
    "young",
    "Young accounts",
    "What share of joins has an account younger than a week? More than a third with many joins "
    "indicates a raid: raise the verification level.",
    moderation.young_share,
    trend=None,
    unit=Unit.PERCENT,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 15), Step(Colour.BAD, 35)),
    empty="No joins",
)
UNKNOWN = parts.count(
    "unknown",
    "Unknown moderator",
    "For what share of actions is the moderator unknown? Values above zero mean that the bot lacks the "
    "permission View Audit Log, or was offline when the action happened.",
    moderation.unknown_share,
    trend=None,
    unit=Unit.PERCENT,
    steps=(Step(Colour.CALM), Step(Colour.MILD, 10), Step(Colour.BAD, 40)),
    empty="No actions in this range",
)
OVER_TIME = Panel(
    slug="over-time",
    title="Actions over time",
    about="Which moderation actions are taken, and when? Red and orange are bans, kicks and timeouts. "
    "If the number grows from week to week, review the rules and the invites.",
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
    about="Is there a raid? Many joins in one interval, most of them by accounts younger than a week, "
    "indicate one. Ban waves are marked in red.",
    view=Series(bars=True),
    queries=(Sql(moderation.joins_with_young, series=True),),
    colours={"Joined": Colour.GOOD, f"Account under {moderation.YOUNG_DAYS} days": Colour.BAD},
    step="10m",
    empty="No joins",
    width=2,
)
LOG = Panel(
    slug="log",
    title="Moderation log",
    about="Who took which action against whom, when and why? Filter with the variables above. Click a "
    "member for the member's history.",
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
    about="How are moderation actions distributed among moderators? Sanctions are bans, kicks and "
    "timeouts. Check a moderator with nearly all actions for overload, and one with far more "
    "actions than usual for a compromised account.",
    view=Rows(
        (
            *parts.hidden("moderator_id"),
            Column(
                "Moderator",
                links=(
                    parts.inside(
                        "Actions of this moderator", parts.MODERATION, moderator=parts.cell("moderator_id")
                    ),
                    *parts.member_links("moderator_id"),
                ),
            ),
            Column("Actions", bar=True, steps=(Step(Colour.MESSAGE),)),
            Column("Sanctions", width=100),
            Column("Deletions", width=90),
            Column("Last", Unit.AGO, width=120),
        )
    ),
    queries=(Sql(moderation.workload),),
    empty="No moderation actions in this range",
)
OFFENDERS = Panel(
    slug="offenders",
    title="Repeat offenders (90 days)",
    about="Which members had more than one action against them? A member with many timeouts and no ban "
    "is a candidate for a ban or for a review of the timeouts: see the member's history.",
    view=Rows(
        (
            *parts.hidden("user_id", "url"),
            Column("Member", links=parts.member_links()),
            Column("Actions", width=80),
            Column("Bans", width=70),
            Column("Kicks", width=70),
            Column("Timeouts", width=90),
            Column("AutoMod", width=90),
            Column("By moderators", width=125),
            Column("Last", Unit.AGO, width=120),
            Column("In server", width=90, colours={"yes": Colour.MILD, "no": Colour.OTHER}),
        )
    ),
    queries=(Sql(moderation.offenders),),
    empty="No repeat offenders",
)
INVITES = Panel(
    slug="invites-of-the-banned",
    title="Invites of banned members",
    about="By which invites did banned members join? Delete an invite that brought several of them.",
    view=Rows(
        (
            Column(
                "Invite",
                links=(parts.inside("Joins by this invite", parts.GROWTH, invite=parts.cell("Invite")),),
            ),
            Column("Banned", bar=True, steps=(Step(Colour.HARM),)),
            Column("Mean tenure", Unit.SECONDS, width=120),
            Column("Last ban", Unit.AGO, width=120),
        )
    ),
    queries=(Sql(moderation.invites_of_the_banned),),
    empty="No bans",
)
WHERE = Panel(
    slug="deletions",
    title="Deletions by channel",
    about="In which channels are the most messages deleted? The share of all messages separates a "
    "troubled channel from a busy one.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Deleted", bar=True, steps=(Step(Colour.MESSAGE_LIGHT),)),
            Column("Share of messages", Unit.PERCENT, width=150, decimals=1),
        )
    ),
    queries=(Sql(activity.deletions_by_channel),),
    empty="No messages deleted",
)
CLEANED = Panel(
    slug="cleaned",
    title="Messages deleted and reactions cleared",
    about="How many messages and reactions are removed by anyone? Bulk deletions come from a bot or "
    "from a ban. Messages deleted by their authors count as single.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(promql.counted("message_deletes", by="kind"), "deleted, {{kind}}"),
        Prom(promql.counted("reaction_clears"), "reactions cleared"),
    ),
    colours={
        "deleted, single": Colour.MESSAGE_LIGHT,
        "deleted, bulk": Colour.MESSAGE,
        "reactions cleared": Colour.REACTION,
    },
    step="1h",
    decimals=0,
    empty="No deletions",
)
LIVE = Panel(
    slug="live",
    title="Moderation actions, live",
    about="Which moderation actions are taken now? Prometheus shows them within seconds; the log above "
    "has the exact numbers.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("moderation_actions", by="action") + " > 0", "{{action}}"),),
    colours=ACTIONS,
    step="5m",
    empty="No actions in this range",
)

CHANGES = Panel(
    slug="changes",
    title="Changes of roles, channels, threads, emoji and stickers",
    about="Who changed which part of the server, and when? Check an unannounced deletion or a role "
    "with new permissions at once: both are signs of a compromised account.",
    view=Rows(
        (
            parts.WHEN,
            Column("Change", width=130, colours=CHANGE_COLOURS),
            Column("Target", width=120),
            Column("Fields", width=120),
            Column("By", width=110, links=parts.member_links("actor_id")),
            *parts.hidden("actor_id"),
        ),
        tall=True,
    ),
    queries=(Sql(moderation.changes),),
    empty="Disabled by default: enable ROLE_CREATE to STICKER_DELETE in events:",
    width=3,
)
BUILT = Panel(
    slug="built",
    title="Changes over time",
    about="How many parts of the server are created, changed and deleted? Many deletions within "
    "minutes indicate an attack: remove the permissions of the person in the table beside this "
    "panel.",
    view=Series(bars=True, stacked=True),
    queries=(Prom(promql.counted("structure_changes", by="change") + " > 0", "{{change}}"),),
    colours=CHANGE_COLOURS,
    step="1h",
    decimals=0,
    empty="No changes, or disabled by default",
    width=2,
)

PAGE = Page(
    uid=parts.MODERATION,
    title="Moderation",
    about="Is the server under attack, and how does the team respond?",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.ACTION, parts.MODERATOR),
    annotations=parts.MARKS,
    refresh="1m",
    sections=(
        Section(
            "",
            (
                Band(4, (BANS, KICKS, TIMEOUTS, AUTOMOD, DELETED, UNKNOWN, YOUNG)),
                Band(9, (OVER_TIME, ARRIVALS)),
                Band(11, (LOG,)),
            ),
        ),
        Section("Moderators and repeat offenders", (Band(9, (WORKLOAD, OFFENDERS)),)),
        Section("Server structure", (Band(10, (CHANGES, BUILT)),)),
        Section("Invites and channels", (Band(8, (INVITES, WHERE)), Band(8, (LIVE, CLEANED)))),
    ),
)

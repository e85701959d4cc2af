"""Shared parts of the dashboards: uids, variables, links, annotations, scales and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dashboards.model import Annotation, Column, Link, Panel, Prom, Rows, Sql, Stat, Step, Trend, Variable
from dashboards.names import label_values, meter
from dashboards.queries import activity, growth, moderation
from dashboards.style import ACTIONS, Colour, Unit
from exporter.sinks.sql.views.dialect import Dialect

OVERVIEW: Final = "discord-guild"
MODERATION: Final = "discord-moderation"
GROWTH: Final = "discord-growth"
LEADERBOARDS: Final = "discord-leaderboards"
VOICE: Final = "discord-voice"
CHANNELS: Final = "discord-channels"
MEMBER: Final = "discord-member"
FLEET: Final = "discord-fleet"
EXPORTER: Final = "discord-exporter"

DISCORD: Final = "https://discord.com/channels"


def inside(title: str, uid: str, **choices: str) -> Link:
    """A link to another dashboard of the same guild and time range, with more variables set."""
    chosen = {"guild": "${guild}"} | choices
    query = "&".join(f"var-{name}={value}" for name, value in chosen.items())
    return Link(title, f"/d/{uid}?{query}&${{__url_time_range}}")


def across(title: str, uid: str) -> Link:
    """A link to a dashboard for operators, which shows all guilds."""
    return Link(title, f"/d/{uid}?${{__url_time_range}}")


def cell(field: str) -> str:
    """A field of the row that was clicked."""
    return f"${{__data.fields.{field}}}"


def member_links(field: str = "user_id") -> tuple[Link, ...]:
    """Links to the member's history and to the profile in Discord."""
    return (
        inside("History of this member", MEMBER, member=cell(field)),
        Link("Open in Discord", f"https://discord.com/users/{cell(field)}", outside=True),
    )


CHANNEL_LINKS: Final = (
    inside("This channel in detail", CHANNELS, channel=cell("channel_id")),
    Link("Open in Discord", f"{DISCORD}/${{guild}}/{cell('channel_id')}", outside=True),
)

GUILD: Final = Variable(name="guild", label="Server", query=activity.guilds)
CHANNEL: Final = Variable(
    name="channel", label="Channel", query=activity.channels, multi=True, include_all=True
)
MEMBER_CHOICE: Final = Variable(name="member", label="Member", query=activity.members)
MODERATOR: Final = Variable(
    name="moderator", label="Moderator", query=moderation.moderators, include_all=True
)
INVITE: Final = Variable(name="invite", label="Invite", query=growth.invite_codes, include_all=True)
ACTION: Final = Variable(
    name="action",
    label="Action",
    options={name: name for name in label_values("moderation_actions")},
    multi=True,
    include_all=True,
)
PERIOD: Final = Variable(
    name="period",
    label="Period",
    options={"month": "this month", "week": "this week", "day": "today", "all": "all time"},
)

RESTARTS: Final = Annotation(
    name="Exporter starts",
    query=Prom(f"{meter('discord_exporter_start_time_seconds')} * 1000", step="60s"),
    colour=Colour.MACHINE,
    title="Exporter started",
    value_is_time=True,
)
OUTAGES: Final = Annotation(
    name="Outages",
    query=Prom(f"min by (shard) ({meter('discord_gateway_connected')}) == 0", step="60s"),
    colour=Colour.WARN,
    title="Shard {{shard}} disconnected",
    text="No events were received from its servers.",
)
WAVES: Final = Annotation(name="Ban waves", query=Sql(moderation.ban_waves), colour=Colour.HARM)
MARKS: Final = (WAVES, OUTAGES, RESTARTS)
"""Annotations on every dashboard of a guild: other causes of a jump in a graph."""

NONE_ALLOWED: Final = (Step(Colour.CALM), Step(Colour.BAD, 1))
SHARE: Final = (Step(Colour.BAD), Step(Colour.WARN, 0.15), Step(Colour.MILD, 0.3), Step(Colour.GOOD, 0.45))
"""Shares of members who stay; healthy servers report 30 to 40 % after a week."""
SHARE_PERCENT: Final = tuple(
    Step(step.colour, None if step.value is None else step.value * 100) for step in SHARE
)
CHANGE: Final = (Step(Colour.BAD), Step(Colour.PLAIN, -20), Step(Colour.GOOD, 20))
"""A change in percent; in a small server a fifth up or down within a week is noise."""

WHEN: Final = Column("When", Unit.AGO, width=130)
ACTION_COLUMN: Final = Column("Action", width=150, colours=ACTIONS)


def hidden(*names: str) -> tuple[Column, ...]:
    """Columns for links only."""
    return tuple(Column(name, hidden=True) for name in names)


def ranking(
    slug: str,
    title: str,
    about: str,
    query: Callable[[Dialect], str],
    *,
    of: str,
    header: str,
    colour: Colour,
    unit: Unit = Unit.COUNT,
    empty: str,
    width: int = 1,
) -> Panel:
    """A table of names with a bar each; ``of`` is ``member`` or ``channel``."""
    key, links = ("user_id", member_links()) if of == "member" else ("channel_id", CHANNEL_LINKS)
    return Panel(
        slug=slug,
        title=title,
        about=about,
        view=Rows(
            (
                *hidden(key, "url"),
                Column(of.capitalize(), links=links),
                Column(header, unit, bar=True, steps=(Step(colour),)),
            )
        ),
        queries=(Sql(query),),
        empty=empty,
        width=width,
    )


def count(
    slug: str,
    title: str,
    about: str,
    query: Callable[[Dialect], str],
    *,
    trend: Trend | None,
    unit: Unit = Unit.COUNT,
    steps: tuple[Step, ...] = (),
    colour: Colour | None = None,
    links: tuple[Link, ...] = (),
    empty: str = "None in this range",
    width: int = 1,
) -> Panel:
    """One number from SQL, with the change from the previous period if it has a ``trend``."""
    return Panel(
        slug=slug,
        title=title,
        about=about,
        view=Stat(trend=trend),
        queries=(Sql(query),),
        unit=unit,
        steps=steps,
        colour=colour,
        links=links,
        empty=empty,
        width=width,
    )


WEEKDAYS: Final[Mapping[str, str]] = {
    "1": "Mon", "2": "Tue", "3": "Wed", "4": "Thu", "5": "Fri", "6": "Sat", "7": "Sun",
}  # fmt: skip

"""Precomputed series: typical rates of a guild, and sums over the fleet.

Prometheus aborts a query that touches 50 million samples. A day of one counter of 50,000 guilds, scraped
every 15 seconds, is 288 million; so no rule reads the guilds' own series over more than five minutes. Each
longer period is computed from the next shorter one: an hour from its twelve five minutes, a week from its 168
hours.

The intervals limit the age of a number: one minute for raids and panels, ten for the mean of a week, which
changes little in that time.
"""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Group, Recording
from dashboards.names import counter, label_value
from dashboards.queries.moderation import REMOVALS

REMOVAL: Final = f'action=~"{"|".join(REMOVALS)}"'
HUMAN: Final = f'author="{label_value("messages", "human")}"'


def _recent(name: str, family: str, matcher: str = "") -> Recording:
    return Recording(f"guild:{name}:rate5m", f"sum by (guild_id) (rate({family}{{{matcher}}}[5m]))")


def _hourly(recent: Recording) -> Recording:
    return Recording(recent.name.replace("rate5m", "rate1h"), f"avg_over_time({recent.name}[1h:5m])")


def _weekly(hourly: Recording) -> Recording:
    return Recording(hourly.name.replace("rate1h", "rate1w"), f"avg_over_time({hourly.name}[1w:1h])")


def _fleet(recent: Recording) -> Recording:
    return Recording(recent.name.replace("guild:", "fleet:"), f"sum({recent.name})")


RECENT_MESSAGES: Final = _recent("discord_messages", counter("messages"), HUMAN)
RECENT_JOINS: Final = _recent("discord_member_joins", counter("member_joins"))
RECENT_LEAVES: Final = _recent("discord_member_leaves", counter("member_leaves"))
RECENT_REMOVED: Final = _recent("discord_removals", counter("moderation_actions"), REMOVAL)

MESSAGES: Final = _hourly(RECENT_MESSAGES)
JOINS: Final = _hourly(RECENT_JOINS)
REMOVED: Final = _hourly(RECENT_REMOVED)

USUAL_MESSAGES: Final = _weekly(MESSAGES)
USUAL_JOINS: Final = _weekly(JOINS)
USUAL_REMOVED: Final = _weekly(REMOVED)

FLEET_MESSAGES: Final = _fleet(RECENT_MESSAGES)
FLEET_JOINS: Final = _fleet(RECENT_JOINS)
FLEET_LEAVES: Final = _fleet(RECENT_LEAVES)

GROUPS: Final = (
    # Rules of a group are computed in order, so each reads the new values of the ones before it.
    Group(
        "discord-minutes",
        "1m",
        (
            RECENT_MESSAGES,
            RECENT_JOINS,
            RECENT_LEAVES,
            RECENT_REMOVED,
            FLEET_MESSAGES,
            FLEET_JOINS,
            FLEET_LEAVES,
        ),
    ),
    Group("discord-hours", "1m", (MESSAGES, JOINS, REMOVED)),
    Group("discord-weeks", "10m", (USUAL_MESSAGES, USUAL_JOINS, USUAL_REMOVED)),
)

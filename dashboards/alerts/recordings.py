"""Series computed ahead: what is normal for a guild, and sums over the fleet.

A week of 50,000 guilds is far too much to read each time a rule or a panel asks; an hour is read once a
minute, and the week is made of those hours every ten minutes, looking at one in every thirty minutes: all of
them would be 500 million samples, ten times what Prometheus allows a query.
"""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Group, Recording
from dashboards.names import counter, label_value
from dashboards.queries.alarms import REMOVALS

REMOVAL: Final = f'action=~"{"|".join(REMOVALS)}"'
HUMAN: Final = f'author="{label_value("messages", "human")}"'


def _hourly(name: str, family: str, matcher: str = "") -> Recording:
    return Recording(f"guild:{name}:rate1h", f"sum by (guild_id) (rate({family}{{{matcher}}}[1h]))")


MESSAGES: Final = _hourly("discord_messages", counter("messages"), HUMAN)
JOINS: Final = _hourly("discord_member_joins", counter("member_joins"))
REMOVED: Final = _hourly("discord_removals", counter("moderation_actions"), REMOVAL)


def _weekly(hourly: Recording) -> Recording:
    return Recording(hourly.name.replace("rate1h", "rate1w"), f"avg_over_time({hourly.name}[1w:30m])")


USUAL_MESSAGES: Final = _weekly(MESSAGES)
USUAL_JOINS: Final = _weekly(JOINS)
USUAL_REMOVED: Final = _weekly(REMOVED)

FLEET_MESSAGES: Final = Recording(
    "fleet:discord_messages:rate5m", f"sum(rate({counter('messages')}{{{HUMAN}}}[5m]))"
)
FLEET_JOINS: Final = Recording(
    "fleet:discord_member_joins:rate5m", f"sum(rate({counter('member_joins')}[5m]))"
)
FLEET_LEAVES: Final = Recording(
    "fleet:discord_member_leaves:rate5m", f"sum(rate({counter('member_leaves')}[5m]))"
)

GROUPS: Final = (
    Group("discord-fleet", "30s", (FLEET_MESSAGES, FLEET_JOINS, FLEET_LEAVES)),
    Group("discord-hours", "1m", (MESSAGES, JOINS, REMOVED)),
    Group("discord-weeks", "10m", (USUAL_MESSAGES, USUAL_JOINS, USUAL_REMOVED)),
)

"""SQL that alerts ask; there is no dashboard around it, so no variable and no range."""

from __future__ import annotations

from typing import Final

from dashboards.dialect import Dialect
from dashboards.names import label_value, view

REMOVALS: Final = tuple(label_value("moderation_actions", action) for action in ("ban", "kick", "prune"))
"""What takes somebody out of a guild."""

ROGUE_TIMES: Final = 8
"""Times what that moderator did in an hour of work before."""

ROGUE_DAYS: Final = 30
"""Long enough to know a moderator's habits, short enough to ask every few minutes."""


def out_of_pattern(sql: Dialect) -> str:
    """Removals by each moderator in the last hour, where they are far above that moderator's own normal.

    Normal is the mean over the hours of work before, hours without a removal left out: otherwise everybody
    who moderates once a week would be out of pattern each time.
    """
    rows = view("v_moderation")
    actions = ", ".join(f"'{action}'" for action in REMOVALS)
    recent = sql.hours_since(rows.at, 1)
    hour = sql.slot(rows.at, 3600)
    return (
        f"WITH removals AS (SELECT {rows.guild_id}, {rows.moderator_id}, {rows.at} FROM {rows} "
        f"WHERE {rows.action} IN ({actions}) AND {rows.moderator_id} IS NOT NULL "
        f"AND {sql.since(rows.at, ROGUE_DAYS)}), "
        f"usual AS (SELECT {rows.guild_id}, {rows.moderator_id}, "
        f"1.0 * count(*) / count(DISTINCT {hour}) AS hourly FROM removals WHERE NOT ({recent}) "
        "GROUP BY 1, 2), "
        f"latest AS (SELECT {rows.guild_id}, {rows.moderator_id}, count(*) AS removed FROM removals "
        f"WHERE {recent} GROUP BY 1, 2) "
        "SELECT latest.guild_id AS guild_id, latest.moderator_id AS moderator_id, latest.removed AS value "
        "FROM latest LEFT JOIN usual ON usual.guild_id = latest.guild_id "
        "AND usual.moderator_id = latest.moderator_id "
        f"WHERE latest.removed > {ROGUE_TIMES} * coalesce(usual.hourly, 0)"
    )

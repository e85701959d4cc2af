"""Alerts for communities: each guild is compared with its own usual numbers.

The usual numbers of a small guild are close to zero, so every threshold also has a minimum of people or
messages. Recent values are read from recorded series too: reading the guilds' own series took six seconds of
each minute at 50,000 guilds.
"""

from __future__ import annotations

from typing import Final

from dashboards.alerts.recordings import (
    MESSAGES,
    RECENT_JOINS,
    RECENT_MESSAGES,
    RECENT_REMOVED,
    USUAL_JOINS,
    USUAL_MESSAGES,
    USUAL_REMOVED,
)
from dashboards.alerts.rule import Alert, Audience, Group, Severity
from dashboards.queries.moderation import unusual_removals

_FIVE_MINUTES: Final = 300
_TEN_MINUTES: Final = 600
_REMOVED: Final = RECENT_REMOVED.name

RAID_JOINS: Final = 20
"""Joins in five minutes. A shared link brings a few, a raid dozens."""
RAID_TIMES: Final = 10
"""Factor over the guild's usual joins: an advertised guild grows by hundreds a day without a raid."""

PURGE: Final = 10
"""Bans, kicks and prunes in ten minutes."""
PURGE_TIMES: Final = 10

FLOOD_PER_MINUTE: Final = 60
"""Messages by people per minute; below that, moderators can read all of them."""
FLOOD_TIMES: Final = 5

COLLAPSE_SHARE: Final = 0.2
"""A fifth of the same hour a week ago: on holidays messages fall by half, not by more."""
COLLAPSE_LEAST: Final = 60 / 3600
"""Messages per second a week ago below which the ratio is ignored: one per minute."""

ROGUE_ACTIONS: Final = 15
"""Removals by one moderator within an hour."""

_GUILD: Final = "guild {{ $labels.guild_id }}"


def _unusual(recent: str, usual: str, seconds: int, times: int) -> str:
    """``recent``, where it is above ``times`` the usual number in as many seconds."""
    return f"{recent} > {times * seconds} * ({usual} or 0 * {recent})"


RAID: Final = Alert(
    name="DiscordRaid",
    title="Raid: far more joins than normal",
    severity=Severity.CRITICAL,
    value=_unusual(
        f"{_FIVE_MINUTES} * {RECENT_JOINS.name}",
        USUAL_JOINS.name,
        _FIVE_MINUTES,
        RAID_TIMES,
    ),
    comparison=">",
    threshold=RAID_JOINS,
    lasting="0s",
    summary=f"{{{{ $value | humanize }}}} people joined {_GUILD} within five minutes.",
    page="discord-growth",
    meaning="Many more people join than usual for this guild.",
    steps="""
        1. *Invites* on the dashboard shows the invite they use: delete it in Discord.
        2. *Account age at the join* shows how young the accounts are; raids use accounts created
           days before.
        3. Raise the verification level or pause invites in the guild's safety settings.
        4. An event or an advertisement causes many joins too, but by old accounts.
    """,
)

PURGED: Final = Alert(
    name="DiscordMassRemoval",
    title="Mass ban, kick or prune",
    severity=Severity.CRITICAL,
    value=_unusual(
        f"{_FIVE_MINUTES} * ({_REMOVED} + ({_REMOVED} offset 5m or 0 * {_REMOVED}))",
        USUAL_REMOVED.name,
        _TEN_MINUTES,
        PURGE_TIMES,
    ),
    comparison=">",
    threshold=PURGE,
    lasting="0s",
    summary=f"{{{{ $value | humanize }}}} people were removed from {_GUILD} within ten minutes.",
    page="discord-moderation",
    meaning="Either moderators respond to a raid, or an account with permissions is misused.",
    steps="""
        1. *Moderation log* on the dashboard shows the moderator and the reason.
        2. If the moderator did not do it, the account is compromised: remove its roles at once.
        3. `v_moderation` lists all members affected, for lifting the bans.
    """,
)

FLOOD: Final = Alert(
    name="DiscordSpamWave",
    title="Spam wave: far more messages than normal",
    severity=Severity.WARNING,
    value=_unusual(
        f"60 * {RECENT_MESSAGES.name}",
        USUAL_MESSAGES.name,
        60,
        FLOOD_TIMES,
    ),
    comparison=">",
    threshold=FLOOD_PER_MINUTE,
    lasting="3m",
    summary=f"People send {{{{ $value | humanize }}}} messages a minute in {_GUILD}.",
    page="discord-guild",
    meaning="People send many more messages than usual for this guild.",
    steps="""
        1. *Top channels* shows the channels: enable slow mode there.
        2. *Top members* shows the members; a few names indicate spam, many names an event.
    """,
)

COLLAPSE: Final = Alert(
    name="DiscordMessagesCollapsed",
    title="Messages far below normal",
    severity=Severity.WARNING,
    value=f"{MESSAGES.name} / ({MESSAGES.name} offset 1w > {COLLAPSE_LEAST:.4f})",
    comparison="<",
    threshold=COLLAPSE_SHARE,
    lasting="1h",
    summary=f"Messages in {_GUILD} are at {{{{ $value | humanizePercentage }}}} of the same hour last week.",
    page="discord-guild",
    meaning="People send a fifth or less of the messages of the same hour a week ago.",
    steps="""
        1. Is the exporter connected? Otherwise *DiscordGatewayDisconnected* fires too.
        2. Was a channel locked or hidden, or did the bot lose its permission to read it? *Inactive
           channels* shows channels without activity.
    """,
)


ROGUE: Final = Alert(
    name="DiscordModeratorOutOfPattern",
    title="Unusual number of removals by one moderator",
    severity=Severity.CRITICAL,
    value=unusual_removals,
    comparison=">",
    threshold=ROGUE_ACTIONS,
    lasting="0s",
    summary="Moderator {{ $labels.moderator_id }} removed many people from guild {{ $labels.guild_id }}.",
    page="discord-moderation",
    meaning="One account bans, kicks or prunes far more members per hour than its mean of the last month.",
    steps="""
        1. *Moderation log*, filtered by this moderator, shows the members and the reasons.
        2. If the moderator did not do it, the account is compromised: remove its roles at once.
        3. During a raid this is expected: check whether *DiscordRaid* fires too.
    """,
)

GROUPS: Final = (
    Group("discord-community", "1m", alerts=(RAID, PURGED, FLOOD, COLLAPSE), audience=Audience.COMMUNITY),
    # The query reads a month of the log.
    Group("discord-moderators", "5m", alerts=(ROGUE,), audience=Audience.COMMUNITY),
)

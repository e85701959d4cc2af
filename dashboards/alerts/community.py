"""Alerts for whoever runs a community: each guild is compared with what is normal for itself.

A small guild's normal is close to nothing, so every threshold also has a least number of people or messages.
What is recent is read from what is recorded as well: to read the guilds' own series took six seconds of each
minute at 50,000 guilds.
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
"""In five minutes. A link shared by a friend brings a handful, a raid brings dozens."""
RAID_TIMES: Final = 10
"""Times the guild's own normal: an advertised guild grows by hundreds a day and is not raided."""

PURGE: Final = 10
"""Bans, kicks and prunes in ten minutes."""
PURGE_TIMES: Final = 10

FLOOD_PER_MINUTE: Final = 60
"""Messages of people a minute; below that, moderators can still read along."""
FLOOD_TIMES: Final = 5

COLLAPSE_SHARE: Final = 0.2
"""A fifth of the same hour a week ago: holidays halve a guild, they do not silence it."""
COLLAPSE_LEAST: Final = 60 / 3600
"""Messages a second a week ago below which silence means nothing: one a minute."""

ROGUE_ACTIONS: Final = 15
"""Removals by one moderator within the hour."""

_GUILD: Final = "guild {{ $labels.guild_id }}"


def _unusual(recent: str, usual: str, seconds: int, times: int) -> str:
    """``recent``, where it is above ``times`` the usual amount in as many seconds."""
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
    meaning="Many more people arrive than is normal for this guild.",
    steps="""
        1. *Invites* on the dashboard shows by which invite they come: delete it in Discord.
        2. *Accounts of newcomers* shows how young the accounts are; raids are made with accounts of
           days.
        3. Raise the verification level or pause invites in the guild's safety settings.
        4. An event or an advertisement looks the same, but its accounts are old.
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
    meaning="Either the team answers a raid, or an account with rights does harm.",
    steps="""
        1. *Recent actions* on the dashboard names who did it and the reason given.
        2. If the moderator knows nothing of it, their account is taken over: take its roles away
           first, then ask.
        3. `v_moderation` lists everybody affected, for lifting the bans.
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
    summary=f"{{{{ $value | humanize }}}} messages a minute in {_GUILD}.",
    page="discord-guild",
    meaning="Much more is written than is normal for this guild.",
    steps="""
        1. *Messages by channel* shows where; slow mode there gives moderators air.
        2. The leaderboard of the day shows who; a handful of names means spam, many names an event.
    """,
)

COLLAPSE: Final = Alert(
    name="DiscordMessagesCollapsed",
    title="Hardly anybody writes",
    severity=Severity.WARNING,
    value=f"{MESSAGES.name} / ({MESSAGES.name} offset 1w > {COLLAPSE_LEAST:.4f})",
    comparison="<",
    threshold=COLLAPSE_SHARE,
    lasting="1h",
    summary=f"In {_GUILD} only {{{{ $value | humanizePercentage }}}} of last week's messages are written.",
    page="discord-guild",
    meaning="A fifth or less of what was written at the same hour a week ago.",
    steps="""
        1. Is the exporter connected? *DiscordGatewayDisconnected* would have told.
        2. Has a channel been locked or hidden, or the bot lost its right to see it? *Quiet
           channels* shows which.
    """,
)


ROGUE: Final = Alert(
    name="DiscordModeratorOutOfPattern",
    title="A moderator removes far more people than ever",
    severity=Severity.CRITICAL,
    value=unusual_removals,
    comparison=">",
    threshold=ROGUE_ACTIONS,
    lasting="0s",
    summary="Moderator {{ $labels.moderator_id }} removed many people from guild {{ $labels.guild_id }}.",
    page="discord-moderation",
    meaning=("One account bans, kicks or prunes far more than it did in any hour of work of the last month."),
    steps="""
        1. *Recent actions*, filtered by this moderator, says whom and why.
        2. If they know nothing of it, their account is taken over: take its roles away first, then
           ask.
        3. In a raid the same is normal: look for *DiscordRaid* beside it.
    """,
)

GROUPS: Final = (
    Group("discord-community", "1m", alerts=(RAID, PURGED, FLOOD, COLLAPSE), audience=Audience.COMMUNITY),
    # A question to the log, over a month of it.
    Group("discord-moderators", "5m", alerts=(ROGUE,), audience=Audience.COMMUNITY),
)

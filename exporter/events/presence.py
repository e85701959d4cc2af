"""Presence: how often members come online, go idle and leave. Counted by status, and nothing else is kept.

A dispatch says what somebody's status is now, not what it was, so a number of members online could only be
had by remembering everybody's; Discord tells it of a guild as a whole. Whose status it was is looked at once,
to leave out who opted out.
"""

from __future__ import annotations

import msgspec

from exporter.events.facts import Count
from exporter.events.payload import Snowflake
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.model import Priority

PRESENCES = Measure(
    name="presence_updates",
    help="Presence updates, by the status told.",
    metric="discord_presence_updates",
    measurement="discord_guild",
    field="presence_updates",
    label="status",
    values=("online", "idle", "dnd", "offline"),
)


class Somebody(msgspec.Struct):
    """A user of whom only the id is promised."""

    id: Snowflake


class PresencePayload(msgspec.Struct):
    """Discord docs, Gateway Events › Presence Update; what somebody plays or listens to is not read."""

    user: Somebody
    guild_id: Snowflake = 0
    status: str = ""


def read_presence(presence: PresencePayload, received_at: int) -> tuple[Count, ...]:
    """One update, of nobody in particular."""
    series = PRESENCES.series_of.get(presence.status)
    if series is None or not presence.guild_id:
        return ()
    return (Count(series, presence.guild_id, received_at, person=presence.user.id),)


FAMILY = Family(
    "presence",
    "How often people come and go online.",
    (
        EventSpec(
            type="PRESENCE_UPDATE",
            family="presence",
            help="Somebody's status changed.",
            priority=Priority.SLOW,
            reads={"PRESENCE_UPDATE": Reader(PresencePayload, read_presence)},
            intents=("guild_presences",),
            default=False,
            measures=(PRESENCES,),
        ),
    ),
)

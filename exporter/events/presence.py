"""Presence: how often members come online, go idle and leave. Counted by status, and nothing else is kept.

A dispatch contains a user's status now, not the previous one, so counting the members online would need the
status of every member; Discord gives that number for a guild as a whole. The user id is only used to leave
out people who opted out.
"""

from __future__ import annotations

from exporter.events.facts.counting import Count
from exporter.events.payload import Identified, InGuild
from exporter.events.spec import EventSpec, Family, Identity, Measure, Reader

PRESENCES = Measure(
    name="presence_updates",
    help="Presence updates, by the new status.",
    label="status",
    values=("online", "idle", "dnd", "offline"),
)


class PresencePayload(InGuild):
    """Discord docs, Gateway Events › Presence Update; activities are not read."""

    user: Identified
    status: str = ""


def read_presence(presence: PresencePayload, received_at: int) -> tuple[Count, ...]:
    """One update, counted without its user."""
    series = PRESENCES.series_of.get(presence.status)
    if series is None:
        return ()
    return (Count(series, presence.guild_id, received_at, person=presence.user.id),)


_SEEN = Identity(None, lambda presence: ("presence", presence.guild_id, presence.user.id))

FAMILY = Family(
    "presence",
    "How often people come and go online.",
    (
        EventSpec(
            "PRESENCE_UPDATE",
            "A user's status changed.",
            reads={"PRESENCE_UPDATE": Reader(PresencePayload, read_presence, _SEEN)},
            intents=("guild_presences",),
            default=False,
            measures=(PRESENCES,),
        ),
    ),
)

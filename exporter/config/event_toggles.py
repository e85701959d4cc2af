"""What is watched: whole families through ``track``, single types through ``events``.

The two may not contradict each other: a type asked for by name in a family that is off is a mistake somebody
should hear about, not a riddle to solve silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from exporter.config.problems import suggest
from exporter.config.yaml_source import Path
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.settings import Section


class Track(Section):
    """Whole kinds of activity; each switch turns its family off at once."""

    messages: Annotated[bool, Field(description="Messages created, edited and deleted.")] = True
    voice: Annotated[bool, Field(description="Time spent in voice channels.")] = True
    reactions: Annotated[bool, Field(description="Reactions given, received and removed.")] = True
    detailed_members: Annotated[
        bool, Field(description="Activity member by member, in MEMBER_ACTIVITY_SNAPSHOT.")
    ] = True
    invites: Annotated[bool, Field(description="Invites made and removed, and who came by which.")] = True
    moderation: Annotated[bool, Field(description="Bans, unbans and the audit log.")] = True

    def toggles(self, catalogue: Catalogue) -> dict[str, bool]:
        """The types that are off by this section."""
        off = (name for name in Track.model_fields if not getattr(self, name))
        return {kind: False for name in off for kind in types_of(name, catalogue)}


def types_of(switch: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The event types one switch of ``track`` governs."""
    if switch == "detailed_members":
        return tuple(kind for kind in (MEMBER_ACTIVITY_SNAPSHOT,) if kind in catalogue.events)
    return tuple(kind for kind, spec in catalogue.events.items() if spec.family == switch)


def contradictions(data: Mapping[str, object], catalogue: Catalogue) -> Iterator[tuple[Path, str, str]]:
    """What the sections say against each other, as path, what is wrong and advice.

    Reads plain data, so that it finds its mistakes beside all others, whatever else is wrong.
    """
    track, events = _section(data, "track"), _section(data, "events")
    for switch in Track.model_fields:
        if track.get(switch) is not False:
            continue
        for kind in types_of(switch, catalogue):
            if events.get(kind) is True:
                yield (
                    ("events", kind),
                    f"is on, but track.{switch} is off",
                    f"remove one: set track.{switch}: true, or events.{kind}: false",
                )
    types = _section(_section(data, "batching"), "types")
    for kind in types:
        if kind not in catalogue.events:
            yield ("batching", "types", kind), "is no event type", suggest(kind, catalogue.events)


def _section(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}

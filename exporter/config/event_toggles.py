"""Which event types are on: whole families through ``track``, single types through ``events``.

The two must not contradict each other: a type switched on by name in a family that is off is reported as a
mistake of the configuration, never resolved silently.
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
    """Whole families of events; each toggle turns its family off."""

    messages: Annotated[bool, Field(description="Messages created, edited and deleted.")] = True
    voice: Annotated[bool, Field(description="Time spent in voice channels.")] = True
    reactions: Annotated[bool, Field(description="Reactions given, received and removed.")] = True
    detailed_members: Annotated[
        bool, Field(description="Activity per member, in MEMBER_ACTIVITY_SNAPSHOT.")
    ] = True
    invites: Annotated[
        bool, Field(description="Invites created and deleted, and which invite a member joined by.")
    ] = True
    moderation: Annotated[bool, Field(description="Bans, unbans and the audit log.")] = True

    def toggles(self, catalogue: Catalogue) -> dict[str, bool]:
        """The types this section turns off."""
        off = (name for name in Track.model_fields if not getattr(self, name))
        return {kind: False for name in off for kind in types_of(name, catalogue)}


def types_of(toggle: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The event types that one toggle of ``track`` turns off."""
    if toggle == "detailed_members":
        return tuple(kind for kind in (MEMBER_ACTIVITY_SNAPSHOT,) if kind in catalogue.events)
    return tuple(kind for kind, spec in catalogue.events.items() if spec.family == toggle)


def contradictions(data: Mapping[str, object], catalogue: Catalogue) -> Iterator[tuple[Path, str, str]]:
    """The contradictions between ``track`` and ``events``, as path, problem and advice.

    Reads plain data, so that they are reported together with all other problems.
    """
    track, events = _section(data, "track"), _section(data, "events")
    for toggle in Track.model_fields:
        if track.get(toggle) is not False:
            continue
        for kind in types_of(toggle, catalogue):
            if events.get(kind) is True:
                yield (
                    ("events", kind),
                    f"is on, but track.{toggle} is off",
                    f"remove one: set track.{toggle}: true, or events.{kind}: false",
                )
    types = _section(_section(data, "batching"), "types")
    for kind in types:
        if kind not in catalogue.events:
            yield ("batching", "types", kind), "is no event type", suggest(kind, catalogue.events)


def _section(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}

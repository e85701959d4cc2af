"""The list of components. Its order is the order of effects; adding a component is one line here.

State of guilds and shards comes first, since the others read it. Voice comes before moderation, which takes
what a voice state says a moderator did; what earns experience comes before what counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit
from exporter.events.catalogue import Catalogue
from exporter.events.rest_request import Submit
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry
from exporter.tracking.invites.tracker import InviteTracker
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.levels.levels import Levels
from exporter.tracking.moderation.component import ModerationTracker
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.structure.component import StructureTracker
from exporter.tracking.voice.tracker import VoiceTracker


@dataclass(frozen=True, slots=True)
class TrackingContext:
    """What a component may be made with: the declarations, ports of the state, and the port for requests.

    ``submit`` puts a request to Discord, None where nothing can be asked; ``window_ms`` is the length of the
    smallest window.
    """

    catalogue: Catalogue
    clock: Clock
    telemetry: Telemetry
    guilds: GuildCache
    permissions: Permissions
    timeline: ShardTimeline
    window_ms: int
    submit: Submit | None = None
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    catch_up: CatchUpConfig = field(default_factory=CatchUpConfig)


Factory: TypeAlias = Callable[[TrackingContext, Emit], Component]


def _voice(context: TrackingContext, emit: Emit) -> Component:
    return VoiceTracker(emit, context.timeline, context.clock, context.window_ms)


def _structure(context: TrackingContext, emit: Emit) -> Component:
    return StructureTracker(emit, context.catalogue.events)


def _moderation(context: TrackingContext, emit: Emit) -> Component:
    return ModerationTracker(
        emit,
        context.catalogue,
        context.catch_up,
        context.submit,
        context.guilds,
        context.permissions,
        context.timeline,
        context.clock,
    )


def _invites(context: TrackingContext, emit: Emit) -> Component:
    return InviteTracker(
        emit,
        context.submit if "REST_INVITES" in context.catalogue.readers else None,
        context.permissions,
        context.guilds,
        context.timeline,
        audited="guild_moderation" in context.catalogue.intents,
    )


def _levels(context: TrackingContext, emit: Emit) -> Component:
    return Levels(emit, context.levels, context.catalogue, context.guilds.people, context.telemetry)


TRACKERS: Sequence[Factory] = (_voice, _structure, _moderation, _invites, _levels)
"""The components that turn facts into counts and records, in the order of their effects."""

"""The list of components. Its order is the order of effects; adding a component is one line here.

State of guilds and shards comes first, since the others read it. Voice comes before moderation, which takes
what a voice state says a moderator did. Catching up comes before all that takes entries of audit logs: it
puts out each of them once. Look-ups come after all that has unexplained actions. What earns experience comes
before what counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit
from exporter.events.catalogue import Catalogue
from exporter.events.moderation import ENTRY_CREATE
from exporter.events.rest_request import Submit
from exporter.events.structure import STRUCTURE_TYPES
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry
from exporter.tracking.invites.tracker import InviteTracker
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.levels.levels import Levels
from exporter.tracking.membership.component import MembershipTracker
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.moderation.component import ModerationTracker
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.moderation.lookups import LookupBoard, Lookups
from exporter.tracking.structure.component import StructureTracker
from exporter.tracking.voice.tracker import VoiceTracker


@dataclass(frozen=True)
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

    @property
    def audited(self) -> bool:
        """Whether any event type that is on is known from audit logs."""
        return any(kind in self.catalogue.events for kind in (ENTRY_CREATE, *STRUCTURE_TYPES))

    @property
    def submit_lookups(self) -> Submit | None:
        """The port for requests of what was not explained; None where entries are of no use."""
        return self.submit if self.audited else None

    @cached_property
    def audit(self) -> AuditAccess:
        """What is known of reading the audit logs."""
        return AuditAccess(self.permissions.lacks, self.timeline, audited=self.audited)

    @cached_property
    def lookups(self) -> LookupBoard:
        """The look-ups of unexplained actions."""
        return LookupBoard()


Factory: TypeAlias = Callable[[TrackingContext, Emit], Component]


def _voice(context: TrackingContext, emit: Emit) -> Component:
    return VoiceTracker(emit, context.timeline, context.clock, context.window_ms)


def _catch_up(context: TrackingContext, emit: Emit) -> Component:
    submit = context.submit if "REST_AUDIT_LOG" in context.catalogue.readers else None
    return CatchUp(emit, context.catch_up, submit, context.audit, context.telemetry)


def _structure(context: TrackingContext, emit: Emit) -> Component:
    return StructureTracker(emit, context.catalogue.events, context.guilds.people.get, context.audit)


def _moderation(context: TrackingContext, emit: Emit) -> Component:
    return ModerationTracker(
        emit,
        context.catalogue.events,
        context.guilds.people.get,
        context.submit_lookups,
        context.audit,
        context.lookups,
    )


def _membership(context: TrackingContext, emit: Emit) -> Component:
    return MembershipTracker(
        emit,
        context.guilds.people.get,
        context.timeline,
        context.audit,
        context.lookups if context.submit_lookups is not None else None,
    )


def _lookups(context: TrackingContext, emit: Emit) -> Component:
    return Lookups(emit, context.lookups, context.submit_lookups, context.audit.is_unreadable)


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


TRACKERS: Sequence[Factory] = (
    _voice,
    _catch_up,
    _structure,
    _moderation,
    _membership,
    _lookups,
    _invites,
    _levels,
)
"""The components that turn facts into counts and records, in the order of their effects."""

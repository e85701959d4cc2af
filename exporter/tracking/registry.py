"""The list of components behind those of the state; adding one is a line here. Its order is that of effects.

Voice comes before moderation, which takes what a voice state says a moderator did. Catching up comes before
all that takes entries of audit logs: it puts out each of them once. Look-ups come after all that has
unexplained actions. What earns experience comes before what counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from exporter.dispatch.component import Component, Emit
from exporter.tracking.context import TrackingContext
from exporter.tracking.invites.tracker import InviteTracker
from exporter.tracking.levels.levels import Levels
from exporter.tracking.membership.component import MembershipTracker
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.moderation.component import ModerationTracker
from exporter.tracking.moderation.lookups import Lookups
from exporter.tracking.structure.component import StructureTracker
from exporter.tracking.voice.tracker import VoiceTracker

Factory: TypeAlias = Callable[[TrackingContext, Emit], Component]


def _voice(context: TrackingContext, emit: Emit) -> Component:
    return VoiceTracker(emit, context.timeline, context.voice_states, context.clock, context.window_ms)


def _catch_up(context: TrackingContext, emit: Emit) -> Component:
    submit = context.submit if "REST_AUDIT_LOG" in context.catalogue.readers else None
    return CatchUp(emit, context.catch_up, submit, context.audit)


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
        context.lookups,
        asks=context.submit_lookups is not None,
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

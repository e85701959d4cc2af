"""The list of components. Its order is the order of effects; adding a component is one line here.

State of guilds and shards comes first, since the others read it. Voice comes before moderation, which takes
what a voice state says a moderator did. Catching up comes before all that takes entries of audit logs: it
puts out each of them once. Look-ups come after all that has unexplained actions. What earns experience comes
before what counts it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from exporter.aggregation.config import MetricsConfig
from exporter.clock import Clock, DiscordClock
from exporter.dispatch.component import Component, Emit
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.aggregates import METRICS_SNAPSHOT
from exporter.events.audit import ENTRY_CREATE
from exporter.events.catalogue import Catalogue
from exporter.events.guilds import MEMBERS
from exporter.events.rest_request import Submit
from exporter.events.structure import STRUCTURE_TYPES
from exporter.state.channel_changes import ChannelChanges
from exporter.state.guild import Guild
from exporter.state.guild_cache import GuildCache
from exporter.state.known_bots import KnownBots
from exporter.state.member_count_sync import MemberCountSync
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.state.voice_states import VoiceStates
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
    """The state of guilds and shards, and what else a component may need.

    ``submit`` puts a request to Discord, None where nothing can be asked; ``window_ms`` is the length of the
    smallest window.
    """

    catalogue: Catalogue
    clock: Clock
    telemetry: Telemetry
    guilds: GuildCache
    permissions: Permissions
    timeline: ShardTimeline
    voice_states: VoiceStates
    window_ms: int
    submit: Submit | None = None
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    catch_up: CatchUpConfig = field(default_factory=CatchUpConfig)

    @property
    def audited(self) -> bool:
        """Whether any event type that is on is known from audit logs."""
        return any(kind in self.catalogue.events for kind in (ENTRY_CREATE, *STRUCTURE_TYPES))

    def submit_for(self, answer: str) -> Submit | None:
        """The port for requests whose answer comes as this dispatch; None where no event type reads it."""
        return self.submit if answer in self.catalogue.readers else None

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


def add_state(
    dispatcher: Dispatcher,
    catalogue: Catalogue,
    clock: Clock,
    telemetry: Telemetry,
    metrics: MetricsConfig,
    *,
    submit: Submit | None,
    clear_refusals: Callable[[int], None],
    levels: LevelsConfig,
    catch_up: CatchUpConfig,
    rng: random.Random,
) -> TrackingContext:
    """Add the components of the state; ``clear_refusals`` takes guilds where permissions changed."""
    add = dispatcher.add
    witness = clock.witness if isinstance(clock, DiscordClock) else None
    timeline = dispatcher.reader.timeline = add(lambda emit: ShardTimeline(emit, clock, witness))
    counts_members = {"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"} <= catalogue.events.keys()
    known: dict[int, Guild] = {}
    add(
        lambda emit: MemberCountSync(
            emit,
            known,
            submit if MEMBERS.name in catalogue.gauges else None,
            telemetry,
            rng,
            interval=round(metrics.member_count_interval * 1000),
            counts_members=counts_members,
        )
    )
    add(KnownBots)
    add(lambda emit: ChannelChanges(emit, known, clock))
    guilds = add(lambda emit: GuildCache(emit, known, counts_members=counts_members))
    permissions = add(lambda emit: Permissions(emit, catalogue, clear_refusals))
    states = add(VoiceStates)
    ports = (guilds, permissions, timeline, states, metrics.lengths[METRICS_SNAPSHOT])
    return TrackingContext(catalogue, clock, telemetry, *ports, submit, levels, catch_up)


Factory: TypeAlias = Callable[[TrackingContext, Emit], Component]


TRACKERS: Sequence[Factory] = (
    lambda given, emit: VoiceTracker(emit, given.timeline, given.voice_states, given.clock, given.window_ms),
    lambda given, emit: CatchUp(
        emit, given.catch_up, given.submit_for("REST_AUDIT_LOG"), given.audit, given.telemetry
    ),
    lambda given, emit: StructureTracker(emit, given.catalogue.events, given.guilds.people.get, given.audit),
    lambda given, emit: ModerationTracker(
        *(emit, given.catalogue.events, given.guilds.people.get),
        *(given.submit_lookups, given.audit, given.lookups),
    ),
    lambda given, emit: MembershipTracker(
        *(emit, given.guilds.people.get, given.timeline, given.audit),
        given.lookups if given.submit_lookups is not None else None,
    ),
    lambda given, emit: Lookups(emit, given.lookups, given.submit_lookups, given.audit.is_unreadable),
    lambda given, emit: InviteTracker(
        *(emit, given.submit_for("REST_INVITES"), given.permissions, given.guilds, given.timeline),
        audited="guild_moderation" in given.catalogue.intents,
    ),
    lambda given, emit: Levels(emit, given.levels, given.catalogue, given.guilds.people, given.telemetry),
)
"""The components that turn facts into counts and records, in the order of their effects."""

"""What the components are made with: declarations, ports of the state, and the port for requests.

The components of the state are made here, and stand first in the list, since the others read them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from exporter.aggregation.config import MetricsConfig
from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.aggregates import METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts import PermissionsChanged
from exporter.events.guilds import MEMBERS
from exporter.events.moderation import ENTRY_CREATE
from exporter.events.rest_request import Submit
from exporter.events.structure import STRUCTURE_TYPES
from exporter.state.guild import Guild
from exporter.state.guild_cache import GuildCache
from exporter.state.member_count_sync import MemberCountSync
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.state.voice_states import VoiceStates
from exporter.telemetry import Telemetry
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.moderation.lookups import LookupBoard


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


class RefusalReset(Component):
    """Clears what REST refused in a guild where the bot's permissions changed."""

    name = "refusal_reset"

    def __init__(self, emit: Emit, clear_refusals: Callable[[int], None]) -> None:
        super().__init__(emit)
        self._clear_refusals = clear_refusals

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Changed permissions."""
        return {PermissionsChanged: lambda fact: self._clear_refusals(fact.guild_id)}


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
    timeline = dispatcher.reader.timeline = add(lambda emit: ShardTimeline(emit, clock))
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
    guilds = add(lambda emit: GuildCache(emit, known, counts_members=counts_members))
    permissions = add(lambda emit: Permissions(emit, catalogue))
    add(lambda emit: RefusalReset(emit, clear_refusals))
    states = add(VoiceStates)
    ports = (guilds, permissions, timeline, states, metrics.lengths[METRICS_SNAPSHOT])
    return TrackingContext(catalogue, clock, telemetry, *ports, submit, levels, catch_up)

"""The parts of the stage, and what each is given of the others; every one is made here and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Callable

from exporter.aggregation.aggregate import Aggregate
from exporter.aggregation.cells import WindowKind
from exporter.aggregation.series_expiry import Leftovers
from exporter.checkpoint.checkpoint import Committer
from exporter.clock import Clock
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.guilds import MEMBERS
from exporter.events.rest_request import Submit
from exporter.spool.ports import SpoolWriter
from exporter.state.guild_cache import Directory
from exporter.state.member_count_sync import Headcount
from exporter.state.permissions import Rights
from exporter.state.shard_timeline import Streams
from exporter.telemetry import Telemetry
from exporter.tracking.config import BatchingConfig, CatchUpConfig, LevelsConfig, MetricsConfig, PrivacyConfig
from exporter.tracking.event_recorder import Recorder
from exporter.tracking.invites.tracker import InviteTracker
from exporter.tracking.levels.levels import Levels
from exporter.tracking.moderation.attribution import Attribution
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.structure.guild_objects import GuildObjects
from exporter.tracking.voice.journal import VoiceJournal
from exporter.tracking.voice.ledger import VoiceLedger

AUDIT = "view_audit_log"


class Stages:
    """What the stage is made of. ``lengths`` are those of the windows, in ms by kind of snapshot."""

    def __init__(
        self,
        catalogue: Catalogue,
        metrics: MetricsConfig,
        batching: BatchingConfig,
        privacy: PrivacyConfig,
        spool: SpoolWriter,
        clock: Clock,
        telemetry: Telemetry,
        *,
        channels: bool,
        submit: Submit | None,
        clear_refusals: Callable[[int], None],
        catch_up: CatchUpConfig,
        levels: LevelsConfig,
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self._clear_refusals = clear_refusals
        self.directory = Directory()
        self.rights = Rights(catalogue, self._change_rights)
        self.parts = GuildObjects(catalogue.events)
        self.streams = Streams(clock)
        self.catch_up = CatchUp(
            catch_up,
            submit if "REST_AUDIT_LOG" in catalogue.readers else None,
            lambda guild_id: not self.rights.lacks(guild_id, AUDIT),
        )
        self.headcount = Headcount(
            self.directory,
            submit if MEMBERS.name in catalogue.gauges else None,
            telemetry,
            rng,
            interval=round(metrics.member_count_interval * 1000),
            told={"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"} <= catalogue.events.keys(),
        )
        lengths = {
            METRICS_SNAPSHOT: round(metrics.snapshot_interval * 1000),
            MEMBER_ACTIVITY_SNAPSHOT: round(metrics.member_activity_interval * 1000),
        }
        self.lengths = {name: length for name, length in lengths.items() if name in catalogue.events}
        kinds = [WindowKind(name, length) for name, length in self.lengths.items()]
        self.aggregate = Aggregate(
            catalogue, kinds, self.directory.parents, channels=channels, predates=self.streams.predates
        )
        self.leftovers = Leftovers(self.aggregate)
        self.levels = Levels(levels, catalogue, self.directory.people.get, telemetry.levels_forgotten.inc)
        self.recorder = Recorder(
            catalogue,
            self.directory,
            self.aggregate,
            self.levels,
            lambda entry: self.committer.offer(entry),  # noqa: PLW0108 - what is committed includes what is attributed
        )
        self.voice = VoiceLedger(
            self.recorder.count,
            self.aggregate.show,
            lengths[METRICS_SNAPSHOT],
            self.directory.afk_channel,
            self.streams.is_silent,
        )
        self.voice_journal = VoiceJournal(self.voice, clock)
        self.invites = InviteTracker(
            self.recorder.write,
            self.recorder.count,
            submit if "REST_INVITES" in catalogue.readers else None,
            lambda guild_id, permission: not self.rights.lacks(guild_id, permission),
            self.directory.has_vanity,
            privacy.opt_out,
            audited="guild_moderation" in catalogue.intents,
        )
        self.attribution = Attribution(
            self.recorder.write,
            self.recorder.count,
            self.directory.people.get,
            catalogue.events,
            self.streams,
            submit,
            lambda guild_id: self.rights.lacks(guild_id, AUDIT),
            self.catch_up.is_behind,
        )
        self.committer = Committer(spool, batching, clock, telemetry, self.attribution.begun)

    def now(self) -> int:
        """Now for timers, in ms: the wall clock may be set, and would then starve or fire them."""
        return round(self._clock.monotonic() * 1000)

    def forget(self, guild_id: int, wall: int) -> None:
        """Let go of a guild the bot was removed from at ``wall``."""
        # While it is known what the bot was told there: what was not told is not sure.
        self.invites.forget(guild_id, self.now())
        self.rights.forget(guild_id)
        self.catch_up.forget(guild_id)
        self.headcount.forget(guild_id)
        self.leftovers.lose_guild(guild_id, self.now())
        self.attribution.forget(guild_id, wall)
        self.parts.forget(guild_id)
        self.recorder.newcomers.pop(guild_id, None)

    def settle(self, now_ms: int, heard: int | None = None) -> None:
        """Decide what can be decided by now; ``heard`` is the time up to which every shard was heard."""
        self.attribution.settle(self.now(), now_ms, heard=heard)
        self.catch_up.tick(self.now())
        self.headcount.tick(self.now())
        self.invites.tick(self.now(), heard)

    def _change_rights(self, guild_id: int) -> None:
        self._clear_refusals(guild_id)
        self.catch_up.permit(guild_id, self.now())
        self.attribution.permit(guild_id)
        self.invites.permit(guild_id)

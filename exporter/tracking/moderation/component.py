"""Moderation as a component: the audit logs' marks, and what is open of actions, departures and timeouts."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import msgspec

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.catalogue import Catalogue
from exporter.events.facts import (
    Action,
    AuditEntry,
    AuditPage,
    GuildDeleted,
    GuildObjectChanged,
    GuildUpserted,
    MembershipStarted,
    MessageDeleted,
    PermissionsChanged,
    Record,
    SessionStarted,
    TimeoutState,
    VoiceChannelLeft,
)
from exporter.events.rest_request import Submit
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.moderation.attribution import Attribution
from exporter.tracking.moderation.catch_up import PURPOSE as CATCH_UP_PURPOSE
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.previous_journal import Mark, SavedModeration

AUDIT = "view_audit_log"


class SavedMark(msgspec.Struct, frozen=True, array_like=True):
    """How far a guild's audit log has been taken: all entries up to ``floor``, and those listed above it."""

    floor: int
    recent: tuple[int, ...]


class ModerationTracker(Component):
    """Who did what to whom, and why."""

    name = "moderation"

    def __init__(
        self,
        emit: Emit,
        catalogue: Catalogue,
        config: CatchUpConfig,
        submit: Submit | None,
        guilds: GuildCache,
        permissions: Permissions,
        timeline: ShardTimeline,
        clock: Clock,
    ) -> None:
        super().__init__(emit)
        self._clock = clock
        self._timeline = timeline

        def unreadable(guild_id: int) -> bool:
            return permissions.lacks(guild_id, AUDIT)

        self.catch_up = CatchUp(
            config,
            submit if "REST_AUDIT_LOG" in catalogue.readers else None,
            lambda guild_id: not unreadable(guild_id),
        )

        def record(record: Record, amends: bool) -> None:  # noqa: FBT001 - the matcher's callback
            emit(msgspec.structs.replace(record, amends=amends) if amends else record)

        self._make: Callable[[], Attribution] = lambda: Attribution(
            record,
            emit,
            guilds.people.get,
            catalogue.events,
            timeline,
            submit,
            unreadable,
            self.catch_up.is_behind,
        )
        self._attribution = self._make()
        self._open = SavedModeration()
        self._saved = SavedModeration()
        self._marks: SavedTable[int, SavedMark] = SavedTable(
            "marks", int, SavedMark, self._read_mark, self._load_mark
        )
        self._open_table: SavedTable[int, SavedModeration] = SavedTable(
            "open", int, SavedModeration, lambda _: self._open, self._load_open
        )

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Dispatches of actions, entries of audit logs, and what both depend on."""
        return {
            SessionStarted: lambda fact, _: self.catch_up.start_session(fact.guild_ids),
            GuildUpserted: self._see_guild,
            GuildDeleted: self._lose_guild,
            PermissionsChanged: self._permit,
            AuditEntry: self._audit,
            AuditPage: self._take_page,
            Action: lambda *taken: self._attribution.act(*taken),  # noqa: PLW0108 - it is replaced
            GuildObjectChanged: lambda *taken: self._attribution.change(*taken),  # noqa: PLW0108 - it is replaced
            MembershipStarted: lambda *taken: self._attribution.join(*taken),  # noqa: PLW0108 - it is replaced
            TimeoutState: lambda *taken: self._attribution.silence(*taken),  # noqa: PLW0108 - it is replaced
            MessageDeleted: lambda *taken: self._attribution.lose_message(*taken),  # noqa: PLW0108 - it is replaced
            VoiceChannelLeft: lambda fact, now: self._attribution.change_voice(
                fact.guild_id, fact.channel_id, fact.at, now
            ),
        }

    def _see_guild(self, fact: GuildUpserted, now: int) -> None:
        self.catch_up.see_guild(fact.guild_id, fact.at, now, fact.joined_at)
        self._attribution.see_guild(fact.guild_id, now)

    def _lose_guild(self, fact: GuildDeleted, now: int) -> None:
        del now
        if not fact.unavailable:
            self.catch_up.forget(fact.guild_id)
            self._marks.touch(fact.guild_id)
            self._attribution.forget(fact.guild_id, fact.at)

    def _permit(self, fact: PermissionsChanged, now: int) -> None:
        self.catch_up.permit(fact.guild_id, now)
        self._attribution.permit(fact.guild_id)

    def _audit(self, entry: AuditEntry, now: int) -> None:
        self._attribution.audit(entry, now, fresh=self.catch_up.take(entry), recovered=False)

    def _take_page(self, page: AuditPage, now: int) -> None:
        if page.request.purpose == CATCH_UP_PURPOSE:
            for entry in self.catch_up.turn(page, now):
                self._attribution.audit(entry, now, fresh=True, recovered=True)
            return
        for entry in page.entries:
            missed = self.catch_up.is_missed(entry)
            self._attribution.audit(entry, now, fresh=self.catch_up.take(entry), recovered=missed)
        self._attribution.answer(page, now)

    # ------------------------------------------------------------------ time

    def tick(self, now: int, wall: int) -> None:
        """Decide what has waited long enough, and submit requests that are due."""
        self._attribution.settle(now, wall, heard=self._timeline.heard)
        self.catch_up.tick(now)

    def hurry(self, now: int) -> None:
        """Submit at once what is waiting to be asked for."""
        self._attribution.hurry(now)

    def undecided(self, asked_at: int) -> int:
        """Actions, departures and guilds that are not decided yet."""
        return self._attribution.undecided(asked_at) + self.catch_up.behind

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """How far each audit log was taken, and what is open."""
        return (self._marks, self._open_table)

    @property
    def urgent(self) -> bool:
        """A guild seen for the first time has no mark yet: after a crash nothing would be read back."""
        return self.catch_up.newly_seen

    @property
    def unsaved(self) -> bool:
        """Whether marks or what is open have changed."""
        return bool(self.catch_up.unsaved) or self._now_open() != self._saved

    def save(self) -> Iterator[StateRow]:
        """The marks that moved, and what is open if that changed."""
        for guild_id in self.catch_up.take_unsaved():
            self._marks.touch(guild_id)
        self._open = self._now_open()
        if self._open != self._saved:
            self._open_table.touch(0)
        return super().save()

    def confirm(self) -> None:
        """What was saved last is committed."""
        self._saved = self._open
        super().confirm()

    def _now_open(self) -> SavedModeration:
        return self._attribution.save(round(self._clock.monotonic() * 1000))

    def _read_mark(self, guild_id: int) -> SavedMark | None:
        found = self.catch_up.marks((guild_id,)).get(guild_id)
        return None if found is None else SavedMark(*found)

    def _load_mark(self, guild_id: int, saved: SavedMark) -> None:
        mark: Mark = (saved.floor, saved.recent)
        self.catch_up.restore({guild_id: mark})

    def _load_open(self, _: int, saved: SavedModeration) -> None:
        self._open = saved

    def clear(self) -> None:
        """Forget what is open; marks only move forward and are kept."""
        self._attribution = self._make()
        self._open = SavedModeration()

    def resume(self, now: int, wall: int) -> None:
        """Take up what is open."""
        del wall
        self._attribution.restore(self._open, now)
        self._saved = self._now_open()

    def forget_people(self, people: Container[int]) -> None:
        """Forget what is open of these people."""
        kept = self._open.without(people)
        if kept != self._open:
            self._attribution = self._make()
            self._attribution.restore(kept, round(self._clock.monotonic() * 1000))

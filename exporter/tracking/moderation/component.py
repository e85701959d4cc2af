"""Moderation as a component: who did what to members, timeouts, and entries whose count rises.

Dispatches and audit-log entries that tell of one action become one row: whatever comes first is recorded at
once and amended by what follows, so a critical entry never waits, one real action is one row, and it is
counted once, when it is first learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.audit import MEMBER_DISCONNECT, MEMBER_MOVE, MESSAGE_DELETE
from exporter.events.facts.guilds import GuildDeleted, GuildUpserted, PermissionsChanged, VoiceChannelLeft
from exporter.events.facts.moderation import (
    Action,
    AuditEntryRecounted,
    AuditEntryTaken,
    AuditPageRead,
    MessageDeleted,
    TimeoutState,
)
from exporter.events.rest_request import Submit
from exporter.events.structure import STRUCTURE
from exporter.tracking.moderation.action_rows import ActionPolicy, ActionRows
from exporter.tracking.moderation.aggregated_entries import AggregatedEntries
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.audit_matcher import AuditMatcher
from exporter.tracking.moderation.lookups import LookupBoard
from exporter.tracking.moderation.timeouts import Timeouts

_TIMEOUTS = frozenset({"timeout", "timeout_removed"})


class ModerationTracker(Component):
    """The actions on members. ``name_of`` knows people's names; ``types`` are the event types that are on."""

    name = "moderation"

    def __init__(
        self,
        emit: Emit,
        types: Container[str],
        name_of: Callable[[int], str | None],
        submit: Submit | None,
        access: AuditAccess,
        lookups: LookupBoard,
    ) -> None:
        super().__init__(emit)
        self._access = access
        self._matcher = AuditMatcher(emit, ActionPolicy(), access.is_unread)
        self._rows = ActionRows(emit, self._matcher, name_of, types, access.latest)
        self._timeouts = Timeouts(emit, self._rows, self._matcher, lookups, access.is_unread, access.latest)
        self._aggregated = AggregatedEntries(submit, access.is_unreadable, access.is_unread)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Dispatches of actions, entries of audit logs, and what both depend on."""
        return {
            Action: self._act,
            AuditEntryTaken: self._enter,
            AuditEntryRecounted: self._recount,
            AuditPageRead: self._aggregated.answer,
            TimeoutState: self._timeouts.update,
            MessageDeleted: lambda fact, now: self._aggregated.happen(
                fact.guild_id, MESSAGE_DELETE, fact.channel_id, fact.at, now
            ),
            VoiceChannelLeft: self._leave_channel,
            GuildUpserted: lambda fact, now: self._aggregated.see_guild(fact.guild_id, now),
            GuildDeleted: self._lose_guild,
            PermissionsChanged: lambda fact, _: self._aggregated.permit(fact.guild_id),
        }

    # ------------------------------------------------------------------ facts

    def _act(self, action: Action, now: int) -> None:
        """Take what a dispatch shows was done to a member; departures are not decided here."""
        if action.action == "leave":
            return
        if self._rows.act(action, now) and action.action == "automod_timeout":
            self._timeouts.execute(action.guild_id, action.target.user_id, now)

    def _enter(self, fact: AuditEntryTaken, now: int) -> None:
        entry = fact.entry
        if not entry.action or entry.action in STRUCTURE.series_of:
            return
        if entry.action in {"kick", "ban"} and not entry.target_id:
            return
        self._rows.enter(entry, now, recovered=fact.recovered)
        self._aggregated.enter(entry, now, recovered=fact.recovered)
        if entry.action in _TIMEOUTS:
            self._timeouts.enter(entry, now)
        elif entry.action == "automod_timeout":
            self._timeouts.execute(entry.guild_id, entry.target_id, now)

    def _recount(self, fact: AuditEntryRecounted, now: int) -> None:
        entry = fact.entry
        if self._aggregated.enter(entry, now) and entry.action:
            self._rows.recount(entry)

    def _leave_channel(self, fact: VoiceChannelLeft, now: int) -> None:
        action_type = MEMBER_MOVE if fact.channel_id else MEMBER_DISCONNECT
        self._aggregated.happen(fact.guild_id, action_type, fact.channel_id, fact.at, now)

    def _lose_guild(self, fact: GuildDeleted, now: int) -> None:
        del now
        if fact.unavailable:
            self._aggregated.lose_guild(fact.guild_id)
        else:
            self._timeouts.forget_guild(fact.guild_id, fact.at)
            self._aggregated.forget_guild(fact.guild_id)

    # ------------------------------------------------------------------ time

    def tick(self, now: int, wall: int) -> None:
        """Decide what has waited long enough, and submit requests that are due."""
        self._timeouts.settle(now, wall)
        self._matcher.settle(self._access.heard(now))
        self._aggregated.submit_due(now)

    def hurry(self, now: int) -> None:
        """Submit requests for all counts that may have risen."""
        self._aggregated.submit_due(now, hurry=True)

    def undecided(self, asked_at: int, wall: int) -> int:
        """Timeouts and counts that are not decided yet."""
        return self._timeouts.open(asked_at, wall) + self._aggregated.open(asked_at)

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """Actions that wait for their other half, timeouts, and entries whose count may rise."""
        timeouts = self._timeouts
        return (self._matcher.table, timeouts.members, timeouts.held, self._aggregated.table)

    def clear(self) -> None:
        """Forget everything."""
        self._matcher.clear()
        self._timeouts.clear()
        self._aggregated.clear()

    def resume(self, now: int, wall: int) -> None:
        """Have what waited looked up again, and counts read again."""
        del wall
        self._matcher.resume(now)
        self._timeouts.resume(now)
        self._aggregated.resume(now)

    def forget_people(self, people: Container[int]) -> None:
        """Forget what was done to these people."""
        self._matcher.forget_people(people)
        self._timeouts.forget_people(people)

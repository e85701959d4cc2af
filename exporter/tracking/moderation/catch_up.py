"""Takes each entry of the audit logs once, and reads what was done in an absence from the last one known on.

What has been taken of each guild's log stands in ``AuditMarks``. A guild is *behind* from the start of a
session until its log has been read to the end.

Invariants: an entry is taken once, by whatever way it comes; at most ``MOST_SUBMITTED`` guilds are read at a
time, each by one page, so that none waits for another's backlog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.answer_meaning import AnswerMeaning, pause_after
from exporter.events.facts.guilds import GuildUpserted, PermissionsChanged, SessionStarted
from exporter.events.facts.moderation import (
    AuditEntry,
    AuditEntryRecounted,
    AuditEntryTaken,
    AuditPage,
    AuditPageRead,
)
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.telemetry import Telemetry
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.audit_marks import OVERTAKING_MS, AuditMarks
from exporter.tracking.moderation.catch_up_progress import CatchUpProgress
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.moderation.lookups import first_id

PURPOSE: Final = "catch-up"
"""Marks this component's requests among those for audit logs."""

MOST_SUBMITTED: Final = 50
"""Guilds read at a time: more than the source asks Discord for in two seconds."""

_UNKNOWN: Final = 1 << 62
"""In place of a session's start, where entries made after it were not received either."""

_PAGE: Final = 100
"""Entries in one answer, as many as Discord gives."""


class CatchUp(Component):
    """How far each guild's audit log has been taken; times are in ms, ``at`` since the epoch."""

    name = "catch_up"

    def __init__(
        self,
        emit: Emit,
        config: CatchUpConfig,
        submit: Submit | None,
        access: AuditAccess,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(emit)
        self._config = config
        self._submit = submit if config.enabled else None
        self._access = access
        self._behind = access.behind
        self._expected = access.expected
        self._marks = AuditMarks(telemetry)
        self._submitted: set[int] = set()
        self._again: set[int] = set()
        self._refused: set[int] = set()
        self._retries: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._newly_seen = False
        self._restored_at = 0
        """The newest moment the marks of the previous run tell of: a guild without one was added later."""
        self._progress = CatchUpProgress(access.behind)
        self._kept = False
        """Whether committed rows are older than what is known: after an error marks are kept."""

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Entries and pages of audit logs, and the gaps before sessions."""
        return {
            SessionStarted: lambda fact, _: self.start_session(fact.guild_ids),
            GuildUpserted: self._see,
            PermissionsChanged: lambda fact, now: self.permit(fact.guild_id, now),
            AuditEntry: self._receive,
            AuditPage: self.turn,
        }

    def undecided(self, asked_at: int, wall: int) -> int:
        """Guilds whose log has not been read to its end since their session started."""
        del asked_at, wall
        return len(self._behind)

    # ------------------------------------------------------------------ gaps

    def start_session(self, guild_ids: Collection[int]) -> None:
        """A session starts: what is received of these guilds from now on comes after a gap."""
        if self._submit is not None:
            self._expected.update(guild_ids)
            self._again.update(self._submitted.intersection(guild_ids))
            for guild_id in guild_ids:
                self._marks.open_gap(guild_id)

    def _see(self, fact: GuildUpserted, now: int) -> None:
        """A guild is there: for the first time, in a new session or after an outage."""
        guild_id = fact.guild_id
        self._expected.discard(guild_id)
        if guild_id not in self._marks:
            self._newly_seen = True
            back = round(self._config.first_start * 1000)
            added = self._restored_at and fact.joined_at > self._restored_at - OVERTAKING_MS
            # What was done right before comes by the gateway right after.
            first = fact.at - (back or OVERTAKING_MS)
            self._marks.set_floor(guild_id, first_id(min(first, fact.joined_at) if added else first))
            if not back and not added:
                return
        self._fall_behind(guild_id, fact.at, now)

    def permit(self, guild_id: int, now: int) -> None:
        """The bot may do more or less in a guild: what it could not read before it may read now."""
        if guild_id in self._refused and self._access.is_permitted(guild_id):
            self._refused.discard(guild_id)
            self._fall_behind(guild_id, _UNKNOWN, now)

    def forget_guild(self, guild_id: int) -> None:
        """The bot is no longer in a guild."""
        self._expected.discard(guild_id)
        self._refused.discard(guild_id)
        self._marks.forget_guild(guild_id)
        self._retries.pop(guild_id, None)
        self._failures.pop(guild_id, None)

    def _fall_behind(self, guild_id: int, at: int, now: int) -> None:
        if self._submit is None:
            return
        if guild_id in self._submitted:
            self._again.add(guild_id)
        self._behind[guild_id] = at
        self._marks.open_gap(guild_id)
        self._progress.begin(guild_id, now)

    # ------------------------------------------------------------------ entries

    def take(self, entry: AuditEntry, *, live: bool = True) -> bool:
        """Whether an entry has not been taken before; from now on it has."""
        unread = self._access.is_behind(entry.guild_id) or entry.guild_id in self._refused
        late = self._access.held_up
        return self._marks.take(entry.guild_id, entry.entry_id, live=live, unread=unread, late=late)

    def _receive(self, entry: AuditEntry, now: int) -> None:
        del now
        self._put_out(entry, live=True)

    def _put_out(self, entry: AuditEntry, *, recovered: bool = False, live: bool = False) -> bool:
        taken = self.take(entry, live=live)
        self.emit(AuditEntryTaken(entry, recovered) if taken else AuditEntryRecounted(entry))
        return taken

    def is_missed(self, entry: AuditEntry) -> bool:
        """Whether an entry was made in an absence, by whatever request it was found."""
        return entry.guild_id in self._expected or entry.at < self._behind.get(entry.guild_id, 0)

    def turn(self, page: AuditPage, now: int) -> None:
        """Take a page: put its entries out, those read here all as recovered, and then its end."""
        own = page.request.purpose == PURPOSE
        entries = sorted(page.entries, key=lambda entry: entry.entry_id)
        newest = max((page.newest, *(entry.entry_id for entry in entries)))
        more = page.size >= page.request.limit and newest > page.request.after
        if own:
            self._catch_up(page, entries, now, newest=newest if more else 0)
        else:
            for entry in entries:
                self._put_out(entry, recovered=self.is_missed(entry))
        self.emit(AuditPageRead(page.request, page.meaning, newest, more))

    def _catch_up(self, page: AuditPage, entries: Iterable[AuditEntry], now: int, *, newest: int) -> None:
        """Take a page that was submitted here; ``newest`` is its last id where more may follow, else 0."""
        guild_id = page.request.guild_id
        self._submitted.discard(guild_id)
        if guild_id not in self._behind or guild_id not in self._marks:
            self._leave(guild_id, now)
            return
        if page.meaning is not AnswerMeaning.ANSWERED:
            self._stumble(guild_id, page.meaning, now)
            return
        self._failures.pop(guild_id, None)
        for entry in entries:
            if self._put_out(entry, recovered=True):
                self._progress.entries += 1
        if newest:
            self._marks.raise_floor(guild_id, newest)
            self._behind[guild_id] = self._behind.pop(guild_id)  # to the end of the line
        elif guild_id in self._again:  # what was read may lie before the last gap
            self._again.discard(guild_id)
        else:
            self._leave(guild_id, now)

    def _stumble(self, guild_id: int, meaning: AnswerMeaning, now: int) -> None:
        """Put a page again later. While that is refused, nothing else waits for the guild's log."""
        failures = self._failures[guild_id] = self._failures.get(guild_id, 0) + 1
        if meaning is AnswerMeaning.REFUSED:
            self._refuse(guild_id, now)
        self._retries[guild_id] = now + pause_after(failures)

    def _refuse(self, guild_id: int, now: int) -> None:
        """A guild's log may not be read; should that change, it is read from where it was left."""
        if guild_id in self._marks:
            self._refused.add(guild_id)
        self._progress.refused += 1
        self._leave(guild_id, now)

    def _leave(self, guild_id: int, now: int) -> None:
        """A guild has caught up, or cannot."""
        self._behind.pop(guild_id, None)
        self._again.discard(guild_id)
        self._retries.pop(guild_id, None)
        self._progress.end(now)

    # ------------------------------------------------------------------ requests

    def tick(self, now: int, wall: int) -> None:
        """Submit requests for the next pages, and log how far this is."""
        del wall
        if self._submit is None:
            return
        self._progress.report(now)
        for guild_id in [guild for guild in self._behind if not self._is_possible(guild)]:
            self._refuse(guild_id, now)
        for guild_id in [guild for guild in self._refused if self._retries.get(guild, now + 1) <= now]:
            # The bot's roles say that it may: whatever was refused is refused no longer than that is so.
            self.permit(guild_id, now)
        for guild_id in self._next(now):
            self._submitted.add(guild_id)
            self._submit(
                RestRequest(
                    RequestKind.AUDIT_LOG,
                    guild_id,
                    purpose=PURPOSE,
                    after=self._marks.floor(guild_id),
                    limit=_PAGE,
                )
            )

    def _is_possible(self, guild_id: int) -> bool:
        return guild_id in self._submitted or (
            guild_id in self._marks and self._access.is_permitted(guild_id)
        )

    def _next(self, now: int) -> list[int]:
        found: list[int] = []
        for guild_id in self._behind:
            if len(self._submitted) + len(found) >= MOST_SUBMITTED:
                break
            if guild_id in self._submitted or self._retries.get(guild_id, now) > now:
                continue
            self._retries.pop(guild_id, None)
            found.append(guild_id)
        return found

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """How far each guild's log was taken."""
        return (self._marks.floors, self._marks.recent)

    @property
    def urgent(self) -> bool:
        """A guild seen for the first time has no mark yet: after a crash nothing would be read back."""
        return self._newly_seen

    def save(self) -> Iterator[StateRow]:
        """The marks that moved."""
        self._newly_seen = False
        return super().save()

    def clear(self) -> None:
        """Keep the marks: they only move forward, and the other components have handled the entries."""
        self._kept = True

    def restore(self, rows: Iterable[StateRow]) -> int:
        """Take the marks of the previous run back; those of this run are newer than what was committed."""
        return 0 if self._kept else super().restore(rows)

    def resume(self, now: int, wall: int) -> None:
        """Expect the guilds of the previous run; after an error read again what was missed meanwhile."""
        del wall
        if self._kept:
            self._kept = False
            self._submitted.clear()
            self._marks.save_all()
            for guild_id in self._marks.guilds():
                self._fall_behind(guild_id, _UNKNOWN, now)
        elif self._submit is not None:
            self._restored_at = self._marks.newest
            self._expected.update(self._marks.guilds())

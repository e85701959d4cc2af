"""Takes each entry of the audit logs once, and reads what was done in an absence from the last one known on.

Of each guild it is known up to which entry all have been taken (``floor``) and which entries above that have
(``recent``): dispatches of entries overtake one another, so the newest one received does not stand for those
before it. Both are committed with what was made of the entries, so that after a crash each entry is taken
once. A guild is *behind* from the start of a session until its log has been read to the end.

Invariants: an entry is taken once, by whatever way it comes; a floor never passes an entry not taken; at most
``MOST_SUBMITTED`` guilds are read at a time, each by one page, so that none waits for another's backlog.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec

from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.facts.guilds import GuildUpserted, PermissionsChanged, SessionStarted
from exporter.events.facts.moderation import (
    AuditEntry,
    AuditEntryRecounted,
    AuditEntryTaken,
    AuditPage,
    AuditPageRead,
)
from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.config import CatchUpConfig

log = logging.getLogger(__name__)

PURPOSE: Final = "catch-up"
"""Marks this component's requests among those for audit logs."""

OVERTAKING_MS: Final = 60_000
"""How much later than a newer entry an older one may still come; a floor stays that far behind."""

MOST_SUBMITTED: Final = 50
"""Guilds read at a time: more than the source asks Discord for in two seconds."""

MOST_RECENT: Final = 5_000
"""Entries remembered above a floor; a guild with more of them in a minute is under attack, and the oldest
of them are then as good as certain to be complete."""

MOST_UNREAD: Final = 100_000
"""The same while the guild's log is still to be read: below the oldest there may be entries not taken."""

RETRY_MS: Final = 30_000
"""Pause after a request that Discord did not answer."""

PROGRESS_MS: Final = 60_000
"""How often a long catch-up logs how far it is."""

_UNKNOWN: Final = 1 << 62
"""In place of a session's start, where entries made after it were not received either."""

_PAGE: Final = 100
"""Entries in one answer, as many as Discord gives."""


_Key = tuple[int, int]
"""Guild and entry."""


class SavedFloor(msgspec.Struct, frozen=True, array_like=True):
    """All entries of a guild's audit log up to this id have been taken."""

    floor: int


class SavedTaken(msgspec.Struct, frozen=True, array_like=True):
    """An entry above the floor has been taken: the key of the row says which."""


@dataclass(slots=True)
class _Progress:
    """One catch-up, from the first guild behind to the last one that has caught up."""

    since: int
    guilds: set[int] = field(default_factory=set)
    entries: int = 0
    refused: int = 0
    logged: int | None = None


class CatchUp(Component):
    """How far each guild's audit log has been taken; times are in ms, ``at`` since the epoch."""

    name = "catch_up"

    def __init__(self, emit: Emit, config: CatchUpConfig, submit: Submit | None, access: AuditAccess) -> None:
        super().__init__(emit)
        self._config = config
        self._submit = submit if config.enabled else None
        self._access = access
        self._behind = access.behind
        self._expected = access.expected
        self._floors: dict[int, int] = {}
        self._recent: dict[int, dict[int, None]] = {}
        self._submitted: set[int] = set()
        self._again: set[int] = set()
        self._refused: set[int] = set()
        self._retries: dict[int, int] = {}
        self._newly_seen = False
        self._restored_at = 0
        """The newest moment the marks of the previous run tell of: a guild without one was added later."""
        self._progress: _Progress | None = None
        self._kept = False
        """Whether committed rows are older than what is known: after an error marks are kept."""
        self._floor_table: SavedTable[int, SavedFloor] = SavedTable(
            "floors", int, SavedFloor, self._read_floor, self._load_floor
        )
        self._recent_table: SavedTable[_Key, SavedTaken] = SavedTable(
            "recent", _Key, SavedTaken, self._read_recent, self._load_recent
        )

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

    def start_session(self, guild_ids: Iterable[int]) -> None:
        """A session starts: what is received of these guilds from now on comes after a gap."""
        if self._submit is not None:
            self._expected.update(guild_ids)
            self._again.update(self._submitted.intersection(guild_ids))

    def _see(self, fact: GuildUpserted, now: int) -> None:
        """A guild is there: for the first time, in a new session or after an outage."""
        guild_id = fact.guild_id
        self._expected.discard(guild_id)
        if guild_id not in self._floors:
            self._newly_seen = True
            back = round(self._config.first_start * 1000)
            added = self._restored_at and fact.joined_at > self._restored_at - OVERTAKING_MS
            # What was done right before comes by the gateway right after.
            first = fact.at - (back or OVERTAKING_MS)
            self._set_floor(guild_id, _id_at(min(first, fact.joined_at) if added else first))
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
        self._floors.pop(guild_id, None)
        self._floor_table.touch(guild_id)
        for entry_id in self._recent.pop(guild_id, ()):
            self._recent_table.touch((guild_id, entry_id))
        self._retries.pop(guild_id, None)

    def _fall_behind(self, guild_id: int, at: int, now: int) -> None:
        if self._submit is None:
            return
        if guild_id in self._submitted:
            self._again.add(guild_id)
        self._behind[guild_id] = at
        if self._progress is None:
            self._progress = _Progress(now)
        self._progress.guilds.add(guild_id)

    # ------------------------------------------------------------------ entries

    def take(self, entry: AuditEntry) -> bool:
        """Whether an entry has not been taken before; from now on it has."""
        guild_id, entry_id = entry.guild_id, entry.entry_id
        floor = self._floors.get(guild_id)
        if floor is None:
            # The dispatch of a guild the bot has just been added to may come before the guild's own.
            floor = self._set_floor(guild_id, entry_id - 1)
        if entry_id <= floor:
            return False
        recent = self._recent.setdefault(guild_id, {})
        if entry_id in recent:
            return False
        recent[entry_id] = None
        self._recent_table.touch((guild_id, entry_id))
        unread = self._access.is_behind(guild_id) or guild_id in self._refused
        if not unread:
            self._raise_floor(guild_id, entry_id - (OVERTAKING_MS << 22))
        if len(recent) > (MOST_UNREAD if unread else MOST_RECENT):
            self._raise_floor(guild_id, sorted(recent)[len(recent) // 2])
        return True

    def _receive(self, entry: AuditEntry, now: int) -> None:
        del now
        self._put_out(entry)

    def _put_out(self, entry: AuditEntry, *, recovered: bool = False) -> bool:
        taken = self.take(entry)
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
        self.emit(AuditPageRead(page.request, page.status, newest, more))

    def _catch_up(self, page: AuditPage, entries: Iterable[AuditEntry], now: int, *, newest: int) -> None:
        """Take a page that was submitted here; ``newest`` is its last id where more may follow, else 0."""
        guild_id = page.request.guild_id
        self._submitted.discard(guild_id)
        if guild_id not in self._behind or guild_id not in self._floors:
            self._leave(guild_id, now)
            return
        if page.status != HTTPStatus.OK:
            self._stumble(guild_id, page.status, now)
            return
        for entry in entries:
            if self._put_out(entry, recovered=True) and self._progress is not None:
                self._progress.entries += 1
        if newest:
            self._raise_floor(guild_id, newest)
            self._behind[guild_id] = self._behind.pop(guild_id)  # to the end of the line
        elif guild_id in self._again:  # what was read may lie before the last gap
            self._again.discard(guild_id)
        else:
            self._leave(guild_id, now)

    def _stumble(self, guild_id: int, status: int, now: int) -> None:
        if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}:
            self._refuse(guild_id, now)
        else:
            self._retries[guild_id] = now + RETRY_MS

    def _refuse(self, guild_id: int, now: int) -> None:
        """A guild's log may not be read; should that change, it is read from where it was left."""
        if guild_id in self._floors:
            self._refused.add(guild_id)
        if self._progress is not None:
            self._progress.refused += 1
        self._leave(guild_id, now)

    def _leave(self, guild_id: int, now: int) -> None:
        """A guild has caught up, or cannot."""
        self._behind.pop(guild_id, None)
        self._again.discard(guild_id)
        self._retries.pop(guild_id, None)
        if not self._behind and self._progress is not None:
            done, self._progress = self._progress, None
            log.info(
                "caught up on the audit logs of %d guilds after %.0f s: %d entries, %d guilds refused",
                len(done.guilds),
                *((now - done.since) / 1000, done.entries, done.refused),
            )

    # ------------------------------------------------------------------ requests

    def tick(self, now: int, wall: int) -> None:
        """Submit requests for the next pages, and log how far this is."""
        del wall
        if self._submit is None or self._progress is None:
            return
        if self._progress.logged is None:
            self._progress.logged = now
            log.info("catching up on the audit logs of %d guilds", len(self._progress.guilds))
        elif now - self._progress.logged >= PROGRESS_MS:
            self._progress.logged = now
            log.info(
                "catching up on the audit logs: %d of %d guilds left, %d entries so far",
                *(len(self._behind), len(self._progress.guilds), self._progress.entries),
            )
        for guild_id in [guild for guild in self._behind if not self._is_possible(guild)]:
            self._refuse(guild_id, now)
        for guild_id in self._next(now):
            self._submitted.add(guild_id)
            self._submit(
                RestRequest(
                    RequestKind.AUDIT_LOG,
                    guild_id,
                    purpose=PURPOSE,
                    after=self._floors[guild_id],
                    limit=_PAGE,
                )
            )

    def _is_possible(self, guild_id: int) -> bool:
        return guild_id in self._submitted or (
            guild_id in self._floors and self._access.is_permitted(guild_id)
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

    # ------------------------------------------------------------------ marks

    def _set_floor(self, guild_id: int, floor: int) -> int:
        self._floors[guild_id] = floor
        self._floor_table.touch(guild_id)
        return floor

    def _raise_floor(self, guild_id: int, floor: int) -> None:
        if floor <= self._floors[guild_id]:
            return
        self._set_floor(guild_id, floor)
        recent = self._recent.get(guild_id, {})
        for entry_id in [entry_id for entry_id in recent if entry_id <= floor]:
            del recent[entry_id]
            self._recent_table.touch((guild_id, entry_id))
        if not recent:
            self._recent.pop(guild_id, None)

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """How far each guild's log was taken."""
        return (self._floor_table, self._recent_table)

    @property
    def urgent(self) -> bool:
        """A guild seen for the first time has no mark yet: after a crash nothing would be read back."""
        return self._newly_seen

    def save(self) -> Iterator[StateRow]:
        """The marks that moved."""
        self._newly_seen = False
        return super().save()

    def _read_floor(self, guild_id: int) -> SavedFloor | None:
        floor = self._floors.get(guild_id)
        return None if floor is None else SavedFloor(floor)

    def _load_floor(self, guild_id: int, saved: SavedFloor) -> None:
        if not self._kept:
            self._floors[guild_id] = saved.floor
            self._note_restored(saved.floor)
            if self._submit is not None:
                self._expected.add(guild_id)

    def _read_recent(self, key: _Key) -> SavedTaken | None:
        guild_id, entry_id = key
        return SavedTaken() if entry_id in self._recent.get(guild_id, ()) else None

    def _load_recent(self, key: _Key, saved: SavedTaken) -> None:
        del saved
        guild_id, entry_id = key
        if not self._kept:
            self._recent.setdefault(guild_id, {})[entry_id] = None
            self._note_restored(entry_id)

    def _note_restored(self, entry_id: int) -> None:
        self._restored_at = max(self._restored_at, (entry_id >> 22) + DISCORD_EPOCH_MS)

    def clear(self) -> None:
        """Keep the marks: they only move forward, and the other components have handled the entries."""
        self._kept = True

    def resume(self, now: int, wall: int) -> None:
        """Save the marks that were kept, and read again what was missed while this was suspended."""
        del wall
        if self._kept:
            self._kept = False
            self._submitted.clear()
            for guild_id in self._floors:
                self._fall_behind(guild_id, _UNKNOWN, now)
            for guild_id in self._floors:
                self._floor_table.touch(guild_id)
            for guild_id, recent in self._recent.items():
                for entry_id in recent:
                    self._recent_table.touch((guild_id, entry_id))


def _id_at(at: int) -> int:
    """The smallest id made at a moment, ms since the epoch."""
    return max(0, at - DISCORD_EPOCH_MS) << 22

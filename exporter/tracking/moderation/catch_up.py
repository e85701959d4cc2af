"""What moderators did while nobody watched: the audit log is read from the last entry known on.

Of each guild it is known up to which entry everything has been taken (``floor``) and which entries above that
have (``recent``): dispatches of entries overtake one another, so the newest one seen does not stand for those
before it. Both are committed with what was made of the entries, so that after a crash each entry is taken
once. A guild is *behind* from the start of a session until its log has been read to the end.

Invariants: an entry is fresh once, by whatever way it comes; a floor never passes an entry not taken; at most
``MOST_ASKED`` guilds are asked for at a time, each for one page, so that none waits for another's backlog.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from exporter.events.facts import AuditEntry, AuditPage
from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.previous_journal import Mark

log = logging.getLogger(__name__)

PURPOSE = "catch-up"
"""Marks this stage's own questions among those to the audit log."""

OVERTAKING_MS = 60_000
"""How much later than a newer entry an older one may still be told; a floor stays that far behind."""

MOST_ASKED = 50
"""Guilds asked for at a time: more than the source puts to Discord in two seconds."""

MOST_RECENT = 5_000
"""Entries remembered above a floor; a guild with more of them in a minute is under attack, and the oldest
of them are then as good as certain to be complete."""

MOST_UNREAD = 100_000
"""The same while the guild's log is still to be read: below the oldest there may be entries not taken."""

RETRY_MS = 30_000
"""Pause after a question that Discord did not answer."""

PROGRESS_MS = 60_000
"""How often a long catch-up says how far it is."""

_NOT_SEEN = 1 << 62
"""In place of a moment from which on a guild's entries are told: none of them was."""

_PAGE = 100
"""Entries in one answer, as many as Discord gives."""


@dataclass(slots=True)
class _Progress:
    """One catch-up, from the first guild behind to the last one that has caught up."""

    since: int
    guilds: set[int] = field(default_factory=set)
    entries: int = 0
    refused: int = 0
    told: int | None = None


class CatchUp:
    """How far each guild's audit log has been taken.

    ``permitted`` says whether the bot may read a guild's log; times are in ms, ``now`` on a clock that never
    steps, ``at`` since the epoch.
    """

    def __init__(
        self, config: CatchUpConfig, submit: Submit | None, permitted: Callable[[int], bool]
    ) -> None:
        self._config = config
        self._submit = submit if config.enabled else None
        self._permitted = permitted
        self._floors: dict[int, int] = {}
        self._recent: dict[int, dict[int, None]] = {}
        self._behind: dict[int, int] = {}
        self._asked: set[int] = set()
        self._again: set[int] = set()
        self._expected: set[int] = set()
        self._refused: set[int] = set()
        self._retries: dict[int, int] = {}
        self.newly_seen = False
        """Whether a guild was seen for the first time since marks were taken: without its mark the next
        process would not know that it missed anything."""
        self._restored_at = 0
        """The newest moment the marks of the previous run speak of: a guild without one was added later."""
        self._unsaved: set[int] = set()
        self._progress: _Progress | None = None

    @property
    def behind(self) -> int:
        """Guilds whose log has not been read to its end since their session started."""
        return len(self._behind)

    def is_behind(self, guild_id: int) -> bool:
        """Whether a guild's log is still to be read after a gap."""
        return guild_id in self._behind or guild_id in self._expected

    # ------------------------------------------------------------------ what is remembered

    def marks(self, guild_ids: Iterable[int]) -> dict[int, Mark]:
        """How far these guilds' logs have been taken."""
        return {
            guild_id: (self._floors[guild_id], tuple(self._recent.get(guild_id, ())))
            for guild_id in guild_ids
            if guild_id in self._floors
        }

    @property
    def unsaved(self) -> int:
        """Guilds whose marks have changed since they were last taken."""
        return len(self._unsaved)

    def take_unsaved(self) -> dict[int, Mark]:
        """The marks that have changed since the last call; whoever takes them commits them."""
        self.newly_seen = False
        unsaved, self._unsaved = self._unsaved, set()
        return self.marks(unsaved)

    def put_back(self, guild_ids: Iterable[int]) -> None:
        """Take back marks that could not be committed."""
        self._unsaved.update(guild_ids)

    def restore(self, marks: Mapping[int, Mark]) -> None:
        """Take the marks of the process before."""
        for guild_id, (floor, recent) in marks.items():
            self._floors[guild_id] = floor
            self._recent[guild_id] = dict.fromkeys(recent)
            newest = max((floor, *recent))
            self._restored_at = max(self._restored_at, (newest >> 22) + DISCORD_EPOCH_MS)
        if self._submit is not None:
            self._expected.update(marks)

    # ------------------------------------------------------------------ what happens

    def start_session(self, guild_ids: Iterable[int]) -> None:
        """A session starts: what is told of these guilds from now on comes after a gap."""
        if self._submit is not None:
            self._expected.update(guild_ids)
            self._again.update(self._asked.intersection(guild_ids))

    def see_guild(self, guild_id: int, at: int, now: int, joined_at: int = 0) -> None:
        """A guild can be seen: for the first time ever, in a new session or after an outage.

        ``joined_at`` is when the bot was added to it, in ms, 0 where that is not known.
        """
        self._expected.discard(guild_id)
        if guild_id not in self._floors:
            self.newly_seen = True
            back = round(self._config.first_start * 1000)
            missed = self._restored_at and joined_at > self._restored_at - OVERTAKING_MS
            # What was done right before is told by the gateway right after.
            first = at - (back or OVERTAKING_MS)
            self._set_floor(guild_id, _id_at(min(first, joined_at) if missed else first))
            if not back and not missed:
                return
        self._fall_behind(guild_id, at, now)

    def permit(self, guild_id: int, now: int) -> None:
        """The bot may do more or less in a guild: what it could not read before it may read now."""
        if guild_id in self._refused and self._permitted(guild_id):
            self._refused.discard(guild_id)
            self._fall_behind(guild_id, _NOT_SEEN, now)

    def forget(self, guild_id: int) -> None:
        """The bot is no longer in a guild."""
        self._expected.discard(guild_id)
        self._refused.discard(guild_id)
        self._floors.pop(guild_id, None)
        self._recent.pop(guild_id, None)
        self._retries.pop(guild_id, None)

    def _fall_behind(self, guild_id: int, at: int, now: int) -> None:
        if self._submit is None:
            return
        if guild_id in self._asked:
            self._again.add(guild_id)
        self._behind[guild_id] = at
        if self._progress is None:
            self._progress = _Progress(now)
        self._progress.guilds.add(guild_id)

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
        self._unsaved.add(guild_id)
        unread = self.is_behind(guild_id) or guild_id in self._refused
        if not unread:
            self._raise_floor(guild_id, entry_id - (OVERTAKING_MS << 22))
        if len(recent) > (MOST_UNREAD if unread else MOST_RECENT):
            self._raise_floor(guild_id, sorted(recent)[len(recent) // 2])
        return True

    def is_missed(self, entry: AuditEntry) -> bool:
        """Whether an entry was made while nobody watched, by whatever question it was found."""
        return entry.guild_id in self._expected or entry.at < self._behind.get(entry.guild_id, 0)

    def turn(self, page: AuditPage, now: int) -> Iterator[AuditEntry]:
        """Take a page that was asked for here; yields what is fresh of it."""
        guild_id = page.request.guild_id
        self._asked.discard(guild_id)
        if guild_id not in self._behind or guild_id not in self._floors:
            self._leave(guild_id, now)
            return
        if page.status != HTTPStatus.OK:
            self._stumble(guild_id, page.status, now)
            return
        last = self._floors[guild_id]
        for entry in sorted(page.entries, key=lambda entry: entry.entry_id):
            if self.take(entry):
                if self._progress is not None:
                    self._progress.entries += 1
                yield entry
            last = max(last, entry.entry_id)
        if page.size >= page.request.limit and last > page.request.after:
            self._raise_floor(guild_id, last)
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

    def tick(self, now: int) -> None:
        """Request the next pages, and say how far this is."""
        if self._submit is None or self._progress is None:
            return
        if self._progress.told is None:
            self._progress.told = now
            log.info("catching up on the audit logs of %d guilds", len(self._progress.guilds))
        elif now - self._progress.told >= PROGRESS_MS:
            self._progress.told = now
            log.info(
                "catching up on the audit logs: %d of %d guilds left, %d entries so far",
                *(len(self._behind), len(self._progress.guilds), self._progress.entries),
            )
        for guild_id in [guild for guild in self._behind if not self._possible(guild)]:
            self._refuse(guild_id, now)
        for guild_id in self._next(now):
            self._asked.add(guild_id)
            self._submit(
                RestRequest(
                    RequestKind.AUDIT_LOG,
                    guild_id,
                    purpose=PURPOSE,
                    after=self._floors[guild_id],
                    limit=_PAGE,
                )
            )

    def _possible(self, guild_id: int) -> bool:
        return guild_id in self._asked or (guild_id in self._floors and self._permitted(guild_id))

    def _next(self, now: int) -> list[int]:
        found: list[int] = []
        for guild_id in self._behind:
            if len(self._asked) + len(found) >= MOST_ASKED:
                break
            if guild_id in self._asked or self._retries.get(guild_id, now) > now:
                continue
            self._retries.pop(guild_id, None)
            found.append(guild_id)
        return found

    def _set_floor(self, guild_id: int, floor: int) -> int:
        self._floors[guild_id] = floor
        self._unsaved.add(guild_id)
        return floor

    def _raise_floor(self, guild_id: int, floor: int) -> None:
        if floor <= self._floors[guild_id]:
            return
        self._set_floor(guild_id, floor)
        recent = self._recent.get(guild_id)
        if recent is not None:
            left = dict.fromkeys(entry_id for entry_id in recent if entry_id > floor)
            if left:
                self._recent[guild_id] = left
            else:
                del self._recent[guild_id]


def _id_at(at: int) -> int:
    """The smallest id made at a moment, ms since the epoch."""
    return max(0, at - DISCORD_EPOCH_MS) << 22

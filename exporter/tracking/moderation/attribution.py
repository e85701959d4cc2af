"""Who did what to whom, and why: dispatches and audit-log entries that speak of one action become one row.

Whatever comes first is recorded at once and amended by what follows, so a critical entry never waits, one
real action is one row, and it is counted once, when it is first learnt. This is where what is told is handed
to those who know about it: rows (``actions``), departures, timeouts, entries that count on (``grouped``), and
what is asked for when nothing explains an action (``lookups``).
"""

from __future__ import annotations

from collections.abc import Callable, Container

from exporter.events.audit import GROUPED, MEMBER_DISCONNECT, MEMBER_MOVE, MESSAGE_DELETE
from exporter.events.facts import (
    Action,
    AuditEntry,
    AuditPage,
    Count,
    GuildObjectChanged,
    MembershipStarted,
    MessageDeleted,
    Record,
    TimeoutState,
)
from exporter.events.moderation import ENTRY_CREATE
from exporter.events.rest_request import Submit
from exporter.events.structure import STRUCTURE
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.membership.departures import Departures
from exporter.tracking.membership.evidence import Departure
from exporter.tracking.moderation.aggregated_entries import PURPOSE as COUNT_PURPOSE
from exporter.tracking.moderation.aggregated_entries import Groups
from exporter.tracking.moderation.audit_matcher import WINDOW_MS, ActionLog, PendingAction, saved
from exporter.tracking.moderation.begun import BegunRows
from exporter.tracking.moderation.lookups import PURPOSE as UNEXPLAINED_PURPOSE
from exporter.tracking.moderation.lookups import Fate, LookUps, Miss
from exporter.tracking.moderation.timeouts import Timeouts
from exporter.tracking.previous_journal import SavedModeration
from exporter.tracking.structure.structure_log import TYPES as STRUCTURE_TYPES
from exporter.tracking.structure.structure_log import StructureLog

__all__ = ["WINDOW_MS", "Attribution"]

_TIMEOUTS = frozenset({"timeout", "timeout_removed"})
_REMOVALS = frozenset({"kick", "ban"})


class Attribution:
    """The actions of the last seconds, and what goes on longer.

    ``record`` takes records and, with ``amends``, what else is known of one; ``count`` takes counts;
    ``name_of`` knows people's names; ``types`` holds the event types that are switched on; ``streams`` knows
    in what order things happened; ``submit`` puts questions, ``blind`` says in which guilds the audit log may
    not be read, and ``behind`` in which it is still to be read after a gap. ``now`` is in ms on a clock that
    never steps, ``wall`` in ms since the epoch.
    """

    def __init__(
        self,
        record: Callable[[Record, bool], None],
        count: Callable[[Count], None],
        name_of: Callable[[int], str | None],
        types: Container[str],
        streams: ShardTimeline,
        submit: Submit | None = None,
        blind: Callable[[int], bool] = lambda _: False,
        behind: Callable[[int], bool] = lambda _: False,
    ) -> None:
        audited = any(kind in types for kind in (ENTRY_CREATE, *STRUCTURE_TYPES))
        self._asks = submit is not None and audited
        self._unreadable = blind if audited else _everywhere
        self.begun = BegunRows()
        self._log = ActionLog(record, count, name_of, types, self.begun)
        self._structure = StructureLog(record, count, name_of, types, self.begun)
        self._lookups = LookUps(submit or _submit_nowhere, blind if self._asks else _everywhere)
        self._groups = Groups(submit or _submit_nowhere, blind if self._asks else _everywhere)
        self._departures = Departures(self._log, streams, self.begun, self._waits, self._is_blind)
        self._streams = streams
        self._unread = lambda guild_id: behind(guild_id) or streams.is_silent(guild_id)
        self._timeouts = Timeouts(self._log, self._lookups, self._unread)
        self._misses: dict[PendingAction | Departure, Miss] = {}

    def _waits(self, departure: Departure) -> bool:
        miss = self._misses.get(departure)
        return miss is not None and miss.fate in {Fate.OPEN, Fate.ASKED}

    def _is_blind(self, departure: Departure) -> bool:
        """Whether its audit log entry, had there been one, could not be read."""
        miss = self._misses.get(departure)
        refused = self._asks and miss is not None and miss.fate is Fate.BLIND
        return refused or self._unreadable(departure.action.guild_id)

    def undecided(self, wall: int) -> int:
        """What may still change: departures, timeouts, counts and look-ups."""
        return len(self._departures) + self._timeouts.open(wall) + self._groups.open + self._lookups.awaited

    # ------------------------------------------------------------------ what is told

    def act(self, action: Action, now: int) -> None:
        """Take what a dispatch says was done to somebody."""
        if action.action == "leave":
            departure = self._departures.depart(action, now)
            self._misses[departure] = self._lookups.miss(action.guild_id, action.at, now)
            return
        told = self._log.act(action, now)
        if told is None:
            return
        target_id = action.target.user_id
        if action.action == "ban":
            self._departures.ban(action, now)
        elif action.action == "automod_timeout":
            self._timeouts.execute(action.guild_id, target_id, now)
        if told.entry is None:
            self._misses[told] = self._lookups.miss(action.guild_id, action.at, now)

    def change(self, change: GuildObjectChanged, now: int) -> None:
        """Take what a dispatch says was done to a part of the guild."""
        told = self._structure.change(change, now)
        if told is not None:
            self._misses[told] = self._lookups.miss(change.guild_id, change.at, now)

    def audit(self, entry: AuditEntry, now: int, *, fresh: bool = True, recovered: bool = False) -> None:
        """Take an audit-log entry; one that is not ``fresh`` can only count on."""
        if not fresh or self._log.is_known(entry):
            self._recount(entry, now)
            return
        if not entry.action or (entry.action in _REMOVALS and not entry.target_id):
            return
        if entry.action in STRUCTURE.series_of:
            changed = self._structure.enter(entry, now, recovered=recovered)
            if changed is not None:
                self._explain(changed)
            return
        told = self._log.enter(entry, now, recovered=recovered)
        self._explain(told)
        if entry.action_type in GROUPED:
            self._groups.enter(entry, now)
        elif entry.action in _REMOVALS:
            self._departures.remove(entry, now)
        elif entry.action == "prune":
            self._departures.prune(entry, now)
        elif entry.action in _TIMEOUTS:
            self._timeouts.enter(entry, now)
        elif entry.action == "automod_timeout":
            self._timeouts.execute(entry.guild_id, entry.target_id, now)

    def _recount(self, entry: AuditEntry, now: int) -> None:
        if entry.action_type in GROUPED:
            self._log.recount(entry)
            self._groups.enter(entry, now)

    def _explain(self, told: PendingAction) -> None:
        miss = self._misses.pop(told, None)
        if miss is not None:
            self._lookups.find(miss)

    def answer(self, page: AuditPage, now: int) -> None:
        """Take the end of an answer, its entries having been taken."""
        if page.request.purpose == COUNT_PURPOSE:
            self._groups.answer(page)
        elif page.request.purpose == UNEXPLAINED_PURPOSE:
            self._lookups.answer(page, now)

    def join(self, fact: MembershipStarted, now: int) -> None:
        """Somebody is a member again."""
        self._departures.join(fact, now)

    def silence(self, fact: TimeoutState, now: int) -> None:
        """A member's timeout as it stands."""
        self._timeouts.update(fact, now)

    def lose_message(self, fact: MessageDeleted, now: int) -> None:
        """A message was deleted by somebody."""
        self._groups.happen(fact.guild_id, MESSAGE_DELETE, fact.channel_id, fact.at, now)

    def change_voice(self, guild_id: int, channel_id: int, at: int, now: int) -> None:
        """Somebody was in voice and is now in another channel, or in none (0)."""
        action_type = MEMBER_MOVE if channel_id else MEMBER_DISCONNECT
        self._groups.happen(guild_id, action_type, channel_id, at, now)

    # ------------------------------------------------------------------ what time decides

    def settle(self, now: int, wall: int, *, heard: int | None = None, all_of_them: bool = False) -> None:
        """Decide what has waited long enough, and ask for what nobody explains.

        ``heard`` is up to when all there was to hear has come, ``now`` if it is not given: in a connection's
        silence nothing is decided, since a replay may bring the other half of what is known.
        """
        heard = now if heard is None else min(heard, now)
        self._departures.settle(heard, all_of_them=all_of_them)
        self._timeouts.settle(now, wall, all_of_them=all_of_them)
        self._log.settle(heard, self._unread, all_of_them=all_of_them)
        self._structure.settle(heard, self._unread, all_of_them=all_of_them)
        for thing in [thing for thing in self._misses if _is_over(thing, heard)]:
            self._lookups.find(self._misses.pop(thing))
        if not all_of_them:
            self._lookups.ask_due(now)
            self._groups.ask_due(now)

    def hurry(self, now: int) -> None:
        """Request at once what is to be asked for: somebody waits for true numbers."""
        self._groups.ask_due(now, hurry=True)
        self._lookups.ask_due(now, hurry=True)

    # ------------------------------------------------------------------ memory

    def see_guild(self, guild_id: int, now: int) -> None:
        """A guild is seen, perhaps after a gap."""
        self._groups.see_guild(guild_id, now)

    def permit(self, guild_id: int) -> None:
        """What the bot may do in a guild has changed."""
        self._lookups.permit(guild_id)
        self._groups.permit(guild_id)

    def forget(self, guild_id: int, wall: int) -> None:
        """Forget a guild the bot was removed from at ``wall``."""
        self._timeouts.forget(guild_id, wall)
        self._groups.forget(guild_id)

    def save(self, now: int) -> SavedModeration:
        """What the next process has to know, for the journal."""
        waiting = (*self._log.unexplained(), *self._structure.unexplained())
        actions = [saved(place, told) for place, told in waiting]
        return SavedModeration(
            self._timeouts.save(),
            self._groups.save(now),
            actions,
            self._departures.save(),
            self._departures.save_prunes(),
            self._streams.complete_until,
        )

    def restore(self, known: SavedModeration, now: int) -> None:
        """Take up what the process before left: its rows may still get their entries."""
        self._timeouts.restore(known.timeouts)
        self._groups.restore(known.groups, now)
        for gone in known.departures:
            departure = self._departures.restore(gone, now)
            self._misses[departure] = self._lookups.miss(gone.guild_id, gone.at, now)
        for prune in known.prunes:
            self._departures.restore_prune(prune, now)
        for item in known.actions:
            told = PendingAction(
                item.key,
                item.kind,
                item.guild_id,
                item.at,
                now + (RESTORED_MS if item.entry is None else WINDOW_MS),
                item.target_id,
                item.entry,
                seen=item.entry is None,
                undone=item.entry is None,  # for all that is known
                dedup_key=item.dedup_key,
            )
            log = self._structure if item.kind in STRUCTURE_TYPES else self._log
            log.restore((item.guild_id, item.action, item.target_id), told)


RESTORED_MS = 600_000
"""How long an action of the process before waits for its entry: as long as catching up may take."""


def _is_over(thing: PendingAction | Departure, now: int) -> bool:
    """Whether nothing can be made of an explanation any more."""
    return thing.decided if isinstance(thing, Departure) else thing.deadline <= now


def _submit_nowhere(_: object) -> None:
    """Without a source nothing can be asked."""


def _everywhere(_: int) -> bool:
    return True

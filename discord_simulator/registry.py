"""All sessions, their connections and shards, and the events that no client can receive any more.

Invariant: an event is reported as lost at most once, and only if no session, open or ended, has sent it to a
client. Frames written to a socket count as received unless the client reports a lower sequence number, in a
RESUME or as ``seq=N`` in the reason of its close frame.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from discord_simulator.session import ClosedSessions, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from discord_simulator.clock import Clock
    from discord_simulator.connection import Connection
    from discord_simulator.counters import Counters
    from discord_simulator.ports import LossRecorder
    from discord_simulator.settings import SimulatorSettings

NO_SESSION: Final = "no_session"
"""The event's shard had no session when it happened."""
SESSION_ENDED: Final = "session_ended"
"""The event was queued in a session that ended before it was written."""
NOT_RECEIVED: Final = "not_received"
"""The event was written, the client reported that it was not received, and it could not be replayed."""

_MAX_CLOSED: Final = 64
"""Ended sessions kept; a client that resumes one of them does so within seconds."""


class ChangeSignal:
    """Wakes all waiters on every change; each checks its own condition."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def notify(self) -> None:
        """Wake every waiter."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class SessionRegistry:
    """All sessions that are connected or can be resumed."""

    def __init__(
        self,
        settings: SimulatorSettings,
        loss_recorder: LossRecorder,
        clock: Clock,
        counters: Counters,
        changes: ChangeSignal,
    ) -> None:
        self._settings = settings
        self._loss_recorder = loss_recorder
        self._clock = clock
        self._counters = counters
        self._sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}
        self._layouts: dict[int, dict[int, list[Session]]] = {}
        self._closed = ClosedSessions(_MAX_CLOSED)
        self._gaps: dict[tuple[int, int], int] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._changes = changes

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def open(self, session_id: str, shard: tuple[int, int], intents: int) -> Session:
        """Create a session."""
        session = Session(
            session_id,
            shard,
            intents,
            replay_limit=self._settings.replay_limit,
            replay_bytes=self._settings.replay_bytes,
        )
        self._sessions[session_id] = session
        self._layouts.setdefault(shard[1], {}).setdefault(shard[0], []).append(session)
        return session

    def find(self, session_id: str | None) -> Session | None:
        """The session of this id; None if it ended or never existed."""
        return None if session_id is None else self._sessions.get(session_id)

    def connection(self, session: Session) -> Connection | None:
        """The connection of a session; None while it has none and can be resumed."""
        return self._connections.get(session.session_id)

    def at_guild(self, guild_id: int) -> Sequence[Session]:
        """All sessions whose shard contains a guild."""
        found: list[Session] = []
        for count, shards in self._layouts.items():
            found += shards.get((guild_id >> 22) % count, ())
        return found

    def at_shard(self, shard: tuple[int, int]) -> Sequence[Session]:
        """All sessions of one shard, given as ``(id, count)``."""
        return tuple(self._layouts.get(shard[1], {}).get(shard[0], ()))

    def layouts(self) -> Sequence[int]:
        """The shard counts in use."""
        return tuple(self._layouts)

    def attach(self, session: Session, connection: Connection) -> None:
        """Give a session its connection; ends the gap of its shard."""
        session.queue_ceiling = session.queued + self._settings.queue_limit
        self._cancel_expiry(session)
        self._connections[session.session_id] = connection
        connection.attach(session)
        started_at = self._gaps.pop(session.shard, None)
        if started_at is not None:
            self._loss_recorder.gap(session.shard[0], started_at, self._clock.now_ms())

    def detach(self, session: Session) -> None:
        """Take its connection from a session; it ends after ``session_ttl_s`` unless it is resumed."""
        self._disconnect(session)
        self._cancel_expiry(session)
        self._expiries[session.session_id] = asyncio.get_running_loop().call_later(
            self._settings.session_ttl_s, self.end, session
        )

    def begin_gap(self, session: Session) -> None:
        """Begin the gap of a session's shard if the shard has no live connection left."""
        live = (self.connection(sibling) for sibling in self.at_shard(session.shard))
        if all(connection is None or connection.frozen for connection in live):
            self._gaps.setdefault(session.shard, self._clock.now_ms())

    def end(self, session: Session) -> None:
        """End a session: the frames it still holds will not be sent."""
        if self._sessions.pop(session.session_id, None) is None:
            return
        shards = self._layouts[session.shard[1]]
        shards[session.shard[0]].remove(session)
        if not shards[session.shard[0]]:
            del shards[session.shard[0]]
        if not shards:
            del self._layouts[session.shard[1]]
        self._disconnect(session)
        self._cancel_expiry(session)
        self._counters.sessions_ended += 1
        self._lose_unseen(session, session.unwritten_ids(), SESSION_ENDED)
        if session.declared_seq is None:
            self._closed.add(session)
        else:
            self._lose_unseen(session, session.written_after(session.declared_seq), NOT_RECEIVED)
        self._changes.notify()

    def report_unreceived(self, session_id: str | None, seq: int | None) -> None:
        """Report as lost what a client did not receive of an ended session, by the ``seq`` of its RESUME."""
        if session_id is not None:
            self.lose(self._closed.pop_unreceived(session_id, seq or 0), NOT_RECEIVED)

    def lose(self, ledger_ids: Sequence[int], reason: str) -> None:
        """Report ledger lines as lost; number 0 is ignored."""
        ledger_ids = [ledger_id for ledger_id in ledger_ids if ledger_id]
        if ledger_ids:
            self._counters.lost[reason] += len(ledger_ids)
            self._loss_recorder.lost(ledger_ids, reason)

    def finish(self) -> None:
        """Stop: cancel all timers, drop all connections, end all open gaps."""
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()
        for (shard, _), started_at in self._gaps.items():
            self._loss_recorder.gap(shard, started_at, self._clock.now_ms())
        self._gaps.clear()
        for connection in self._connections.values():
            connection.session = None
        self._connections.clear()

    def _disconnect(self, session: Session) -> None:
        connection = self._connections.pop(session.session_id, None)
        if connection is not None:
            connection.session = None
            self.begin_gap(session)

    def _cancel_expiry(self, session: Session) -> None:
        timer = self._expiries.pop(session.session_id, None)
        if timer is not None:
            timer.cancel()

    def _lose_unseen(self, session: Session, ledger_ids: Sequence[int], reason: str) -> None:
        siblings = self.at_shard(session.shard)
        held = {ledger_id for sibling in siblings for ledger_id in sibling.held_ids()}
        self.lose([ledger_id for ledger_id in ledger_ids if ledger_id not in held], reason)

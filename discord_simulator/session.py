"""One gateway session: its numbering, what waits to be written and what can be replayed.

Invariant: sequence numbers are consecutive from 1, and every frame from ``oldest`` to ``last_seq`` is held
exactly once, either in the replay part (written to a socket) or in the queue (not yet). A session never
touches a socket.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@lru_cache(maxsize=256)
def _frame_head(event: str) -> bytes:
    return b'{"op":0,"t":"' + event.encode() + b'","s":'


class Session:
    """The memory of one session, for as long as it can be resumed.

    Args:
        session_id: handed to the client in READY.
        shard: ``(id, count)``.
        intents: mask the client asked for.
        replay_limit: most frames kept after they were written.
        replay_bytes: most bytes kept after they were written.

    Attributes:
        declared_seq: what the client said on leaving that it had received; None if it said nothing.
        greeting_seq: the last frame of READY and its GUILD_CREATEs.
        greeted: whether that frame was written.
        queue_ceiling: queued frames above which the present socket is too slow.
    """

    __slots__ = (
        "_queue",
        "_replay",
        "_replay_bytes",
        "_replay_bytes_limit",
        "_replay_limit",
        "_resumed_at",
        "declared_seq",
        "intents",
        "last_seq",
        "queue_ceiling",
        "ready_sent",
        "ready_seq",
        "session_id",
        "shard",
        "written_seq",
    )

    def __init__(
        self, session_id: str, shard: tuple[int, int], intents: int, *, replay_limit: int, replay_bytes: int
    ) -> None:
        self.session_id = session_id
        self.shard = shard
        self.intents = intents
        self.last_seq = 0
        self.written_seq = 0
        self.declared_seq: int | None = None
        self.ready_seq = 0
        self.ready_sent = False
        self.queue_ceiling = 0
        self._queue: deque[tuple[bytes, int]] = deque()
        self._replay: deque[tuple[bytes, int]] = deque()
        self._replay_bytes = 0
        self._replay_limit = replay_limit
        self._replay_bytes_limit = replay_bytes
        self._resumed_at: int | None = None

    @property
    def queued(self) -> int:
        """Frames not yet written to any socket."""
        return len(self._queue)

    @property
    def oldest(self) -> int:
        """Sequence number of the oldest frame still held."""
        return self.written_seq - len(self._replay) + 1

    def covers(self, guild_id: int) -> bool:
        """Whether a guild's events belong to this session's shard (Discord docs, Gateway › Sharding)."""
        return (guild_id >> 22) % self.shard[1] == self.shard[0]

    def push(self, event: str, data: bytes, ledger_id: int = 0) -> None:
        """Number an event and queue it; ``data`` is the text of ``d``, copied without a look at it."""
        self.last_seq += 1
        self._queue.append((b'%b%d,"d":%b}' % (_frame_head(event), self.last_seq, data), ledger_id))

    def take(self, frames: int, size: int) -> list[bytes]:
        """Hand over at most ``frames`` frames of about ``size`` bytes for writing; they become replayable."""
        taken: list[bytes] = []
        taken_bytes = 0
        while self._queue and len(taken) < frames and taken_bytes < size:
            self._take_resumed(taken)
            entry = self._queue.popleft()
            self._replay.append(entry)
            self.written_seq += 1
            taken.append(entry[0])
            taken_bytes += len(entry[0])
        self._take_resumed(taken)
        self._replay_bytes += taken_bytes
        self._trim()
        return taken

    def can_replay(self, seq: int) -> bool:
        """Whether every frame after ``seq`` is still held."""
        return seq >= self.oldest - 1

    def rewind(self, seq: int) -> int:
        """Queue again every written frame after ``seq``, then RESUMED; how many frames.

        RESUMED repeats the number of the last missed event instead of having one of its own: it belongs to
        this replay, and must not be replayed itself if that is cut short.

        Raises:
            ValueError: the client claims frames it was never sent, or some were already forgotten.
        """
        if seq > self.written_seq or not self.can_replay(seq):
            msg = f"cannot rewind to {seq}: held are {self.oldest} to {self.written_seq}"
            raise ValueError(msg)
        again = self.written_seq - seq
        for _ in range(again):
            entry = self._replay.pop()
            self._replay_bytes -= len(entry[0])
            self._queue.appendleft(entry)
        self.written_seq = seq
        self.declared_seq = None
        self._resumed_at = self.last_seq
        return again

    def unwritten_ids(self) -> list[int]:
        """Ledger numbers of what was queued and never written."""
        return _ledger_ids(self._queue)

    def written_after(self, seq: int) -> list[int]:
        """Ledger numbers of what was written after ``seq``, as far back as it is held."""
        skip = max(0, seq - self.oldest + 1)
        return _ledger_ids(entry for index, entry in enumerate(self._replay) if index >= skip)

    def held_ids(self) -> set[int]:
        """Ledger numbers of everything this session holds."""
        return {*self.unwritten_ids(), *_ledger_ids(self._replay)}

    def _take_resumed(self, taken: list[bytes]) -> None:
        if self._resumed_at == self.written_seq:
            self._resumed_at = None
            taken.append(b'%b%d,"d":{"_trace":["simulator"]}}' % (_frame_head("RESUMED"), self.written_seq))

    def _trim(self) -> None:
        replay = self._replay
        while len(replay) > self._replay_limit or (
            self._replay_bytes > self._replay_bytes_limit and len(replay) > 1
        ):
            self._replay_bytes -= len(replay.popleft()[0])


def _ledger_ids(entries: Iterable[tuple[bytes, int]]) -> list[int]:
    return [ledger_id for _, ledger_id in entries if ledger_id]


class ClosedSessions:
    """Ended sessions, remembered so that a RESUME of one tells what its client had received.

    Bounded: the oldest is forgotten first; its written frames then count as received.
    """

    __slots__ = ("_capacity", "_sessions")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Remember an ended session."""
        self._sessions[session.session_id] = session
        while len(self._sessions) > self._capacity:
            del self._sessions[next(iter(self._sessions))]

    def pop_unreceived(self, session_id: str, seq: int) -> Sequence[int]:
        """Ledger numbers the client of an ended session never received, going by its RESUME; told once."""
        session = self._sessions.pop(session_id, None)
        return () if session is None else session.written_after(seq)

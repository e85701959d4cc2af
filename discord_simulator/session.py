"""One gateway session: sequence numbers, queued frames and frames that can be replayed.

Invariant: sequence numbers are consecutive from 1, and every frame from ``oldest`` to ``last_seq`` is held
exactly once: in the replay buffer if it was written to a socket, else in the queue. A session never uses a
socket itself.
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
    """The state of one session, for as long as it can be resumed.

    Args:
        session_id: sent to the client in READY.
        shard: ``(id, count)``.
        intents: mask that the client requested.
        replay_limit: largest number of written frames kept.
        replay_bytes: largest size of the written frames kept.

    Attributes:
        declared_seq: the last sequence number the client received, as its close frame says; None if it does
            not say.
        ready_seq: the last frame of READY and its GUILD_CREATEs.
        ready_sent: whether that frame was written.
        queue_ceiling: queued frames above which the socket counts as too slow and is aborted.
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
        """Whether the guild belongs to this session's shard (Discord docs, Gateway › Sharding)."""
        return (guild_id >> 22) % self.shard[1] == self.shard[0]

    def push(self, event: str, data: bytes, ledger_id: int = 0) -> None:
        """Give an event the next sequence number and queue it; ``data``, the text of ``d``, is not parsed."""
        self.last_seq += 1
        self._queue.append((b'%b%d,"d":%b}' % (_frame_head(event), self.last_seq, data), ledger_id))

    def take(self, frames: int, size: int) -> list[bytes]:
        """Take at most ``frames`` frames of about ``size`` bytes for writing; they become replayable."""
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
        """Queue every written frame after ``seq`` again, then RESUMED; returns the number of frames.

        RESUMED has the sequence number of the last replayed event, not one of its own: it belongs to this
        replay, and a replay that is interrupted must not repeat it.

        Raises:
            ValueError: a frame up to ``seq`` was never written, or one after it is not held any more.
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
        """Ledger numbers of the queued frames."""
        return _ledger_ids(self._queue)

    def written_after(self, seq: int) -> list[int]:
        """Ledger numbers of the frames written after ``seq`` that are still held."""
        skip = max(0, seq - self.oldest + 1)
        return _ledger_ids(entry for index, entry in enumerate(self._replay) if index >= skip)

    def held_ids(self) -> set[int]:
        """Ledger numbers of all frames held."""
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
    """Ended sessions, kept because a RESUME of one reports what its client had received.

    Bounded: the oldest is removed first; its written frames then count as received.
    """

    __slots__ = ("_capacity", "_sessions")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Keep an ended session."""
        self._sessions[session.session_id] = session
        while len(self._sessions) > self._capacity:
            del self._sessions[next(iter(self._sessions))]

    def pop_unreceived(self, session_id: str, seq: int) -> Sequence[int]:
        """Remove a session; the ledger numbers written after ``seq``, which its client did not receive."""
        session = self._sessions.pop(session_id, None)
        return () if session is None else session.written_after(seq)

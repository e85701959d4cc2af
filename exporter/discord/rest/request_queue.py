"""Questions that wait for their turn: urgent ones first, then kind by kind, and of each kind guild by guild.

A reading of invites is worth little when the next member has come, a look into an audit log as much as ever:
so many questions of one kind must not hold up another.

Invariants: equal questions wait once, however urgent; a kind with many questions delays another one by one
question at most, and so does a guild with many of a kind another guild's of that kind; there are never more
than ``room`` waiting.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from exporter.events.rest_request import RequestKind, RestRequest


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A question, and how often it has been put to Discord in vain."""

    request: RestRequest
    failures: int = 0


class _Lane:
    """Questions of one urgency, taken from one kind after the other, and of a kind from guild after guild."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[RequestKind, dict[int, deque[QueuedRequest]]] = {}

    def push(self, turn: QueuedRequest) -> None:
        guilds = self._kinds.setdefault(turn.request.kind, {})
        guilds.setdefault(turn.request.guild_id, deque()).append(turn)

    def pop(self) -> QueuedRequest | None:
        """The next one; its kind goes to the end of the line, and its guild to that of the kind."""
        if not self._kinds:
            return None
        kind = next(iter(self._kinds))
        guilds = self._kinds.pop(kind)
        guild_id = next(iter(guilds))
        waiting = guilds.pop(guild_id)
        turn = waiting.popleft()
        if waiting:
            guilds[guild_id] = waiting
        if guilds:
            self._kinds[kind] = guilds
        return turn

    def remove(self, request: RestRequest) -> None:
        guilds = self._kinds[request.kind]
        waiting = guilds[request.guild_id]
        waiting.remove(next(turn for turn in waiting if turn.request == request))
        if not waiting:
            del guilds[request.guild_id]
        if not guilds:
            del self._kinds[request.kind]


class RequestQueue:
    """The questions that wait."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._urgent = _Lane()
        self._patient = _Lane()
        self._waiting: dict[RestRequest, RestRequest] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether there is no room for another."""
        return len(self._waiting) >= self._room

    def merge(self, request: RestRequest) -> bool:
        """Whether an equal question waits already; it becomes urgent if this one is."""
        waiting = self._waiting.get(_essence(request))
        if waiting is None:
            return False
        if request.urgent and not waiting.urgent:
            self._patient.remove(waiting)
            self._waiting[_essence(request)] = request
            self._urgent.push(QueuedRequest(request))
        return True

    def push(self, turn: QueuedRequest) -> None:
        """Let a question wait that does not wait yet."""
        self._waiting[_essence(turn.request)] = turn.request
        (self._urgent if turn.request.urgent else self._patient).push(turn)

    def pop(self) -> QueuedRequest | None:
        """The next question, None if none waits."""
        turn = self._urgent.pop() or self._patient.pop()
        if turn is not None:
            del self._waiting[_essence(turn.request)]
        return turn


def _essence(request: RestRequest) -> RestRequest:
    return msgspec.structs.replace(request, urgent=False) if request.urgent else request

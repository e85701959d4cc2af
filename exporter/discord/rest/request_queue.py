"""Queue of REST requests: urgent ones first, then round-robin over kinds, and within a kind over guilds.

The invites of a guild must be read before the next member joins, an audit log can be read later as well: so
many requests of one kind must not delay another.

Invariants: equal requests are queued once, however urgent; a kind with many requests delays another kind by
one request at most, and within a kind a guild delays another guild by one; there are never more than
``capacity``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from exporter.events.rest_request import RequestKind, RestRequest


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A request, and its number of failed attempts."""

    request: RestRequest
    failures: int = 0


class _RoundRobin:
    """Requests of one urgency, round-robin over kinds, and within a kind over guilds."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[RequestKind, dict[int, deque[QueuedRequest]]] = {}

    def push(self, queued: QueuedRequest) -> None:
        guilds = self._kinds.setdefault(queued.request.kind, {})
        guilds.setdefault(queued.request.guild_id, deque()).append(queued)

    def pop(self) -> QueuedRequest | None:
        """The next one; its kind goes to the end of the round, and its guild to that of the kind."""
        if not self._kinds:
            return None
        kind = next(iter(self._kinds))
        guilds = self._kinds.pop(kind)
        guild_id = next(iter(guilds))
        waiting = guilds.pop(guild_id)
        queued = waiting.popleft()
        if waiting:
            guilds[guild_id] = waiting
        if guilds:
            self._kinds[kind] = guilds
        return queued

    def remove(self, request: RestRequest) -> None:
        guilds = self._kinds[request.kind]
        waiting = guilds[request.guild_id]
        waiting.remove(next(queued for queued in waiting if queued.request == request))
        if not waiting:
            del guilds[request.guild_id]
        if not guilds:
            del self._kinds[request.kind]


class RequestQueue:
    """The requests that wait to be sent."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._urgent = _RoundRobin()
        self._normal = _RoundRobin()
        self._waiting: dict[RestRequest, RestRequest] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no other request can be queued."""
        return len(self._waiting) >= self._capacity

    def merge(self, request: RestRequest) -> bool:
        """Whether an equal request is queued already; it becomes urgent if this one is."""
        waiting = self._waiting.get(_without_urgency(request))
        if waiting is None:
            return False
        if request.urgent and not waiting.urgent:
            self._normal.remove(waiting)
            self._waiting[_without_urgency(request)] = request
            self._urgent.push(QueuedRequest(request))
        return True

    def push(self, queued: QueuedRequest) -> None:
        """Queue a request that is not queued yet."""
        self._waiting[_without_urgency(queued.request)] = queued.request
        (self._urgent if queued.request.urgent else self._normal).push(queued)

    def pop(self) -> QueuedRequest | None:
        """The next request; None if the queue is empty."""
        queued = self._urgent.pop() or self._normal.pop()
        if queued is not None:
            del self._waiting[_without_urgency(queued.request)]
        return queued


def _without_urgency(request: RestRequest) -> RestRequest:
    return msgspec.structs.replace(request, urgent=False) if request.urgent else request

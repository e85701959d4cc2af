"""Queue of REST requests: urgent ones first, then round-robin over kinds, and within a kind over guilds.

The invites of a guild must be read before the next member joins, an audit log can be read later as well: so
many requests of one kind must not delay another.

Invariants: equal requests are queued once, however urgent; of what only the newest answer counts, a guild has
the newest request; a kind with many requests delays another kind by
one request at most, and within a kind a guild delays another guild by one; there are never more than
``capacity``.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from exporter.events.rest_request import RequestKind, RestRequest


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A request, and its number of failed attempts."""

    request: RestRequest
    failures: int = 0


_NEWEST_COUNTS = frozenset({RequestKind.INVITES, RequestKind.VANITY, RequestKind.COUNTS})
"""Kinds whose answer is the state of now: whoever asks again waits for no earlier answer."""

_Guilds = dict[int, dict[RestRequest, QueuedRequest]]


class RequestQueue:
    """The requests that wait to be sent, by urgency, kind and guild; the first of each is next."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kinds: dict[bool, dict[RequestKind, _Guilds]] = {True: {}, False: {}}
        self._urgency: dict[RestRequest, bool] = {}

    def __len__(self) -> int:
        return len(self._urgency)

    @property
    def full(self) -> bool:
        """Whether no other request can be queued."""
        return len(self) >= self._capacity

    def merge(self, request: RestRequest) -> bool:
        """Whether an equal request is queued already; it becomes urgent if this one is."""
        key = without_urgency(request)
        if key not in self._urgency:
            return False
        if request.urgent and not self._urgency[key]:
            self._remove(key)
            self.push(QueuedRequest(request))
        return True

    def supersede(self, request: RestRequest) -> int:
        """Remove earlier requests that this one makes needless; returns their number."""
        if request.kind not in _NEWEST_COUNTS:
            return 0
        earlier = [
            key
            for kinds in self._kinds.values()
            for key in kinds.get(request.kind, {}).get(request.guild_id, ())
        ]
        for key in earlier:
            self._remove(key)
        return len(earlier)

    def has_newer(self, request: RestRequest) -> bool:
        """Whether a request is queued that makes this one needless, which was put off meanwhile."""
        return request.kind in _NEWEST_COUNTS and any(
            request.guild_id in kinds.get(request.kind, {}) for kinds in self._kinds.values()
        )

    def push(self, queued: QueuedRequest) -> None:
        """Queue a request that is not queued yet."""
        request, key = queued.request, without_urgency(queued.request)
        self._urgency[key] = request.urgent
        guilds = self._kinds[request.urgent].setdefault(request.kind, {})
        guilds.setdefault(request.guild_id, {})[key] = queued

    def pop(self) -> QueuedRequest | None:
        """The next request; its kind and its guild go to the end of their rounds. None if there is none."""
        kinds = self._kinds[True] or self._kinds[False]
        if not kinds:
            return None
        kind, guilds = next(iter(kinds.items()))
        guild_id, waiting = next(iter(guilds.items()))
        queued = self._remove(next(iter(waiting)))
        if kind in kinds:
            kinds[kind] = kinds.pop(kind)
        if guild_id in guilds:
            guilds[guild_id] = guilds.pop(guild_id)
        return queued

    def _remove(self, key: RestRequest) -> QueuedRequest:
        kinds = self._kinds[self._urgency.pop(key)]
        guilds = kinds[key.kind]
        queued = guilds[key.guild_id].pop(key)
        if not guilds[key.guild_id]:
            del guilds[key.guild_id]
        if not guilds:
            del kinds[key.kind]
        return queued


def without_urgency(request: RestRequest) -> RestRequest:
    """The request as all that are equal to it but for their urgency."""
    return msgspec.structs.replace(request, urgent=False) if request.urgent else request

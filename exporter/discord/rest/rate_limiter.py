"""How fast requests may be sent to Discord's REST API, and which need not be sent at all.

Discord allows a bot 50 requests a second, and blocks an address that gets 10,000 refusals (401, 403, 429) in
ten minutes (Discord docs, Topics › Rate Limits). Invariants: no more than ``rate`` requests a second are
sent; a refusal is remembered per guild and kind; after ``MAX_REFUSALS`` within ten minutes nothing is sent
until the oldest of them is ten minutes old.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from typing import Final

from exporter.clock import Clock
from exporter.events.rest_request import RequestKind, RestRequest

MAX_REFUSALS: Final = 2_000
"""In ten minutes: a fifth of what Discord takes, since the bot's other processes share the address."""

_REFUSALS_SECONDS: Final = 600.0

_REMEMBER_SECONDS: Final = 300.0
"""How long a refusal stands if no change of permissions is received."""

_MAX_REMEMBERED: Final = 200_000
"""Guilds times kinds; the oldest is dropped first."""

_STANDING: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_INVALID: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class RateLimiter:
    """What may be sent when."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._spacing = 1 / rate
        self._clock = clock
        self._next = clock.monotonic()
        self._refused: dict[tuple[int, RequestKind], tuple[float, int]] = {}
        self._refusals: deque[float] = deque(maxlen=MAX_REFUSALS)

    def wait(self) -> float:
        """Seconds until the next request may be sent; 0 if now."""
        now = self._clock.monotonic()
        while self._refusals and self._refusals[0] <= now - _REFUSALS_SECONDS:
            self._refusals.popleft()
        held = self._refusals[0] + _REFUSALS_SECONDS - now if len(self._refusals) >= MAX_REFUSALS else 0.0
        return max(0.0, self._next - now, held)

    def spend(self) -> None:
        """Note a request that is sent now."""
        self._next = max(self._next, self._clock.monotonic()) + self._spacing

    def standing_refusal(self, request: RestRequest) -> int:
        """The status that still stands for such a request; 0 if it may be sent."""
        key = (request.guild_id, request.kind)
        found = self._refused.get(key)
        if found is None:
            return 0
        until, status = found
        if until > self._clock.monotonic():
            return status
        del self._refused[key]
        return 0

    def clear_refusals(self, guild_id: int) -> None:
        """Forget refusals of a guild, since the bot's permissions there have changed."""
        for kind in RequestKind:
            self._refused.pop((guild_id, kind), None)

    def note_answer(self, request: RestRequest, status: int) -> None:
        """Note the status of an answer."""
        now = self._clock.monotonic()
        if status in _INVALID:
            self._refusals.append(now)
        if status in _STANDING:
            if len(self._refused) >= _MAX_REMEMBERED:
                del self._refused[next(iter(self._refused))]
            self._refused[request.guild_id, request.kind] = (now + _REMEMBER_SECONDS, status)

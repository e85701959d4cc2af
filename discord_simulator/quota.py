"""REST rate limits: one bucket per route and major parameter, and a global limit.

Source: Discord docs, Topics › Rate Limits.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from discord_simulator.clock import Clock

_GLOBAL_WINDOW_S: Final = 1.0
_MOST_BUCKETS: Final = 10_000
"""Number of buckets above which those whose window has passed are removed."""


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class QuotaDecision:
    """The decision on one request; ``retry_after`` is in seconds, 0 if the request is allowed."""

    headers: dict[str, str]
    retry_after: float = 0.0
    is_global: bool = False


class Quota:
    """Counts requests and refuses those above a limit.

    Args:
        clock: monotonic for the windows, wall for ``X-RateLimit-Reset``.
        limit: requests in one bucket per window.
        window_s: length of a bucket's window; it begins with its first request.
        global_limit: requests per second over all buckets.
    """

    __slots__ = ("_buckets", "_clock", "_global", "_global_limit", "_limit", "_window_s")

    def __init__(self, clock: Clock, *, limit: int, window_s: float, global_limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._global_limit = global_limit
        self._global = _Window(0.0)
        self._buckets: dict[tuple[str, str], _Window] = {}

    def spend(self, route: str, major: str) -> QuotaDecision:
        """Count one request.

        Args:
            route: method and path with ids replaced by ``{id}``.
            major: the guild, channel or webhook id of the path, or an empty string.
        """
        now = self._clock.monotonic()
        if now >= self._global.ends_at:
            self._global = _Window(now + _GLOBAL_WINDOW_S)
        if self._global.used >= self._global_limit:
            return _refuse(self._global.ends_at - now, {"X-RateLimit-Global": "true"}, "global")
        self._global.used += 1
        window = self._find(route, major, now)
        allowed = window.used < self._limit
        window.used += allowed
        wait = window.ends_at - now
        headers = {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - window.used),
            "X-RateLimit-Reset": f"{self._clock.now_ms() / 1000 + wait:.3f}",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2b(route.encode(), digest_size=16).hexdigest(),
        }
        return QuotaDecision(headers) if allowed else _refuse(wait, headers, "user")

    def _find(self, route: str, major: str, now: float) -> _Window:
        if len(self._buckets) >= _MOST_BUCKETS:
            self._buckets = {key: window for key, window in self._buckets.items() if window.ends_at > now}
        window = self._buckets.get((route, major))
        if window is None or now >= window.ends_at:
            window = self._buckets[route, major] = _Window(now + self._window_s)
        return window


def refuse_shared(wait: float) -> QuotaDecision:
    """A 429 of scope ``shared``: a limit over all bots together."""
    return _refuse(wait, {}, "shared")


def _refuse(wait: float, headers: dict[str, str], scope: str) -> QuotaDecision:
    # The headers carry milliseconds, so the wait is rounded up, never down.
    wait = math.ceil(max(wait, 0.001) * 1000) / 1000
    headers = {**headers, "X-RateLimit-Scope": scope, "Retry-After": str(math.ceil(wait))}
    return QuotaDecision(headers, wait, is_global=scope == "global")

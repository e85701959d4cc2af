"""How fast requests may be sent to Discord's REST API, and which need not be sent at all.

Discord allows a bot 50 requests a second, and blocks an address that gets 10,000 refusals (401, 403, 429) in
ten minutes (Discord docs, Topics › Rate Limits). Invariants: no more than ``rate`` requests a second are
sent; a refusal is remembered per guild and kind; after ``MAX_REFUSALS`` within ten minutes nothing is sent
until the oldest of them is ten minutes old; while answers are about this program or its address, everything
waits, some seconds longer with each attempt.
"""

from __future__ import annotations

import random
from collections import deque
from http import HTTPStatus
from typing import Final, TypeAlias, TypeVar

from exporter.backoff import Backoff
from exporter.clock import Clock
from exporter.discord.rest.failure import RestFailure
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.rest_request import RequestKind, RestRequest

_T = TypeVar("_T")
_Key: TypeAlias = tuple[int, RequestKind]

MAX_REFUSALS: Final = 2_000
"""In ten minutes: a fifth of what Discord takes, since the bot's other processes share the address."""

_REFUSALS_SECONDS: Final = 600.0

_REMEMBER_SECONDS: Final = 60.0
"""How long a refusal stands if no change of permissions is received. Where roles give no permission nothing
is requested; where they do, the refusal is as good as over."""

_MAX_REMEMBERED: Final = 200_000
"""Guilds times kinds; the oldest is dropped first."""

_HOLD: Final = Backoff(base=1.0, cap=10.0, floor=0.5)
"""While nothing is let through: some requests are tried, so that ten minutes of it cost a few hundred."""

_STANDING: Final = frozenset({AnswerMeaning.REFUSED, AnswerMeaning.ABSENT})
_INVALID: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class RateLimiter:
    """What may be sent when."""

    def __init__(self, rate: float, clock: Clock, rng: random.Random) -> None:
        self._spacing = 1 / rate
        self._clock = clock
        self._rng = rng
        self._next = clock.monotonic()
        self._refused: dict[_Key, tuple[float, RestFailure]] = {}
        self._refusals: deque[float] = deque(maxlen=MAX_REFUSALS)
        self._limited: dict[_Key, float] = {}
        self._held = 0.0
        self._holds = 0

    def wait(self) -> float:
        """Seconds until the next request may be sent; 0 if now."""
        now = self._clock.monotonic()
        while self._refusals and self._refusals[0] <= now - _REFUSALS_SECONDS:
            self._refusals.popleft()
        spent = self._refusals[0] + _REFUSALS_SECONDS - now if len(self._refusals) >= MAX_REFUSALS else 0.0
        return max(0.0, self._next - now, self._held - now, spent)

    def spend(self) -> None:
        """Note a request that is sent now."""
        self._next = max(self._next, self._clock.monotonic()) + self._spacing

    def standing_refusal(self, request: RestRequest) -> RestFailure | None:
        """The refusal that still stands for such a request; None if it may be sent."""
        key = (request.guild_id, request.kind)
        found = self._refused.get(key)
        if found is None:
            return None
        until, refusal = found
        if until > self._clock.monotonic():
            return refusal
        del self._refused[key]
        return None

    def wait_for(self, request: RestRequest) -> float:
        """Seconds until this request may be sent, its guild and kind having been limited; 0 if now."""
        key = (request.guild_id, request.kind)
        wait = self._limited.get(key, 0.0) - self._clock.monotonic()
        if wait <= 0:
            self._limited.pop(key, None)
        return max(0.0, wait)

    def clear_refusals(self, guild_id: int) -> None:
        """Forget refusals of a guild, since the bot's permissions there have changed."""
        for kind in RequestKind:
            self._refused.pop((guild_id, kind), None)

    def note_success(self) -> None:
        """Note that Discord has answered."""
        self._holds = 0

    def note_failure(self, request: RestRequest, failure: RestFailure) -> None:
        """Note what a request failed with."""
        now = self._clock.monotonic()
        key = (request.guild_id, request.kind)
        if failure.status in _INVALID:
            self._refusals.append(now)
        if failure.meaning in _STANDING:
            _remember(self._refused, key, (now + _REMEMBER_SECONDS, failure))
        if failure.everywhere:
            self._hold(now, failure.retry_after)
        elif failure.retry_after:
            _remember(self._limited, key, now + failure.retry_after)

    def _hold(self, now: float, seconds: float) -> None:
        if now >= self._held:  # not for what was under way when the hold began
            self._holds += 1
            self._held = now + _HOLD.wait(self._holds, self._rng)
        self._held = max(self._held, now + seconds)


def _remember(rows: dict[_Key, _T], key: _Key, value: _T) -> None:
    rows.pop(key, None)
    if len(rows) >= _MAX_REMEMBERED:
        del rows[next(iter(rows))]
    rows[key] = value

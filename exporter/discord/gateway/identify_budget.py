"""The gate each IDENTIFY passes: one at a time per bucket, spaced, and within the daily allowance.

Source: Discord docs, Gateway › Sharding › Max Concurrency; Gateway › Session Start Limit Object.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from exporter.clock import Clock
from exporter.discord.gateway.backoff import IdentifyLedger, Pace, daily_allowance, reserve
from exporter.discord.rest.client import GatewayBot
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

_FRESH: Final = 60.0
"""Seconds for which an answer of /gateway/bot is good; a start of many shards asks once a minute."""

_BRIEF_NAP: Final = 5.0
"""Seconds until the turns under way have become IDENTIFYs, or have failed."""

_LONGEST_NAP: Final = 3600.0
"""Seconds after which the limit is asked for again, should a person have reset it meanwhile."""


class _Bucket:
    __slots__ = ("lock", "ready_at")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.ready_at = 0.0


class IdentifyGate:
    """Shared by the shards of one client; ``shards`` is how many there are."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[GatewayBot]],
        ledger: IdentifyLedger,
        telemetry: Telemetry,
        clock: Clock,
        pace: Pace,
        *,
        shards: int = 1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shards = shards
        self._ask = ask
        self._ledger = ledger
        self._telemetry = telemetry
        self._clock = clock
        self._pace = pace
        self._sleep = sleep
        self._asking = asyncio.Lock()
        self._answer: GatewayBot | None = None
        self._answered_at = 0.0
        self._sent_since = 0
        self._granted: set[int] = set()
        self._buckets: dict[int, _Bucket] = {}

    async def gateway(self) -> GatewayBot:
        """The answer of ``GET /gateway/bot``, at most a minute old.

        Raises:
            disnake.HTTPException, aiohttp.ClientError, OSError, msgspec.DecodeError: no usable answer.
        """
        async with self._asking:
            if self._answer is None or self._clock.monotonic() - self._answered_at > _FRESH:
                self._answer = await self._ask()
                self._answered_at = self._clock.monotonic()
                self._sent_since = 0
                self._show(self._answer.session_start_limit.remaining)
            return self._answer

    @asynccontextmanager
    async def turn(self, shard: int) -> AsyncIterator[str]:
        """Wait for this shard's turn; yields the address to connect to. IDENTIFY inside, within the block.

        The connection is made inside the turn and not before it: once it stands it must be read, and nobody
        reads it while disnake waits in its hook.
        """
        concurrency = (await self.gateway()).session_start_limit.max_concurrency
        bucket = self._buckets.setdefault(shard % concurrency, _Bucket())
        async with bucket.lock:
            await self._allowance(shard)
            self._granted.add(shard)
            try:
                wait = bucket.ready_at - self._clock.monotonic()
                if wait > 0:
                    await self._sleep(wait)
                yield (await self.gateway()).url
            finally:
                self._granted.discard(shard)
                bucket.ready_at = self._clock.monotonic() + self._pace.spacing

    def sent(self, shard: int) -> None:
        """Note that an IDENTIFY goes out at this moment."""
        self._granted.discard(shard)
        self._sent_since += 1
        self._ledger.add(self._clock.now_ms())
        self._telemetry.gateway_identifies.labels(str(shard)).inc()
        if self._answer is not None:
            self._show(self._answer.session_start_limit.remaining - self._sent_since)

    def _show(self, remaining: int) -> None:
        self._telemetry.identifies_remaining.set(max(0, remaining))

    async def _allowance(self, shard: int) -> None:
        while (wait := await self._until_allowed()) > 0:
            _log.warning(
                "Shard %d waits %.0f s for a session: the day's IDENTIFYs are spent, and Discord resets the "
                "token of a bot that goes on.",
                shard,
                wait,
            )
            await self._sleep(min(wait, _LONGEST_NAP))

    async def _until_allowed(self) -> float:
        limit = (await self.gateway()).session_start_limit
        # Other buckets may hold a turn they have not used yet; theirs are as good as sent.
        granted = len(self._granted)
        if limit.remaining - self._sent_since - granted <= reserve(limit):
            elapsed = self._clock.monotonic() - self._answered_at
            # A second more than announced, lest the answer be asked for just before the reset.
            return max(1.0, limit.reset_after / 1000 - elapsed + 1.0)
        room = daily_allowance(limit, self.shards) - granted
        if room <= 0:
            return _BRIEF_NAP
        return self._ledger.until_next(self._clock.now_ms(), room)

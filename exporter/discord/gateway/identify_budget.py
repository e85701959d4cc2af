"""Limits IDENTIFYs: one at a time per bucket, spaced, and within the daily allowance, restarts included.

Discord allows 1,000 IDENTIFYs a day and resets the token of a bot that exceeds them; a process that crashes
and restarts, or a shard that is dropped after each READY, spends them within hours. Invariant: within 24
hours no more IDENTIFYs are sent than the allowance.

Source: Discord docs, Gateway › Rate Limiting; Gateway › Sharding › Max Concurrency; Gateway › Session Start
Limit Object.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from exporter.clock import Clock
from exporter.discord.rest.client import GatewayBot, SessionStartLimit
from exporter.errors import CredentialsError
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

_DAY_MS: Final = 24 * 3600 * 1000

_MAX_REMEMBERED: Final = 4096
"""Far above any allowance; bounds the file whatever was written into it."""

ALLOWED_SHARE: Final = 0.3
"""Of Discord's daily total; the rest is left to the bot's other processes and to a person at work on it."""

RESERVE: Final = 50
"""IDENTIFYs never spent, so that after a crash loop enough are left to repair it."""

_FRESH: Final = 60.0
"""Seconds for which an answer of /gateway/bot is used; a start of many shards asks once a minute."""

_STALE: Final = 24 * 3600.0
"""Seconds for which the last answer stands in where there is no newer one: as long as a session is not begun
for want of it, everything is lost. What was spent since is counted here, and the ledger limits it anyway."""

_RENEWAL: Final = 10.0
"""Seconds that a newer answer may take where there is one to go on with."""

_SHORT_WAIT: Final = 5.0
"""Seconds until the turns in progress have become IDENTIFYs, or have failed."""

_MAX_WAIT: Final = 3600.0
"""Seconds after which the limit is asked for again, in case a person has reset it meanwhile."""


_WRITE_SECONDS: Final = 0.1
"""How long an IDENTIFY waits for the file: a thousand times what a disk that answers takes."""


class _LedgerFile(msgspec.Struct, frozen=True):
    bot: int
    sent: list[int]


class IdentifyLedger:
    """When this bot's IDENTIFYs of the last day were sent, kept in a small file over restarts.

    Without a path they are kept in memory only. A file that cannot be read or written loses the record of
    past IDENTIFYs, and never prevents a start.
    """

    def __init__(self, path: Path | None, bot: int) -> None:
        self._path = path
        self._bot = bot
        self._sent: deque[int] = deque(maxlen=_MAX_REMEMBERED)
        self._writing: threading.Thread | None = None
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_LedgerFile)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s cannot be read (%s); past IDENTIFYs are not counted.", path, error)
            return
        if record.bot == self._bot:  # the limit is per bot: another token has its own
            self._sent.extend(sorted(record.sent))

    def add(self, now_ms: int) -> None:
        """Note an IDENTIFY that is about to be sent."""
        self._sent.append(now_ms)
        if self._path is None or (self._writing is not None and self._writing.is_alive()):
            return
        # In a thread of its own: a disk that hangs must not keep the event loop.
        record = json.dumps({"bot": self._bot, "sent": list(self._sent)})
        self._writing = threading.Thread(target=_write, args=(self._path, record), daemon=True)
        self._writing.start()
        self._writing.join(_WRITE_SECONDS)

    def spent(self, now_ms: int) -> int:
        """IDENTIFYs within the last 24 hours; one from the future, the clock being stepped, counts as now."""
        while self._sent and self._sent[0] <= now_ms - _DAY_MS:
            self._sent.popleft()
        return len(self._sent)

    def until_next(self, now_ms: int, allowance: int) -> float:
        """Seconds until one more IDENTIFY is within the allowance; 0 if it is."""
        over = self.spent(now_ms) - allowance
        if over < 0:
            return 0.0
        return max(0.0, (min(self._sent[over], now_ms) + _DAY_MS - now_ms) / 1000)


def _write(path: Path, record: str) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        # Not synced: a power cut may lose the last IDENTIFYs, but power cuts do not come in loops.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
            file.write(record)
        temporary.replace(path)
    except OSError as error:
        _log.warning("%s cannot be written (%s); a restart will not count this IDENTIFY.", path, error)


def daily_allowance(limit: SessionStartLimit, shards: int) -> int:
    """IDENTIFYs to spend in 24 hours: a share of Discord's total, and enough for three starts."""
    return max(int(limit.total * ALLOWED_SHARE), 3 * shards, 1)


def reserve(limit: SessionStartLimit) -> int:
    """IDENTIFYs to leave untouched; where the total itself is small, a twentieth of it."""
    return min(RESERVE, limit.total // 20)


class _Bucket:
    __slots__ = ("lock", "ready_at")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.ready_at = 0.0


class IdentifyGate:
    """Shared by the shards of one client.

    ``shards`` is how many there are; ``spacing`` the seconds between two IDENTIFYs of one bucket.
    """

    def __init__(
        self,
        fetch_gateway: Callable[[], Awaitable[GatewayBot]],
        ledger: IdentifyLedger,
        telemetry: Telemetry,
        clock: Clock,
        *,
        spacing: float = 5.0,
        shards: int = 1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shards = shards
        self._fetch_gateway = fetch_gateway
        self._ledger = ledger
        self._telemetry = telemetry
        self._clock = clock
        self._spacing = spacing
        self._sleep = sleep
        self._fetching = asyncio.Lock()
        self._answer: GatewayBot | None = None
        self._answered_at = 0.0
        self._next_fetch = 0.0
        self._sent_since = 0
        self._sent: dict[int, int] = {}
        self._granted: set[int] = set()
        self._buckets: dict[int, _Bucket] = {}

    @property
    def known_url(self) -> str:
        """The address of the gateway in the last answer; empty before the first."""
        return "" if self._answer is None else self._answer.url

    async def gateway(self) -> GatewayBot:
        """The answer of ``GET /gateway/bot``, at most a minute old, or the last one if there is none.

        Raises:
            CredentialsError: Discord does not know the token any more.
            disnake.HTTPException, aiohttp.ClientError, OSError, msgspec.DecodeError: no usable answer, and
                none from the last day.
        """
        async with self._fetching:
            now = self._clock.monotonic()
            if self._answer is None or now >= self._next_fetch:
                try:
                    async with asyncio.timeout(None if self._answer is None else _RENEWAL):
                        answer = await self._fetch_gateway()
                except CredentialsError:
                    raise
                except Exception as error:
                    if self._answer is None or now - self._answered_at > _STALE:
                        raise
                    _log.debug("No answer of /gateway/bot (%s); the last one is used.", error)
                else:
                    self._answer = answer
                    self._answered_at = self._clock.monotonic()
                    self._sent_since = 0
                    self._show_remaining(answer)
                self._next_fetch = self._clock.monotonic() + _FRESH
            return self._answer

    @asynccontextmanager
    async def turn(self, shard: int) -> AsyncIterator[str]:
        """Wait for this shard's turn; yields the address to connect to. IDENTIFY inside, within the block.

        The connection is made inside the turn and not before it: an open connection must be read, and disnake
        does not read it while it waits in its hook.
        """
        concurrency = (await self.gateway()).session_start_limit.max_concurrency
        bucket = self._buckets.setdefault(shard % concurrency, _Bucket())
        async with bucket.lock:
            await self._await_allowance(shard)
            self._granted.add(shard)
            try:
                wait = bucket.ready_at - self._clock.monotonic()
                if wait > 0:
                    await self._sleep(wait)
                yield (await self.gateway()).url
            finally:
                self._granted.discard(shard)
                bucket.ready_at = self._clock.monotonic() + self._spacing

    def sent(self, shard: int) -> None:
        """Note that an IDENTIFY goes out at this moment."""
        self._granted.discard(shard)
        self._sent_since += 1
        self._sent[shard] = self._sent.get(shard, 0) + 1
        self._ledger.add(self._clock.now_ms())
        self._telemetry.gateway_identifies.labels(str(shard)).inc()
        if self._answer is not None:
            self._show_remaining(self._answer)

    def sent_by(self, shard: int) -> int:
        """How many IDENTIFYs a shard has sent since the start."""
        return self._sent.get(shard, 0)

    def _show_remaining(self, answer: GatewayBot) -> None:
        limit = answer.session_start_limit
        if answer.is_limit_known:
            remaining = limit.remaining - self._sent_since
        else:
            remaining = limit.total - self._ledger.spent(self._clock.now_ms())
        self._telemetry.identifies_remaining.set(max(0, remaining))

    async def _await_allowance(self, shard: int) -> None:
        while (wait := await self._until_allowed()) > 0:
            _log.warning(
                "Shard %d waits %.0f s for a session: the day's IDENTIFYs are spent, and Discord resets the "
                "token of a bot that sends more.",
                shard,
                wait,
            )
            await self._sleep(min(wait, _MAX_WAIT))

    async def _until_allowed(self) -> float:
        limit = (await self.gateway()).session_start_limit
        # Turns that other buckets hold and have not used yet count as sent.
        granted = len(self._granted)
        elapsed = self._clock.monotonic() - self._answered_at
        # An answer that could not be renewed; Discord has reset the limit meanwhile.
        is_over = elapsed > max(_FRESH, limit.reset_after / 1000)
        remaining = limit.total if is_over else limit.remaining - self._sent_since
        if remaining - granted <= reserve(limit):
            # A second more than announced, so that the answer is not fetched just before the reset.
            return max(1.0, limit.reset_after / 1000 - elapsed + 1.0)
        left = daily_allowance(limit, self.shards) - granted
        if left <= 0:
            return _SHORT_WAIT
        return self._ledger.until_next(self._clock.now_ms(), left)

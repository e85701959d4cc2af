"""How fast to try again, and how often a session may be asked for at all.

Discord allows 1,000 IDENTIFYs a day and resets the token of a bot that goes on (Discord docs, Gateway ›
Rate Limiting); a process that crashes and restarts, or a shard that is dropped after each READY, burns them
within hours. Invariants: successive failures wait longer, up to a cap; within 24 hours no more IDENTIFYs are
sent than the allowance, restarts included.
"""

from __future__ import annotations

import json
import logging
import random
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from exporter.discord.rest.client import SessionStartLimit

_log = logging.getLogger(__name__)

_DAY_MS: Final = 24 * 3600 * 1000
_MOST_REMEMBERED: Final = 4096
"""Far above any allowance; bounds the file whatever was written into it."""

ALLOWED_SHARE: Final = 0.3
"""Of Discord's daily total; the rest is left to the bot's other processes and to a person at work on it."""

RESERVE: Final = 50
"""IDENTIFYs never touched, so that whatever burnt the others leaves enough to put it right."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Every wait of the source, in seconds."""

    spacing: float = 5.0
    """Between two IDENTIFYs of one bucket (Discord docs, Gateway › Session Start Limit Object)."""
    invalid_session: tuple[float, float] = (1.0, 5.0)
    """Bounds of the random wait before the IDENTIFY that answers an INVALID_SESSION, as Discord asks."""
    backoff_base: float = 1.0
    backoff_cap: float = 600.0
    """At ten minutes a shard that always fails asks for 144 sessions a day."""
    resume_cap: float = 5.0
    """Longest wait before a RESUME: Discord keeps a session for minutes only, and does not limit RESUMEs."""
    stable_after: float = 60.0
    """A connection that lived this long was good; the next failure starts from the base again."""
    connect_timeout: float = 60.0
    ready_timeout: float = 60.0
    """From connecting to READY or RESUMED; Discord takes some seconds, a replay of a large backlog longer."""
    hang_up: float = 1.0
    """For the closing handshake; a half-open socket never answers it."""

    def backoff(self, failures: int, rng: random.Random, *, resuming: bool = False) -> float:
        """Seconds to wait after ``failures`` in a row: exponential, with half of it at random."""
        if failures <= 0:
            return 0.0
        cap = self.resume_cap if resuming else self.backoff_cap
        ceiling = min(cap, self.backoff_base * 2.0 ** min(failures - 1, 32))
        return ceiling * rng.uniform(0.5, 1.0)


class _Record(msgspec.Struct, frozen=True):
    bot: int
    sent: list[int]


class IdentifyLedger:
    """When this bot's IDENTIFYs of the last day were sent, kept in a small file over restarts.

    Without a path it only remembers for the process. A file that cannot be read or written costs the memory
    of past IDENTIFYs, never the start.
    """

    def __init__(self, path: Path | None, bot: int) -> None:
        self._path = path
        self._bot = bot
        self._sent: deque[int] = deque(maxlen=_MOST_REMEMBERED)
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Record)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s cannot be read (%s); past IDENTIFYs are forgotten.", path, error)
            return
        if record.bot == self._bot:  # the limit is per bot: another token has its own
            self._sent.extend(sorted(record.sent))

    def add(self, now_ms: int) -> None:
        """Note an IDENTIFY that is about to be sent."""
        self._sent.append(now_ms)
        if self._path is None:
            return
        temporary = self._path.with_suffix(".tmp")
        try:
            # Not synced: a power cut may forget the last IDENTIFYs, but power cuts do not come in loops.
            temporary.write_text(json.dumps({"bot": self._bot, "sent": list(self._sent)}))
            temporary.replace(self._path)
        except OSError as error:
            _log.warning(
                "%s cannot be written (%s); a restart will not know of this IDENTIFY.", self._path, error
            )

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


def daily_allowance(limit: SessionStartLimit, shards: int) -> int:
    """IDENTIFYs to spend in 24 hours: a share of Discord's total, yet enough to start this process thrice."""
    return max(int(limit.total * ALLOWED_SHARE), 3 * shards, 1)


def reserve(limit: SessionStartLimit) -> int:
    """IDENTIFYs to leave untouched; where the total itself is small, a twentieth of it."""
    return min(RESERVE, limit.total // 20)

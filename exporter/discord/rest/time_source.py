"""Learns Discord's time from the answers of its REST API, and says where the machine's is another one."""

from __future__ import annotations

import logging
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.clock import TOLERANCE_MS, DiscordClock
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

WARN_SECONDS: Final = 2.0
"""Beyond this rows of other programs on the same machine no longer line up with ours."""

OFF_SECONDS: Final = 0.5
"""Beyond this the machine's clock is not just read at another moment of the same second."""

QUIET_SECONDS: Final = 1.0
"""Below this an offset that was reported is over."""


class TimeSource:
    """Corrects the clock; the offset is exported, and logged once for each time it is large."""

    def __init__(self, clock: DiscordClock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._is_off = False
        self._tolerance_ms = 0

    @property
    def is_rough(self) -> bool:
        """Whether Discord's time is used and known to a second only."""
        return self._clock.is_doubted or abs(self._clock.offset) > OFF_SECONDS

    def settle(self) -> None:
        """Dispatches are dated from now on."""
        self._tolerance_ms = TOLERANCE_MS
        self._clock.believe()

    def now_ms(self) -> int:
        """Discord's time in milliseconds since the Unix epoch (UTC), as far as it is known."""
        return self._clock.now_ms()

    def now(self) -> float:
        """The moment of a question or an answer."""
        return self._clock.elapsed

    def take(self, date: str | None, asked: float) -> None:
        """Take the ``Date`` of an answer that has just come; one that cannot be read says nothing."""
        if date is None:
            return
        try:
            second = round(parsedate_to_datetime(date).timestamp() * 1000)
        except (ValueError, OverflowError):
            return
        self._clock.observe(second, asked, self._clock.elapsed, self._tolerance_ms)
        offset = self._clock.offset
        self._telemetry.clock_offset.set(offset)
        if abs(offset) > WARN_SECONDS and not self._is_off:
            self._is_off = True
            _log.warning(
                "This machine's clock is %.1f s %s Discord's; Discord's is used. Synchronise it (NTP).",
                abs(offset),
                "behind" if offset > 0 else "ahead of",
            )
        elif abs(offset) < QUIET_SECONDS and self._is_off:
            self._is_off = False
            _log.info("This machine's clock agrees with Discord's again.")

"""When time in voice is accrued and settled: a little at each tick, and all of it before windows close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from exporter.aggregation.counters import Counters
from exporter.clock import Clock
from exporter.dispatch.dispatcher import Dispatcher
from exporter.tracking.voice.tracker import VoiceTracker

VOICE_SLICE: Final = 1_000
"""Sessions whose time is settled in one step: about 15 ms with their part of a commit."""

VOICE_SETTLING_SECONDS: Final = 300.0
"""How long time in progress waits to be settled where no window asks for it."""


class VoiceSettling:
    """Has voice time counted; ``commit`` makes a commit."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        voice: VoiceTracker,
        counters: Counters,
        clock: Clock,
        commit: Callable[[], Awaitable[bool]],
    ) -> None:
        self._dispatcher = dispatcher
        self._voice = voice
        self._counters = counters
        self._clock = clock
        self._commit = commit
        self._settled = clock.monotonic()

    @property
    def due(self) -> bool:
        """Whether time in progress has waited long enough."""
        return self._clock.monotonic() - self._settled >= VOICE_SETTLING_SECONDS

    def accrue(self) -> None:
        """Bring the running totals up to date."""
        wall = self._clock.now_ms()
        self._dispatcher.guard(self._voice, partial(self._voice.accrue_some, wall))
        self._counters.fold()

    async def settle(self) -> None:
        """Settle the time in progress of all members in voice, some guilds at a time."""
        self._settled = self._clock.monotonic()
        nothing: list[list[int]] = []
        for guild_ids in self._voice.ask(lambda: list(self._voice.time.slices(VOICE_SLICE)), nothing):
            wall = self._clock.now_ms()
            self._dispatcher.guard(self._voice, partial(self._voice.time.settle_guilds, wall, guild_ids))
            if self._voice.sessions.number > VOICE_SLICE:
                await self._commit()
            await asyncio.sleep(0)
        self._counters.fold()

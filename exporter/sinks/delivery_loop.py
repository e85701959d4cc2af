"""One lane of one sink: read a page, deliver it, act on the verdict, move the cursor.

Invariants: the cursor moves only over rows that the sink has stored or refused for good, in order; rows are
delivered again until then, without limit. A page answered with ``PARTIAL_FAILURE`` is halved, in order, and
each part that is stored moves the cursor at once, so that an interruption never repeats the whole page.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from exporter.backoff import Backoff
from exporter.errors import SpoolError
from exporter.model import STORED, Batch, Entry, Outcome, Priority, Row, Verdict
from exporter.sinks.deadline import DEFECT, DeadlineGuard, Sleeper, requested_wait
from exporter.sinks.health import Health, State
from exporter.sinks.runner_config import RunnerConfig
from exporter.spool.ports import DeadRows, SpoolReader
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

Screen: TypeAlias = Callable[[Entry], Entry | None]
"""What of an entry may be delivered; None for nothing."""

SUSPECT_ROWS: Final = 64
"""Where the first half of a refused part was stored, the bad row is in the second, which is then halved
without being tried whole. Not above this size: there the whole part may just have been too large."""

BREAKER: Final = "breaker"
UNEXPLAINED: Final = "unexplained"
"""Reason of a dead letter where the sink gave none."""
SPOOL: Final = "spool"


@dataclass(frozen=True, slots=True)
class _Part:
    rows: Sequence[Row]
    left: bool = False


class DeliveryLoop:
    """The task of one sink and one lane. ``passed``, the position delivered up to, only rises."""

    def __init__(
        self,
        sink: str,
        lane: Priority,
        spool: SpoolReader,
        guard: DeadlineGuard,
        health: Health,
        config: RunnerConfig,
        telemetry: Telemetry,
        rng: random.Random,
        sleep: Sleeper,
        screen: Screen | None = None,
    ) -> None:
        self.lane = lane
        self.passed = -1
        self.busy = False
        self.moved = asyncio.Event()
        self._sink = sink
        self._spool = spool
        self._guard = guard
        self._health = health
        self._backoff = Backoff(config.retry_base, config.retry_cap)
        self._failures = 0
        self._config = config
        self._telemetry = telemetry
        self._rng = rng
        self._sleep = sleep
        self._screen = screen
        self._changed: dict[int, Row] = {}
        """The rows of the page under way that the screen changed, by position."""
        self._stopping = False
        self._refused_run = 0
        self._compared = False

    async def run(self) -> None:
        """Deliver until ``stop``; ends early only by cancellation."""
        while not self._stopping:
            try:
                failure = await self._deliver_page()
            except SpoolError as error:
                failure = Verdict(Outcome.RETRY, reason=SPOOL, detail=str(error))
            except Exception as error:
                log.exception("delivery to sink %s failed inside the exporter; it is repeated", self._sink)
                failure = Verdict(Outcome.RETRY, reason=DEFECT, detail=str(error))
            if failure is not None and not self._stopping:
                await self._pause(failure)

    def stop(self) -> None:
        """End after the delivery under way."""
        self._stopping = True

    async def _deliver_page(self) -> Verdict | None:
        """Read and deliver one page, or wait for there to be one."""
        tip = self._spool.tip(self.lane)
        config = self._config
        batch = await self._spool.read(
            self._sink, self.lane, max_rows=config.rows(self.lane), max_bytes=config.max_bytes
        )
        if batch is None:
            self._pass(tip)
            await self._spool.wait(self.lane, tip)
            return None
        self.busy = True
        try:
            return await self._deliver_screened(batch)
        finally:
            self.busy = False

    async def _deliver_screened(self, batch: Batch) -> Verdict | None:
        """Deliver a page without people who opted out since it was committed."""
        rows = batch.rows if self._screen is None else tuple(self._screened(batch.rows, self._screen))
        if len(rows) < len(batch.rows):
            self._telemetry.withheld.labels(self._sink).inc(len(batch.rows) - len(rows))
        verdict = await self._deliver_parts(Batch(batch.source, batch.lane, rows)) if rows else None
        last = batch.rows[-1].position
        if verdict is None and not self._stopping and (not rows or rows[-1].position < last):
            await self._advance(last, STORED)
        return verdict

    def _screened(self, rows: Iterable[Row], screen: Screen) -> Iterator[Row]:
        self._changed.clear()
        for row in rows:
            remaining = screen(row.entry)
            if remaining is row.entry:
                yield row
            elif remaining is not None:
                self._changed[row.position] = changed = Row(row.position, remaining)
                yield changed

    async def _deliver_parts(self, batch: Batch) -> Verdict | None:
        """Deliver a page, in smaller parts where the sink asks for it; the verdict that stopped it."""
        parts = [_Part(batch.rows)]
        while parts and not self._stopping:
            part = parts.pop()
            verdict = await self._guard.deliver(Batch(batch.source, batch.lane, tuple(part.rows)))
            if verdict.outcome is Outcome.PARTIAL_FAILURE and len(part.rows) > 1:
                parts += _halves(part.rows)
                continue
            if verdict.outcome is Outcome.PARTIAL_FAILURE:
                row = part.rows[0]
                verdict = Verdict(
                    Outcome.STORED, ((row.position, verdict.reason or UNEXPLAINED),), detail=verdict.detail
                )
            if verdict.outcome is not Outcome.STORED:
                return verdict
            if verdict.before is not None and not self._compared:
                self._compared = True
                self._spool.compare(self._sink, self.lane, verdict.before)
            tripped = self._check_breaker(part.rows, verdict)
            if tripped is not None:
                return tripped
            await self._advance(part.rows[-1].position, verdict, part.rows)
            if part.left and not verdict.rejected and 1 < len(parts[-1].rows) <= SUSPECT_ROWS:
                parts += _halves(parts.pop().rows)
        return None

    async def _advance(self, position: int, verdict: Verdict, rows: Sequence[Row] = ()) -> None:
        """Move the cursor; repeated until the spool can write it, without delivering again."""
        # Of the delivered rows alone, as they were delivered: the spool holds what the screen has left out.
        delivered = {row.position for row in rows} if verdict.rejected else set()
        dead = [refused for refused in verdict.rejected if refused[0] in delivered]
        screened = [self._changed[row] for row, _ in dead if row in self._changed]
        while True:
            try:
                await self._spool.advance(self._sink, self.lane, position, dead=dead, screened=screened)
            except SpoolError as error:
                if self._stopping:
                    return
                await self._pause(Verdict(Outcome.RETRY, reason=SPOOL, detail=str(error)))
                continue
            break
        self._log_refused(rows, dead, verdict.detail)
        self._failures = 0
        await self._health.report(self.lane, State.UP)
        self._pass(position)

    def _log_refused(self, rows: Sequence[Row], dead: DeadRows, detail: str) -> None:
        """Name each kind of entry that became a dead letter; its data and the detail may be personal."""
        types = {row.position: row.entry.type for row in rows} if dead else {}
        for position, reason in dead:
            kind = types[position]
            log.warning(
                "sink %s refused an entry of type %s for good (%s); it is kept as a dead letter: "
                "discord-exporter spool dead list",
                *(self._sink, kind, reason),
                extra={"once_per": f"{self._sink} {kind} {reason}"},
            )
            log.debug("sink %s refused row %d: %s %s", self._sink, position, reason, detail)

    def _check_breaker(self, rows: Sequence[Row], verdict: Verdict) -> Verdict | None:
        """``NEEDS_OPERATOR`` once more rows in a row were refused than bad entries can explain."""
        refused = {position for position, _ in verdict.rejected}
        run = longest = self._refused_run
        for row in rows:
            run = run + 1 if row.position in refused else 0
            longest = max(longest, run)
        if longest <= self._config.breaker or not refused:
            self._refused_run = run
            return None
        reason = verdict.rejected[-1][1]
        detail = (
            f"more than {self._config.breaker} entries in a row refused, last as {reason} {verdict.detail}; "
            "repair the sink, or raise delivery.breaker to give them up"
        )
        self._telemetry.sink_failures.labels(self._sink, BREAKER).inc()
        return Verdict(Outcome.NEEDS_OPERATOR, reason=BREAKER, detail=detail)

    async def _pause(self, verdict: Verdict) -> None:
        blocked = verdict.outcome is Outcome.NEEDS_OPERATOR
        state = State.BLOCKED if blocked else State.AWAY
        await self._health.report(self.lane, state, verdict.reason, verdict.detail)
        self._failures += 1
        wait = self._backoff.wait(self._failures, self._rng)
        asked = requested_wait(verdict.retry_after, self._config.retry_after_cap)
        await self._sleep(self._config.blocked_wait if blocked else max(wait, asked))

    def _pass(self, position: int) -> None:
        if position > self.passed:
            self.passed = position
            self.moved.set()


def _halves(rows: Sequence[Row]) -> tuple[_Part, _Part]:
    """The second half and the first, as they go on the stack; the first never the larger."""
    middle = len(rows) // 2
    return _Part(rows[middle:]), _Part(rows[:middle], left=True)

"""Progress of a running demo: a live table on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from exporter.cli.scrape import MetricsReading
from exporter.clock import Clock
from exporter.notation import counted

LINE_EVERY_S: Final = 5.0
_TOP: Final = 12
"""Number of event types shown, busiest first; a screen has about 24 lines."""


class Progress:
    """Context manager that shows readings; ``duration`` is the planned length in seconds, None for no end."""

    def __init__(self, clock: Clock, *, address: str, duration: float | None) -> None:
        self._clock = clock
        self._address = address
        self._duration = duration
        self._started = clock.monotonic()
        self._last: tuple[float, float] | None = None
        self._line_at = 0.0
        self._rate = 0.0
        self._live = Live(console=Console(), transient=True) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, reading: MetricsReading) -> None:
        """Show one reading of the exporter."""
        now = self._clock.monotonic()
        if self._last is not None and now > self._last[0]:
            self._rate = (reading.events - self._last[1]) / (now - self._last[0])
        self._last = (now, reading.events)
        if self._live is not None:
            self._live.update(self._table(reading, now))
        elif now >= self._line_at:
            self._line_at = now + LINE_EVERY_S
            sys.stdout.write(self._line(reading, now) + "\n")
            sys.stdout.flush()

    def end(self, reading: MetricsReading) -> None:
        """Show the last reading, even where less than a line's time has passed."""
        self._line_at = 0.0
        self.show(reading)

    def _elapsed(self, now: float) -> str:
        whole = f" of {self._duration:.0f}" if self._duration is not None else ""
        return f"{now - self._started:.0f}{whole} s"

    def _line(self, reading: MetricsReading, now: float) -> str:
        sinks = ", ".join(
            f"{name} {reading.delivered.get(name, 0):,.0f} stored, {waiting:,.0f} waiting"
            for name, waiting in reading.pending.items()
        )
        return (
            f"{self._elapsed(now)}: {counted(round(reading.events), 'event')}, {self._rate:,.0f}/s; "
            f"{counted(round(reading.spooled), 'entry', 'entries')} spooled; {sinks or 'no sink yet'}"
        )

    def _table(self, reading: MetricsReading, now: float) -> Table:
        table = Table(
            title=f"discord-exporter demo, {self._elapsed(now)}, {self._rate:,.0f} events/s",
            caption=f"{self._address}/metrics · Ctrl-C ends the demo and checks the numbers",
        )
        table.add_column("event")
        table.add_column("received", justify="right")
        busiest = sorted(reading.received.items(), key=lambda item: -item[1])
        for kind, count in busiest[:_TOP]:
            table.add_row(kind, f"{count:,.0f}")
        if rest := sum(count for _, count in busiest[_TOP:]):
            table.add_row("others", f"{rest:,.0f}")
        table.add_section()
        for name, waiting in reading.pending.items():
            state = "delivering" if reading.sink_up.get(name) else "failing"
            stored = f"{reading.delivered.get(name, 0):,.0f}"
            table.add_row(f"{name}: {state}, {waiting:,.0f} waiting", f"{stored} stored")
        return table

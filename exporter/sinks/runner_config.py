"""The section ``delivery`` of the configuration: page sizes, deadlines and retries, for all sinks."""

from __future__ import annotations

from pydantic import Field

from exporter.model import Priority
from exporter.settings import Duration, Section, Size

MIB = 1024**2


class RunnerConfig(Section):
    """How entries are handed to sinks; durations in seconds, sizes in bytes."""

    max_rows: int = Field(
        default=500, ge=1, description="Entries in one delivery of critical and important events."
    )
    max_rows_slow: int = Field(default=5_000, ge=1, description="Entries in one delivery of counters.")
    max_bytes: Size = Field(default=4 * MIB, ge=1, description="Bytes in one delivery, about.")
    deadline: Duration = Field(
        default=30.0, gt=0, description="A delivery that takes longer is cancelled and made again."
    )
    retry_base: Duration = Field(default=1.0, gt=0, description="First wait after a failed delivery.")
    retry_cap: Duration = Field(default=60.0, gt=0, description="Longest wait of the exponential backoff.")
    retry_after_cap: Duration = Field(
        default=3_600.0, gt=0, description="Longest wait a far end can ask for with Retry-After."
    )
    blocked_wait: Duration = Field(
        default=60.0, gt=0, description="Wait before a delivery that needs operator action is tried again."
    )
    breaker: int = Field(
        default=50,
        ge=1,
        description="More rejected entries in a row than this mean a fault of the sink, not of the entries.",
    )
    stop_timeout: Duration = Field(
        default=3.0, ge=0, description="How long deliveries under way may still take when the program ends."
    )

    def rows(self, lane: Priority) -> int:
        """Entries in one delivery of a lane."""
        return self.max_rows_slow if lane is Priority.SLOW else self.max_rows

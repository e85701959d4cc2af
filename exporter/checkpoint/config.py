"""How long entries and counts may wait for their commit."""

from __future__ import annotations

from pydantic import Field

from exporter.model import Priority
from exporter.settings import Duration, Section


class BatchClass(Section):
    """How long entries of one kind are gathered before they are committed."""

    max_size: int = Field(1, ge=1, le=10_000, description="Commit when this many have gathered.")
    max_wait: Duration = Field(0.0, ge=0, le=60, description="Commit at the latest after this time.")


class BatchingConfig(Section):
    """Gathering by class, by type where set, and the bounds of memory.

    The defaults are the priorities every event declares: critical entries are committed at once, important
    ones within 2 s, slow ones within 10 s.
    """

    critical: BatchClass = BatchClass(max_size=1, max_wait=0.0)
    important: BatchClass = BatchClass(max_size=50, max_wait=2.0)
    slow: BatchClass = BatchClass(max_size=50, max_wait=10.0)
    types: dict[str, BatchClass] = Field(
        default_factory=dict, description="Exceptions by event type, such as GUILD_BAN_ADD."
    )
    journal_interval: Duration = Field(
        5.0, gt=0, le=10, description="How often counts in open windows are saved; a crash loses no more."
    )
    max_pending: int = Field(
        100_000, ge=1000, description="Entries held in memory while the disk does not take them."
    )
    max_cells: int = Field(
        1_000_000, ge=1000, description="Distinct counters held in open windows before they close early."
    )

    def of(self, kind: str, priority: Priority) -> BatchClass:
        """The class that holds for one event type."""
        classes = (self.critical, self.important, self.slow)
        return self.types.get(kind) or classes[priority]

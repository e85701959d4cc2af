"""The section ``spool`` of the configuration: how much disk, and how long refused entries are kept."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from exporter.settings import Duration, Section, Size

KIB = 1024
MIB = 1024 * KIB

SPOOL_DIRECTORY: Final = "spool"
"""Name of the spool's own directory within ``data_dir``."""


class SpoolConfig(Section):
    """Bounds of the spool; sizes in bytes, durations in seconds."""

    max_bytes: Size = Field(
        default=512 * MIB,
        ge=MIB,
        description="Largest size of the entries in the spool file; saved state comes on top. "
        "When it is reached, the oldest unsent counters are discarded first.",
    )
    max_entry_bytes: Size = Field(
        default=MIB,
        ge=KIB,
        description="A single entry larger than this is refused and counted as dropped.",
    )
    reserve: Size = Field(
        default=4 * MIB,
        description="Disk held back, and released on a full volume so that unsent entries can be delivered.",
    )
    dead_max_rows: int = Field(
        default=10_000, ge=1, description="Entries a sink refused that are kept to be looked at or replayed."
    )
    dead_max_bytes: Size = Field(
        default=16 * MIB, ge=KIB, description="Largest size of those entries together."
    )
    dead_max_age: Duration = Field(default=7 * 86_400.0, description="How long those entries are kept.")

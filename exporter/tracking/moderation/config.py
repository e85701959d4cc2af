"""What of reading audit logs can be configured."""

from __future__ import annotations

from pydantic import Field

from exporter.settings import Duration, Section


class CatchUpConfig(Section):
    """The audit log of the time the program was away."""

    enabled: bool = Field(True, description="Read what was missed, on start and after a lost session.")
    first_start: Duration = Field(
        0.0,
        ge=0,
        le=45 * 86400,
        description="How far back to read in a guild never seen before; Discord keeps 45 days.",
    )

"""What of windows and snapshots can be configured."""

from __future__ import annotations

from pydantic import Field, model_validator

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.settings import Duration, Section


class MetricsConfig(Section):
    """Windows and the bounds of what a snapshot lists."""

    snapshot_interval: Duration = Field(
        60.0, ge=1, le=3600, description="Length of a window, and how often METRICS_SNAPSHOT is made."
    )
    member_activity_interval: Duration = Field(
        300.0, ge=1, le=86400, description="How often MEMBER_ACTIVITY_SNAPSHOT is made."
    )
    member_count_interval: Duration = Field(
        3600.0,
        ge=0,
        le=86400,
        description="How often each guild's member count is compared with Discord's own; 0 for never.",
    )
    max_top_members: int = Field(20, ge=0, le=1000, description="Members listed in a snapshot's top.")
    max_top_channels: int = Field(10, ge=0, le=1000, description="Channels listed in a snapshot's top.")
    max_top_emojis: int = Field(15, ge=0, le=1000, description="Emojis listed in a snapshot's top.")

    @model_validator(mode="after")
    def _check_multiple(self) -> MetricsConfig:
        lengths = self.lengths
        if lengths[MEMBER_ACTIVITY_SNAPSHOT] % lengths[METRICS_SNAPSHOT]:
            msg = (
                "member_activity_interval must be a multiple of snapshot_interval "
                f"({self.snapshot_interval:g}s), since it is made of such windows"
            )
            raise ValueError(msg)
        return self

    @property
    def lengths(self) -> dict[str, int]:
        """The length of the windows of each snapshot, in ms."""
        return {
            METRICS_SNAPSHOT: round(self.snapshot_interval * 1000),
            MEMBER_ACTIVITY_SNAPSHOT: round(self.member_activity_interval * 1000),
        }

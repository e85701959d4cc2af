"""The section ``sinks.prometheus`` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exporter.settings import Section


class ExpositionConfig(Section):
    """Which series a scrape exposes, and how many."""

    enabled: bool = Field(default=True, description="Expose guilds' counters on /metrics.")
    channels: bool = Field(default=False, description="Also expose messages and voice time by channel.")
    max_channels: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Channels exposed per guild; the others are summed in channel_id=other."
    )
    max_series: Annotated[int, Field(ge=1000)] = Field(
        default=4_000_000,
        description="Series exposed for guilds; guilds beyond it are summed in guild_id=other. "
        "The default is enough for 50,000 guilds.",
    )

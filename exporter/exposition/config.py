"""The section ``sinks.prometheus`` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exporter.settings import Section


class ExpositionConfig(Section):
    """What a scrape shows, and how much of it."""

    enabled: bool = Field(default=True, description="Serve guilds' counters on /metrics.")
    channels: bool = Field(default=False, description="Also show messages and voice time by channel.")
    max_channels: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Channels shown for each guild; the rest is summed up in channel_id=other."
    )
    max_series: Annotated[int, Field(ge=1000)] = Field(
        default=4_000_000,
        description="Series shown for guilds; guilds beyond it are summed up in guild_id=other. "
        "The default has room for 50,000 guilds.",
    )

"""Configuration of levels."""

from __future__ import annotations

from pydantic import Field

from exporter.settings import Duration, Section


class LevelsConfig(Section):
    """XP earned by activity, and XP needed for each level."""

    message: int = Field(20, ge=0, le=1000, description="Experience for a message.")
    reaction: int = Field(2, ge=0, le=1000, description="Experience for a reaction given.")
    voice_minute: int = Field(
        10, ge=0, le=1000, description="Experience for a minute in voice with others, not deafened."
    )
    cooldown: Duration = Field(
        60.0,
        ge=0,
        le=86400,
        description="After a message that earned something the next ones earn nothing; so with reactions.",
    )
    base: int = Field(100, ge=10, le=1_000_000, description="Experience from level 0 to level 1.")
    linear: int = Field(50, ge=0, le=1_000_000, description="What each level takes more than the one before.")
    quadratic: int = Field(5, ge=0, le=1_000_000, description="The same, times the square of the level.")
    max_members: int = Field(
        100_000, ge=100, le=10_000_000, description="Members remembered, about 250 bytes each."
    )

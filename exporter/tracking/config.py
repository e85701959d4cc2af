"""What of the pipeline can be configured."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from exporter.model import Priority
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
        if round(self.member_activity_interval * 1000) % round(self.snapshot_interval * 1000):
            msg = (
                "member_activity_interval must be a multiple of snapshot_interval "
                f"({self.snapshot_interval:g}s), since it is made of such windows"
            )
            raise ValueError(msg)
        return self


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


class LevelsConfig(Section):
    """What earns experience, and how much of it makes a level."""

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


class CatchUpConfig(Section):
    """The audit log of the time the program was away."""

    enabled: bool = Field(True, description="Read what was missed, on start and after a lost session.")
    first_start: Duration = Field(
        0.0,
        ge=0,
        le=45 * 86400,
        description="How far back to read in a guild never seen before; Discord keeps 45 days.",
    )


class PrivacyConfig(Section):
    """Who is left out."""

    opt_out: frozenset[int] = Field(
        default=frozenset(), description="User ids that are neither counted nor recorded."
    )

    @field_validator("opt_out", mode="before")
    @classmethod
    def _read_ids(cls, value: object) -> object:
        # YAML readers differ on whether an 18-digit id is a number; both spellings mean the same.
        if isinstance(value, list):
            return frozenset(
                int(item) if isinstance(item, str) and item.isdigit() else item for item in value
            )
        return value

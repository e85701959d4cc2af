"""The people who are left out."""

from __future__ import annotations

from pydantic import Field, field_validator

from exporter.settings import Section


class PrivacyConfig(Section):
    """The people who are left out."""

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

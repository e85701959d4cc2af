"""The types with which each package declares its section of ``config.yaml``.

A section is a frozen pydantic model that refuses unknown keys. Each package keeps its section beside its
code; ``exporter.config`` combines them, resolves ``${VAR}`` and ``*_file`` and writes the error messages.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema

from exporter.notation import parse_duration, parse_size


class Section(BaseModel):
    """Base of every configuration section."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["string", "number"], "pattern": r"^(\d+(\.\d+)?\s*(ms|s|m|h|d))+$"}),
]
"""Seconds, written as in ``10s``."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+(\.\d+)?\s*(B|KiB|MiB|GiB)$"}),
]
"""Bytes, written as in ``512MiB``."""

Secret = SecretStr
"""Text that prints as asterisks everywhere; read it with ``get_secret_value`` at the last moment."""

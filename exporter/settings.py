"""The types with which each package declares its section of ``config.yaml``.

A section is a frozen pydantic model that refuses unknown keys. Each package keeps its section beside its
code; ``exporter.config`` combines them, resolves ``${VAR}`` and ``*_file`` and writes the error messages.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")
_DURATION_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>B|KiB|MiB|GiB)")
_SIZE_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class Section(BaseModel):
    """Base of every configuration section."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def parse_duration(value: object) -> float:
    """Seconds denoted by ``10s``, ``1m30s``, ``250ms``, ``7d`` or a bare number of seconds.

    Raises:
        ValueError: the text is not a duration; the message shows the notation.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        parts = list(_DURATION.finditer(text))
        if parts and "".join(part.group(0) for part in parts) == text:
            return sum(float(part["amount"]) * _DURATION_SECONDS[part["unit"]] for part in parts)
    msg = f"{value!r} is not a duration; write for instance 500ms, 10s, 5m, 12h or 90d"
    raise ValueError(msg)


def parse_size(value: object) -> int:
    """Bytes denoted by ``512MiB``, ``1.5GiB`` or a bare number of bytes.

    Raises:
        ValueError: the text is not a size; the message shows the notation.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return round(float(match["amount"]) * _SIZE_BYTES[match["unit"]])
    msg = f"{value!r} is not a size; write for instance 64KiB, 512MiB or 2GiB"
    raise ValueError(msg)


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

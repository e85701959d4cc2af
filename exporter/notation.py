"""How durations, sizes and counts are written: in the configuration, in messages and on the reference page.

Invariant: what a ``format_`` function writes, its ``parse_`` function reads back as the same value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES: Final = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}
_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")
_SIZE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>B|KiB|MiB|GiB)")


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
            return sum(float(part["amount"]) * _SECONDS[part["unit"]] for part in parts)
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
        return round(float(match["amount"]) * _BYTES[match["unit"]])
    msg = f"{value!r} is not a size; write for instance 64KiB, 512MiB or 2GiB"
    raise ValueError(msg)


def format_duration(seconds: float) -> str:
    """Seconds in the largest unit that is exact: ``90d``, ``5m``, ``500ms``."""
    if seconds % 1:
        return f"{seconds * 1000:.15g}ms"
    return _largest_exact(seconds, _SECONDS) if seconds else "0s"


def format_size(size: int) -> str:
    """Bytes in the largest unit that is exact."""
    return _largest_exact(size, _BYTES) if size else "0B"


def _largest_exact(amount: float, units: Mapping[str, float]) -> str:
    unit = next(name for name, length in units.items() if amount % length == 0)
    return f"{amount / units[unit]:.0f}{unit}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 guild``, ``2 guilds``, ``1,200 guilds``: any number but one takes the plural, or else an ``s``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"

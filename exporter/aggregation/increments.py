"""What the open windows are saved as: increments, each the amounts added since the one before.

Played back in order they give the open windows at the moment of the last commit. An increment is forgotten
when no window it added to is open any more; a window that closes says so in the increment of its commit, so
a window that is counted into again after it has closed begins with nothing.

Format: msgpack of ``Increment``; measures and label values stand by name, so that an increment outlives a
change of the declarations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

import msgspec

from exporter.events.records.values import Milliseconds

Cells: TypeAlias = list[tuple[Milliseconds, str, str, int, int, int, str, int]]
"""Start of the smallest window, measure, label value, guild, channel, user, emoji, amount."""

Seen: TypeAlias = list[tuple[int, int, Milliseconds, Milliseconds]]
"""Guild, user, first and last activity in ms."""

CELLS_AT_ONCE: Final = 5_000
"""Cells in one increment: about 5 ms to encode, and some 400 kB, half of the largest entry of the spool."""


class Added(msgspec.Struct, frozen=True, tag="added", array_like=True):
    """Amounts were added to windows."""

    cells: Cells
    seen: Seen


class Closed(msgspec.Struct, frozen=True, tag="closed", array_like=True):
    """Guilds left a window as snapshots, committed with the increment this step is in."""

    kind: str
    start: Milliseconds
    guild_ids: list[int]


Step: TypeAlias = Added | Closed


class Increment(msgspec.Struct, frozen=True, array_like=True):
    """Steps in order. ``lengths`` are the lengths of windows in ms by kind, as the steps mean them."""

    steps: list[Step]
    lengths: dict[str, int]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Increment)


def encode_increment(increment: Increment) -> bytes:
    """The increment as bytes."""
    return _ENCODER.encode(increment)


def decode_increment(body: bytes) -> Increment:
    """The increment back from bytes.

    Raises:
        msgspec.MsgspecError: the bytes were not written by ``encode_increment``, or no store can hold a time.
    """
    increment = _DECODER.decode(body)
    if not all(length > 0 for length in increment.lengths.values()):
        msg = "a window has no length"
        raise msgspec.ValidationError(msg)
    return increment


class _Kept(NamedTuple):
    number: int
    windows: set[tuple[str, int]]


class IncrementLog:
    """The increments on the disk, and the windows (kind and start) each added to."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()

    def keep(self, number: int, windows: set[tuple[str, int]]) -> None:
        """Note a committed increment."""
        self._kept.append(_Kept(number, windows))

    def unneeded(self, open_windows: Iterable[tuple[str, int]]) -> int:
        """The number up to which no increment is needed; 0 for none."""
        needed = set(open_windows)
        last = 0
        for increment in self._kept:
            if not increment.windows.isdisjoint(needed):
                break
            last = increment.number
        return last

    def forget(self, number: int) -> None:
        """Note that the increments up to a number were deleted."""
        while self._kept and self._kept[0].number <= number:
            self._kept.popleft()

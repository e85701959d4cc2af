"""An entry as bytes on disk and back.

Invariant: what ``pack`` accepts, SQLite can hold and ``unpack`` returns equal; everything else is refused
before it is written, so that no entry can make a commit or a later read fail. The checksum covers the whole
body.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import msgspec

from exporter.model import Entry

INTEGER_LIMIT = 2**63
"""SQLite integers are signed 64-bit; msgpack would also take unsigned ones."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class PackedEntry(NamedTuple):
    """The columns of one row but for its position and commit time, in the order of the table."""

    type: str
    guild: int
    at: int
    key: str
    crc: int
    body: bytes


class RefusedError(Exception):
    """This entry can never be spooled; ``reason`` is ``unencodable`` or ``oversized``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def pack(entry: Entry, max_bytes: int) -> PackedEntry:
    """The columns of one entry.

    Raises:
        RefusedError: the entry holds what msgpack or SQLite cannot, or is larger than ``max_bytes``.
    """
    try:
        body = _encode(entry)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        reason = "unencodable"
        raise RefusedError(reason, str(error)) from error
    if len(body) > max_bytes:
        reason = "oversized"
        raise RefusedError(reason, f"{len(body)} bytes, at most {max_bytes} are taken")
    guild, at = entry.guild_id, entry.at
    if not (-INTEGER_LIMIT <= guild < INTEGER_LIMIT and -INTEGER_LIMIT <= at < INTEGER_LIMIT):
        reason = "unencodable"
        raise RefusedError(reason, "guild or time does not fit 64 bits")
    return PackedEntry(entry.type, guild, at, entry.key, crc32(body), body)


def unpack(body: bytes | memoryview, crc: int) -> Entry | None:
    """The entry, or ``None`` if the bytes are not those that were written."""
    if crc32(body) != crc:
        return None
    try:
        return _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None

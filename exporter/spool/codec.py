"""An entry as bytes on disk and back.

What an entry says is decoded into the struct its event type declares: an entry that was read is well formed,
and nothing behind the spool checks it again. Data of a type that is not declared (by a newer version, or by
an event that was removed) stays a mapping. The bytes are a map by field name, so fields may be added, and a
field that is not declared any more is passed over.

Invariant: what ``pack`` accepts, SQLite can hold and ``unpack`` returns equal, its data being well formed;
everything else is refused, so that no entry can make a commit or a later read fail. The checksum covers the
whole body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from exporter.events.catalogue import full_catalogue
from exporter.events.payload import FIRST_MS, LAST_MS
from exporter.events.records.values import Int64, Milliseconds
from exporter.model import Entry, EntryData, Json, Priority

INTEGER_LIMIT: Final = 2**63
"""SQLite integers are signed 64-bit; msgpack would also take unsigned ones."""

NUMBER_LIMIT: Final = INTEGER_LIMIT // 2
"""Below it is each position, number and count of the spool: a larger one is damage, and SQLite gives out no
number after the largest integer."""

ROW_OVERHEAD: Final = 96
"""Bytes of a row beside its body: the other columns and SQLite's own, about."""

DAMAGED: Final = "damaged"
MALFORMED: Final = "malformed"


class PackedEntry(NamedTuple):
    """The columns of one row but for its position and commit time, in the order of the table."""

    type: str
    guild: int
    at: int
    key: str
    crc: int
    body: bytes

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return len(self.body) + ROW_OVERHEAD


class RefusedError(Exception):
    """This entry can never be spooled; ``reason`` is ``unencodable`` or ``oversized``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class UnreadableError(Exception):
    """These bytes are no entry.

    ``reason`` is ``damaged`` where they are not those that were written, ``malformed`` where an entry of
    another form was written.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class _Envelope(msgspec.Struct):
    """An entry whose data waits to be decoded by its type."""

    type: str
    guild_id: Int64
    at: Milliseconds
    key: str
    priority: Priority
    data: msgspec.Raw
    amends: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(_Envelope).decode
_decode_undeclared: Callable[[msgspec.Raw], Mapping[str, Json]] = msgspec.msgpack.Decoder(
    dict[str, Json]
).decode


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
    if not (-INTEGER_LIMIT <= guild < INTEGER_LIMIT and FIRST_MS <= at <= LAST_MS):
        reason = "unencodable"
        raise RefusedError(reason, "the guild does not fit 64 bits or the time is in no year from 1 to 9999")
    return PackedEntry(entry.type, guild, at, entry.key, crc32(body), body)


def unpack(body: object, crc: object) -> Entry:
    """The entry; a column may be of another type, by damage.

    Raises:
        UnreadableError: the bytes are not those that were written, or those of no entry.
    """
    if not isinstance(body, bytes) or crc32(body) != crc:
        raise UnreadableError(DAMAGED)
    try:
        found = _decode_envelope(body)
        decode = _decoders().get(found.type, _decode_undeclared)
        return Entry(
            found.type, found.guild_id, found.at, found.key, found.priority, decode(found.data), found.amends
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError(MALFORMED, str(error)) from error


def try_unpack(body: object, crc: object) -> Entry | None:
    """The entry, or None if the bytes are those of no entry."""
    try:
        return unpack(body, crc)
    except UnreadableError:
        return None


@cache
def _decoders() -> dict[str, Callable[[msgspec.Raw], EntryData | Mapping[str, Json]]]:
    """What decodes the data of each declared type, whether it is switched on or not."""
    return {
        event.type: msgspec.msgpack.Decoder(event.record).decode
        for event in full_catalogue().events.values()
        if event.record is not None
    }

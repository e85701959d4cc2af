"""A copy of the accounts beside the database, so that what vanishes with a damaged file is known to be lost.

Rows that were in a lost log leave no trace in the database: it is sound, and as it was some commits before.
So after each commit the totals, the cursors of all sinks and the range of the increments are written to a
small file, without waiting for the disk: it outlives the process, and the log outlives a loss of power. A
start brings the accounts in the database up to the copy; what then is missing is lost, and counted when the
sinks register.

Invariants: the copy never says more than was committed. Every number in it only rises, so of two versions the
larger number is the newer one. It is written in two places in turn, each with a checksum; a start takes the
newest that is intact, and none is as good as an old one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

import msgspec

from exporter.spool.codec import NUMBER_LIMIT

log = logging.getLogger(__name__)

PLACE: Final = 64 * 1024
"""Bytes of each of the two places: cursors of several hundred sinks. What does not fit is not copied."""

_HEADER: Final = 8
"""Bytes of checksum and length in front of a copy."""

_SIMILAR: Final = 4
"""Names of spools are random: one that differs from the copy's in no more digits is the same, damaged."""

_GAPS: Final = "lost_increments"
"""The text of ``meta`` with the gaps in the numbers of increments that were counted."""

_SEPARATOR: Final = "\n"
_READ: Final = """
SELECT (SELECT value FROM meta WHERE name = 'source'), spooled, position,
    (SELECT coalesce(min(number), 0) FROM increments),
    (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'increments'),
    (SELECT group_concat(lane || ' ' || position || ' ' || spooled || ' ' || delivered || ' ' || dead || ' '
        || evicted || ' ' || active || ' ' || sink, char(10)) FROM cursors)
FROM books
"""
"""One statement, since the interpreter lock is given up at each."""

_UPSERT_CURSOR: Final = """
INSERT INTO cursors (lane, position, spooled, delivered, dead, evicted, active, sink)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sink, lane) DO UPDATE SET position = max(position, excluded.position),
    spooled = max(spooled, excluded.spooled), delivered = max(delivered, excluded.delivered),
    dead = max(dead, excluded.dead), evicted = max(evicted, excluded.evicted)
"""


class Cursor(NamedTuple):
    """A row of ``cursors``."""

    lane: int
    position: int
    spooled: int
    delivered: int
    dead: int
    evicted: int
    active: int
    sink: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """What one commit left; ``increments``: the first number kept and the last one given out, 0 for none."""

    source: str
    spooled: int
    position: int
    increments: tuple[int, int]
    cursors: tuple[Cursor, ...]

    def is_of(self, source: str) -> bool:
        """Whether this is the spool's name, even if the one or the other is damaged."""
        wrong = sum(a != b for a, b in zip(self.source, source, strict=False))
        return len(self.source) == len(source) and wrong <= _SIMILAR


CopiedRow: TypeAlias = tuple[str, int, int, int, int, str | None]
"""The accounts as they are copied: parsed by a start, not by each commit."""


class _Copy(msgspec.Struct, array_like=True):
    serial: int
    row: CopiedRow


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Copy).decode
_encode_gaps = msgspec.json.Encoder().encode
_decode_gaps = msgspec.json.Decoder(list[tuple[int, int]]).decode


class AccountsFile:
    """The copy; ``write`` belongs to the thread that writes the spool."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._serial = 0

    def read(self) -> Accounts | None:
        """The newest intact copy, if there is any."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        copies = [copy for at in (0, PLACE) if (copy := _unpack(content[at : at + PLACE])) is not None]
        newest = max(copies, key=lambda copy: copy.serial, default=None)
        if newest is None:
            return None
        self._serial = newest.serial
        return _parse(newest.row)

    def write(self, row: CopiedRow) -> None:
        """Replace the older of the two copies; called after the commit. What cannot be written is left."""
        self._serial += 1
        body = _encode(_Copy(self._serial, row))
        if len(body) > PLACE - _HEADER:
            return
        header = crc32(body).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        with contextlib.suppress(OSError):
            if self._file is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = os.open(self._path, flags, 0o600)
            os.pwrite(self._file, header + body, self._serial % 2 * PLACE)

    def close(self) -> None:
        """Close the file; safe twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _unpack(place: bytes) -> _Copy | None:
    crc, length = (int.from_bytes(place[at : at + 4], "big") for at in (0, 4))
    body = place[_HEADER : _HEADER + length]
    if not body or crc32(body) != crc:
        return None
    try:
        copy = _decode(body)
        _parse(copy.row)
    except (msgspec.MsgspecError, ValueError):
        return None
    return copy


def read_accounts(connection: sqlite3.Connection) -> CopiedRow:
    """The accounts within a transaction."""
    row: CopiedRow = connection.execute(_READ).fetchone()
    return row


def _parse(row: CopiedRow) -> Accounts:
    """The accounts.

    Raises:
        ValueError: a number in them is damaged; a copy of it would damage a sound database.
    """
    source, spooled, position, first, last, lines = row
    cursors = tuple(_cursor(line) for line in lines.split(_SEPARATOR)) if lines else ()
    numbers = [spooled, position, first, last, *(number for *some, _ in cursors for number in some)]
    if not all(0 <= number < NUMBER_LIMIT for number in numbers):
        msg = "a number in the accounts is damaged"
        raise ValueError(msg)
    return Accounts(source, spooled, position, (first, last), cursors)


def _cursor(line: str) -> Cursor:
    *numbers, sink = line.split(" ", 7)
    lane, position, spooled, delivered, dead, evicted, active = map(int, numbers)
    return Cursor(lane, position, spooled, delivered, dead, evicted, active, sink)


def restore_accounts(
    connection: sqlite3.Connection, copy: Accounts | None, *, is_new: bool, is_rebuilt: bool
) -> int:
    """Bring the accounts up to the copy, within a transaction; returns how many increments are lost.

    ``is_new``: the database was made just now, so it has another name, and all that waited is lost.
    ``is_rebuilt``: it was made of a damaged one, so rows may be missing at its beginning as well.
    A copy of another spool is ignored. Where the copy is ahead, no position after it is used again.
    """
    found = _parse(read_accounts(connection))
    if copy is None:
        return _count_gaps(connection, *found.increments)
    if copy.source != found.source and not is_new:
        if not copy.is_of(found.source):
            return _count_gaps(connection, *found.increments)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'source'", (copy.source,))
    if copy.position > found.position or copy.spooled > found.spooled:
        log.error(
            "spool: the last commits are missing (the file ends at position %d, the last one was %d): "
            "it or its log was deleted, damaged or replaced",
            found.position,
            copy.position,
        )
        # As after an end that was not clean: positions are skipped.
        connection.execute(
            "UPDATE books SET spooled = max(spooled, ?), position = max(position, ?), clean = 0",
            (copy.spooled, copy.position),
        )
    connection.executemany(_UPSERT_CURSOR, copy.cursors)
    first, last = found.increments
    if is_rebuilt and copy.increments[0]:
        # The commit after the copy may have forgotten some of them: better too many counted than too few.
        first = copy.increments[0]
    return _restore_increments(connection, (first, last), copy.increments)


def _restore_increments(connection: sqlite3.Connection, found: tuple[int, int], copy: tuple[int, int]) -> int:
    """Forget what was forgotten, use no number twice; returns how many of the others are not there."""
    (first, last), (copied_first, copied_last) = found, copy
    if last > copied_last:
        return _count_gaps(connection, first, last)
    # Their windows have closed and were committed; a window that closes twice has its effect twice.
    connection.execute("DELETE FROM increments WHERE number < ?", (copied_first or copied_last + 1,))
    if last < copied_last:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'increments'")
        connection.execute("INSERT INTO sqlite_sequence VALUES ('increments', ?)", (copied_last,))
    return _count_gaps(connection, copied_first, copied_last)


def _count_gaps(connection: sqlite3.Connection, first: int, last: int) -> int:
    """How many of the numbers from the first to the last one are not there, without those counted before.

    A gap stays until the windows of the increments before it have closed, over any number of starts; so what
    was counted is noted, in the same transaction.
    """
    if not first:
        return 0
    query = "SELECT number FROM increments WHERE number BETWEEN ? AND ? ORDER BY number"
    present = (number for (number,) in connection.execute(query, (first, last)))
    gaps = [(a + 1, b - 1) for a, b in pairwise(chain((first - 1,), present, (last + 1,))) if b - a > 1]
    missing: int = sum(end - begin + 1 for begin, end in gaps)
    counted = _overlap(gaps, _counted_gaps(connection))
    if missing > counted:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_GAPS, _encode_gaps(gaps).decode()))
    return max(0, missing - counted)


def _counted_gaps(connection: sqlite3.Connection) -> Sequence[tuple[int, int]]:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_GAPS,)).fetchone()
    try:
        return _decode_gaps(row[0]) if row else ()
    except (msgspec.MsgspecError, TypeError):
        # Damaged: counted twice rather than never.
        return ()


def _overlap(some: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> int:
    """How many numbers are in both; each is ranges in order, apart from each other."""
    both = ((max(a[0], b[0]), min(a[1], b[1])) for a in some for b in others)
    return sum(end - begin + 1 for begin, end in both if begin <= end)

"""Rows and the books about them; every function runs inside a transaction of the writer, or of one reader.

Invariant, per sink and at the end of every transaction: ``spooled = delivered + dead + evicted + pending``,
where ``spooled`` counts the rows meant for that sink since it was first registered and ``pending`` the rows
it sees behind its cursor. The books live in the same transaction as the rows, never in memory.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool.codec import Packed
from exporter.spool.dead import bury
from exporter.spool.ports import SinkTally
from exporter.spool.schema import on_lanes
from exporter.spool.state import ROWS_PER_STATEMENT, in_portions

log = logging.getLogger(__name__)

_INSERT_ONE: Final = (
    "INSERT INTO {lane} (type, guild, at, key, crc, body, position, committed_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT: Final = {
    size: on_lanes(_INSERT_ONE + ", (?, ?, ?, ?, ?, ?, ?, ?)" * (size - 1)) for size in ROWS_PER_STATEMENT
}
_PENDING: Final = on_lanes("SELECT count(*) FROM {lane} WHERE position > :after AND {visible}")
_PASSED: Final = on_lanes(
    "SELECT count(*) FROM {lane} WHERE position > :after AND position <= :upto AND {visible}"
)
_EXISTING: Final = on_lanes("SELECT count(*), min(position) - 1 FROM {lane} WHERE only_for IS NULL")
_OLDEST: Final = on_lanes(
    "SELECT committed_at FROM {lane} WHERE position > :after AND {visible} ORDER BY position LIMIT 1"
)
_HIGHEST: Final = on_lanes("SELECT max(position) FROM {lane}")


@dataclass(frozen=True, slots=True)
class SinkBooks(SinkTally):
    """A sink's tally with what it adds up to: ``spooled`` are the entries meant for this sink."""

    spooled: int


def append(
    connection: sqlite3.Connection, lanes: dict[Priority, list[Packed]], committed_at: int
) -> dict[Priority, int]:
    """Insert rows behind all others; returns the last position of each lane that got any."""
    (position,) = connection.execute("SELECT position FROM books").fetchone()
    tips: dict[Priority, int] = {}
    spooled = 0
    for lane, rows in lanes.items():
        for portion in in_portions(rows):
            values: list[object] = []
            for row in portion:
                position += 1
                values += row
                values += (position, committed_at)
            connection.execute(_INSERT[len(portion)][lane], values)
        tips[lane] = position
        spooled += len(rows)
        connection.execute("UPDATE cursors SET spooled = spooled + ? WHERE lane = ?", (len(rows), lane))
    connection.execute("UPDATE books SET spooled = spooled + ?, position = ?", (spooled, position))
    return tips


def advance(
    connection: sqlite3.Connection,
    sink: str,
    lane: Priority,
    position: int,
    dead: Iterable[tuple[int, str]],
    now_ms: int,
) -> None:
    """Move a cursor forward, never back; rows on the way count as delivered, or dead where listed.

    Raises:
        SpoolError: the sink is not registered.
    """
    after = cursor_of(connection, sink, lane)
    if position <= after:
        return
    span = {"sink": sink, "after": after, "upto": position}
    (passed,) = connection.execute(_PASSED[lane], span).fetchone()
    buried = sum(
        bury(connection, sink, lane, row, reason, now_ms)
        for row, reason in dict(dead).items()
        if after < row <= position
    )
    connection.execute(
        "UPDATE cursors SET position = ?, delivered = delivered + ?, dead = dead + ?"
        " WHERE sink = ? AND lane = ?",
        (position, passed - buried, buried, sink, lane),
    )


def cursor_of(connection: sqlite3.Connection, sink: str, lane: Priority) -> int:
    """Where a registered sink is in a lane.

    Raises:
        SpoolError: the sink is not registered.
    """
    row = connection.execute(
        "SELECT position FROM cursors WHERE sink = ? AND lane = ? AND active = 1", (sink, lane)
    ).fetchone()
    if row is None:
        msg = f"sink {sink!r} was not registered with the spool"
        raise SpoolError(msg)
    return int(row[0])


def register(connection: sqlite3.Connection, sinks: Sequence[str]) -> None:
    """Make these the sinks that rows are kept for; a new one starts at the oldest row still kept."""
    known = {name for (name,) in connection.execute("SELECT DISTINCT sink FROM cursors WHERE active = 1")}
    for name in sorted(known - set(sinks)):
        log.info("spool: sink %s is no longer configured, nothing is kept for it any more", name)
    connection.execute("UPDATE cursors SET active = 0")
    (highest,) = connection.execute("SELECT position FROM books").fetchone()
    for sink in sinks:
        for lane in Priority:
            kept, start = connection.execute(_EXISTING[lane]).fetchone()
            connection.execute(
                "INSERT OR IGNORE INTO cursors VALUES (?, ?, ?, ?, 0, 0, 0, 1)",
                (sink, lane, highest if start is None else start, kept),
            )
            connection.execute("UPDATE cursors SET active = 1 WHERE sink = ? AND lane = ?", (sink, lane))
            _reconcile(connection, sink, lane, highest)


def _reconcile(connection: sqlite3.Connection, sink: str, lane: Priority, highest: int) -> None:
    """Make the books true to the rows that are left, after damage or while the sink was not configured."""
    position, spooled, delivered, dead, evicted = connection.execute(
        "SELECT min(position, ?), spooled, delivered, dead, evicted FROM cursors WHERE sink = ? AND lane = ?",
        (highest, sink, lane),
    ).fetchone()
    (pending,) = connection.execute(_PENDING[lane], {"sink": sink, "after": position}).fetchone()
    missing = spooled - delivered - dead - evicted - pending
    if missing > 0:
        log.error(
            "spool: %d %s entries for sink %s are gone unsent, counted as evicted",
            missing,
            lane.name.lower(),
            sink,
        )
    connection.execute(
        "UPDATE cursors SET position = ?, spooled = ?, evicted = ? WHERE sink = ? AND lane = ?",
        (position, spooled + max(-missing, 0), evicted + max(missing, 0), sink, lane),
    )


def tips(connection: sqlite3.Connection) -> dict[Priority, int]:
    """The last position of each lane, 0 for an empty one."""
    return {lane: connection.execute(_HIGHEST[lane]).fetchone()[0] or 0 for lane in Priority}


def tally(connection: sqlite3.Connection) -> tuple[int, dict[str, SinkBooks]]:
    """Entries spooled ever, and the books of each registered sink."""
    (spooled,) = connection.execute("SELECT spooled FROM books").fetchone()
    sums: dict[str, list[int]] = {}
    oldest: dict[str, int] = {}
    rows = connection.execute(
        "SELECT sink, lane, position, spooled, delivered, dead, evicted FROM cursors WHERE active = 1"
    ).fetchall()
    for sink, lane, position, *counts in rows:
        before = sums.get(sink, [0, 0, 0, 0])
        sums[sink] = [old + new for old, new in zip(before, counts, strict=True)]
        waiting = connection.execute(_OLDEST[Priority(lane)], {"sink": sink, "after": position}).fetchone()
        if waiting is not None:
            oldest[sink] = min(waiting[0], oldest.get(sink, waiting[0]))
    return spooled, {
        sink: SinkBooks(
            delivered=delivered,
            dead=dead,
            evicted=evicted,
            pending=meant - delivered - dead - evicted,
            oldest_pending_at=oldest.get(sink),
            spooled=meant,
        )
        for sink, (meant, delivered, dead, evicted) in sums.items()
    }

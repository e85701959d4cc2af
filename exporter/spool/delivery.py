"""Entries on disk on their way to the sinks: read, passed, refused or evicted, and the accounts of them.

Every function runs inside a transaction of the writer or reader.

Invariant, per sink and at the end of every transaction: ``spooled = delivered + dead + evicted + pending``,
where ``spooled`` counts the rows meant for that sink since it was first registered and ``pending`` the rows
it sees behind its cursor. The accounts are written in the same transaction as the rows, never kept in memory.

A row is deleted once every sink has passed it, or evicted when the spool is full; each function that deletes
takes a bounded number of rows.

Dead letters are entries a sink will never take (see ``exporter.spool.dead_letters``).
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.errors import SpoolError
from exporter.model import Priority, Row
from exporter.spool.codec import UnreadableError, unpack
from exporter.spool.database import split_joined
from exporter.spool.dead_letters import keep_dead_letter
from exporter.spool.ports import SinkStats
from exporter.spool.schema import on_lanes

log = logging.getLogger(__name__)

DELETE_ROWS: Final = 5_000
"""Passed rows deleted in one transaction: about 10 ms, so that a waiting commit is not held up."""

EVICT_ROWS: Final = 64
"""Rows evicted at a time, so that no more is lost than the space asked for: about 16 KiB."""

EVICT_BYTES: Final = 128 * 1024
"""Of large rows only as many are evicted at a time as take so much; one may be as large as thousands."""

_BETWEEN: Final = on_lanes(
    "SELECT count(*) FROM {lane} WHERE position > :after AND position <= :upto AND {visible}"
)
_EXISTING: Final = on_lanes("SELECT count(*), min(position) - 1 FROM {lane} WHERE only_for IS NULL")
_OLDEST: Final = on_lanes(
    "SELECT committed_at FROM {lane} WHERE position > :after AND {visible} ORDER BY position LIMIT 1"
)
_HIGHEST: Final = on_lanes("SELECT coalesce(max(position), 0) FROM {lane}")
_CUT: Final = on_lanes(
    "SELECT max(position) FROM (SELECT position FROM {lane} WHERE position <= ? ORDER BY position LIMIT ?)"
)
_OLDEST_ROWS: Final = on_lanes(
    "SELECT max(position), count(*), sum(size) FROM (SELECT position, length(body) AS size FROM {lane}"
    " WHERE position <= ? ORDER BY position LIMIT ?)"
)
_HOLDS_ROWS: Final = on_lanes("SELECT EXISTS (SELECT 1 FROM {lane})")
_DELETE: Final = on_lanes("DELETE FROM {lane} WHERE position <= ?")
_PAGE_END: Final = on_lanes(
    "SELECT max(position) FROM (SELECT position, row_number() OVER page AS number,"
    " sum(length(body)) OVER page AS size FROM {lane} WHERE position > :after AND {visible}"
    " WINDOW page AS (ORDER BY position ROWS UNBOUNDED PRECEDING) LIMIT :max_rows)"
    " WHERE number = 1 OR size <= :max_bytes"
)
_PAGE: Final = on_lanes(
    "SELECT group_concat(position), group_concat(crc), group_concat(length(body)),"
    " CAST(group_concat(CAST(body AS TEXT), '') AS BLOB) FROM (SELECT position,"
    " coalesce(CAST(crc AS INTEGER), 0) AS crc, CAST(coalesce(body, '') AS BLOB) AS body"
    " FROM {lane} WHERE position > :after AND position <= :upto AND {visible} ORDER BY position)"
)
_DELETE_ONE: Final = on_lanes("DELETE FROM {lane} WHERE position = ?")
_LAGGING: Final = (
    "SELECT sink FROM cursors WHERE lane = :lane AND position < :position AND active = 1 ORDER BY sink"
)


def read_page(
    connection: sqlite3.Connection, sink: str, lane: Priority, *, max_rows: int, max_bytes: int
) -> tuple[list[Row], dict[int, str]]:
    """The next rows that a sink sees, one at least if there is any; by position, why others are unreadable.

    Raises:
        SpoolError: the sink is not registered.
        sqlite3.Error: the file could not be read.
    """
    after = cursor_of(connection, sink, lane)
    where: dict[str, object] = {"sink": sink, "after": after, "max_rows": max_rows, "max_bytes": max_bytes}
    (where["upto"],) = connection.execute(_PAGE_END[lane], where).fetchone()
    positions, checksums, lengths, joined = connection.execute(_PAGE[lane], where).fetchone()
    rows: list[Row] = []
    unreadable: dict[int, str] = {}
    if positions is None:
        return rows, unreadable
    bodies = split_joined(lengths, joined)
    for at, crc, body in zip(positions.split(","), checksums.split(","), bodies, strict=True):
        position = int(at)
        try:
            rows.append(Row(position, unpack(body, int(crc))))
        except UnreadableError as error:
            unreadable[position] = error.reason
    return rows, unreadable


def advance(
    connection: sqlite3.Connection,
    sink: str,
    lane: Priority,
    position: int,
    dead: Mapping[int, str],
    now_ms: int,
    screened: Sequence[Row] = (),
) -> None:
    """Move a cursor forward, never back; rows on the way count as delivered, or dead where listed.

    ``screened`` is what is kept of dead rows in place of what the lane holds.

    Raises:
        SpoolError: the sink is not registered.
    """
    after = cursor_of(connection, sink, lane)
    if position <= after:
        return
    span = {"sink": sink, "after": after, "upto": position}
    (passed,) = connection.execute(_BETWEEN[lane], span).fetchone()
    remaining = {row.position: row.entry for row in screened}
    refused = sum(
        keep_dead_letter(connection, sink, lane, row, reason, now_ms, remaining.get(row))
        for row, reason in dead.items()
        if after < row <= position
    )
    connection.execute(
        "UPDATE cursors SET position = ?, delivered = delivered + ?, dead = dead + ?"
        " WHERE sink = ? AND lane = ?",
        (position, passed - refused, refused, sink, lane),
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
    """Make the accounts true to the rows that are left, after damage or while the sink was not configured."""
    position, spooled, delivered, dead, evicted = connection.execute(
        "SELECT min(position, ?), spooled, delivered, dead, evicted FROM cursors WHERE sink = ? AND lane = ?",
        (highest, sink, lane),
    ).fetchone()
    span = {"sink": sink, "after": position, "upto": sys.maxsize}
    (pending,) = connection.execute(_BETWEEN[lane], span).fetchone()
    missing = spooled - delivered - dead - evicted - pending
    if missing > 0:
        log.error(
            "spool: %d %s entries for sink %s are lost, counted as evicted",
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
    return {lane: connection.execute(_HIGHEST[lane]).fetchone()[0] for lane in Priority}


def sink_stats(connection: sqlite3.Connection) -> dict[str, SinkStats]:
    """The accounts of each registered sink, over all lanes."""
    oldest: dict[str, int] = {}
    cursors = connection.execute("SELECT sink, lane, position FROM cursors WHERE active = 1").fetchall()
    for sink, lane, position in cursors:
        waiting = connection.execute(_OLDEST[Priority(lane)], {"sink": sink, "after": position}).fetchone()
        if waiting is not None:
            oldest[sink] = min(waiting[0], oldest.get(sink, waiting[0]))
    sums = connection.execute(
        "SELECT sink, sum(spooled), sum(delivered), sum(dead), sum(evicted)"
        " FROM cursors WHERE active = 1 GROUP BY sink"
    )
    return {
        sink: SinkStats(
            spooled, delivered, dead, evicted, spooled - delivered - dead - evicted, oldest.get(sink)
        )
        for sink, spooled, delivered, dead, evicted in sums
    }


def delete_passed(connection: sqlite3.Connection, limit: int = DELETE_ROWS) -> int:
    """Delete up to ``limit`` rows a lane that every registered sink has passed; returns how many."""
    deleted = 0
    for lane in Priority:
        (floor,) = connection.execute(
            "SELECT coalesce(min(position), ?) FROM cursors WHERE lane = ? AND active = 1",
            (sys.maxsize, lane),
        ).fetchone()
        (last,) = connection.execute(_CUT[lane], (floor, limit)).fetchone()
        if last is not None:
            deleted += connection.execute(_DELETE[lane], (last,)).rowcount
    return deleted


def evict(
    connection: sqlite3.Connection, lane: Priority, limit: int = EVICT_ROWS, *, lagging: bool = False
) -> int:
    """Delete the oldest rows of a lane, counted as evicted for each sink that has not passed them.

    One at least, and no more than take ``EVICT_BYTES`` together; with ``lagging`` only those that a sink has
    passed. Returns how many.
    """
    last = sys.maxsize
    if lagging:
        (last,) = connection.execute(
            "SELECT coalesce(max(position), 0) FROM cursors WHERE lane = ? AND active = 1", (lane,)
        ).fetchone()
    upto = _end_of_oldest(connection, lane, last, limit)
    if upto is None:
        return 0
    behind = connection.execute(
        "SELECT sink, position FROM cursors WHERE lane = ? AND position < ? AND active = 1", (lane, upto)
    ).fetchall()
    for sink, after in behind:
        span = {"sink": sink, "after": after, "upto": upto}
        (lost,) = connection.execute(_BETWEEN[lane], span).fetchone()
        connection.execute(
            "UPDATE cursors SET position = ?, evicted = evicted + ? WHERE sink = ? AND lane = ?",
            (upto, lost, sink, lane),
        )
    return connection.execute(_DELETE[lane], (upto,)).rowcount


def _end_of_oldest(connection: sqlite3.Connection, lane: Priority, last: int, rows: int) -> int | None:
    """The last of at most ``rows`` of the oldest rows up to ``last`` that may be evicted at a time."""
    while True:
        upto, rows, size = connection.execute(_OLDEST_ROWS[lane], (last, rows)).fetchone()
        if rows <= 1 or size <= EVICT_BYTES:
            return None if upto is None else int(upto)
        # By their mean size. A running sum over rows would take several times as long.
        rows = max(1, rows * EVICT_BYTES // size)


def holds_rows(connection: sqlite3.Connection, lane: Priority) -> bool:
    """Whether there is any row in a lane."""
    return bool(connection.execute(_HOLDS_ROWS[lane]).fetchone()[0])


def quarantine(
    connection: sqlite3.Connection, lane: Priority, reasons: Mapping[int, str], now_ms: int
) -> None:
    """Take rows that cannot be read out of a lane; each is dead for every sink that has not passed it.

    ``reasons`` says by position why.
    """
    for position, reason in reasons.items():
        lagging = connection.execute(_LAGGING, {"lane": lane, "position": position}).fetchall()
        for (sink,) in lagging:
            dead = keep_dead_letter(connection, sink, lane, position, reason, now_ms)
            connection.execute(
                "UPDATE cursors SET dead = dead + ? WHERE sink = ? AND lane = ?", (dead, sink, lane)
            )
        connection.execute(_DELETE_ONE[lane], (position,))

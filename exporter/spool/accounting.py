"""Entries on disk and the accounts of them; every function runs inside a transaction of the writer or reader.

Invariant, per sink and at the end of every transaction: ``spooled = delivered + dead + evicted + pending``,
where ``spooled`` counts the rows meant for that sink since it was first registered and ``pending`` the rows
it sees behind its cursor. The accounts are written in the same transaction as the rows, never kept in memory.

A row is deleted once every sink has passed it, or evicted when the spool is full; each function that deletes
takes a bounded number of rows.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool.codec import PackedEntry
from exporter.spool.database import execute_rows, on_lanes
from exporter.spool.dead_letters import dead_letter
from exporter.spool.ports import SinkStats

log = logging.getLogger(__name__)

DELETE_ROWS: Final = 5_000
"""Passed rows deleted in one transaction: about 10 ms, so that a waiting commit is not held up."""

EVICT_ROWS: Final = 256
"""Rows evicted at a time: about 64 KiB, so that no more is lost than the space asked for."""

_INSERT: Final = on_lanes(
    "INSERT INTO {lane} (type, guild, at, key, crc, body, position, committed_at) VALUES {rows}"
)
_BETWEEN: Final = on_lanes(
    "SELECT count(*) FROM {lane} WHERE position > :after AND position <= :upto AND {visible}"
)
_EXISTING: Final = on_lanes("SELECT count(*), min(position) - 1 FROM {lane} WHERE only_for IS NULL")
_OLDEST: Final = on_lanes(
    "SELECT committed_at FROM {lane} WHERE position > :after AND {visible} ORDER BY position LIMIT 1"
)
_HIGHEST: Final = on_lanes("SELECT coalesce(max(position), 0) FROM {lane}")
_CUT: Final = on_lanes("SELECT max(position) FROM (SELECT position FROM {lane} ORDER BY position LIMIT ?)")
_DELETE: Final = on_lanes("DELETE FROM {lane} WHERE position <= ?")


def append_rows(
    connection: sqlite3.Connection, lanes: dict[Priority, list[PackedEntry]], committed_at: int
) -> dict[Priority, int]:
    """Insert rows behind all others; returns the last position of each lane that got any."""
    (position,) = connection.execute("SELECT position FROM books").fetchone()
    tips: dict[Priority, int] = {}
    spooled = 0
    for lane, packed in lanes.items():
        values: list[object] = []
        for row in packed:
            position += 1
            values += row
            values += (position, committed_at)
        execute_rows(connection, _INSERT[lane], 8, values)
        tips[lane] = position
        spooled += len(packed)
        connection.execute("UPDATE cursors SET spooled = spooled + ? WHERE lane = ?", (len(packed), lane))
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
    (passed,) = connection.execute(_BETWEEN[lane], span).fetchone()
    refused = sum(
        dead_letter(connection, sink, lane, row, reason, now_ms)
        for row, reason in dict(dead).items()
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
            "SELECT min(position) FROM cursors WHERE lane = ? AND active = 1", (lane,)
        ).fetchone()
        (last,) = connection.execute(_CUT[lane], (limit,)).fetchone()
        if last is not None:
            upto = last if floor is None else min(last, floor)
            deleted += connection.execute(_DELETE[lane], (upto,)).rowcount
    return deleted


def evict(connection: sqlite3.Connection, lane: Priority, limit: int = EVICT_ROWS) -> int:
    """Delete the oldest rows of a lane, counted as evicted for each sink that has not passed them."""
    (upto,) = connection.execute(_CUT[lane], (limit,)).fetchone()
    if upto is None:
        return 0
    lagging = connection.execute(
        "SELECT sink, position FROM cursors WHERE lane = ? AND position < ? AND active = 1", (lane, upto)
    ).fetchall()
    for sink, after in lagging:
        span = {"sink": sink, "after": after, "upto": upto}
        (lost,) = connection.execute(_BETWEEN[lane], span).fetchone()
        connection.execute(
            "UPDATE cursors SET position = ?, evicted = evicted + ? WHERE sink = ? AND lane = ?",
            (upto, lost, sink, lane),
        )
    return connection.execute(_DELETE[lane], (upto,)).rowcount

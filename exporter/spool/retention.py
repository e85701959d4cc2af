"""What leaves the disk without being delivered again: passed rows and, when it is full, evicted ones.

Every function runs inside a transaction of the writer and deletes a bounded number of rows.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from exporter.model import Priority
from exporter.spool.schema import on_lanes

DELETE_ROWS: Final = 5_000
"""Passed rows deleted in one transaction: about 10 ms, so that a waiting commit is not held up."""

EVICT_ROWS: Final = 256
"""Rows given up at a time: about 64 KiB, so that no more is lost than the space asked for."""

_CUT: Final = on_lanes("SELECT position FROM {lane} ORDER BY position LIMIT 1 OFFSET ?")
_LAST: Final = on_lanes("SELECT max(position) FROM {lane}")
_DELETE: Final = on_lanes("DELETE FROM {lane} WHERE position <= ?")
_LOST: Final = on_lanes(
    "SELECT count(*) FROM {lane} WHERE position > :after AND position <= :upto AND {visible}"
)


def delete_passed(connection: sqlite3.Connection, limit: int = DELETE_ROWS) -> int:
    """Delete up to ``limit`` rows a lane that every registered sink has passed; returns how many went."""
    deleted = 0
    for lane in Priority:
        (floor,) = connection.execute(
            "SELECT min(position) FROM cursors WHERE lane = ? AND active = 1", (lane,)
        ).fetchone()
        last = _last_of_oldest(connection, lane, limit)
        if last is not None:
            upto = last if floor is None else min(last, floor)
            deleted += connection.execute(_DELETE[lane], (upto,)).rowcount
    return deleted


def evict(connection: sqlite3.Connection, lane: Priority, limit: int = EVICT_ROWS) -> int:
    """Delete the oldest rows of a lane, counted as evicted for each sink that has not passed them."""
    upto = _last_of_oldest(connection, lane, limit)
    if upto is None:
        return 0
    lagging = connection.execute(
        "SELECT sink, position FROM cursors WHERE lane = ? AND position < ? AND active = 1", (lane, upto)
    ).fetchall()
    for sink, after in lagging:
        (lost,) = connection.execute(_LOST[lane], {"sink": sink, "after": after, "upto": upto}).fetchone()
        connection.execute(
            "UPDATE cursors SET position = ?, evicted = evicted + ? WHERE sink = ? AND lane = ?",
            (upto, lost, sink, lane),
        )
    return connection.execute(_DELETE[lane], (upto,)).rowcount


def _last_of_oldest(connection: sqlite3.Connection, lane: Priority, limit: int) -> int | None:
    row = connection.execute(_CUT[lane], (limit - 1,)).fetchone()
    if row is None:
        row = connection.execute(_LAST[lane]).fetchone()
    return None if row[0] is None else int(row[0])

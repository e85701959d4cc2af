"""Entries a sink will never take, kept for a while to be looked at and replayed.

A replayed entry goes back into its lane with a new position, visible only to the sink that refused it: the
others have it already. Bounded by rows, bytes and age, the oldest going first; they were counted as dead when
they came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.model import Entry, Priority
from exporter.spool.codec import unpack
from exporter.spool.config import SpoolConfig
from exporter.spool.schema import on_lanes

DAMAGED: Final = "damaged"
"""The reason of a row whose bytes are not those that were written."""

_BURY: Final = on_lanes(
    "INSERT INTO dead (sink, lane, position, reason, buried_at, type, guild, at, key, crc, body)"
    " SELECT :sink, {number}, position, :reason, :now, type, guild, at, key, crc, body"
    " FROM {lane} WHERE position = :position AND {visible}"
)
_REPLAY: Final = on_lanes(
    "INSERT INTO {lane} (position, type, guild, at, key, crc, body, committed_at, only_for)"
    " SELECT :position, type, guild, at, key, crc, body, :now, sink FROM dead WHERE id = :id"
)
_REPLAYABLE: Final = (
    "SELECT d.lane, d.sink, d.crc, d.body FROM dead d JOIN cursors c"
    " ON c.sink = d.sink AND c.lane = d.lane AND c.active = 1 WHERE d.id = ?"
)
_DELETE: Final = on_lanes("DELETE FROM {lane} WHERE position = ?")
_LAGGING: Final = (
    "SELECT sink FROM cursors WHERE lane = :lane AND position < :position AND active = 1 ORDER BY sink"
)
_LIST: Final = (
    "SELECT id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body FROM dead"
    " WHERE id > :after AND (:sink IS NULL OR sink = :sink) ORDER BY id LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry a sink refused; ``entry`` is ``None`` where its bytes were damaged. Times in ms (epoch)."""

    id: int
    sink: str
    lane: Priority
    position: int
    reason: str
    buried_at: int
    type: str
    guild_id: int
    at: int
    key: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters went back, and the last position of each lane that got any."""

    count: int
    tips: dict[Priority, int]


def bury(
    connection: sqlite3.Connection, sink: str, lane: Priority, position: int, reason: str, now_ms: int
) -> int:
    """Copy a row to the dead letters of a sink; returns 1, or 0 if the row is gone or not for this sink."""
    values = {"sink": sink, "position": position, "reason": reason, "now": now_ms}
    return connection.execute(_BURY[lane], values).rowcount


def quarantine(connection: sqlite3.Connection, lane: Priority, positions: Sequence[int], now_ms: int) -> None:
    """Take damaged rows out of a lane; each is dead for every sink that has not passed it."""
    for position in positions:
        lagging = connection.execute(_LAGGING, {"lane": lane, "position": position}).fetchall()
        for (sink,) in lagging:
            buried = bury(connection, sink, lane, position, DAMAGED, now_ms)
            connection.execute(
                "UPDATE cursors SET dead = dead + ? WHERE sink = ? AND lane = ?", (buried, sink, lane)
            )
        connection.execute(_DELETE[lane], (position,))


def trim(connection: sqlite3.Connection, config: SpoolConfig, now_ms: int) -> int:
    """Delete the oldest dead letters beyond the bounds; returns how many went."""
    before = connection.total_changes
    oldest = now_ms - round(config.dead_max_age * 1000)
    connection.execute("DELETE FROM dead WHERE buried_at < ?", (oldest,))
    connection.execute(
        "DELETE FROM dead WHERE id <= (SELECT id FROM dead ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (config.dead_max_rows,),
    )
    (size,) = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM dead").fetchone()
    while size > config.dead_max_bytes:
        oldest_id, length = connection.execute(
            "SELECT id, length(body) FROM dead ORDER BY id LIMIT 1"
        ).fetchone()
        connection.execute("DELETE FROM dead WHERE id = ?", (oldest_id,))
        size -= length
    return connection.total_changes - before


def listing(connection: sqlite3.Connection, *, sink: str | None, after: int, limit: int) -> list[DeadLetter]:
    """Dead letters with an id above ``after``, oldest first."""
    rows = connection.execute(_LIST, {"sink": sink, "after": after, "limit": limit})
    return [
        DeadLetter(
            id=row[0],
            sink=row[1],
            lane=Priority(row[2]),
            position=row[3],
            reason=row[4],
            buried_at=row[5],
            type=row[6],
            guild_id=row[7],
            at=row[8],
            key=row[9],
            entry=unpack(row[11], row[10]),
        )
        for row in rows
    ]


def replay(connection: sqlite3.Connection, ids: Sequence[int], now_ms: int) -> Replayed:
    """Put dead letters back behind their lane, for the sink that refused them.

    Damaged letters and those of a sink that is not registered stay where they are.
    """
    (position,) = connection.execute("SELECT position FROM books").fetchone()
    tips: dict[Priority, int] = {}
    count = 0
    for number in dict.fromkeys(ids):
        row = connection.execute(_REPLAYABLE, (number,)).fetchone()
        if row is None or unpack(row[3], row[2]) is None:
            continue
        lane = Priority(row[0])
        position += 1
        count += 1
        connection.execute(_REPLAY[lane], {"position": position, "now": now_ms, "id": number})
        connection.execute("DELETE FROM dead WHERE id = ?", (number,))
        connection.execute(
            "UPDATE cursors SET spooled = spooled + 1 WHERE sink = ? AND lane = ?", (row[1], lane)
        )
        tips[lane] = position
    connection.execute("UPDATE books SET position = ?", (position,))
    return Replayed(count, tips)

"""Entries a sink will never take, kept for a while to be looked at and replayed.

A replayed entry goes back into its lane with a new position, visible only to the sink that refused it: the
others have it already. Bounded by rows, bytes and age, the oldest are deleted first; they were counted as
dead when they were refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.model import Entry, Priority
from exporter.spool.codec import try_unpack
from exporter.spool.config import SpoolConfig
from exporter.spool.database import on_lanes

_DEAD_LETTER: Final = on_lanes(
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
_BEYOND_ROWS: Final = "DELETE FROM dead WHERE id <= (SELECT id FROM dead ORDER BY id DESC LIMIT 1 OFFSET ?)"
_BEYOND_BYTES: Final = (
    "DELETE FROM dead WHERE id IN (SELECT id FROM"
    " (SELECT id, sum(length(body)) OVER (ORDER BY id DESC) AS size FROM dead) WHERE size > ?)"
)
_LIST: Final = (
    "SELECT id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body FROM dead"
    " WHERE id > :after AND (:sink IS NULL OR sink = :sink) ORDER BY id LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry a sink refused; ``entry`` is ``None`` where its bytes cannot be read. Times in ms (epoch)."""

    id: int
    sink: str
    lane: Priority
    position: int
    reason: str
    dead_at: int
    type: str
    guild_id: int
    at: int
    key: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters were put back, and the last position of each lane that got any."""

    count: int
    tips: dict[Priority, int]


def dead_letter(
    connection: sqlite3.Connection, sink: str, lane: Priority, position: int, reason: str, now_ms: int
) -> int:
    """Copy a row to the dead letters of a sink; returns 1, or 0 if the row is gone or not for this sink."""
    values = {"sink": sink, "position": position, "reason": reason, "now": now_ms}
    return connection.execute(_DEAD_LETTER[lane], values).rowcount


def quarantine(
    connection: sqlite3.Connection, lane: Priority, reasons: Mapping[int, str], now_ms: int
) -> None:
    """Take rows that cannot be read out of a lane; each is dead for every sink that has not passed it.

    ``reasons`` says by position why.
    """
    for position, reason in reasons.items():
        lagging = connection.execute(_LAGGING, {"lane": lane, "position": position}).fetchall()
        for (sink,) in lagging:
            dead = dead_letter(connection, sink, lane, position, reason, now_ms)
            connection.execute(
                "UPDATE cursors SET dead = dead + ? WHERE sink = ? AND lane = ?", (dead, sink, lane)
            )
        connection.execute(_DELETE[lane], (position,))


def trim(connection: sqlite3.Connection, config: SpoolConfig, now_ms: int) -> None:
    """Delete the oldest dead letters beyond the bounds."""
    oldest = now_ms - round(config.dead_max_age * 1000)
    connection.execute("DELETE FROM dead WHERE buried_at < ?", (oldest,))
    connection.execute(_BEYOND_ROWS, (config.dead_max_rows,))
    connection.execute(_BEYOND_BYTES, (config.dead_max_bytes,))


def listing(connection: sqlite3.Connection, *, sink: str | None, after: int, limit: int) -> list[DeadLetter]:
    """Dead letters with an id above ``after``, oldest first."""
    rows = connection.execute(_LIST, {"sink": sink, "after": after, "limit": limit})
    values = ([*row[:2], Priority(row[2]), *row[3:10], try_unpack(row[11], row[10])] for row in rows)
    return [DeadLetter(*columns) for columns in values]


def replay(connection: sqlite3.Connection, ids: Sequence[int], now_ms: int) -> Replayed:
    """Put dead letters back behind their lane, for the sink that refused them.

    Letters that cannot be read and those of a sink that is not registered stay where they are.
    """
    (position,) = connection.execute("SELECT position FROM books").fetchone()
    tips: dict[Priority, int] = {}
    count = 0
    for number in dict.fromkeys(ids):
        row = connection.execute(_REPLAYABLE, (number,)).fetchone()
        if row is None or try_unpack(row[3], row[2]) is None:
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

"""Dead letters as an operator handles them: found by a filter, listed, replayed and discarded.

Every function runs inside a transaction of the writer or of a reader. A dead letter is an entry that a sink
will never take. A replayed one goes back into its lane with a new position, visible only to the sink that
refused it: the others have it already. A discarded one is deleted; it stays counted as dead, and so do the
oldest, which are deleted beyond a number, a size and an age.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.clock import Clock
from exporter.model import Entry, Priority
from exporter.spool.codec import pack, try_unpack
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import DeadLetter
from exporter.spool.schema import on_lanes

DEAD_SHARE: Final = 4
"""Dead letters take at most one part in this many of ``max_bytes``, not the space of what is to be sent."""

_KEEP: Final = on_lanes(
    "INSERT INTO dead (sink, lane, position, reason, buried_at, type, guild, at, key, crc, body)"
    " SELECT :sink, :lane, position, :reason, :now, type, guild, at,"
    " coalesce(:key, key), coalesce(:crc, crc), coalesce(:body, body)"
    " FROM {lane} WHERE position = :position AND {visible}"
)
_CHOSEN: Final = (
    "(:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))"
    " AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))"
    " AND (:sinks IS NULL OR sink IN (SELECT value FROM json_each(:sinks)))"
    " AND (:before IS NULL OR buried_at < :before)"
)
_LIST: Final = (
    "SELECT id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body FROM dead"
    " WHERE {chosen} ORDER BY id LIMIT :limit"
).replace("{chosen}", _CHOSEN)
_IDS: Final = "SELECT id FROM dead WHERE {chosen} ORDER BY id LIMIT :limit".replace("{chosen}", _CHOSEN)
_KEPT: Final = "SELECT sink, count(*), min(buried_at), coalesce(sum(length(body)), 0) FROM dead GROUP BY sink"
_REPLAYABLE: Final = (
    "SELECT d.lane, d.sink, d.crc, d.body FROM dead d JOIN cursors c"
    " ON c.sink = d.sink AND c.lane = d.lane AND c.active = 1 WHERE d.id = ?"
)
_REPLAY: Final = on_lanes(
    "INSERT INTO {lane} (position, type, guild, at, key, crc, body, committed_at, only_for)"
    " SELECT :position, type, guild, at, key, crc, body, :now, sink FROM dead WHERE id = :id"
)
_NO_LIMIT: Final = -1
"""SQLite takes a negative limit for none."""

_BEYOND_ROWS: Final = "DELETE FROM dead WHERE id <= (SELECT id FROM dead ORDER BY id DESC LIMIT 1 OFFSET ?)"
_BEYOND_BYTES: Final = (
    "DELETE FROM dead WHERE id IN (SELECT id FROM"
    " (SELECT id, sum(length(body)) OVER (ORDER BY id DESC) AS size FROM dead) WHERE size > ?)"
)


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters are meant; an empty condition excludes none, all others have to hold."""

    ids: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    dead_before: int | None = None
    """Time in ms since the epoch before which the sink refused them."""

    def parameters(self, limit: int | None) -> dict[str, object]:
        """The values of the statements' conditions; without a limit, all there are."""
        lists = {"ids": self.ids, "types": self.types, "sinks": self.sinks}
        return {
            **{name: json.dumps(values) if values else None for name, values in lists.items()},
            "before": self.dead_before,
            "limit": _NO_LIMIT if limit is None else limit,
        }


@dataclass(frozen=True, slots=True)
class KeptDeadLetters:
    """The dead letters of one sink that are still kept: how many, the oldest (ms) and their bytes, about."""

    sink: str
    count: int
    oldest: int
    size: int


def keep_dead_letter(
    connection: sqlite3.Connection,
    sink: str,
    lane: Priority,
    position: int,
    reason: str,
    now_ms: int,
    screened: Entry | None = None,
) -> int:
    """Copy a row to the dead letters of a sink; returns 1, or 0 if the row is gone or not for this sink.

    With ``screened``, what remains of its entry without people who opted out, that is kept in its place.
    """
    # Of any size: what it is a part of was taken.
    packed = None if screened is None else pack(screened, sys.maxsize)
    values = {
        "sink": sink,
        "lane": lane,
        "position": position,
        "reason": reason,
        "now": now_ms,
        **{name: getattr(packed, name, None) for name in ("key", "crc", "body")},
    }
    return connection.execute(_KEEP[lane], values).rowcount


def list_dead_letters(
    connection: sqlite3.Connection, chosen: DeadLetterFilter, *, limit: int | None = None
) -> list[DeadLetter]:
    """Dead letters with what they say, oldest first."""
    rows = connection.execute(_LIST, chosen.parameters(limit))
    values = ([*row[:2], Priority(row[2]), *row[3:10], try_unpack(row[11], row[10])] for row in rows)
    return [DeadLetter(*columns) for columns in values]


def dead_letter_ids(
    connection: sqlite3.Connection, chosen: DeadLetterFilter, *, limit: int | None = None
) -> list[int]:
    """The ids of dead letters, oldest first."""
    return [number for (number,) in connection.execute(_IDS, chosen.parameters(limit))]


def kept_dead_letters(connection: sqlite3.Connection) -> list[KeptDeadLetters]:
    """How many dead letters are kept for each sink, by its name."""
    rows = connection.execute(_KEPT).fetchall()
    return [KeptDeadLetters(*row) for row in sorted(rows)]


def replay(
    connection: sqlite3.Connection, ids: Sequence[int], now_ms: int
) -> tuple[int, dict[Priority, int]]:
    """Put dead letters back behind their lane, for the sink that refused them.

    Returns how many, and the last position of each lane that got any. Letters that cannot be read and those
    of a sink that is not registered stay where they are.
    """
    (first,) = connection.execute("SELECT position FROM books").fetchone()
    position = first
    tips: dict[Priority, int] = {}
    for number in dict.fromkeys(ids):
        row = connection.execute(_REPLAYABLE, (number,)).fetchone()
        if row is None or try_unpack(row[3], row[2]) is None:
            continue
        lane = Priority(row[0])
        position += 1
        connection.execute(_REPLAY[lane], {"position": position, "now": now_ms, "id": number})
        connection.execute("DELETE FROM dead WHERE id = ?", (number,))
        connection.execute(
            "UPDATE cursors SET spooled = spooled + 1 WHERE sink = ? AND lane = ?", (row[1], lane)
        )
        tips[lane] = position
    connection.execute("UPDATE books SET position = ?", (position,))
    return position - first, tips


def discard(connection: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Delete dead letters; returns how many there were."""
    return sum(connection.execute("DELETE FROM dead WHERE id = ?", (number,)).rowcount for number in ids)


def trim_dead_letters(connection: sqlite3.Connection, config: SpoolConfig, clock: Clock) -> None:
    """Delete the oldest dead letters beyond the bounds."""
    if clock.is_known:
        oldest = clock.now_ms() - round(config.dead_max_age * 1000)
        connection.execute("DELETE FROM dead WHERE buried_at < ?", (oldest,))
    connection.execute(_BEYOND_ROWS, (config.dead_max_rows,))
    connection.execute(_BEYOND_BYTES, (min(config.dead_max_bytes, config.max_bytes // DEAD_SHARE),))

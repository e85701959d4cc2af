"""A spool as version 1 of the schema left it: its tables, and rows in every one of them.

The tables are written out here although some are those of the present schema: what a released version left
on disk does not change with the code.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zlib import crc32

import msgspec

SOURCE = "0123456789abcdef0123456789abcdef"
LANES = ("critical", "important", "slow")
PER_LANE = 40
JOURNAL = (b"\x00begun", bytes(30_000), b"last")

LANE = """
CREATE TABLE {lane} (
    position INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    guild INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL,
    committed_at INTEGER NOT NULL,
    only_for TEXT
);
"""
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE books (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    spooled INTEGER NOT NULL,
    position INTEGER NOT NULL,
    clean INTEGER NOT NULL
);
CREATE TABLE cursors (
    sink TEXT NOT NULL,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    spooled INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (sink, lane)
);
CREATE TABLE journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    buried_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    guild INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
);
PRAGMA user_version = 1;
INSERT INTO meta VALUES ('schema', '1');
"""


def key(number: int) -> str:
    return f"version 1:{number}"


def row(number: int, lane: int) -> tuple[str, int, int, str, int, bytes]:
    body = msgspec.msgpack.encode(
        {
            "type": "MESSAGE_DELETE",
            "guild_id": 7,
            "at": 1_700_000_000_000 + number,
            "key": key(number),
            "priority": lane,
            "data": {"number": number, "text": "x" * 200},
            "amends": False,
        }
    )
    return ("MESSAGE_DELETE", 7, 1_700_000_000_000 + number, key(number), crc32(body), body)


def write(directory: Path, *, clean: bool) -> None:
    """Position ``n`` holds entry ``n`` in lane ``n % 3``; sql has passed half of each lane, with one dead."""
    directory.mkdir(mode=0o700)
    connection = sqlite3.connect(directory / "spool.db", isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(TABLES + "".join(LANE.replace("{lane}", lane) for lane in LANES))
    total = PER_LANE * len(LANES)
    for number in range(1, total + 1):
        values = (number, *row(number, number % 3), 1_700_000_000_000, None)
        insert = f"INSERT INTO {LANES[number % 3]} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        connection.execute(insert, values)
    for lane in range(3):
        half = PER_LANE // 2
        cursor = max(number for number in range(1, total // 2 + 1) if number % 3 == lane)
        connection.execute(
            "INSERT INTO cursors VALUES ('sql', ?, ?, ?, ?, 1, 0, 1)", (lane, cursor, PER_LANE, half - 1)
        )
        connection.execute("INSERT INTO cursors VALUES ('influx', ?, 0, ?, 0, 0, 0, 1)", (lane, PER_LANE))
        connection.execute(
            "INSERT INTO dead (sink, lane, position, reason, buried_at, type, guild, at, key, crc, body)"
            " VALUES ('sql', ?, ?, 'bad', 1700000000000, ?, ?, ?, ?, ?, ?)",
            (lane, cursor, *row(cursor, lane)),
        )
    for body in JOURNAL:
        connection.execute("INSERT INTO journal (crc, body) VALUES (?, ?)", (crc32(body), body))
    connection.execute("INSERT INTO meta VALUES ('source', ?)", (SOURCE,))
    connection.execute("INSERT INTO books VALUES (1, ?, ?, ?)", (total, total, int(clean)))
    connection.close()

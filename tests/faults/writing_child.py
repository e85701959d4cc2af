"""Commits a row with SQLite for each line it is sent: ``python writing_child.py DATABASE``.

Answers with the seconds the commit took: ``ok SECONDS`` or ``failed SECONDS ERROR``.
"""

from __future__ import annotations

import sqlite3
import sys
import time

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB)")
for _ in sys.stdin:
    began = time.monotonic()
    try:
        connection.execute("INSERT INTO rows (body) VALUES (zeroblob(20000))")
    except sqlite3.Error as error:
        print("failed", time.monotonic() - began, error, flush=True)
    else:
        print("ok", time.monotonic() - began, "", flush=True)

"""Pages of saved state as the spool counts them, and as SQLite itself finds them."""

from __future__ import annotations

import sqlite3
from contextlib import closing


def noted_and_found(connection):
    """Both numbers; an empty table has one page, which is not counted."""
    return connection.execute(
        "SELECT state_pages, (SELECT count(*) - 3 FROM dbstat"
        " WHERE name IN ('state', 'increments', 'journal')) FROM books"
    ).fetchone()


def has_dbstat():
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {option for (option,) in connection.execute("PRAGMA compile_options")}
    return "ENABLE_DBSTAT_VTAB" in options


HAS_DBSTAT = has_dbstat()

"""One engine per sink, set up so that a commit that returned is on disk.

SQLite runs in WAL with ``synchronous=FULL``: with NORMAL a commit may be lost in a power cut after the
runner has moved its cursor, and the rows would be lost. PostgreSQL does the same by default. In SQLite every
transaction begins IMMEDIATE: a deferred one that reads the delivered position first could not become a
writer once another has written.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from exporter.sinks.sql.config import SYSTEM_CERTIFICATES, SqlConfig
from exporter.sinks.sql.error_mapping import PRIMARY_CODE

POOL_SIZE = 2
"""The lane being delivered, and a probe or a migration beside it."""

_APPLICATION = "discord-exporter"
_CLIENT_GRACE = 5.0
"""How much later than the server the client gives up, so that the server's clearer answer comes first."""


_WORKER_THREAD = "(_connection_worker_thread)"
"""How Python names the threads of aiosqlite, by the function they run."""

_JOIN_SECONDS = 0.5
"""Longer than such a thread takes to end; one of another engine goes on and is not waited for longer."""

_LOCK_SLICE = 0.25
"""How long a thread waits in SQLite for its lock before it asks again. Nothing can interrupt it there, and
the process cannot end before it; between two of them the wait can be cancelled."""

_TIMEOUT = "statement_timeout"
"""Execution option: the setting of this name."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def encode_json(document: Mapping[str, Any]) -> str:
    """A document as text, equal for equal documents.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def make_engine(config: SqlConfig) -> AsyncEngine:
    """The engine; connects only when first used."""
    url = config.url
    sqlite = url.get_backend_name() == "sqlite"
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=config.connect_timeout,
        hide_parameters=True,
        json_serializer=encode_json,
        execution_options={_TIMEOUT: config.statement_timeout},
        connect_args=(
            {"timeout": min(config.statement_timeout, _LOCK_SLICE)}
            if sqlite
            else _postgresql_arguments(config)
        ),
    )
    if sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    else:
        event.listen(engine.sync_engine, "begin", _limit_postgresql)
    return engine


async def dispose_engine(engine: AsyncEngine) -> None:
    """Close every connection, and wait for the threads of those to SQLite.

    aiosqlite does not wait for the thread of a connection that could not be opened: it would answer to an
    event loop that is closed by then.
    """
    await engine.dispose()
    if engine.dialect.name != "sqlite":
        return
    for thread in threading.enumerate():
        if thread.name.endswith(_WORKER_THREAD):
            await asyncio.to_thread(thread.join, _JOIN_SECONDS)


def _postgresql_arguments(config: SqlConfig) -> dict[str, Any]:
    options = dict(config.libpq_options)
    arguments: dict[str, Any] = {
        "timeout": config.connect_timeout,
        "command_timeout": config.statement_timeout + _CLIENT_GRACE,
        "server_settings": {"application_name": _APPLICATION, "timezone": "UTC"},
        # A pooler in transaction mode gives each transaction a server connection of its choice, which does
        # not know statements that were prepared by name.
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: "",
    }
    if options.get("sslrootcert") == SYSTEM_CERTIFICATES:
        context = arguments["ssl"] = ssl.create_default_context()
        if "sslcert" in options:
            context.load_cert_chain(options["sslcert"], options.get("sslkey"), options.get("sslpassword"))
    elif options:
        # The driver reads libpq's options from a DSN only; the address and the user are given beside it.
        arguments["dsn"] = f"postgresql:///?{urlencode(options)}"
    return arguments


def _limit_postgresql(connection: Connection) -> None:
    """Set the time limits for a transaction: as settings of a session a pooler refuses or forgets them."""
    milliseconds = round(connection.get_execution_options()[_TIMEOUT] * 1000)
    connection.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{milliseconds}', true),"
        f" set_config('idle_in_transaction_session_timeout', '{milliseconds}', true)"
    )


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # Left to itself the driver begins transactions lazily and deferred; see _begin_sqlite.
    connection.isolation_level = None
    connection.create_function("merged_documents", 2, _merge_documents, deterministic=True)
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # Without a limit the log keeps the size of the largest transaction there ever was.
        cursor.execute("PRAGMA journal_size_limit=16777216")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        execute_unlocked(connection, "BEGIN IMMEDIATE")


def execute_unlocked(connection: Connection, statement: str) -> None:
    """Execute a statement that takes SQLite's lock; waits for it up to ``statement_timeout``, cancellably."""
    gives_up_at = time.monotonic() + connection.get_execution_options()[_TIMEOUT]
    while True:
        try:
            connection.exec_driver_sql(statement)
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", None)
            if code is None or code & PRIMARY_CODE not in _BUSY or time.monotonic() >= gives_up_at:
                raise
        else:
            return


def _merge_documents(base: str, over: str) -> str:
    return encode_json(json.loads(base) | json.loads(over))

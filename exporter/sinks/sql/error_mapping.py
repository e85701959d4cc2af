"""The verdict on a failure: by SQLSTATE in PostgreSQL, by result code in SQLite, by type elsewhere.

SQLSTATE classes are those of the PostgreSQL manual, appendix "PostgreSQL Error Codes"; result codes those of
"Result and Error Codes" on sqlite.org. A connection lost while committing leaves the outcome unknown, which
is ``RETRY`` like any other loss: the position in the same transaction shows the next attempt what is stored.
"""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from exporter.errors import SchemaError
from exporter.model import Outcome, Verdict
from exporter.sinks.sql.types import InvalidValueError

MAX_DETAIL: Final = 300
"""Characters of a server's message worth a log line."""

_Classified = tuple[Outcome, str]

_UNREACHABLE: Final[_Classified] = (Outcome.RETRY, "unreachable")
_BUSY: Final[_Classified] = (Outcome.RETRY, "busy")
_TIMEOUT: Final[_Classified] = (Outcome.RETRY, "timeout")
_FULL: Final[_Classified] = (Outcome.RETRY, "full")
_ERROR: Final[_Classified] = (Outcome.RETRY, "error")
_DATA: Final[_Classified] = (Outcome.PARTIAL_FAILURE, "data")
_CONSTRAINT: Final[_Classified] = (Outcome.PARTIAL_FAILURE, "constraint")
_CREDENTIALS: Final[_Classified] = (Outcome.NEEDS_OPERATOR, "credentials")
_DATABASE: Final[_Classified] = (Outcome.NEEDS_OPERATOR, "database")
_SCHEMA: Final[_Classified] = (Outcome.NEEDS_OPERATOR, "schema")

_SQLSTATES: Final[Mapping[str, _Classified]] = {
    "53100": _FULL,
    "57014": _TIMEOUT,  # query_canceled, by statement_timeout
    "25P03": _TIMEOUT,  # idle_in_transaction_session_timeout
    "25006": (Outcome.RETRY, "read_only"),  # a standby, until it is promoted
    "55P03": _BUSY,
    "42501": _CREDENTIALS,
    # Classes, for what is not listed above.
    "08": _UNREACHABLE,
    "22": _DATA,
    "23": _CONSTRAINT,
    "28": _CREDENTIALS,
    "3D": _DATABASE,
    "3F": _SCHEMA,
    "40": _BUSY,  # serialization_failure, deadlock_detected
    "42": _SCHEMA,
    "53": _BUSY,  # too many connections, out of memory
    "54": _DATA,  # a row or an index entry too large
    "57": _UNREACHABLE,  # shutting down, crashed, starting up
}
_RESULT_CODES: Final[Mapping[int, _Classified]] = {
    sqlite3.SQLITE_PERM: _CREDENTIALS,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_NOMEM: _BUSY,
    sqlite3.SQLITE_READONLY: (Outcome.NEEDS_OPERATOR, "read_only"),
    sqlite3.SQLITE_INTERRUPT: _TIMEOUT,
    sqlite3.SQLITE_IOERR: (Outcome.RETRY, "io"),
    sqlite3.SQLITE_CORRUPT: (Outcome.NEEDS_OPERATOR, "corrupt"),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _DATABASE,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_TOOBIG: _DATA,
    sqlite3.SQLITE_CONSTRAINT: _CONSTRAINT,
    sqlite3.SQLITE_MISMATCH: _DATA,
    sqlite3.SQLITE_AUTH: _CREDENTIALS,
    sqlite3.SQLITE_NOTADB: (Outcome.NEEDS_OPERATOR, "corrupt"),
}
_TYPES: Final[tuple[tuple[tuple[type[BaseException], ...], _Classified], ...]] = (
    ((SchemaError,), _SCHEMA),
    ((InvalidValueError,), _DATA),
    ((PoolTimeoutError,), _BUSY),
    ((TimeoutError,), _TIMEOUT),
    ((ssl.SSLCertVerificationError,), _CREDENTIALS),
    # Only SQLite's directory can be refused so; a PostgreSQL socket not there yet is FileNotFoundError.
    ((PermissionError, NotADirectoryError, FileExistsError), _DATABASE),
    ((OSError,), _UNREACHABLE),
    ((asyncpg.ClientConfigurationError,), _DATABASE),
    ((asyncpg.InterfaceError, asyncpg.InternalClientError), _UNREACHABLE),
)
PRIMARY_CODE: Final = 0xFF
"""SQLite's extended result codes keep the primary one in their lowest byte."""

FAILURES: Final = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    SchemaError,
    InvalidValueError,
)
"""What the far end or the data may raise; anything else is a defect. ``TimeoutError`` is an ``OSError``."""


def verdict_of(error: BaseException) -> Verdict:
    """The verdict on one of ``FAILURES``; its detail is one line and holds neither parameters nor secrets."""
    outcome, reason = _classify(error)
    return Verdict(outcome, reason=reason, detail=describe(error))


def describe(error: BaseException) -> str:
    """The innermost message, in one line."""
    cause = list(_causes(error))[-1]
    lines = str(cause).splitlines()
    return f"{type(cause).__name__}: {lines[0] if lines else ''}"[:MAX_DETAIL]


def _classify(error: BaseException) -> _Classified:
    causes = tuple(_causes(error))
    for cause in causes:
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return _SQLSTATES.get(state) or _SQLSTATES.get(state[:2], _ERROR)
        if (
            isinstance(cause, sqlite3.Error)
            and (code := getattr(cause, "sqlite_errorcode", None)) is not None
        ):
            return _classify_sqlite(code & PRIMARY_CODE, str(cause))
    return _classify_type(causes)


def _classify_sqlite(code: int, message: str) -> _Classified:
    # The general code covers many errors; of these only a missing table or column needs an operator.
    if code == sqlite3.SQLITE_ERROR:
        return _SCHEMA if message.startswith("no such") or "has no column" in message else _ERROR
    return _RESULT_CODES.get(code, _ERROR)


def _classify_type(causes: tuple[BaseException, ...]) -> _Classified:
    for cause in causes:
        for kinds, outcome in _TYPES:
            if isinstance(cause, kinds):
                return outcome
        # A bare StatementError means a value was refused before the driver saw it.
        if type(cause) is StatementError:
            return _DATA
    return _ERROR


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what the driver raised inside it, and what that came from; a chain cannot be endless."""
    for _ in range(8):
        yield error
        inner = error.orig if isinstance(error, StatementError) else None
        inner = inner or error.__cause__
        if inner is None or inner is error:
            return
        error = inner

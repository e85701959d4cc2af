"""Makes the views and keeps them as declared.

Views hold nothing, so they have no versions: each carries a mark that names this program and what it was
made from, and one whose mark differs is made again. Only marked views are ever touched. In PostgreSQL the
mark ends the view's comment, in SQLite it is a comment in the statement that the database keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from exporter.errors import SchemaError
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.views import VIEWS
from exporter.sinks.sql.views.dialect import DIALECTS
from exporter.sinks.sql.views.view import View

_MARK: Final = "discord-exporter view "
_DIGEST_LENGTH: Final = 16

_KEPT_POSTGRESQL: Final = text("""
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relkind = 'v' AND relnamespace = CAST(current_schema() AS regnamespace)""")
_KEPT_SQLITE: Final = text("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
_READERS: Final = text("""
SELECT c.relname, CASE a.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relkind = 'v' AND c.relnamespace = CAST(current_schema() AS regnamespace)
  AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner""")

_KNOWN: Final = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_READABLE: Final = text("""
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = CAST(current_schema() AS regnamespace)
  AND relname = ANY(:tables) AND has_table_privilege(:role, oid, 'SELECT, INSERT, UPDATE, DELETE')
ORDER BY relname""")


@dataclass(frozen=True, slots=True)
class Definition:
    """A view as one dialect takes it: the statements that make it, and their mark."""

    name: str
    mark: str
    statements: tuple[str, ...]


def definitions(dialect: str) -> tuple[Definition, ...]:
    """Every declared view, by SQLAlchemy's name for the dialect."""
    return tuple(_define(view, dialect) for view in VIEWS)


def stale_views(connection: Connection) -> tuple[str, ...]:
    """Names of views that are missing, made from another declaration, or no longer declared."""
    made = _made(connection)
    wanted = {each.name: each.mark for each in definitions(connection.dialect.name)}
    return tuple(name for name in sorted({*made, *wanted}) if made.get(name) != wanted.get(name))


def drop_views(connection: Connection) -> None:
    """Take away every view this program made, so that the tables below can change."""
    for name in _made(connection):
        connection.exec_driver_sql(f"DROP VIEW {name}")


def keep_views(connection: Connection, readers: Mapping[str, frozenset[str]] | None = None) -> None:
    """Make what is stale again; who could read a view still can, who could read all can read new ones.

    Args:
        connection: within a transaction that no other process's upgrade runs beside.
        readers: who could read what before ``drop_views``, from ``read_readers``; found out here where null.
    """
    stale = set(stale_views(connection))
    if not stale:
        return
    made = _made(connection)
    readers = read_readers(connection) if readers is None else readers
    for name in sorted(stale & set(made)):
        connection.exec_driver_sql(f"DROP VIEW {name}")
    for definition in definitions(connection.dialect.name):
        if definition.name in stale:
            for statement in definition.statements:
                connection.exec_driver_sql(statement)
            for reader in sorted(_heirs(definition.name, readers)):
                connection.exec_driver_sql(f"GRANT SELECT ON {definition.name} TO {reader}")


def read_readers(connection: Connection) -> Mapping[str, frozenset[str]]:
    """Who may read each view this program made, as quoted names; SQLite knows no roles."""
    if connection.dialect.name != "postgresql":
        return {}
    found: dict[str, set[str]] = {name: set() for name in _made(connection)}
    for name, reader in connection.execute(_READERS):
        if name in found:
            found[name].add(reader)
    return {name: frozenset(readers) for name, readers in found.items()}


def grant_reader(connection: Connection, role: str) -> None:
    """Let ``role`` read every view; it must be there already, since its password is not this program's.

    Raises:
        SchemaError: the database is SQLite, the role does not exist, or it can do more than read the views.
    """
    if connection.dialect.name != "postgresql":
        msg = "SQLite has no roles: let the reader open the file with `mode=ro`"
        raise SchemaError(msg)
    preparer = connection.dialect.identifier_preparer
    quoted = preparer.quote_identifier(role)
    if connection.scalar(_KNOWN, {"role": role}) is None:
        msg = f"there is no role {quoted}: make it first, CREATE ROLE {quoted} LOGIN PASSWORD '…'"
        raise SchemaError(msg)
    tables = [*metadata.tables, "alembic_version"]
    beyond = connection.scalars(_READABLE, {"role": role, "tables": tables}).all()
    if beyond:
        msg = (
            f"the role {quoted} can use the tables themselves ({', '.join(beyond)}): "
            "take a role that owns nothing, is no superuser and was granted nothing on them"
        )
        raise SchemaError(msg)
    schema = preparer.quote_identifier(connection.scalar(text("SELECT current_schema()")) or "public")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
    for view in VIEWS:
        connection.exec_driver_sql(f"GRANT SELECT ON {view.name} TO {quoted}")


def _heirs(name: str, readers: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if name in readers:
        return readers[name]
    return frozenset.intersection(*readers.values()) if readers else frozenset()


def _made(connection: Connection) -> dict[str, str]:
    kept = _KEPT_POSTGRESQL if connection.dialect.name == "postgresql" else _KEPT_SQLITE
    return {name: mark for name, told in connection.execute(kept) if (mark := _read_mark(told or ""))}


def _read_mark(told: str) -> str:
    _, mark, digest = told.partition(_MARK)
    return mark + digest[:_DIGEST_LENGTH] if mark else ""


def _define(view: View, dialect: str) -> Definition:
    query = view.query(DIALECTS[dialect]).strip()
    comments = list(_comments(view)) if dialect == "postgresql" else []
    digest = hashlib.sha256("\0".join((view.name, query, *comments)).encode()).hexdigest()
    mark = _MARK + digest[:_DIGEST_LENGTH]
    if dialect != "postgresql":
        return Definition(view.name, mark, (f"CREATE VIEW {view.name} AS /* {mark} */\n{query}",))
    own = f"COMMENT ON VIEW {view.name} IS {_quoted(f'{view.comment} ({mark})')}"
    return Definition(view.name, mark, (f"CREATE VIEW {view.name} AS\n{query}", *comments, own))


def _comments(view: View) -> Iterator[str]:
    for column in view.columns:
        yield f"COMMENT ON COLUMN {view.name}.{column.name} IS {_quoted(column.comment)}"


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"

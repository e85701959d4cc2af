"""Creates the declared views, replaces outdated ones, and grants a role read access to them.

Views hold no data, so they have no versions: each carries a mark with a digest of its declaration, and one
whose mark differs is dropped and created again. Views without a mark are never changed. In PostgreSQL the
mark ends the view's comment; in SQLite it is a comment in the statement that the database stores.
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

_EXISTING_POSTGRESQL: Final = text("""
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relkind = 'v' AND relnamespace = CAST(current_schema() AS regnamespace)""")
_EXISTING_SQLITE: Final = text("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
_READERS: Final = text("""
SELECT c.relname, CASE a.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relkind = 'v' AND c.relnamespace = CAST(current_schema() AS regnamespace)
  AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner""")

_ROLE_EXISTS: Final = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_READABLE_TABLES: Final = text("""
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = CAST(current_schema() AS regnamespace)
  AND relname = ANY(:tables) AND has_table_privilege(:role, oid, 'SELECT, INSERT, UPDATE, DELETE')
ORDER BY relname""")


@dataclass(frozen=True, slots=True)
class ViewDefinition:
    """The statements that create a view in one dialect, and its mark."""

    name: str
    mark: str
    statements: tuple[str, ...]


def definitions(dialect: str) -> tuple[ViewDefinition, ...]:
    """The definition of every declared view; ``dialect`` is SQLAlchemy's name."""
    return tuple(_define(view, dialect) for view in VIEWS)


def stale_views(connection: Connection) -> tuple[str, ...]:
    """Names of views that are missing, have another declaration, or are no longer declared."""
    existing = _existing(connection)
    wanted = {each.name: each.mark for each in definitions(connection.dialect.name)}
    return tuple(name for name in sorted({*existing, *wanted}) if existing.get(name) != wanted.get(name))


def drop_views(connection: Connection) -> None:
    """Drop every view of this program, so that its tables can change."""
    for name in _existing(connection):
        connection.exec_driver_sql(f"DROP VIEW {name}")


def sync_views(connection: Connection, readers: Mapping[str, frozenset[str]] | None = None) -> None:
    """Create stale views again.

    Roles keep their read access; a role that can read all views can read new ones.

    Args:
        connection: within a transaction during which no other process upgrades the schema.
        readers: the result of ``view_readers`` before ``drop_views``; read from the database when null.
    """
    stale = set(stale_views(connection))
    if not stale:
        return
    existing = _existing(connection)
    readers = view_readers(connection) if readers is None else readers
    for name in sorted(stale & set(existing)):
        connection.exec_driver_sql(f"DROP VIEW {name}")
    for definition in definitions(connection.dialect.name):
        if definition.name in stale:
            for statement in definition.statements:
                connection.exec_driver_sql(statement)
            for reader in sorted(_readers_of(definition.name, readers)):
                connection.exec_driver_sql(f"GRANT SELECT ON {definition.name} TO {reader}")


def view_readers(connection: Connection) -> Mapping[str, frozenset[str]]:
    """The quoted names of the roles that can read each view of this program; empty in SQLite."""
    if connection.dialect.name != "postgresql":
        return {}
    found: dict[str, set[str]] = {name: set() for name in _existing(connection)}
    for name, reader in connection.execute(_READERS):
        if name in found:
            found[name].add(reader)
    return {name: frozenset(readers) for name, readers in found.items()}


def grant_reader(connection: Connection, role: str) -> None:
    """Grant ``role`` read access to every view. The role must exist: this program knows no password for it.

    Raises:
        SchemaError: the database is SQLite, the role does not exist, or it can do more than read the views.
    """
    if connection.dialect.name != "postgresql":
        msg = "SQLite has no roles: let the reader open the file with `mode=ro`"
        raise SchemaError(msg)
    preparer = connection.dialect.identifier_preparer
    quoted = preparer.quote_identifier(role)
    if connection.scalar(_ROLE_EXISTS, {"role": role}) is None:
        msg = f"there is no role {quoted}: create it first: CREATE ROLE {quoted} LOGIN PASSWORD '…'"
        raise SchemaError(msg)
    tables = [*metadata.tables, "alembic_version"]
    beyond = connection.scalars(_READABLE_TABLES, {"role": role, "tables": tables}).all()
    if beyond:
        msg = (
            f"the role {quoted} can use the tables themselves ({', '.join(beyond)}): "
            "use a role without privileges on them that is no superuser and owns no table"
        )
        raise SchemaError(msg)
    schema = preparer.quote_identifier(connection.scalar(text("SELECT current_schema()")) or "public")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
    for view in VIEWS:
        connection.exec_driver_sql(f"GRANT SELECT ON {view.name} TO {quoted}")


def _readers_of(name: str, readers: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if name in readers:
        return readers[name]
    return frozenset.intersection(*readers.values()) if readers else frozenset()


def _existing(connection: Connection) -> dict[str, str]:
    query = _EXISTING_POSTGRESQL if connection.dialect.name == "postgresql" else _EXISTING_SQLITE
    return {name: mark for name, stored in connection.execute(query) if (mark := _read_mark(stored or ""))}


def _read_mark(stored: str) -> str:
    _, mark, digest = stored.partition(_MARK)
    return mark + digest[:_DIGEST_LENGTH] if mark else ""


def _define(view: View, dialect: str) -> ViewDefinition:
    query = view.query(DIALECTS[dialect]).strip()
    comments = list(_comments(view)) if dialect == "postgresql" else []
    # White space is layout: a view that differs in nothing else need not be made again.
    digest = hashlib.sha256("\0".join((view.name, " ".join(query.split()), *comments)).encode()).hexdigest()
    mark = _MARK + digest[:_DIGEST_LENGTH]
    if dialect != "postgresql":
        return ViewDefinition(view.name, mark, (f"CREATE VIEW {view.name} AS /* {mark} */\n{query}",))
    own = f"COMMENT ON VIEW {view.name} IS {_quoted(f'{view.comment} ({mark})')}"
    return ViewDefinition(view.name, mark, (f"CREATE VIEW {view.name} AS\n{query}", *comments, own))


def _comments(view: View) -> Iterator[str]:
    for column in view.columns:
        yield f"COMMENT ON COLUMN {view.name}.{column.name} IS {_quoted(column.comment)}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

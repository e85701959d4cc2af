"""A database role that reads the views and nothing else."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from exporter.errors import SchemaError
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.views.catalogue import VIEWS

_KNOWN: Final = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_READABLE: Final = text("""
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = CAST(current_schema() AS regnamespace)
  AND relname = ANY(:tables) AND has_table_privilege(:role, oid, 'SELECT, INSERT, UPDATE, DELETE')
ORDER BY relname""")


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

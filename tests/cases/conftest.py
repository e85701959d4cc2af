"""A database of each dialect, for what must be right in the stores."""

from tests.sinks.sql.conftest import (
    kind,
    migrated_database,
    migrated_file,
    postgres,
    ready_dsn,
    store,
)

__all__ = ["kind", "migrated_database", "migrated_file", "postgres", "ready_dsn", "store"]

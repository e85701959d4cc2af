"""Alembic's entry point: runs over the connection that ``migration`` hands in, inside its transaction."""

from alembic import context

from exporter.sinks.sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

"""``migrate``: bring the SQL tables up to date."""

from __future__ import annotations

import typer

from exporter.cli.options import ConfigOption


def migrate(config: ConfigOption = None) -> None:
    """Create or upgrade the tables of the SQL store; harmless when there is nothing to do."""
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from exporter.cli.session import prepare
    from exporter.errors import ExporterError
    from exporter.sinks.sql.migration import migrate as upgrade

    sql = prepare(config, quiet=True).sinks.sql
    if not sql.enabled:
        typer.echo("sinks.sql is off; there is nothing to migrate.")
        return
    address = sql.url.render_as_string(hide_password=True)
    try:
        state = asyncio.run(upgrade(sql))
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        msg = f"cannot migrate {address}: {reason}; check that the database is there and may be changed"
        raise ExporterError(msg) from error
    typer.echo(f"{address} is at version {state.current}.")

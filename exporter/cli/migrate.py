"""``migrate``: bring the SQL tables and views up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from exporter.cli.options import ConfigOption

ReaderOption = Annotated[
    str | None,
    typer.Option(
        "--reader-role", metavar="NAME", help="Let this PostgreSQL role read the views and nothing else."
    ),
]


def migrate(config: ConfigOption = None, reader_role: ReaderOption = None) -> None:
    """Create or upgrade the tables and views of the SQL store; harmless when there is nothing to do."""
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
        state = asyncio.run(upgrade(sql, reader_role=reader_role))
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        msg = f"cannot migrate {address}: {reason}; check that the database is there and may be changed"
        raise ExporterError(msg) from error
    if state.views_lack:
        msg = f"the tables of {address} are at version {state.current}, but {state.views_lack}"
        raise ExporterError(msg)
    typer.echo(f"{address} is at version {state.current}.")
    if reader_role is not None:
        typer.echo(f"{reader_role} may read the views.")

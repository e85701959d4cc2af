"""``migrate``: bring the stores up to date: tables and views, buckets and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from exporter.cli.options import ConfigOption

if TYPE_CHECKING:
    from exporter.sinks.influx.config import InfluxConfig
    from exporter.sinks.sql.config import SqlConfig

ReaderOption = Annotated[
    str | None,
    typer.Option(
        "--reader-role", metavar="NAME", help="Let this PostgreSQL role read the views and nothing else."
    ),
]


def migrate(config: ConfigOption = None, reader_role: ReaderOption = None) -> None:
    """Create or upgrade what the stores need: tables and views in SQL, buckets and tasks in InfluxDB.

    Harmless when there is nothing to do.
    """
    from exporter.cli.bootstrap import prepare

    sinks = prepare(config, quiet=True).sinks
    if not (sinks.sql.enabled or sinks.influxdb.active):
        typer.echo("Neither sinks.sql nor sinks.influxdb is on; there is nothing to migrate.")
    if sinks.sql.enabled:
        _migrate_sql(sinks.sql, reader_role)
    if sinks.influxdb.active:
        _prepare_influx(sinks.influxdb)


def _migrate_sql(sql: SqlConfig, reader_role: str | None) -> None:
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from exporter.errors import ExporterError
    from exporter.sinks.sql.migration import migrate as upgrade

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


def _prepare_influx(influx: InfluxConfig) -> None:
    from exporter.events.catalogue import full_catalogue
    from exporter.sinks.influx.setup import prepare

    for done in prepare(influx, full_catalogue()):
        typer.echo(f"{influx.url}: {done}.")
    typer.echo(f"{influx.url} has every bucket and task.")

"""``migrate``: create or upgrade tables, views, buckets and tasks of the stores."""

from __future__ import annotations

from typing import Annotated

import typer

from exporter.cli.options import ConfigOption

ReaderOption = Annotated[
    str | None,
    typer.Option(
        "--reader-role", metavar="NAME", help="Grant this PostgreSQL role read access to the views only."
    ),
]


def migrate(config: ConfigOption = None, reader_role: ReaderOption = None) -> None:
    """Create or upgrade what the stores need: tables and views in SQL, buckets and tasks in InfluxDB.

    Without pending changes it does nothing.
    """
    from exporter.cli.bootstrap import prepare
    from exporter.events.catalogue import full_catalogue
    from exporter.private_files import restrict_umask
    from exporter.sinks.spec import MigrateOptions

    restrict_umask()
    sinks = prepare(config, quiet=True).sinks
    options = MigrateOptions(full_catalogue(), reader_role)
    migrating = [(sink.migrate, section) for sink, section in sinks.active() if sink.migrate is not None]
    if not migrating:
        names = " nor ".join(f"sinks.{sink.name}" for sink in sinks.specs if sink.migrate is not None)
        typer.echo(f"Neither {names} is on; there is nothing to migrate.")
    for run, section in migrating:
        for done in run(section, options):
            typer.echo(done)

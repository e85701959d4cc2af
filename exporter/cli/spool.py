"""``spool``: what is on the disk between Discord and the stores, and the entries that a store refused."""

from __future__ import annotations

import typer

from exporter.cli.dead import dead
from exporter.cli.options import ConfigOption, TableFormat, TableFormatOption

spool = typer.Typer(
    name="spool",
    help="Show the spool on disk, and handle the entries that a store refused.",
    no_args_is_help=True,
)
spool.add_typer(dead)


@spool.command()
def status(config: ConfigOption = None, format_: TableFormatOption = TableFormat.TABLE) -> None:
    """Print sizes, what waits for each sink and what became of the rest; also beside a running exporter."""
    import json

    from exporter.cli.bootstrap import prepare
    from exporter.cli.spool_report import status_as_json, write_status
    from exporter.spool.config import SPOOL_DIRECTORY
    from exporter.spool.inspection import SpoolInspector

    loaded = prepare(config, quiet=True)
    path = loaded.data_dir / SPOOL_DIRECTORY
    with SpoolInspector.open(path) as inspector:
        closed, stats, kept = (
            inspector.is_closed(),
            inspector.stats(loaded.spool),
            inspector.kept_dead_letters(),
        )
    if format_ is TableFormat.JSON:
        typer.echo(json.dumps(status_as_json(path, stats, kept, closed=closed), indent=2))
    else:
        write_status(path, stats, kept, closed=closed)

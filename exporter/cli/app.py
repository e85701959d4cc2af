"""The command line application, with every command.

Exceptions pass to the caller: only ``exporter.__main__`` turns an error into an exit code. Typer's
tracebacks are off, because they print the values of variables, and so secrets.
"""

from __future__ import annotations

import typer

from exporter.cli.check import check
from exporter.cli.demo import demo
from exporter.cli.events import events
from exporter.cli.migrate import migrate
from exporter.cli.run import run
from exporter.cli.schema import schema
from exporter.cli.simulate import simulate
from exporter.cli.spool import spool
from exporter.cli.verify import verify

COMMANDS = (run, demo, check, events, migrate, simulate, verify, schema)
GROUPS = {"spool": spool}
"""Commands that have commands of their own, by name."""

app = typer.Typer(
    name="discord-exporter",
    help="Observability for Discord communities: Prometheus, InfluxDB and an exact event log.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def show_version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),  # noqa: FBT001 - typer's way
) -> None:
    """Observability for Discord communities: Prometheus, InfluxDB and an exact event log."""
    if version:
        from exporter import __version__

        typer.echo(f"discord-exporter {__version__}")
        raise typer.Exit


for command in COMMANDS:
    app.command()(command)
for group in GROUPS.values():
    app.add_typer(group)

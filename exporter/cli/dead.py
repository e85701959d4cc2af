"""``spool dead``: list, show, export, replay and discard the entries that a sink refused for good.

Only ``show`` and ``export`` print what an entry says, since that holds names and ids of members. ``list``,
``show``, ``export`` and every ``--dry-run`` read beside a running exporter; ``replay`` and ``discard`` write,
so the exporter has to be stopped.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Annotated, Final

import typer

from exporter.cli.options import ConfigOption, TableFormat, TableFormatOption, read_duration

if TYPE_CHECKING:
    from exporter.spool.dead_letters import DeadLetterFilter

LISTED: Final = 100
"""Dead letters that ``list`` prints unless asked for more: a screen or two."""

IdOption = Annotated[
    list[int] | None, typer.Option("--id", metavar="ID", help="Only this one; may be repeated.", min=1)
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only entries of this event type; may be repeated."),
]
SinkOption = Annotated[
    list[str] | None,
    typer.Option("--sink", metavar="NAME", help="Only those that this sink refused; may be repeated."),
]
OlderOption = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        metavar="TIME",
        parser=read_duration,
        help="Only those refused longer ago than this, such as 2d.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="NUMBER", min=1, help="At most so many, the oldest.", show_default=False),
]

dead = typer.Typer(
    name="dead", help="Entries that a sink refused for good (dead letters).", no_args_is_help=True
)


@dead.command(name="list")
def list_(
    config: ConfigOption = None,
    ids: IdOption = None,
    types: TypeOption = None,
    sinks: SinkOption = None,
    older_than: OlderOption = None,
    limit: LimitOption = LISTED,
    format_: TableFormatOption = TableFormat.TABLE,
) -> None:
    """List dead letters with the reason why the sink refused each; without what they say."""
    from exporter.cli.dead_letter_report import write_list
    from exporter.cli.spool_access import open_spool

    with open_spool(config) as spool:
        chosen = _filter(ids, types, sinks, older_than)
        letters = spool.dead_letters(chosen, limit=limit)
        total = len(spool.dead_letter_ids(chosen))
    write_list(letters, total, as_json=format_ is TableFormat.JSON)


@dead.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `list` prints it.", min=1)],
    config: ConfigOption = None,
    format_: TableFormatOption = TableFormat.TABLE,
) -> None:
    """Print one dead letter with everything it says, names and ids of members among it."""
    from exporter.cli.dead_letter_report import write_letter
    from exporter.cli.spool_access import open_spool
    from exporter.errors import ExporterError
    from exporter.spool.dead_letters import DeadLetterFilter

    with open_spool(config) as spool:
        letters = spool.dead_letters(DeadLetterFilter(ids=(number,)))
    if not letters:
        msg = f"there is no dead letter {number}; `discord-exporter spool dead list` lists them"
        raise ExporterError(msg)
    write_letter(letters[0], as_json=format_ is TableFormat.JSON)


@dead.command()
def export(
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--output", metavar="FILE", help="A new file; default: standard output.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    ids: IdOption = None,
    types: TypeOption = None,
    sinks: SinkOption = None,
    older_than: OlderOption = None,
    limit: LimitOption = None,
) -> None:
    """Write dead letters as JSON, one a line, with everything they say."""
    from exporter.cli.dead_letter_report import export_letters
    from exporter.cli.spool_access import open_spool

    with open_spool(config) as spool:
        export_letters(spool, _filter(ids, types, sinks, older_than), limit, output)


@dead.command(name="discard", help="Delete dead letters for good; the exporter has to be stopped.")
@dead.command(
    name="replay",
    help="Deliver dead letters once more, to the sink that refused them; the exporter has to be stopped.\n\n"
    "They go back into the spool and are delivered after the next start.",
)
def change(
    context: typer.Context,
    config: ConfigOption = None,
    ids: IdOption = None,
    types: TypeOption = None,
    sinks: SinkOption = None,
    older_than: OlderOption = None,
    limit: LimitOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,  # noqa: FBT002 - typer's way
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - typer's way
    format_: TableFormatOption = TableFormat.TABLE,
) -> None:
    """Do to dead letters what the command's name says."""
    from exporter.cli.spool_access import CHANGES, change_dead_letters

    chosen = _filter(ids, types, sinks, older_than)
    as_json = format_ is TableFormat.JSON
    action = CHANGES[context.command.name or ""]
    change_dead_letters(action, config, chosen, limit, dry_run=dry_run, yes=yes, as_json=as_json)


def _filter(
    ids: list[int] | None, types: list[str] | None, sinks: list[str] | None, older_than: float | None
) -> DeadLetterFilter:
    from exporter.clock import SystemClock
    from exporter.spool.dead_letters import DeadLetterFilter

    before = None if older_than is None else SystemClock().now_ms() - round(older_than * 1000)
    return DeadLetterFilter(tuple(ids or ()), tuple(types or ()), tuple(sinks or ()), before)

"""Options that several commands share, and the parsers of their values."""

from __future__ import annotations

import enum
import pathlib
from typing import Annotated, Any

import typer


class OutputFormat(enum.StrEnum):
    """Format of a command's output."""

    TEXT = "text"
    JSON = "json"


class TableFormat(enum.StrEnum):
    """Format of what is a table on a terminal."""

    TABLE = "table"
    JSON = "json"


def read_duration(value: Any) -> float:
    """Parse a duration such as ``60s`` into seconds.

    Raises:
        typer.BadParameter: it is not a duration.
    """
    from exporter.notation import parse_duration

    text = str(value).strip()
    try:
        return parse_duration(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


ConfigOption = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; default: config.yaml in this directory if it exists, else the defaults.",
        show_default=False,
    ),
]
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="Output format.")]
TableFormatOption = Annotated[TableFormat, typer.Option("--format", help="Output format.")]
DurationOption = Annotated[
    float | None,
    typer.Option(
        "--duration",
        metavar="TIME",
        parser=read_duration,
        help="Stop after this time, such as 60s; default: run until Ctrl-C.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of the traffic; the same seed gives the same sequence of actions.")
]

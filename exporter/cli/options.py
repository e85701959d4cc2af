"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import enum
import pathlib
from typing import Annotated, Any

import typer


class Format(enum.StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


def read_duration(value: Any) -> float:
    """Seconds meant by an option such as ``60s``.

    Raises:
        typer.BadParameter: it is no duration.
    """
    from exporter.settings import parse_duration

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
        help="The configuration; config.yaml here if it exists, else the defaults.",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
DurationOption = Annotated[
    float | None,
    typer.Option(
        "--duration",
        metavar="TIME",
        parser=read_duration,
        help="End after this time, such as 60s; without it, run until Ctrl-C.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="The same seed makes the same people do the same things.")
]

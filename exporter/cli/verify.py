"""``verify``: compare the ledger of a simulation with the content of the stores."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from exporter.cli.options import ConfigOption, FormatOption, OutputFormat


def verify(
    ledger: Annotated[
        pathlib.Path,
        typer.Option("--ledger", metavar="FILE", help="The file that `simulate --ledger` wrote."),
    ],
    config: ConfigOption = None,
    format_: FormatOption = OutputFormat.TEXT,
    stores: Annotated[
        str | None,
        typer.Option(
            "--stores",
            metavar="LIST",
            help="Stores to compare, such as metrics,sql; default: every configured store.",
        ),
    ] = None,
) -> None:
    """Compare every number with the ledger; exit code 1 on a difference or if a store cannot be read."""
    import asyncio

    from exporter.cli.bootstrap import prepare
    from exporter.cli.verification import chosen_stores, compare_stores, report

    loaded = prepare(config, quiet=True)
    outcome = asyncio.run(compare_stores(loaded, ledger, chosen_stores(loaded, stores)))
    report(outcome, as_json=format_ is OutputFormat.JSON)
    outcome.require_agreement()

"""``verify``: the ledger of a simulated Discord against what the stores hold."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from exporter.cli.options import ConfigOption, Format, FormatOption


def verify(
    ledger: Annotated[
        pathlib.Path, typer.Option("--ledger", metavar="FILE", help="What `simulate --ledger` wrote.")
    ],
    config: ConfigOption = None,
    format_: FormatOption = Format.TEXT,
    stores: Annotated[
        str | None,
        typer.Option(
            "--stores",
            metavar="LIST",
            help="Compare only these, such as metrics,sql; by default every configured one.",
        ),
    ] = None,
) -> None:
    """Compare number by number; exit code 1 on any difference or when a store cannot be read."""
    import asyncio

    from exporter.cli.bootstrap import prepare
    from exporter.cli.verification import chosen_stores, compare_stores, report

    loaded = prepare(config, quiet=True)
    outcome = asyncio.run(compare_stores(loaded, ledger, chosen_stores(loaded, stores)))
    report(outcome, as_json=format_ is Format.JSON)
    outcome.require_agreement()

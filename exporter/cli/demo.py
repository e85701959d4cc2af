"""``demo``: run the whole program against a simulated Discord, without a token."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from exporter.cli.options import DurationOption, SeedOption
from exporter.cli.simulate import GuildsOption, RateOption


def demo(
    duration: DurationOption = None,
    guilds: GuildsOption = 10,
    rate: RateOption = 50,
    seed: SeedOption = 0,
    data_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Keep the ledger and the SQLite log here; default: a temporary directory.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of /metrics; 0 takes any free port.")
    ] = 9464,
) -> None:
    """Run against a simulated Discord, show progress, then compare every number with the ledger."""
    import asyncio

    from exporter.cli.demo_runner import DemoRun

    run = DemoRun(duration, guilds, rate, seed, data_dir, port)
    if not asyncio.run(run.run()):
        raise typer.Exit(1)

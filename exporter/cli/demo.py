"""``demo``: the whole program at work, without a token."""

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
        typer.Option("--data-dir", metavar="DIR", help="Keep ledger and SQLite log here; else temporary."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of /metrics; 0 takes any free one.")
    ] = 9464,
) -> None:
    """Run against a simulated Discord, show what happens, then check every number against the truth."""
    import asyncio

    from exporter.cli.demo_runner import Demonstration

    demonstration = Demonstration(duration, guilds, rate, seed, data_dir, port)
    if not asyncio.run(demonstration.run()):
        raise typer.Exit(1)

"""``simulate``: a simulated Discord on this machine."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from exporter.cli.options import DurationOption, SeedOption, read_duration

GuildsOption = Annotated[int, typer.Option("--guilds", min=1, help="Guilds the bot is in.")]
RateOption = Annotated[float, typer.Option("--rate", min=0, help="Actions per second.")]
SCENARIO_NAMES = (
    "raid",
    "prune",
    "moderator-spree",
    "invite-storm",
    "voice-evening",
    "outage",
    "thread-heavy",
    "no-permissions",
    "late-audit",
)
"""Repeated here, because importing the scenarios would make every command slower to start."""

LedgerOption = Annotated[
    pathlib.Path | None,
    typer.Option("--ledger", metavar="FILE", help="Record every action in this file, for `verify`."),
]


def simulate(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")] = 8080,
    guilds: GuildsOption = 10,
    members: Annotated[int, typer.Option("--members", min=4, help="Members a guild has on average.")] = 50,
    rate: RateOption = 50,
    seed: SeedOption = 0,
    ledger: LedgerOption = None,
    duration: DurationOption = None,
    shards: Annotated[
        int,
        typer.Option(
            "--shards", min=0, help="Number of shards recommended to bots; 0: as few as Discord allows."
        ),
    ] = 0,
    heartbeat: Annotated[
        float,
        typer.Option(
            "--heartbeat",
            metavar="TIME",
            parser=read_duration,
            show_default="41.25s",
            help="Heartbeat interval; a short one detects half-open sockets sooner.",
        ),
    ] = 41.25,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="NAME",
            help=f"Run a scenario instead of ordinary traffic: {', '.join(SCENARIO_NAMES)}.",
        ),
    ] = None,
) -> None:
    """Serve a simulated Discord: gateway, REST API, and members who write, react and moderate."""
    import asyncio

    from discord_simulator.simulation import SimulationPlan, StartError, serve
    from exporter import __version__
    from exporter.cli.bootstrap import prepare_log
    from exporter.clock import SystemClock
    from exporter.config.problems import suggest
    from exporter.errors import ConfigError, ExporterError

    prepare_log()
    if scenario is not None and scenario not in SCENARIO_NAMES:
        raise ConfigError((f"--scenario: {scenario} is not a scenario; {suggest(scenario, SCENARIO_NAMES)}",))
    plan = SimulationPlan(port, guilds, members, rate, seed, ledger, duration, shards, heartbeat, scenario)
    try:
        asyncio.run(serve(plan, typer.echo, clock=SystemClock(), version=__version__))
    except StartError as error:
        raise ExporterError(str(error)) from error

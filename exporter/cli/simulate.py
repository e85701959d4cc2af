"""``simulate``: a Discord on this machine, full of people."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from exporter.cli.options import DurationOption, SeedOption, read_duration

GuildsOption = Annotated[int, typer.Option("--guilds", min=1, help="Guilds the bot is in.")]
RateOption = Annotated[float, typer.Option("--rate", min=0, help="Actions of people per second.")]
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
"""Written out, because building the table itself would make every command slower to start."""

LedgerOption = Annotated[
    pathlib.Path | None,
    typer.Option("--ledger", metavar="FILE", help="Write here what truly happened, for `verify`."),
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
        typer.Option("--shards", min=0, help="Shards recommended to bots; 0 for as few as Discord allows."),
    ] = 0,
    heartbeat: Annotated[
        float,
        typer.Option(
            "--heartbeat",
            metavar="TIME",
            parser=read_duration,
            help="Heartbeat interval asked for; short ones show half-open sockets soon.",
        ),
    ] = 41.25,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", metavar="NAME", help=f"Instead of an ordinary day: {', '.join(SCENARIO_NAMES)}."
        ),
    ] = None,
) -> None:
    """Serve a simulated Discord: gateway, REST API and people who talk, react and moderate."""
    import asyncio

    from exporter.cli.bootstrap import prepare_log
    from exporter.cli.simulation import Plan, serve
    from exporter.config.problems import suggest
    from exporter.errors import ConfigError

    prepare_log()
    if scenario is not None and scenario not in SCENARIO_NAMES:
        raise ConfigError((f"--scenario: {scenario} is no scenario; {suggest(scenario, SCENARIO_NAMES)}",))
    plan = Plan(port, guilds, members, rate, seed, ledger, duration, shards, heartbeat, scenario)
    asyncio.run(serve(plan, typer.echo))

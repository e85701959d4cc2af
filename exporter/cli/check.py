"""``check``: what a configuration will do, and whether its stores answer."""

from __future__ import annotations

from typing import Annotated

import typer

from exporter.cli.options import ConfigOption, FormatOption, OutputFormat


def check(
    config: ConfigOption = None,
    online: Annotated[bool, typer.Option("--online", help="Also query Discord's API.")] = False,  # noqa: FBT002 - typer's way
    format_: FormatOption = OutputFormat.TEXT,
) -> None:
    """Print intents, permissions, an invite link, the answer of each store, and what is not recorded."""
    import asyncio
    import json

    from exporter.cli.bootstrap import prepare
    from exporter.cli.preflight_report import examine, write_text

    loaded = prepare(config, quiet=True)
    report = asyncio.run(examine(loaded, online=online))
    if format_ is OutputFormat.JSON:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        typer.echo(write_text(report), nl=False)
    if not report.ok:
        raise typer.Exit(1)

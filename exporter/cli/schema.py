"""``schema``: the configuration as JSON Schema."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    from exporter.config.schema import write_schema

    typer.echo(write_schema(), nl=False)

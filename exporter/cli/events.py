"""``events``: every event type that can be observed."""

from __future__ import annotations

import typer

from exporter.cli.options import FormatOption, OutputFormat


def events(format_: FormatOption = OutputFormat.TEXT) -> None:
    """List every event type: default, priority, intents, permissions and the names it has in each store."""
    import json

    from exporter.cli.output import print_table
    from exporter.events.catalogue import full_catalogue
    from exporter.reference.events import describe_events
    from exporter.sinks.registry import registered_sinks

    sinks = registered_sinks()
    described = describe_events(full_catalogue(), sinks)
    if format_ is OutputFormat.JSON:
        typer.echo(json.dumps([event.as_json() for event in described], indent=2))
        return
    print_table(
        (
            "type",
            "family",
            "default",
            "priority",
            "intents",
            "permissions",
            "Prometheus",
            *(sink.title for sink in sinks),
            "what",
        ),
        [
            (
                event.type,
                event.family,
                "on" if event.default else "off",
                event.priority,
                ", ".join(event.intents),
                ", ".join(event.permissions),
                ", ".join(event.prometheus),
                *(", ".join(event.stores[sink.name]) for sink in sinks),
                event.help,
            )
            for event in described
        ],
    )

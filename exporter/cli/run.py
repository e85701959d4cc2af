"""``run``: observe until stopped."""

from __future__ import annotations

from exporter.cli.options import ConfigOption


def run(config: ConfigOption = None) -> None:
    """Observe Discord and deliver to every configured store, until SIGTERM or Ctrl-C."""
    import asyncio

    from exporter.app import run as observe
    from exporter.cli.bootstrap import prepare
    from exporter.config.load import require_token

    loaded = prepare(config)
    require_token(loaded)
    asyncio.run(observe(loaded))

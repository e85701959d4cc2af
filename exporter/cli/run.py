"""``run``: observe until stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.cli.options import ConfigOption

if TYPE_CHECKING:
    from collections.abc import Awaitable

EXIT_SECONDS: Final = 1.0
"""How long threads may still run once everything is stopped: the stop has 8 s, the service manager kills
after 10 s. A thread that waits for a disk or a name server would keep the process for as long as it waits."""


def run(config: ConfigOption = None) -> None:
    """Observe Discord and deliver to every configured store, until SIGTERM or Ctrl-C."""
    import asyncio

    from exporter.cli.bootstrap import prepare
    from exporter.config.load import require_token
    from exporter.process import run as observe

    loaded = prepare(config)
    require_token(loaded)
    asyncio.run(_end_with(observe(loaded)))


async def _end_with(work: Awaitable[None]) -> None:
    """Do the work, then end the process soon, whatever threads are left."""
    import os
    import threading

    code = 1
    try:
        await work
        code = 0
    except BaseException as error:
        code = getattr(error, "exit_code", code)
        raise
    finally:
        guard = threading.Timer(EXIT_SECONDS, os._exit, (code,))
        guard.daemon = True
        guard.start()

"""The process around the application: it runs until a signal or the end of the source, and stops in time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NoReturn

from exporter.app import Application
from exporter.config.model import Config
from exporter.errors import SpoolError
from exporter.private_files import restrict_umask

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 8.0
"""How long a stop may take; the service manager kills after 10 s. On a disk that hangs, a thread waits in the
kernel and cannot be ended: the process then ends without it."""

SWITCH_SECONDS: Final = 0.001
"""How long a thread keeps the interpreter while another waits. At the default of 5 ms a busy loop starves the
thread that commits: with 10,000 entries, from a quarter of a second to more than half a minute."""


async def run(
    config: Config,
    *,
    on_started: Callable[[Application], Awaitable[None]] | None = None,
) -> None:
    """Run the program until SIGTERM or SIGINT, or until ``on_started`` returns where one is given.

    Raises:
        ExporterError: it cannot start, Discord refuses it, or the stop could not save what was counted.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    sys.setswitchinterval(SWITCH_SECONDS)
    restrict_umask()
    application = Application(config)
    tasks = [asyncio.create_task(_live(application, on_started)), asyncio.create_task(stopping.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        log.info("stopping")
        stopping_ends = asyncio.ensure_future(_stop(application, tasks))
        await asyncio.wait((stopping_ends,), timeout=STOP_SECONDS)
        if not stopping_ends.done():
            _abandon()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()  # rather than an error of the stop that follows from it
        stopping_ends.result()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    for task in done:
        task.result()
    if application.loss:
        raise SpoolError(application.loss)


async def _stop(application: Application, tasks: Iterable[asyncio.Task[bool | None]]) -> None:
    """Cancel the tasks, one of which may stop a start that has not ended, and stop what is left."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await application.stop()


def _abandon() -> NoReturn:
    """End the process at once: what is not committed is lost, as by a kill."""
    log.critical(
        "the stop did not end in %.0f s, the disk or a store does not answer: ending without it; what was "
        "counted since the last commit is lost",
        STOP_SECONDS,
    )
    logging.shutdown()
    os._exit(SpoolError.exit_code)


async def _live(
    application: Application, on_started: Callable[[Application], Awaitable[None]] | None
) -> None:
    """Start, and go on until the program ends by itself or ``on_started`` returns."""
    await application.start()
    if on_started is None:
        await application.wait()
        return
    tasks = (
        asyncio.create_task(application.wait()),
        asyncio.ensure_future(on_started(application)),
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()

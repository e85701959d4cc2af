"""Puts components that failed back to what was committed last, as soon as no commit is in flight."""

from __future__ import annotations

import asyncio
from typing import Final

from exporter.checkpoint.checkpoint import Checkpoint
from exporter.dispatch.component_states import ComponentStates
from exporter.spool.ports import SpoolWriter

PAUSE_SECONDS: Final = 1.0
"""Least time between two reverts: of a component that fails again at once, all rows are read each time."""


class Reverting:
    """Reverts suspended components; ``checkpoint`` makes the commits that their rows come from."""

    def __init__(self, states: ComponentStates, checkpoint: Checkpoint, spool: SpoolWriter) -> None:
        self._states = states
        self._checkpoint = checkpoint
        self._spool = spool

    async def run(self) -> None:
        """Revert a component soon after it failed, since it handles nothing until then; until cancelled."""
        while True:
            await self._states.failed.wait()
            self._states.failed.clear()
            try:
                await self.revert()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again and ends nothing
                self._states.report("pipeline", error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def revert(self) -> None:
        """Revert all components that are suspended now."""
        if any(self._states.suspended):
            # Under the turn: a commit in flight may hold newer rows of theirs.
            async with self._checkpoint.turn:
                await self._states.revert_suspended(self._spool.state)

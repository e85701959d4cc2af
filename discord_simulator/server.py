"""The server: gateway, REST API and control endpoint on one port."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final

from aiohttp import web

from discord_simulator.control import ControlApi
from discord_simulator.faults import Faults
from discord_simulator.gateway import GatewayServer
from discord_simulator.rest import RestApi

if TYPE_CHECKING:
    from discord_simulator.clock import Clock
    from discord_simulator.ports import Dispatch, LossRecorder, WorldView
    from discord_simulator.settings import SimulatorSettings

_log = logging.getLogger(__name__)

_MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Largest body of a request; injected payloads may be large."""

_SHUTDOWN_S: Final = 1.0
"""Time limit for requests in progress; websockets are aborted before."""


class Simulator:
    """Serves a world over Discord's gateway and REST API.

    Args:
        world: source of guilds and permissions; its events are passed to :meth:`publish`.
        loss_recorder: receives losses and gaps.
        settings: limits and timings.
        clock: time of every window, and of gaps.
        rng: source of session ids.

    Attributes:
        gateway: the gateway, for ``all_ready`` and ``drained``.
        stop_requested: set by ``POST /control/stop``; ends the traffic.
    """

    def __init__(
        self,
        world: WorldView,
        loss_recorder: LossRecorder,
        settings: SimulatorSettings,
        *,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self.gateway = GatewayServer(world, loss_recorder, settings, clock, rng or random.Random())
        self.stop_requested = asyncio.Event()
        self._settings = settings
        self._faults = Faults(self.gateway, world, reconnect_grace_s=settings.reconnect_grace_s)
        self._application = web.Application(client_max_size=_MAX_BODY_BYTES)
        rest = RestApi(world, self.gateway, settings, clock)
        rest.add_routes(self._application)
        control = ControlApi(
            faults=self._faults,
            gateway=self.gateway,
            rest=rest,
            world=world,
            clock=clock,
            stop_requested=self.stop_requested,
        )
        control.add_routes(self._application)
        self._application.router.add_get("/", self.gateway.serve)
        self._runner: web.AppRunner | None = None

    def publish(self, dispatch: Dispatch) -> None:
        """Queue an event in every session that may receive it; never waits."""
        self.gateway.publish(dispatch)

    async def start(self, port: int = 0) -> int:
        """Start to listen and return the port; 0 takes any free one.

        Raises:
            OSError: the port is in use or not allowed.
        """
        runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        site = web.TCPSite(runner, self._settings.host, port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = int(runner.addresses[0][1])
        _log.info("simulated Discord listens on http://%s:%d", self._settings.host, bound)
        return bound

    async def stop(self) -> None:
        """Disconnect every client and stop listening."""
        self._faults.stop()
        self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

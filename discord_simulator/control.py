"""The control endpoint, ``/control/…``: faults, injected payloads, and the state of the simulator.

It has no authentication: the simulator listens on loopback only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import orjson
from aiohttp import web

from discord_simulator.rest import RestFault

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from discord_simulator.clock import Clock
    from discord_simulator.faults import Faults
    from discord_simulator.gateway import GatewayServer
    from discord_simulator.ports import WorldView
    from discord_simulator.rest import RestApi

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_FAULT_STATUS: Final = range(400, 600)


class ControlApi:
    """Translates requests into faults; ``{"met": N}`` is the number of sessions or guilds affected."""

    def __init__(
        self,
        *,
        faults: Faults,
        gateway: GatewayServer,
        rest: RestApi,
        world: WorldView,
        clock: Clock,
        stop_requested: asyncio.Event,
    ) -> None:
        self._faults = faults
        self._gateway = gateway
        self._rest = rest
        self._world = world
        self._clock = clock
        self._stop_requested = stop_requested

    def add_routes(self, application: web.Application) -> None:
        """Register the routes with the web application."""
        application.router.add_get("/control/state", self._state)
        handlers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
            "drop": self._drop,
            "half-open": self._half_open,
            "reconnect": self._reconnect,
            "invalidate": self._invalidate,
            "outage": self._outage,
            "rest": self._rest_fault,
            "permission": self._permission,
            "stop": self._stop,
            "inject": self._inject,
            "inject-frame": self._inject_frame,
        }
        for name, handler in handlers.items():
            application.router.add_post(f"/control/{name}", handler)

    async def _drop(self, request: web.Request) -> web.Response:
        return _met(self._faults.drop(_shard(request)))

    async def _half_open(self, request: web.Request) -> web.Response:
        return _met(self._faults.half_open(_shard(request)))

    async def _reconnect(self, request: web.Request) -> web.Response:
        return _met(self._faults.reconnect(_shard(request)))

    async def _invalidate(self, request: web.Request) -> web.Response:
        return _met(
            self._faults.invalidate(_shard(request), resumable=_boolean(request, "resumable", "false"))
        )

    async def _outage(self, request: web.Request) -> web.Response:
        guild_id = self._guild(request)
        return _met(self._faults.outage(guild_id, _number(request, "seconds", "5")))

    async def _rest_fault(self, request: web.Request) -> web.Response:
        status = None
        if "status" in request.query:
            status = int(_number(request, "status", ""))
            if status not in _FAULT_STATUS:
                _refuse(f"status={status}: must be an error status from 400 to 599, or be left out")
        seconds = _number(request, "seconds", "5")
        self._rest.fault = RestFault(
            self._clock.monotonic() + seconds, delay_s=_number(request, "delay", "0"), status=status
        )
        return _met(1)

    async def _permission(self, request: web.Request) -> web.Response:
        guild_id = self._guild(request) if "guild" in request.query else None
        name = request.query.get("name", "")
        if not name:
            _refuse("name= is missing: a permission such as view_audit_log")
        self._world.set_permission(guild_id, name, granted=_boolean(request, "granted", "true"))
        return _met(1 if guild_id is not None else len(self._world.guild_ids()))

    async def _stop(self, _: web.Request) -> web.Response:
        self._stop_requested.set()
        return _met(1)

    async def _inject(self, request: web.Request) -> web.Response:
        event = request.query.get("type", "")
        if not event:
            _refuse("type= is missing: an event such as MESSAGE_CREATE")
        return _met(self._faults.inject(event, int(_number(request, "guild", "0")), await request.read()))

    async def _inject_frame(self, request: web.Request) -> web.Response:
        return _met(self._faults.inject_frame(_shard(request), await request.read()))

    async def _state(self, _: web.Request) -> web.Response:
        gateway = self._gateway
        sessions: list[dict[str, object]] = []
        for session in gateway.registry:
            connection = gateway.registry.connection(session)
            sessions.append(
                {
                    "session_id": session.session_id,
                    "shard": list(session.shard),
                    "intents": session.intents,
                    "seq": session.last_seq,
                    "written": session.written_seq,
                    "queued": session.queued,
                    "connected": connection is not None and not connection.frozen,
                    "half_open": connection is not None and connection.frozen,
                }
            )
        return _json(
            {
                "now_ms": self._clock.now_ms(),
                "guilds": len(self._world.guild_ids()),
                "stop_requested": self._stop_requested.is_set(),
                "session_start_limit": gateway.admission.starts.report(),
                "sessions": sessions,
                "counters": gateway.counters.report(),
            }
        )

    def _guild(self, request: web.Request) -> int:
        guild_id = int(_number(request, "guild", ""))
        if guild_id not in self._world.guild_ids():
            _refuse(f"guild={guild_id}: the bot is not in this guild")
        return guild_id


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _met(count: int) -> web.Response:
    return _json({"met": count})


def _refuse(problem: str) -> NoReturn:
    raise web.HTTPBadRequest(text=orjson.dumps({"error": problem}).decode(), content_type="application/json")


def _shard(request: web.Request) -> int | None:
    return int(_number(request, "shard", "")) if "shard" in request.query else None


def _number(request: web.Request, name: str, default: str) -> float:
    """A number from the query; integers of 64 bits stay exact.

    Raises:
        HTTPBadRequest: it is missing, negative or not a number.
    """
    text = request.query.get(name, default)
    try:
        number = int(text) if text.isdecimal() else float(text)
    except ValueError:
        _refuse(f"{name}={text}: must be a number")
    if not 0 <= number < float("inf"):
        _refuse(f"{name}={text}: must be a number from 0 up")
    return number


def _boolean(request: web.Request, name: str, default: str) -> bool:
    text = request.query.get(name, default)
    if text not in _BOOLEANS:
        _refuse(f"{name}={text}: must be true or false")
    return _BOOLEANS[text]

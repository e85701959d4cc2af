"""The REST API: authentication, rate limits and faults; routes about guilds are answered by the world.

Source: Discord docs, Reference; Topics › Rate Limits; the error bodies are Discord's own.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from discord_simulator.opcodes import API_VERSIONS
from discord_simulator.ports import RestResponse
from discord_simulator.quota import Quota, QuotaDecision, refuse_shared
from discord_simulator.ready import describe_application

if TYPE_CHECKING:
    from discord_simulator.clock import Clock
    from discord_simulator.gateway import GatewayServer
    from discord_simulator.ports import WorldView
    from discord_simulator.settings import SimulatorSettings

_UNAUTHORIZED: Final = RestResponse(401, {"message": "401: Unauthorized", "code": 0})
_NOT_FOUND: Final = RestResponse(404, {"message": "404: Not Found", "code": 0})
_BAD_VERSION: Final = RestResponse(400, {"message": "Invalid API version", "code": 50041})
_BAD_FORM: Final = RestResponse(400, {"message": "Invalid Form Body", "code": 50035})
_UNKNOWN_ROUTE: Final = "unknown"
"""Requests to unknown routes are counted together, because the number of their paths has no bound."""

_ID: Final = re.compile(r"(?<=/)\d+(?=/|$)")
_MAJOR: Final = re.compile(r"/(?:guilds|channels|webhooks)/(\d+)")

_PROXY_HEADERS: Final = {"Via": "1.1 simulator"}
"""Discord answers through a proxy; disnake takes a 429 without this header for a ban by Cloudflare."""

_MOST_GUILDS: Final = 200
"""Page size of GET /users/@me/guilds."""


@dataclass(frozen=True, slots=True)
class RestFault:
    """A fault until a monotonic time: each request is delayed, then answered with ``status`` if it is set."""

    until: float
    delay_s: float = 0.0
    status: int | None = None


class RestApi:
    """Answers under ``/api``.

    Attributes:
        fault: the fault in effect, or None.
    """

    def __init__(
        self, world: WorldView, gateway: GatewayServer, settings: SimulatorSettings, clock: Clock
    ) -> None:
        self.fault: RestFault | None = None
        self._world = world
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._quota = Quota(
            clock,
            limit=settings.rest_limit,
            window_s=settings.rest_window_s,
            global_limit=settings.rest_global_limit,
        )

    def add_routes(self, application: web.Application) -> None:
        """Register the routes with the web application."""
        application.router.add_route("*", r"/api/v{version:\d+}{path:/.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        template = _ID.sub("{id}", path)
        fault = self.fault
        if fault is not None and self._clock.monotonic() < fault.until:
            await asyncio.sleep(fault.delay_s)
            if fault.status is not None:
                return self._count(request.method, template, self._fail(fault))
        answer, decision = self._answer(request, path, template)
        if answer is None:
            answer, template = _NOT_FOUND, _UNKNOWN_ROUTE
        return self._count(request.method, template, _respond(answer, decision))

    def _answer(
        self, request: web.Request, path: str, template: str
    ) -> tuple[RestResponse | None, QuotaDecision]:
        if request.match_info["version"] not in API_VERSIONS:
            return _BAD_VERSION, QuotaDecision({})
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if path != "/gateway" and (scheme != "Bot" or not self._gateway.admission.accepts(token)):
            return _UNAUTHORIZED, QuotaDecision({})
        major = _MAJOR.match(path)
        decision = self._quota.spend(f"{request.method} {template}", major[1] if major else "")
        if decision.retry_after:
            return _limited(decision), decision
        own = self._answer_own(request, path) if request.method == "GET" else None
        return own or self._world.rest(request.method, path, request.query), decision

    def _answer_own(self, request: web.Request, path: str) -> RestResponse | None:
        """The routes about the bot itself."""
        match path:
            case "/gateway":
                return RestResponse(200, {"url": f"ws://{request.host}"})
            case "/gateway/bot":
                return RestResponse(
                    200,
                    {
                        "url": f"ws://{request.host}",
                        "shards": self._gateway.recommended_shards,
                        "session_start_limit": self._gateway.admission.starts.report(),
                    },
                )
            case "/users/@me":
                return RestResponse(200, self._world.application()["bot"])
            case "/users/@me/guilds":
                after = request.query.get("after", "0")
                return (
                    RestResponse(200, self._describe_guilds(int(after))) if after.isdecimal() else _BAD_FORM
                )
            case "/applications/@me" | "/oauth2/applications/@me":
                return RestResponse(200, self._describe_application())
            case _:
                return None

    def _describe_application(self) -> dict[str, object]:
        application = describe_application(self._world, self._settings.privileged_intents)
        return {
            "description": "",
            "icon": None,
            "summary": "",
            "bot_public": False,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "owner": application["bot"],
            "team": None,
            "approximate_guild_count": len(self._world.guild_ids()),
            **application,
        }

    def _describe_guilds(self, after: int) -> list[dict[str, object]]:
        described: list[dict[str, object]] = []
        bot_id = str(self._world.application()["id"])
        for guild_id in sorted(guild for guild in self._world.guild_ids() if guild > after)[:_MOST_GUILDS]:
            answer = self._world.rest("GET", f"/guilds/{guild_id}", {})
            # A guild in an outage cannot be read and is omitted.
            if answer is not None and answer.status == HTTPStatus.OK and isinstance(answer.body, dict):
                partial = {key: answer.body.get(key) for key in ("id", "name", "icon", "features")}
                described.append(partial | _describe_permissions(answer.body, bot_id))
        return described

    def _fail(self, fault: RestFault) -> web.Response:
        if fault.status == web.HTTPTooManyRequests.status_code:
            decision = refuse_shared(fault.until - self._clock.monotonic())
            return _respond(_limited(decision), decision)
        status = fault.status or 500
        return _respond(
            RestResponse(status, {"message": f"{status}: simulated fault", "code": 0}), QuotaDecision({})
        )

    def _count(self, method: str, template: str, response: web.Response) -> web.Response:
        self._gateway.counters.rest_requests[f"{method} {template} {response.status}"] += 1
        return response


def _describe_permissions(guild: dict[str, object], bot_id: str) -> dict[str, object]:
    """The permissions of the bot in a guild: those of @everyone and of its own role."""
    granted = 0
    roles = guild.get("roles")
    for role in roles if isinstance(roles, list) else ():
        if role["id"] == guild["id"] or role.get("tags", {}).get("bot_id") == bot_id:
            granted |= int(role["permissions"])
    return {"owner": guild.get("owner_id") == bot_id, "permissions": str(granted)} if roles else {}


def _limited(decision: QuotaDecision) -> RestResponse:
    body = {
        "message": "You are being rate limited.",
        "retry_after": decision.retry_after,
        "global": decision.is_global,
    }
    return RestResponse(429, body)


def _respond(answer: RestResponse, decision: QuotaDecision) -> web.Response:
    return web.Response(
        status=answer.status,
        body=orjson.dumps(answer.body),
        content_type="application/json",
        headers={**_PROXY_HEADERS, **decision.headers},
    )

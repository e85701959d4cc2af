"""Discord's REST API through disnake's client, each answer counted and every request with a deadline.

What a failed request means is said by ``exporter.discord.rest.failure``.

Invariant: the route label is bounded: only the words of Discord's own routes pass, anything else (ids,
codes, tokens, emoji) is ``{id}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar, cast

import aiohttp
import disnake
import msgspec
from msgspec import Meta

from exporter.clock import SystemClock
from exporter.discord.gateway.adapter import ApiClient, RateLimitedError, api_base
from exporter.discord.gateway.fatal_errors import token_refused
from exporter.discord.rest.failure import describe_failure, judge, raise_rate_limits
from exporter.discord.rest.health import RestHealth
from exporter.discord.rest.time_source import TimeSource
from exporter.events.answer_meaning import AnswerMeaning
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from disnake.types.user import User

_T = TypeVar("_T")

_ROUTE_WORDS: Final = """
@me @original active applications archived audit-logs auth auto-moderation bans bot bulk-ban bulk-delete
callback channels commands connections current-member emojis entitlements events followers gateway github
guild guild-templates guilds integrations interactions invites member members members-search messages
metadata mfa moderation nick oauth2 original permissions pins polls preview private prune public
reactions recipients regions role-connections roles rules scheduled-events search skus slack
soundboard-default-sounds soundboard-sounds stage-instances sticker-packs stickers subscriptions
templates thread-members threads typing users vanity-url voice voice-states webhooks welcome-screen
widget widget.json
"""
_WORDS: Final = frozenset(_ROUTE_WORDS.split())
_LONGEST_ROUTE: Final = 8
"""Segments; Discord's longest route has seven."""

_UNAUTHORIZED: Final = "401 Unauthorized"

_DEADLINES: Final = aiohttp.ClientTimeout(total=60, sock_connect=15, sock_read=30)
"""Seconds. Discord answers within one or two; without a deadline a half-open socket blocks for ever."""


_LONGEST_REQUEST: Final = 120.0
"""Seconds with disnake's own further attempts, and with its wait for the limit of a route: what an answer
says of that may be any number."""


def route_label(path: str) -> str:
    """The bounded label of a request path relative to the API's base, such as ``/guilds/{id}/bans``."""
    segments = path.strip("/").split("/", _LONGEST_ROUTE)[:_LONGEST_ROUTE]
    return "/" + "/".join(segment if segment in _WORDS else "{id}" for segment in segments)


class RestClient(ApiClient):
    """The REST client with a deadline for each request, and each answer counted."""

    def __init__(
        self,
        telemetry: Telemetry,
        loop: asyncio.AbstractEventLoop,
        *,
        time_source: TimeSource | None = None,
        health: RestHealth | None = None,
    ) -> None:
        super().__init__(loop=loop)
        self._telemetry = telemetry
        self._time_source = time_source
        self._health = health

    async def static_login(self, token: str) -> User:
        """Open the session and fetch the bot's user; called by ``Client.login``.

        Raises:
            CredentialsError: Discord does not know the token.
            disnake.HTTPException, aiohttp.ClientError, OSError, msgspec.DecodeError: no usable answer.
        """
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._note_question)
        trace.on_request_end.append(self._count_answer)
        trace.on_request_exception.append(self._count_failure)
        clock = self._time_source or SystemClock()
        middleware = raise_rate_limits(clock.now_ms)
        self.use_session(token, trace=trace, timeout=_DEADLINES, middleware=middleware)
        return cast("User", await fetch(self, "/users/@me", object))

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, guild_id: int | None = None
    ) -> object:
        """GET ``path``, as ``ApiClient`` does; what it comes to is noted.

        Raises:
            disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
            msgspec.DecodeError: the answer is not JSON.
        """
        try:
            async with asyncio.timeout(_LONGEST_REQUEST):
                found = await super().get(path, query, guild_id=guild_id)
        except Exception as error:
            if self._health is not None:
                self._health.note(judge(error).meaning, describe_failure(error))
            raise
        if self._health is not None:
            self._health.note(AnswerMeaning.ANSWERED)
        return found

    async def _note_question(
        self, _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams
    ) -> None:
        if self._time_source is not None:
            context.asked = self._time_source.now()

    async def _count_answer(
        self, _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        # Another status may be a proxy's, which has a clock of its own.
        if self._time_source is not None and params.response.status == HTTPStatus.OK:
            self._time_source.take(params.response.headers.get("Date"), context.asked)
        self._count(str(params.url), str(params.response.status))

    async def _count_failure(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        error = params.exception
        self._count(
            str(params.url), str(error.status.value) if isinstance(error, RateLimitedError) else "failed"
        )

    def _count(self, url: str, status: str) -> None:
        # The session also carries the gateway's websocket, which is no REST request.
        if url.startswith(base := api_base()):
            path = url.removeprefix(base).partition("?")[0]
            self._telemetry.rest_requests.labels(route_label(path), status).inc()


StartCount: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]
StartConcurrency: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]
ShardCount: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]


class SessionStartLimit(msgspec.Struct, frozen=True):
    """How often the bot may still IDENTIFY (Discord docs, Gateway › Session Start Limit Object).

    ``reset_after`` is in milliseconds.
    """

    total: StartCount
    remaining: StartCount
    reset_after: StartCount
    max_concurrency: StartConcurrency = 1


class GatewayBot(msgspec.Struct, frozen=True):
    """Answer of ``GET /gateway/bot``: where to connect, with how many shards, how often.

    ``is_limit_known`` unless the limit is Discord's default because the answer named none.
    """

    url: str
    shards: ShardCount
    session_start_limit: SessionStartLimit
    is_limit_known: bool = True


async def fetch(rest: ApiClient, path: str, shape: type[_T], query: Mapping[str, str] | None = None) -> _T:
    """GET a route without path parameters and convert the answer.

    Raises:
        CredentialsError: Discord does not know the token (any more).
        disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
        msgspec.DecodeError: the answer is not JSON, or not of that shape.
    """
    try:
        return msgspec.convert(await rest.get(path, query), shape, strict=False)
    except disnake.HTTPException as error:
        if error.status == HTTPStatus.UNAUTHORIZED and judge(error).meaning is AnswerMeaning.REFUSED:
            raise token_refused(_UNAUTHORIZED) from error
        raise


class ApplicationInfo(msgspec.Struct, frozen=True):
    """Answer of ``GET /oauth2/applications/@me``, as far as needed; ``flags`` show the intents granted."""

    id: int
    flags: int = 0


async def fetch_application(rest: ApiClient) -> ApplicationInfo:
    """The application the token belongs to; raises as ``fetch`` does."""
    return await fetch(rest, "/oauth2/applications/@me", ApplicationInfo)

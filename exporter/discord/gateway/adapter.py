"""The only module that touches what disnake and aiohttp do not document.

disnake holds the connection (HELLO, heartbeat, IDENTIFY, RESUME, close codes, rate-limited REST), but its
public surface gives no access to raw frames, to a session's state or to one shard's connection. Each private
name needed for that stands here, behind a named function, with the reason. An upgrade of either library is
checked by ``tests/discord/gateway/test_adapter.py``, with one behavioural test per name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import disnake
import disnake.gateway
import msgspec
from disnake.http import HTTPClient, Route
from disnake.state import ConnectionState
from disnake.user import ClientUser
from disnake.voice_client import VoiceClient

ConnectionLost = disnake.gateway.ReconnectWebSocket
"""The connection ended, and may be resumed or begun anew."""

CONNECTION_ENDS: Final = (ConnectionLost, disnake.ConnectionClosed, OSError, aiohttp.ClientError)
"""What is raised where a websocket's connection ends or cannot be made; a TimeoutError is an OSError."""


class RateLimitedError(aiohttp.ClientError):
    """The answer was 429, or 503 with a wait, in seconds; ``everywhere`` if not for one route alone."""

    def __init__(
        self, retry_after: float, *, everywhere: bool, status: HTTPStatus = HTTPStatus.TOO_MANY_REQUESTS
    ) -> None:
        super().__init__(f"{status.value} {status.phrase}, again in {retry_after:g} s")
        self.retry_after = retry_after
        self.everywhere = everywhere
        self.status = status


def set_api_base(url: str) -> None:
    """Send all REST requests of the process to ``url``.

    ``Route.BASE`` is a class attribute that each route reads when it is made; no client has an option for it.
    Two sources with different addresses cannot run in one process.
    """
    Route.BASE = url


def api_base() -> str:
    """The base address of the REST API."""
    return Route.BASE


class ApiClient(HTTPClient):
    """disnake's REST client, which keeps Discord's limits per route, over a session of the caller's.

    ``disnake.http`` is undocumented; only ``request`` of it is called.
    """

    def use_session(
        self,
        token: str,
        *,
        trace: aiohttp.TraceConfig,
        timeout: aiohttp.ClientTimeout,
        middleware: aiohttp.ClientMiddlewareType | None = None,
    ) -> None:
        """Open the session for all requests and websockets.

        ``HTTPClient.__session`` (name-mangled) is set because disnake makes its session without deadlines and
        without trace in ``static_login``, and takes no other.
        """
        self._HTTPClient__session = aiohttp.ClientSession(
            ws_response_class=disnake.gateway.DiscordClientWebSocketResponse,
            trace_configs=[trace],
            timeout=timeout,
            middlewares=() if middleware is None else (middleware,),
        )
        self.token = token

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, guild_id: int | None = None
    ) -> object:
        """GET ``path``, in which ``{guild_id}`` is replaced, and return the JSON of the answer as objects.

        Raises:
            disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
            msgspec.DecodeError: the answer is not JSON.
        """
        route = Route("GET", path) if guild_id is None else Route("GET", path, guild_id=guild_id)
        answer: object = await self.request(route, params=dict(query or {}))
        # disnake leaves JSON as text unless its type is spelt exactly as Discord does; proxies add a charset.
        return msgspec.json.decode(answer) if isinstance(answer, str) else answer


class GatewaySocket:
    """One shard's websocket, from its connection to its end.

    ``poll`` takes one frame and hands it to the receiver; ``handle`` lets disnake handle a message: HELLO,
    heartbeats, READY and RESUMED, and orders to reconnect. Both raise:
        ConnectionLost: the connection ended and may be resumed or begun anew.
        disnake.ConnectionClosed: it ended with a code after which Discord refuses to go on.
    """

    __slots__ = ("_heartbeat_sent", "_send_heartbeat", "_ws", "handle", "numbered", "poll")

    def __init__(self, ws: disnake.gateway.DiscordWebSocket) -> None:
        self._ws = ws
        self.numbered = ws
        self.handle: Callable[[str], Awaitable[None]] = ws.received_message
        self._send_heartbeat = ws.send_heartbeat
        self._heartbeat_sent: Callable[[], None] = lambda: None
        self.poll: Callable[[], Awaitable[None]] = ws.poll_event

    def receive_with(
        self, receive: Callable[[str | bytes], Awaitable[None]], heartbeat_sent: Callable[[], None]
    ) -> None:
        """Hand each websocket message to ``receive``; call ``heartbeat_sent`` as a heartbeat leaves.

        ``received_message`` and ``send_heartbeat`` are replaced on the instance, as disnake itself does with
        ``send`` for its debug events: the documented raw events come after parsing, and there is none for a
        heartbeat.
        """
        self._heartbeat_sent = heartbeat_sent
        self._ws.received_message = receive  # type: ignore[method-assign, assignment]  # see above
        self._ws.send_heartbeat = self._beat  # type: ignore[method-assign]  # see above

    async def _beat(self, data: Any) -> None:
        self._heartbeat_sent()
        if (keep_alive := self._keep_alive) is not None:
            # disnake sets ``_last_send`` only when its thread learns that the heartbeat was sent; an answer
            # quicker than the thread would be measured against the heartbeat before, and warned of as a lag.
            keep_alive._last_send = time.perf_counter()  # noqa: SLF001 - see above
        await self._send_heartbeat(data)

    @property
    def _keep_alive(self) -> disnake.gateway.KeepAliveHandler | None:
        return self._ws._keep_alive  # noqa: SLF001 - disnake gives no access to a connection's heartbeat

    @property
    def note_frame(self) -> Callable[[], None] | None:
        """Notes for the heartbeat that a frame was received; None before HELLO started it.

        disnake does so in ``received_message``, which is not called for most frames here.
        """
        keep_alive = self._keep_alive
        return None if keep_alive is None else keep_alive.tick

    def set_silence(self, seconds: float) -> None:
        """Take the connection for dead after so much silence; to be called before HELLO is handled.

        ``_max_heartbeat_timeout`` is fixed by disnake before HELLO says how often heartbeats are sent.
        """
        self._ws._max_heartbeat_timeout = seconds  # noqa: SLF001 - see above

    @property
    def shard_id(self) -> int:
        """The shard's number."""
        return self._ws.shard_id or 0

    @property
    def session_id(self) -> str | None:
        """The session's id, from READY on; None once Discord invalidated it."""
        return self._ws.session_id

    @property
    def sequence(self) -> int | None:
        """The sequence number of the last dispatch, which heartbeats and RESUME carry."""
        return self._ws.sequence

    @property
    def resume_url(self) -> str:
        """Where the session can be resumed."""
        return self._ws.resume_gateway or self._ws.gateway

    @property
    def close_code(self) -> int | None:
        """The code the connection was closed with, by either side; None while it is open.

        The code sent, ``_close_code``, goes before the one received: after it the socket says 1006.
        """
        return self._ws._close_code or self._ws.socket.close_code  # noqa: SLF001 - see above

    async def send_close(self, code: int) -> None:
        """Send the close frame and go on receiving.

        aiohttp's ``close`` discards frames until the peer's close frame; its ``_writer`` sends only ours.
        """
        await self._ws.socket._writer.close(code)  # noqa: SLF001 - see above

    async def close(self, code: int) -> None:
        """Stop the heartbeat's thread and close the connection."""
        await self._ws.close(code=code)


class _ConnectionState(ConnectionState):
    """State with two parsers, so that no guild, member or message object is ever built."""

    attach: Callable[[GatewaySocket], None]

    def clear(self, *, views: bool = True, application_commands: bool = True, modals: bool = True) -> None:
        """Reset; called by the constructor after it has set all of disnake's parsers."""
        super().clear(views=views, application_commands=application_commands, modals=modals)
        self.parsers = {"READY": self.parse_ready, "RESUMED": lambda _: None}

    def parse_ready(self, data: Any) -> None:
        """Keep who the bot is; guilds are read from the raw payload."""
        self.user = ClientUser(state=self, data=data["user"])

    def _update_references(self, ws: disnake.gateway.DiscordWebSocket) -> None:
        # Called for each new websocket once its shard is known and before its first frame.
        self.attach(GatewaySocket(ws))


class ConnectionOnlyClient(disnake.Client):
    """The client that websockets and REST requests of a process belong to; it caches nothing.

    ``attach`` is given each new socket before its first frame, ``identifying`` each shard about to IDENTIFY;
    ``silence`` is the fixed timeout of a connection in seconds. Why not ``disnake.AutoShardedClient``: see
    ``docs/decisions/shards.md``.
    """

    _connection: _ConnectionState
    http: ApiClient

    def __init__(
        self,
        make_api: Callable[[asyncio.AbstractEventLoop], ApiClient],
        *,
        intents: int,
        compress: bool,
        silence: float | None,
        attach: Callable[[GatewaySocket], None],
        identifying: Callable[[int], None],
    ) -> None:
        # Class attributes: warnings about missing voice libraries, which an exporter does not use.
        VoiceClient.warn_nacl = VoiceClient.warn_dave = False
        self._make_api = make_api
        self._identifying = identifying
        wanted = disnake.Intents.none()
        wanted.value = intents
        loop = asyncio.get_running_loop()
        super().__init__(
            loop=loop,
            asyncio_debug=loop.get_debug(),
            intents=wanted,
            max_messages=None,
            heartbeat_timeout=silence or 60.0,  # disnake's default, until HELLO says the heartbeat's interval
            gateway_params=disnake.GatewayParams(zlib=compress),
        )
        self._connection.attach = attach

    def _get_state(self, **options: object) -> _ConnectionState:
        # disnake's constructor calls this after it has made its own REST client and before that is used.
        self.http = self._make_api(self.loop)
        return _ConnectionState(
            dispatch=self.dispatch,
            handlers=self._handlers,
            hooks=self._hooks,
            http=self.http,
            loop=self.loop,
            **options,  # type: ignore[arg-type]  # passed on as disnake gave them
        )

    @property
    def bot_id(self) -> int:
        """The bot's user id; 0 before the login."""
        return int(getattr(self.user, "id", 0))

    async def connect_shard(
        self, shard_id: int, gateway: str, *, session_id: str | None = None, sequence: int | None = None
    ) -> None:
        """Connect, await HELLO, and IDENTIFY, or RESUME if a session is given.

        ``from_client`` is for disnake's internal use: ``Client.connect`` would also decide when to reconnect.
        """
        await disnake.gateway.DiscordWebSocket.from_client(
            self,
            shard_id=shard_id,
            gateway=gateway,
            session=session_id,
            sequence=sequence,
            resume=session_id is not None,
        )

    def set_shard_count(self, count: int) -> None:
        """Set how many shards the whole bot has, for IDENTIFY; ``AutoShardedClient`` would set it itself."""
        self.shard_count = self._connection.shard_count = count

    def dispatch(self, event: str, *args: object, **kwargs: object) -> None:
        """Drop disnake's own events: nothing listens to them."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:  # noqa: ARG002 - disnake's signature
        """Called between HELLO and IDENTIFY; the wait is over by then, see ``IdentifyGate.turn``."""
        self._identifying(shard_id or 0)

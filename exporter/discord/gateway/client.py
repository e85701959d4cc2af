"""disnake's client and connection state with everything left out but the connection.

disnake's parsers build guild, member and message objects and keep them: some 20 kB per guild. Here only READY
and RESUMED have a parser, so that nothing is ever built. ``disnake.AutoShardedClient`` is not used: it
reconnects its shards one after the other, gives a session up at the first failed attempt to resume it, and
ends the wait for an IDENTIFY after a minute. ``exporter.discord.gateway.shard`` does that part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import disnake
from disnake.gateway import DiscordWebSocket
from disnake.state import ConnectionState
from disnake.user import ClientUser
from disnake.utils import MISSING
from disnake.voice_client import VoiceClient

from exporter.discord.rest.client import RestClient
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from disnake.types.gateway import ReadyEvent, ResumedEvent

_DEFAULT_SILENCE: Final = 60.0
"""Seconds to wait for HELLO, before the heartbeat's interval is known; disnake's own default."""


class LeanState(ConnectionState):
    """Connection state that caches nothing."""

    attach: Callable[[DiscordWebSocket], None]

    def clear(self, *, views: bool = True, application_commands: bool = True, modals: bool = True) -> None:
        """Forget everything but the two parsers that are left."""
        super().clear(views=views, application_commands=application_commands, modals=modals)
        self.parsers = {"READY": self.parse_ready, "RESUMED": self.parse_resumed}

    def parse_ready(self, data: ReadyEvent) -> None:
        """Remember who the bot is; guilds are left to the intake."""
        self.user = ClientUser(state=self, data=data["user"])

    def parse_resumed(self, data: ResumedEvent) -> None:
        """Nothing to do: the session goes on."""

    def _update_references(self, ws: DiscordWebSocket) -> None:
        # disnake calls this for each new websocket after it knows its shard and before its first frame.
        self.attach(ws)


class LeanClient(disnake.Client):
    """The client disnake's websocket and REST client belong to."""

    _connection: LeanState
    http: RestClient

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        intents: int,
        compress: bool,
        silence: float | None,
        attach: Callable[[DiscordWebSocket], None],
        identifying: Callable[[int], None],
    ) -> None:
        """Make a client; ``attach`` is given each websocket, ``identifying`` each shard about to IDENTIFY."""
        # Missing voice libraries are no news to anyone: an exporter never speaks.
        VoiceClient.warn_nacl = VoiceClient.warn_dave = False
        self._telemetry = telemetry
        self._identifying = identifying
        wanted = disnake.Intents.none()
        wanted.value = intents
        loop = asyncio.get_running_loop()
        super().__init__(
            loop=loop,
            asyncio_debug=loop.get_debug(),
            intents=wanted,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=disnake.MemberCacheFlags.none(),
            heartbeat_timeout=silence or _DEFAULT_SILENCE,
            gateway_params=disnake.GatewayParams(zlib=compress),
        )
        self._connection.attach = attach

    def _get_state(self, **options: object) -> LeanState:
        # disnake's constructor calls this after it has made its own REST client and before anyone uses it.
        self.http = RestClient(self._telemetry, self.loop)
        return LeanState(
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
        return self._connection.user.id if self._connection.user is not MISSING else 0

    def set_shard_count(self, count: int) -> None:
        """Tell how many shards the whole bot has, for IDENTIFY."""
        self.shard_count = self._connection.shard_count = count

    def dispatch(self, event: str, *args: object, **kwargs: object) -> None:
        """Nothing listens to disnake's own events."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:  # noqa: ARG002 - disnake's signature
        """Called between HELLO and IDENTIFY; the wait is over by then, see ``IdentifyGate.turn``."""
        self._identifying(shard_id or 0)

"""The gateway: accepts websocket clients and queues the events of the world in their sessions.

Source: Discord docs, Gateway › Connections, Sharding, Disconnecting.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web

from discord_simulator.admission import Admission
from discord_simulator.connection import CloseReason, Connection
from discord_simulator.counters import Counters
from discord_simulator.encoding import FrameWriter
from discord_simulator.limits import CommandLimit
from discord_simulator.opcodes import (
    API_VERSIONS,
    CLIENT_ENDING_CODES,
    SESSION_ENDING_CODES,
    CloseCode,
    Opcode,
)
from discord_simulator.ready import describe_members
from discord_simulator.registry import NO_SESSION, ChangeSignal, SessionRegistry

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from discord_simulator.clock import Clock
    from discord_simulator.commands import Identify, RequestMembers, Resume
    from discord_simulator.ports import Dispatch, LossRecorder, WorldView
    from discord_simulator.session import Session
    from discord_simulator.settings import SimulatorSettings

_CLOSE_WAIT_S: Final = 1.0
"""How long a client may take to answer a close frame before its socket is aborted."""

_MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Far above the 4096 a client may send, so that the client gets Discord's 4002, not the library's 1009."""

_DECLARED_SEQ: Final = re.compile(r"seq=(\d{1,18})")

_GUILDS_PER_SHARD: Final = 1000
"""Discord recommends a shard for about every thousand guilds."""


class GatewayServer:
    """Accepts websockets from clients and events from the world.

    Args:
        world: source of guilds and permissions.
        loss_recorder: receives losses and gaps.
        settings: limits and timings.
        clock: time of every window, and of gaps.
        rng: source of session ids.

    Attributes:
        registry: all sessions.
        admission: decides on IDENTIFY and RESUME.
        connections: every open websocket that was accepted.
    """

    def __init__(
        self,
        world: WorldView,
        loss_recorder: LossRecorder,
        settings: SimulatorSettings,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.counters = Counters()
        self._changes = ChangeSignal()
        self.registry = SessionRegistry(settings, loss_recorder, clock, self.counters, self._changes)
        self.admission = Admission(
            world, self.registry, settings=settings, counters=self.counters, clock=clock, rng=rng
        )
        self.connections: set[Connection] = set()
        self._world = world
        self._settings = settings
        self._clock = clock
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def recommended_shards(self) -> int:
        """The ``shards`` of GET /gateway/bot."""
        return self._settings.shards or max(1, math.ceil(len(self._world.guild_ids()) / _GUILDS_PER_SHARD))

    def publish(self, dispatch: Dispatch) -> None:
        """Queue an event in every session that may receive it; never waits."""
        sessions = self.registry.at_guild(dispatch.guild_id)
        if not sessions:
            self.registry.lose((dispatch.ledger_id,), NO_SESSION)
            return
        if dispatch.permissions and not self._is_permitted(dispatch):
            self.counters.withheld += len(sessions)
            return
        for session in sessions:
            if dispatch.intents and not dispatch.intents & session.intents:
                self.counters.withheld += 1
                continue
            data = dispatch.data
            if dispatch.type == "GUILD_CREATE":
                # The content of a GUILD_CREATE depends on the session's intents, unknown to the world.
                data = self._world.guild_create(dispatch.guild_id, session.intents)
            self.queue(session, dispatch.type, data, dispatch.ledger_id)

    def queue(self, session: Session, event: str, data: bytes, ledger_id: int = 0) -> None:
        """Queue an event in one session and enforce the bounds of the queue."""
        session.push(event, data, ledger_id)
        connection = self.registry.connection(session)
        if connection is None:
            if session.queued > self._settings.replay_limit:
                self.counters.overflows += 1
                self.registry.end(session)
        elif session.queued > session.queue_ceiling:
            self.counters.overflows += 1
            self.registry.detach(session)
            connection.abort()
        else:
            connection.wake()

    async def all_ready(self, shards: int | None = None) -> None:
        """Wait until every shard was sent READY and its GUILD_CREATEs.

        Args:
            shards: the shard count to wait for; None accepts any.
        """

        def is_ready(shard: tuple[int, int]) -> bool:
            return any(session.ready_sent for session in self.registry.at_shard(shard))

        await self._changes.until(
            lambda: any(
                all(is_ready((shard, count)) for shard in range(count))
                for count in (self.registry.layouts() if shards is None else (shards,))
            )
        )

    async def drained(self) -> None:
        """Wait until nothing is queued in any session that has a socket."""
        registry = self.registry
        await self._changes.until(
            lambda: not any(session.queued and registry.connection(session) for session in registry)
        )

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one websocket from the handshake to its end."""
        socket = web.WebSocketResponse(
            timeout=_CLOSE_WAIT_S, autoclose=False, compress=False, max_msg_size=_MAX_MESSAGE_BYTES
        )
        await socket.prepare(request)
        connection = self._connect(socket, request)
        refusal = _find_refusal(request.query)
        if refusal is not None:
            self.counters.closes[refusal[0]] += 1
            await connection.close(*refusal)
            return socket
        self.counters.connections += 1
        self.connections.add(connection)
        closed = CloseReason(None, by_client=False)
        try:
            closed = await connection.run()
        finally:
            self.connections.discard(connection)
            self._on_closed(connection, closed)
        return socket

    def identify(self, connection: Connection, body: Identify) -> None:
        """Start a session on a connection; see :meth:`Admission.identify`."""
        try:
            self.admission.identify(connection, body)
        finally:
            if self.admission.token_revoked:
                self._close_all()

    def resume(self, connection: Connection, body: Resume) -> None:
        """Continue a session on a connection; see :meth:`Admission.resume`."""
        self.admission.resume(connection, body)

    def request_members(self, session: Session, body: RequestMembers) -> None:
        """Answer with one GUILD_MEMBERS_CHUNK; no answer for a guild of another shard."""
        if body.guild_id.isdecimal() and session.covers(int(body.guild_id)):
            self.queue(session, "GUILD_MEMBERS_CHUNK", describe_members(self._world, body))

    def on_written(self, session: Session, frames: int) -> None:
        """Count written frames and notify waiters."""
        self.counters.sent += frames
        session.ready_sent = session.ready_sent or session.written_seq >= session.ready_seq
        self._changes.notify()

    def on_command(self, opcode: int) -> None:
        """Count a command."""
        self.counters.commands += 1
        if opcode == Opcode.HEARTBEAT:
            self.counters.heartbeats += 1

    def stop(self) -> None:
        """Abort every connection; sessions are not ended, so nothing is reported as lost."""
        self.registry.finish()
        for connection in tuple(self.connections):
            connection.abort()

    def _connect(self, socket: web.WebSocketResponse, request: web.Request) -> Connection:
        transport = cast("asyncio.Transport", request.transport)
        compressed = request.query.get("compress") == "zlib-stream"
        return Connection(
            socket,
            transport,
            FrameWriter(transport, zlib_level=self._settings.zlib_level if compressed else None),
            self,
            command_limit=CommandLimit(
                self._clock, limit=self._settings.command_limit, window_s=self._settings.command_window_s
            ),
            heartbeat_interval_ms=self._settings.heartbeat_interval_ms,
            heartbeat_slack_s=self._settings.heartbeat_slack_s,
            url=f"ws://{request.host}",
        )

    def _on_closed(self, connection: Connection, closed: CloseReason) -> None:
        """End or detach the session of a connection that ended, by its close code."""
        if closed.code is not None and not closed.by_client:
            self.counters.closes[closed.code] += 1
        session = connection.session
        if session is None:
            return
        if closed.by_client and (declared := _DECLARED_SEQ.fullmatch(closed.reason)):
            session.declared_seq = int(declared[1])
        if closed.code in (CLIENT_ENDING_CODES if closed.by_client else SESSION_ENDING_CODES):
            if closed.by_client and self.registry.find(session.session_id) is not None:
                self.counters.sessions_left += 1
            self.registry.end(session)
        else:
            self.registry.detach(session)

    def _close_all(self) -> None:
        """End every session, because the token was reset."""
        for session in self.registry:
            connection = self.registry.connection(session)
            self.registry.end(session)
            if connection is not None:
                closing = asyncio.ensure_future(
                    connection.close(CloseCode.AUTHENTICATION_FAILED, "Authentication failed.")
                )
                self._closings.add(closing)
                closing.add_done_callback(self._closings.discard)

    def _is_permitted(self, dispatch: Dispatch) -> bool:
        guild_id = dispatch.guild_id
        return any(self._world.has_permission(guild_id, permission) for permission in dispatch.permissions)


def _find_refusal(query: Mapping[str, str]) -> tuple[CloseCode, str] | None:
    """Close code and reason if the query of the gateway URL is not supported."""
    if query.get("v") not in API_VERSIONS:
        return CloseCode.INVALID_API_VERSION, "Invalid API version."
    if query.get("encoding", "json") != "json":
        return CloseCode.DECODE_ERROR, "This gateway supports encoding=json only."
    if query.get("compress", "zlib-stream") != "zlib-stream":
        return CloseCode.DECODE_ERROR, "This gateway supports compress=zlib-stream or none."
    return None

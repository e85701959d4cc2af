"""One websocket connection: receives commands, enforces the heartbeat deadline, writes queued frames.

Invariant: no frame follows a close frame, and the frames of a session are written in order.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from aiohttp import WSMsgType

from discord_simulator.commands import (
    Command,
    Identify,
    ProtocolError,
    RequestMembers,
    Resume,
    decode_body,
    decode_command,
)
from discord_simulator.opcodes import CloseCode, Opcode

if TYPE_CHECKING:
    from aiohttp import web

    from discord_simulator.encoding import FrameWriter
    from discord_simulator.limits import CommandLimit
    from discord_simulator.session import Session

_log = logging.getLogger(__name__)

_HEARTBEAT_GRACE: Final = 1.5
"""Deadline for the next heartbeat, in heartbeat intervals: one interval and half of the next."""

_BATCH_FRAMES: Final = 512
_BATCH_BYTES: Final = 256 * 1024
"""Bounds of one write: large enough to make few system calls, small enough to let other tasks run."""

_ACK: Final = b'{"t":null,"s":null,"op":11,"d":null}'


@dataclass(frozen=True, slots=True)
class CloseReason:
    """How a connection ended; ``code`` is None if it ended without a close frame."""

    code: int | None
    by_client: bool
    reason: str = ""


class SessionHost(Protocol):
    """The methods of the gateway that a connection calls."""

    def identify(self, connection: Connection, body: Identify) -> None:
        """Start a session on this connection, or refuse it."""
        ...

    def resume(self, connection: Connection, body: Resume) -> None:
        """Resume a session on this connection, or refuse it."""
        ...

    def request_members(self, session: Session, body: RequestMembers) -> None:
        """Answer a request for members with GUILD_MEMBERS_CHUNK."""
        ...

    def on_written(self, session: Session, frames: int) -> None:
        """Called when frames of a session were written to its socket."""
        ...

    def on_command(self, opcode: int) -> None:
        """Called when the client sent a command."""
        ...


class Connection:
    """A connected client, from HELLO to the last frame.

    Args:
        socket: the prepared websocket, with ``autoclose`` off.
        transport: its transport.
        writer: writes payloads to that transport.
        host: the gateway.
        command_limit: limits the commands of this connection.
        heartbeat_interval_ms: sent in HELLO.
        heartbeat_slack_s: added to the deadline of heartbeats.
        url: address of the gateway as the client reached it, for RESUME.

    Attributes:
        session: the session that writes to this connection, or None.
        frozen: whether the connection simulates a half-open socket.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        writer: FrameWriter,
        host: SessionHost,
        *,
        command_limit: CommandLimit,
        heartbeat_interval_ms: int,
        heartbeat_slack_s: float,
        url: str,
    ) -> None:
        self.url = url
        self.session: Session | None = None
        self.frozen = False
        self._socket = socket
        self._transport = transport
        self._writer = writer
        self._host = host
        self._command_limit = command_limit
        self._interval_ms = heartbeat_interval_ms
        self._timeout_s = heartbeat_interval_ms / 1000 * _HEARTBEAT_GRACE + heartbeat_slack_s
        self._deadline = 0.0
        self._waiting = asyncio.Event()

    async def run(self) -> CloseReason:
        """Serve the client until either side ends the connection."""
        pump = asyncio.create_task(self._write_queued())
        try:
            return await self._receive()
        except ProtocolError as error:
            pump.cancel()
            await self.close(error.code, error.reason)
            return CloseReason(error.code, by_client=False, reason=error.reason)
        finally:
            pump.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame; ``reason`` is cut to the 120 bytes that fit in it."""
        await self._socket.close(code=code, message=reason.encode()[:120])

    def attach(self, session: Session) -> None:
        """Write the frames of this session from now on."""
        self.session = session
        self.wake()

    def wake(self) -> None:
        """Signal that the session has frames to write."""
        self._waiting.set()

    def send(self, op: Opcode, data: object) -> None:
        """Write a frame outside of the session's sequence, ahead of all queued frames."""
        self.send_text(orjson.dumps({"t": None, "s": None, "op": int(op), "d": data}))

    def send_text(self, payload: bytes) -> None:
        """Write one payload without checking it."""
        if not self.frozen:
            self._writer.write((payload,))

    def freeze(self) -> None:
        """Stop to read, write and acknowledge, and keep the socket open, as a half-open connection does."""
        self.frozen = True
        self._transport.pause_reading()

    def abort(self) -> None:
        """Reset the TCP connection."""
        self._transport.abort()

    async def _receive(self) -> CloseReason:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._timeout_s
        self.send(Opcode.HELLO, {"heartbeat_interval": self._interval_ms, "_trace": ["simulator"]})
        while True:
            timeout = None if self.frozen else max(0.001, self._deadline - loop.time())
            try:
                message = await self._socket.receive(timeout=timeout)
            except TimeoutError as error:
                if self.frozen:
                    continue
                raise ProtocolError(CloseCode.SESSION_TIMED_OUT, "Session timed out.") from error
            if message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                return CloseReason(None, by_client=True)
            if self.frozen:
                continue
            if message.type is WSMsgType.CLOSE:
                await self._socket.close(code=message.data or 1000)
                return CloseReason(message.data, by_client=True, reason=message.extra or "")
            if message.type is not WSMsgType.TEXT:
                raise ProtocolError(CloseCode.DECODE_ERROR, "Error while decoding payload: not a text frame.")
            self._handle(message.data)

    def _handle(self, text: str) -> None:
        command = decode_command(text)
        self._host.on_command(command.op)
        if not self._command_limit.spend():
            raise ProtocolError(CloseCode.RATE_LIMITED, "You are being rate limited.")
        match command.op:
            case Opcode.HEARTBEAT:
                if not isinstance(decode_body(command, object), int | None):
                    raise ProtocolError(CloseCode.DECODE_ERROR, "Error while decoding payload.")
                self._deadline = asyncio.get_running_loop().time() + self._timeout_s
                self.send_text(_ACK)
            case Opcode.IDENTIFY | Opcode.RESUME:
                self._authenticate(command)
            case Opcode.PRESENCE_UPDATE | Opcode.VOICE_STATE_UPDATE | Opcode.REQUEST_SOUNDBOARD_SOUNDS:
                self._require_session()
                decode_body(command, dict[str, object])
            case Opcode.REQUEST_GUILD_MEMBERS:
                self._host.request_members(self._require_session(), decode_body(command, RequestMembers))
            case _:
                raise ProtocolError(CloseCode.UNKNOWN_OPCODE, "Unknown opcode.")

    def _authenticate(self, command: Command) -> None:
        if self.session is not None:
            raise ProtocolError(CloseCode.ALREADY_AUTHENTICATED, "Already authenticated.")
        if command.op == Opcode.IDENTIFY:
            self._host.identify(self, decode_body(command, Identify))
        else:
            self._host.resume(self, decode_body(command, Resume))

    def _require_session(self) -> Session:
        if self.session is None:
            raise ProtocolError(CloseCode.NOT_AUTHENTICATED, "Not authenticated.")
        return self.session

    async def _write_queued(self) -> None:
        try:
            while True:
                await self._waiting.wait()
                self._waiting.clear()
                while self._write_batch():
                    await self._writer.drain()
                    await asyncio.sleep(0)
        except Exception:
            _log.exception(
                "writing to a connection failed; its socket is aborted, its session stays resumable"
            )
            self.abort()
            raise

    def _write_batch(self) -> bool:
        session = self.session
        if session is None or self.frozen:
            return False
        frames = session.take(_BATCH_FRAMES, _BATCH_BYTES)
        if not frames:
            return False
        self._writer.write(frames)
        self._host.on_written(session, len(frames))
        return True

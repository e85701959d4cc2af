"""One shard: connect, read, and come back for ever, resuming the session for as long as Discord keeps it.

Invariants: a session is given up only when Discord says so (INVALID_SESSION, close codes 4007 and 4009),
since what happens between two sessions is lost; a failed attempt to resume is tried again. ``run`` ends by
cancellation, which ends the session too, or with a refusal that no retry can change.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import disnake
import msgspec
from disnake.gateway import DiscordWebSocket, ReconnectWebSocket

from exporter.clock import Clock
from exporter.discord.gateway.backoff import Pace
from exporter.discord.gateway.client import LeanClient
from exporter.discord.gateway.fatal_errors import FATAL_CODES
from exporter.discord.gateway.identify_budget import IdentifyGate
from exporter.discord.rest.client import describe_failure, is_unauthorized
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

CLOSE_CODE: Final = 1000
"""Sent when the source is closed. It ends the session, so the bot shows as offline at once; the session
could not be resumed anyway, as its id and sequence are not kept over a restart."""

_RESUMABLE_CODE: Final = 4000
"""Sent when we leave to come back: any code but 1000 and 1001 keeps the session."""

_SESSION_ENDING_CODES: Final = frozenset({4007, 4009})
"""Invalid sequence and session timed out: Discord asks for a new session."""

_PARTING: Final = (
    disnake.ConnectionClosed,
    ReconnectWebSocket,
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    RuntimeError,
)
"""How a connection may end that is being left."""

_CUT_OFF: Final = 1006
"""What a socket says that saw no closing handshake (RFC 6455 §7.1.5), as after our own timeout."""

FRAMES_PER_TURN: Final = 64
"""Frames handled in one turn of the event loop; they take some milliseconds."""

_FAILURES_BEFORE_DETOUR: Final = 3
"""Failed resumes at the address READY named before the general address is tried: that host may be gone."""

_EXPECTED = (
    ReconnectWebSocket,
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    disnake.HTTPException,
    disnake.ConnectionClosed,
    msgspec.DecodeError,
)


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard at one moment.

    ``latency`` is the heartbeat's round trip in seconds, None before the first; ``connected_at`` the wall
    time in milliseconds at which the session last began or was resumed, 0 if never; ``problem`` why the
    connection was last lost, for people.
    """

    id: int
    connected: bool
    latency: float | None
    connected_at: int
    problem: str


@dataclass(frozen=True, slots=True)
class _Session:
    id: str
    sequence: int
    gateway: str


class Shard:
    """Holds one shard's session."""

    def __init__(
        self,
        shard_id: int,
        client: LeanClient,
        gate: IdentifyGate,
        telemetry: Telemetry,
        clock: Clock,
        pace: Pace,
        rng: random.Random,
        tell: Callable[[int, str], None] = lambda _shard, _state: None,
    ) -> None:
        """Prepare; ``tell`` is given this shard's number and what became of its connection."""
        self._tell = tell
        self.id = shard_id
        self.connected = False
        self._client = client
        self._gate = gate
        self._telemetry = telemetry
        self._clock = clock
        self._pace = pace
        self._rng = rng
        self._label = str(shard_id)
        self._ws: DiscordWebSocket | None = None
        self._session: _Session | None = None
        self._failures = 0
        self._short_sessions = 0
        self._ready_deadline: asyncio.Timeout | None = None
        self._began = 0.0
        self._invalidated = False
        self._connected_at = 0
        self._since = 0.0
        self._problem = ""

    @property
    def status(self) -> ShardStatus:
        """How the shard is doing."""
        latency = self._telemetry.gateway_latency.values.get((self._label,))
        return ShardStatus(self.id, self.connected, latency, self._connected_at, self._problem)

    def attach(self, ws: DiscordWebSocket) -> None:
        """Take a new websocket, before its first frame."""
        self._ws = ws

    def established(self, name: str) -> None:
        """Note that the gateway answered with READY or RESUMED."""
        if name == "RESUMED":
            self._telemetry.gateway_resumes.labels(self._label).inc()
            self._tell(self.id, "settled")
        else:
            self._began = self._clock.monotonic()
        self.connected = True
        if self._ready_deadline is not None:
            self._ready_deadline.reschedule(None)
        self._connected_at = self._clock.now_ms()
        self._since = self._clock.monotonic()
        self._telemetry.gateway_connected.labels(self._label).set(1)
        _log.info("Shard %d is connected (%s).", self.id, name)

    async def run(self) -> None:
        """Keep the shard connected.

        Raises:
            disnake.ConnectionClosed: with a code of ``FATAL_CODES``.
            disnake.HTTPException: 401, the token being revoked meanwhile.
        """
        self._telemetry.gateway_connected.labels(self._label).set(0)
        self._telemetry.gateway_resumes.labels(self._label).inc(0)
        self._telemetry.gateway_identifies.labels(self._label).inc(0)
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            try:
                await self._live()
            except asyncio.CancelledError:
                await self._take_leave()
                await self._hang_up(CLOSE_CODE)
                raise
            except Exception as error:
                if _is_fatal(error):
                    raise
                self._note_loss(error)
            finally:
                await self._hang_up(_RESUMABLE_CODE)
            pause = self._pace.backoff(self._failures, self._rng, resuming=self._session is not None)
            if self._invalidated:
                pause += self._rng.uniform(*self._pace.invalid_session)

    async def _live(self) -> None:
        """Connect and read until the connection ends, always by an exception."""
        async with asyncio.timeout(None) as self._ready_deadline:
            ws = await (self._identify() if self._session is None else self._resume(self._session))
            if not self.connected:
                deadline = asyncio.get_running_loop().time() + self._pace.ready_timeout
                self._ready_deadline.reschedule(deadline)
            while True:
                for _ in range(FRAMES_PER_TURN):
                    await ws.poll_event()
                # poll_event does not suspend while frames are buffered, as in a replay: without this turn of
                # the event loop heartbeats would be sent late, and Discord would end the session with 4009.
                await asyncio.sleep(0)

    async def _identify(self) -> DiscordWebSocket:
        async with self._gate.turn(self.id) as gateway, asyncio.timeout(self._pace.connect_timeout):
            return await DiscordWebSocket.from_client(self._client, shard_id=self.id, gateway=gateway)

    async def _resume(self, session: _Session) -> DiscordWebSocket:
        self._tell(self.id, "resuming")
        gateway = session.gateway
        if self._failures > _FAILURES_BEFORE_DETOUR:
            gateway = (await self._gate.gateway()).url
        async with asyncio.timeout(self._pace.connect_timeout):
            return await DiscordWebSocket.from_client(
                self._client,
                shard_id=self.id,
                gateway=gateway,
                session=session.id,
                sequence=session.sequence,
                resume=True,
            )

    def _note_loss(self, error: Exception) -> None:
        """Say why the connection ended, and keep what is needed to resume."""
        self._tell(self.id, "lost")
        ws = self._ws
        code = None if ws is None else ws._close_code or ws.socket.close_code  # noqa: SLF001 - ours goes first: after it the socket says 1006
        if isinstance(error, ReconnectWebSocket):
            self._problem = "silent or cut off" if code in {None, _CUT_OFF} else f"closed with {code}"
        else:
            self._problem = describe_failure(error)
        stable = self.connected and self._clock.monotonic() - self._since >= self._pace.stable_after
        self._failures = 0 if stable else self._failures + 1
        self._invalidated = isinstance(error, ReconnectWebSocket) and not error.resume
        if self._invalidated or code in _SESSION_ENDING_CODES:
            # A connection that flickered before cost nothing; how soon to ask for another session depends on
            # how many short ones there have been.
            lived = self._clock.monotonic() - self._began
            self._short_sessions = 0 if lived >= self._pace.stable_after else self._short_sessions + 1
            self._failures = self._short_sessions
            self._session = None
        elif ws is not None and ws.sequence is not None:
            if self.connected and ws.session_id:
                self._session = _Session(ws.session_id, ws.sequence, ws.resume_gateway or ws.gateway)
            elif self._session is not None:
                # Dropped in the middle of a replay: go on from where it got to.
                self._session = replace(self._session, sequence=ws.sequence)
        _log.warning(
            "Shard %d lost its connection (%s); its session is %s.",
            self.id,
            self._problem,
            "resumed" if self._session else "started anew",
            exc_info=None if isinstance(error, _EXPECTED) else error,
        )

    async def _take_leave(self) -> None:
        """Say goodbye, and take what Discord sends until it has heard it: what was sent is not sent again."""
        ws = self._ws
        if ws is None or not self.connected:
            return
        with suppress(*_PARTING):
            async with asyncio.timeout(self._pace.hang_up):
                # aiohttp's own close throws away what still comes.
                await ws.socket._writer.close(CLOSE_CODE)  # noqa: SLF001 - no public way; guarded by tests
                while True:
                    await ws.poll_event()

    async def _hang_up(self, code: int) -> None:
        """Leave no socket and no heartbeat thread behind."""
        ws, self._ws = self._ws, None
        self.connected = False
        self._telemetry.gateway_connected.labels(self._label).set(0)
        self._telemetry.gateway_latency.values.pop((self._label,), None)  # nobody's any more
        if ws is None:
            return
        with suppress(OSError, TimeoutError, aiohttp.ClientError, RuntimeError):
            # Not wait_for: up to Python 3.11 it swallows a cancellation that comes as the close completes.
            async with asyncio.timeout(self._pace.hang_up):
                await ws.close(code=code)


def _is_fatal(error: BaseException) -> bool:
    if isinstance(error, disnake.ConnectionClosed):
        return error.code in FATAL_CODES
    return isinstance(error, disnake.HTTPException) and is_unauthorized(error)

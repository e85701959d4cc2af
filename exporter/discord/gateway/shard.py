"""One shard: connects, reads and reconnects, resuming the session for as long as that may succeed.

The ladder of a lost connection: RESUME at the session's own address, then at the general one in turn; after
some RESUMEs in a row that Discord took and did not answer with RESUMED, one IDENTIFY, with waits that grow to
ten minutes and within the day's budget. An attempt that did not get as far as RESUME says nothing about the
session: the network is gone, and with it nothing is lost by waiting.

Invariants: a session is abandoned when Discord says so (INVALID_SESSION, close codes 4007 and 4009) or after
those RESUMEs, since what happens between two sessions is lost. ``run`` ends by cancellation, which ends the
session too, or with a refusal that no retry can change.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from exporter.backoff import Backoff
from exporter.clock import Clock
from exporter.discord.gateway.adapter import (
    CONNECTION_ENDS,
    ConnectionOnlyClient,
    GatewaySocket,
)
from exporter.discord.gateway.connection_end import ConnectionEnd
from exporter.discord.gateway.identify_budget import IdentifyGate
from exporter.discord.gateway.resume_ladder import ResumeLadder
from exporter.discord.gateway.timings import ConnectionTimings
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

CLOSE_CODE: Final = 1000
"""Sent when the source is closed. It ends the session, so the bot shows as offline at once; the session
could not be resumed anyway, as its id and sequence are not kept over a restart."""

_RESUMABLE_CODE: Final = 4000
"""Sent before a reconnection: any code but 1000 and 1001 keeps the session."""

FRAMES_PER_TURN: Final = 64
"""Frames handled in one turn of the event loop; they take some milliseconds."""


@dataclass(frozen=True, slots=True)
class ShardSnapshot:
    """A shard at one moment.

    ``latency`` is the heartbeat's round trip in seconds, None before the first.
    """

    id: int
    connected: bool
    latency: float | None


@dataclass(frozen=True, slots=True)
class _ResumableSession:
    id: str
    sequence: int
    gateway: str


class Shard:
    """Holds one shard's session."""

    def __init__(
        self,
        shard_id: int,
        client: ConnectionOnlyClient,
        gate: IdentifyGate,
        telemetry: Telemetry,
        clock: Clock,
        timings: ConnectionTimings,
        rng: random.Random,
        publish_state: Callable[[int, str], None] = lambda _shard, _state: None,
    ) -> None:
        """Prepare; ``publish_state`` is called with the shard's number and each new connection state."""
        self._publish_state = publish_state
        self.id = shard_id
        self.connected = False
        self._client = client
        self._gate = gate
        self._telemetry = telemetry
        self._clock = clock
        self._timings = timings
        self._rng = rng
        self._label = str(shard_id)
        self._socket: GatewaySocket | None = None
        self._session: _ResumableSession | None = None
        self._failures = 0
        self._short_sessions = 0
        self._ready_deadline: asyncio.Timeout | None = None
        self._began = 0.0
        self._lived = 0.0
        """How long the session had a connection for, from READY to the last loss."""
        self._ladder = ResumeLadder(clock, timings.resume_attempts, timings.resume_patience)
        self._spent = False
        """Whether the last attempt spent an IDENTIFY."""
        self._hold = 0.0
        """Seconds for which Discord or a proxy asked to be left alone."""
        self._invalidated = False
        self._since = 0.0

    @property
    def status(self) -> ShardSnapshot:
        """The shard's state now."""
        latency = self._telemetry.gateway_latency.values.get((self._label,))
        return ShardSnapshot(self.id, self.connected, latency)

    def attach(self, socket: GatewaySocket) -> None:
        """Take a new websocket, before its first frame."""
        self._socket = socket

    def established(self, name: str) -> None:
        """Note that the gateway answered with READY or RESUMED."""
        if name == "RESUMED":
            self._telemetry.gateway_resumes.labels(self._label).inc()
            self._publish_state(self.id, "settled")
            self._ladder.reset()
        else:
            self._began = self._clock.monotonic()
        self.connected = True
        if self._ready_deadline is not None:
            self._ready_deadline.reschedule(None)
        self._since = self._clock.monotonic()
        self._telemetry.gateway_connected.labels(self._label).set(1)
        _log.info("Shard %d has %s session.", self.id, "resumed its" if name == "RESUMED" else "a new")

    async def run(self) -> None:
        """Keep the shard connected.

        Raises:
            disnake.ConnectionClosed: with a code of ``FATAL_CODES``.
            CredentialsError: the token is revoked meanwhile.
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
                await self._close_and_drain()
                await self._disconnect(CLOSE_CODE)
                raise
            except Exception as error:
                end = ConnectionEnd(error, None if self._socket is None else self._socket.close_code)
                if end.is_fatal:
                    raise
                self._note_loss(end)
            finally:
                await self._disconnect(_RESUMABLE_CODE)
            pause = max(self._choose_backoff().wait(self._failures, self._rng), self._hold)
            if self._invalidated:
                pause += self._rng.uniform(*self._timings.invalid_session)

    def _choose_backoff(self) -> Backoff:
        if self._session is not None:
            return self._timings.resume
        return self._timings.reconnect if self._spent else self._timings.without_identify

    async def _live(self) -> None:
        """Connect and read until the connection ends, always by an exception."""
        async with asyncio.timeout(None) as self._ready_deadline:
            resuming = self._session is not None
            await (self._identify() if self._session is None else self._resume(self._session))
            if self._socket is None:
                msg = "disnake attached no socket"
                raise RuntimeError(msg)
            await self._await_session(self._socket, self._ready_deadline, resuming=resuming)
            poll = self._socket.poll
            while True:
                for _ in range(FRAMES_PER_TURN):
                    await poll()
                # poll does not suspend while frames are buffered, as in a replay: without this turn of the
                # event loop heartbeats would be sent late, and Discord would end the session with 4009.
                await asyncio.sleep(0)

    async def _await_session(
        self, socket: GatewaySocket, deadline: asyncio.Timeout, *, resuming: bool
    ) -> None:
        """Read until READY or RESUMED; a replay, which comes before RESUMED, may be of any length."""
        loop = asyncio.get_running_loop()
        patience = self._timings.resumed_timeout if resuming else self._timings.ready_timeout
        received: int | None = -1
        for frame in itertools.count():
            if self.status.connected:
                return
            sequence = socket.sequence if resuming else None
            if sequence != received:
                received = sequence
                deadline.reschedule(loop.time() + patience)
            await socket.poll()
            if frame % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)  # see ``_live``

    async def _identify(self) -> None:
        spent = self._gate.sent_by(self.id)
        self._lived = 0.0
        try:
            async with self._gate.turn(self.id) as gateway, asyncio.timeout(self._timings.connect_timeout):
                await self._client.connect_shard(self.id, gateway)
        finally:
            self._spent = self._gate.sent_by(self.id) > spent

    async def _resume(self, session: _ResumableSession) -> None:
        self._publish_state(self.id, "resuming")
        gateway = self._ladder.choose(session.gateway, self._gate.known_url)
        self._ladder.begin()
        async with asyncio.timeout(self._timings.connect_timeout):
            await self._client.connect_shard(
                self.id, gateway, session_id=session.id, sequence=session.sequence
            )
        self._ladder.note_sent()

    def _note_loss(self, end: ConnectionEnd) -> None:
        """Record why the connection ended, and keep what is needed to resume."""
        self._publish_state(self.id, "lost")
        had_session = self.connected or self._session is not None
        socket = self._socket
        now = self._clock.monotonic()
        stable = self.connected and now - self._since >= self._timings.stable_after
        self._failures = 0 if stable else self._failures + 1
        if self.connected:
            self._lived = now - self._began
        self._hold = end.hold
        self._invalidated = end.is_invalidation
        if end.ends_session or self._gives_up_session():
            # The wait before another session depends on how many short sessions there were in a row, not on
            # how often the connection was resumed, which is free.
            lasted = self._lived >= self._timings.stable_after
            self._short_sessions = 0 if lasted else self._short_sessions + 1
            self._failures = self._short_sessions
            self._ladder.reset()
            self._session = None
        elif socket is not None and socket.sequence is not None:
            if self.connected and socket.session_id:
                self._session = _ResumableSession(socket.session_id, socket.sequence, socket.resume_url)
            elif self._session is not None:
                # Lost in the middle of a replay: continue from where it got to.
                self._session = replace(self._session, sequence=socket.sequence)
        level, text = logging.WARNING, "Shard %d could not begin a session (%s); it tries again."
        if self._session is not None:
            text = "Shard %d lost its connection (%s); it asks to resume its session."
        elif had_session:
            level, text = (
                logging.ERROR,
                "Shard %d lost its session (%s), and what happens until the next one.",
            )
        _log.log(level, text, self.id, end.problem, exc_info=end.unexpected)

    def _gives_up_session(self) -> bool:
        """Whether so many RESUMEs have failed by now that the session is to be given up."""
        if self._session is None or self.connected:
            return False
        reached = self._session.sequence if self._socket is None else self._socket.sequence
        return self._ladder.fail(progressed=reached != self._session.sequence)

    async def _close_and_drain(self) -> None:
        """Send close 1000 and drain frames until the peer acknowledges: Discord does not send them again."""
        socket = self._socket
        if socket is None or not self.connected:
            return
        with suppress(*CONNECTION_ENDS, RuntimeError):
            async with asyncio.timeout(self._timings.close_timeout):
                await socket.send_close(CLOSE_CODE)
                while True:
                    await socket.poll()

    async def _disconnect(self, code: int) -> None:
        """Close the socket, if there is one, and end its heartbeat thread."""
        socket, self._socket = self._socket, None
        self.connected = False
        self._telemetry.gateway_connected.labels(self._label).set(0)
        self._telemetry.gateway_latency.values.pop((self._label,), None)
        if socket is None:
            return
        with suppress(*CONNECTION_ENDS, RuntimeError):
            # Not wait_for: up to Python 3.11 it swallows a cancellation that comes as the close completes.
            async with asyncio.timeout(self._timings.close_timeout):
                await socket.close(code)

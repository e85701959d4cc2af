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

import disnake
import msgspec

from exporter.backoff import Backoff
from exporter.clock import Clock
from exporter.discord.gateway.adapter import (
    CONNECTION_ENDS,
    ConnectionLost,
    ConnectionOnlyClient,
    GatewaySocket,
    RateLimitedError,
)
from exporter.discord.gateway.fatal_errors import FATAL_CODES
from exporter.discord.gateway.identify_budget import IdentifyGate
from exporter.discord.gateway.resume_ladder import ResumeLadder
from exporter.discord.rest.failure import describe_failure
from exporter.errors import CredentialsError
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

CLOSE_CODE: Final = 1000
"""Sent when the source is closed. It ends the session, so the bot shows as offline at once; the session
could not be resumed anyway, as its id and sequence are not kept over a restart."""

_RESUMABLE_CODE: Final = 4000
"""Sent before a reconnection: any code but 1000 and 1001 keeps the session."""

_SESSION_ENDING_CODES: Final = frozenset({4007, 4009})
"""Invalid sequence and session timed out: Discord asks for a new session."""

_CUT_OFF: Final = 1006
"""Code of a socket without a closing handshake (RFC 6455 §7.1.5), as after our own timeout."""

FRAMES_PER_TURN: Final = 64
"""Frames handled in one turn of the event loop; they take some milliseconds."""

_LONGEST_SILENCE: Final = 30.0
"""Seconds without RESUMED and without a dispatch of a replay after which a RESUME has failed."""

_LONGEST_WITHOUT_IDENTIFY: Final = 60.0
"""Seconds between two attempts, at most, where none got as far as IDENTIFY, so that none was spent."""

_EXPECTED: Final = (*CONNECTION_ENDS, disnake.HTTPException, msgspec.DecodeError)
"""Failures whose text says enough; any other is logged with its traceback."""

_RECONNECT: Final = Backoff(base=1.0, cap=600.0, floor=0.5)
_RESUME: Final = Backoff(base=1.0, cap=5.0, floor=0.5)


@dataclass(frozen=True, slots=True)
class ConnectionTimings:
    """Every wait of the source, in seconds."""

    identify_spacing: float = 5.0
    """Between two IDENTIFYs of one bucket (Discord docs, Gateway › Session Start Limit Object)."""
    invalid_session: tuple[float, float] = (1.0, 5.0)
    """Bounds of the random wait before the IDENTIFY that answers an INVALID_SESSION, as Discord asks."""
    reconnect: Backoff = _RECONNECT
    """Before a new session; at ten minutes a shard that always fails asks for 144 sessions a day."""
    resume: Backoff = _RESUME
    """Before a RESUME: Discord keeps a session for minutes only, and does not limit RESUMEs."""
    resume_attempts: int = 5
    """RESUMEs in a row without RESUMED after which the session is given up."""
    resume_patience: float = 60.0
    """Or two of them, and so many seconds since the first."""
    stable_after: float = 60.0
    """A connection that lived this long was good; the next failure starts from the base again."""
    connect_timeout: float = 20.0
    """From connecting to HELLO."""
    ready_timeout: float = 60.0
    """From connecting to READY; Discord takes some seconds. To RESUMED half of it at most, but anew with each
    dispatch of a replay."""
    close_timeout: float = 1.0
    """For the closing handshake; a half-open socket never answers it."""

    @property
    def without_identify(self) -> Backoff:
        """Before another attempt where no IDENTIFY was spent."""
        return replace(self.reconnect, cap=min(self.reconnect.cap, _LONGEST_WITHOUT_IDENTIFY))


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
                if _is_fatal(error):
                    raise
                self._note_loss(error)
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
        patience = self._timings.ready_timeout
        if resuming:
            patience = min(patience / 2, _LONGEST_SILENCE)
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
            await self._identify_in_turn()
        finally:
            self._spent = self._gate.sent_by(self.id) > spent

    async def _identify_in_turn(self) -> None:
        async with self._gate.turn(self.id) as gateway, asyncio.timeout(self._timings.connect_timeout):
            await self._client.connect_shard(self.id, gateway)

    async def _resume(self, session: _ResumableSession) -> None:
        self._publish_state(self.id, "resuming")
        gateway = self._ladder.choose(session.gateway, self._gate.known_url)
        self._ladder.begin()
        async with asyncio.timeout(self._timings.connect_timeout):
            await self._client.connect_shard(
                self.id, gateway, session_id=session.id, sequence=session.sequence
            )
        self._ladder.note_sent()

    def _note_loss(self, error: Exception) -> None:
        """Record why the connection ended, and keep what is needed to resume."""
        self._publish_state(self.id, "lost")
        had_session = self.connected or self._session is not None
        socket = self._socket
        code = None if socket is None else socket.close_code
        if isinstance(error, ConnectionLost):
            problem = "silent or cut off" if code in {None, _CUT_OFF} else f"closed with {code}"
        else:
            problem = describe_failure(error)
        now = self._clock.monotonic()
        stable = self.connected and now - self._since >= self._timings.stable_after
        self._failures = 0 if stable else self._failures + 1
        if self.connected:
            self._lived = now - self._began
        self._hold = error.retry_after if isinstance(error, RateLimitedError) else 0.0
        self._invalidated = isinstance(error, ConnectionLost) and not error.resume
        if self._invalidated or code in _SESSION_ENDING_CODES or self._gives_up_session():
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
        if self._session is not None:
            level, text = logging.WARNING, "Shard %d lost its connection (%s); it asks to resume its session."
        elif had_session:
            level, text = (
                logging.ERROR,
                "Shard %d lost its session (%s), and what happens until the next one.",
            )
        else:
            level, text = logging.WARNING, "Shard %d could not begin a session (%s); it tries again."
        unexpected = None if isinstance(error, _EXPECTED) else error
        _log.log(level, text, self.id, problem, exc_info=unexpected)

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


def _is_fatal(error: Exception) -> bool:
    if isinstance(error, disnake.ConnectionClosed):
        return error.code in FATAL_CODES
    return isinstance(error, CredentialsError)

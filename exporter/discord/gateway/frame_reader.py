"""Reads the frames of one websocket: inflates, decodes the outer object, hands the payload to the intake.

Invariants: a dispatch is handed to the intake exactly once, with its own bytes; only its outer object is read
here. Whatever is in a frame, the connection stays up; what cannot be used is counted as ``FRAME`` with a
reason. The one exception is a broken zlib stream, after which nothing can be read: that causes a RESUME,
which replays what was lost.

Opcodes other than dispatch, and READY and RESUMED, are handled by disnake, which holds the connection.
"""

from __future__ import annotations

import asyncio
import enum
import json
import logging
from collections.abc import Callable
from typing import Annotated, Final, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from exporter.clock import Clock
from exporter.discord.gateway.adapter import CONNECTION_ENDS, ConnectionLost, GatewaySocket
from exporter.discord.gateway.dispatches import LABELS, OTHER
from exporter.discord.gateway.inflater import Inflater, StreamError
from exporter.events.rest_request import ANSWERS
from exporter.events.spec import SHARD_STATE
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

Intake: TypeAlias = Callable[[str, msgspec.Raw, int, int], None]
"""Takes a dispatch: name, JSON of its data, shard, time of receipt in Unix milliseconds; does not raise."""

HEARTBEATS_MISSED: Final = 1.5
"""Heartbeat intervals of silence that mean a dead socket: each interval brings at least the ACK."""

SHORTEST_TIMEOUT: Final = 2.0
"""Seconds. A busy machine may itself be late by a second; a needless RESUME costs more than the wait."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds for the closing handshake Discord itself asked for; each is time without a connection."""

_FAR_PAST_ANY_SEQUENCE = 2**53


class Opcode(enum.IntEnum):
    """What the gateway sends. Discord docs, Opcodes and Status Codes › Gateway Opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Frame(msgspec.Struct, frozen=True, gc=False):
    """The outer object (Discord docs, Gateway Events › Payload Structure); ``d`` stays as it came."""

    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    t: str | None = None
    s: Annotated[int, Meta(ge=0, le=_FAR_PAST_ANY_SEQUENCE)] | None = None


OWN_PREFIXES: Final = (SHARD_STATE, ANSWERS)
"""How the names of the source's own dispatches begin: state of connections, answers of the REST API."""


class Numbered(Protocol):
    """What holds the sequence number of the last dispatch; set without a call, as every dispatch does it."""

    sequence: int | None


class Hello(msgspec.Struct, frozen=True):
    """Data of HELLO. Bounded, since disnake starts a thread that wakes at this interval, in milliseconds."""

    heartbeat_interval: Annotated[float, Meta(ge=10, le=3_600_000)]


_decode_frame = msgspec.json.Decoder(Frame).decode
_decode_hello = msgspec.json.Decoder(Hello).decode


def _decode_leniently(message: str | bytes) -> Frame | None:
    """The frame, if only its data is at fault: a lone surrogate, a NaN.

    Such data goes on as it is, so that the intake rejects it under the type it has; the sequence moves on.
    """
    try:
        outer = json.loads(message)
        str(outer["t"]).encode()  # a lone surrogate is no name
        data = msgspec.Raw(json.dumps(outer["d"]).encode())
        return msgspec.convert(outer | {"d": data}, Frame)
    except (ValueError, RecursionError, TypeError, LookupError):
        return None


class FrameReader:
    """Receives the frames of one websocket in disnake's place.

    ``established`` is called with ``READY`` or ``RESUMED`` once the shard has its session, before the intake;
    ``heard`` is called for heartbeats and their acknowledgements.
    """

    def __init__(
        self,
        socket: GatewaySocket,
        intake: Intake,
        telemetry: Telemetry,
        clock: Clock,
        *,
        shard: int = 0,
        silence: float | None = None,
        established: Callable[[str], None] = lambda _: None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """Become the socket's receiver.

        ``silence`` is the fixed timeout in seconds; None takes 1.5 times the heartbeat interval of HELLO.
        """
        self._socket = socket
        self._numbered: Numbered = socket.numbered
        self._note_frame: Callable[[], None] | None = None
        self._intake = intake
        self._telemetry = telemetry
        self._counts = telemetry.gateway_events.values
        self._clock = clock
        self._shard = shard
        self._silence = silence
        self._established = established
        self._heard = heard
        self._inflater = Inflater()
        self._heartbeat_sent_at: float | None = None
        socket.receive_with(self.receive, self._note_heartbeat)

    async def receive(self, message: str | bytes) -> None:
        """Take one websocket message; called by ``poll_event``.

        Raises:
            ConnectionLost: Discord asks for it, or the zlib stream is broken.
            ConnectionClosed, OSError: the connection has ended.
        """
        if self._note_frame is not None:
            self._note_frame()
        if isinstance(message, bytes):
            inflated = self._inflate(message)
            if inflated is None:
                return
            message = inflated
        try:
            frame = _decode_frame(message)
        except (ValueError, RecursionError):  # not JSON, not UTF-8, not the shape, or nested without end
            lenient = _decode_leniently(message)
            if lenient is None:
                self._reject("undecodable")
                return
            frame = lenient
        name = frame.t
        if frame.op != 0 or name == "READY" or name == "RESUMED":  # noqa: PLR1714 - a set costs more, on every frame
            await self._control(frame, message)
        elif name is None:
            self._reject("untyped")
        else:
            if frame.s is not None:
                self._numbered.sequence = frame.s
            self._hand_over(name, frame.d)

    def _hand_over(self, name: str, data: msgspec.Raw) -> None:
        label = LABELS.get(name, OTHER)
        if label is OTHER and name.startswith(OWN_PREFIXES):  # only the source may send these
            self._reject("untyped")
            return
        counts = self._counts
        counts[label] = counts.get(label, 0) + 1
        try:
            self._intake(name, data, self._shard, self._clock.now_ms())
        except Exception:  # noqa: BLE001 - the intake does not raise; if it did, the connection must stay up
            self._telemetry.rejected.labels(label[0], "intake").inc()
            _log.warning(
                "The intake failed on a %s, which is lost.",
                label[0],
                exc_info=True,
                extra={"once_per": label[0]},
            )

    async def _control(self, frame: Frame, message: str | bytes) -> None:
        op = frame.op
        if op == Opcode.HELLO:
            await self._hello(frame, message)
        elif op == Opcode.DISPATCH:
            if await self._delegate(message):
                name = frame.t or ""
                self._established(name)
                self._hand_over(name, frame.d)
        elif op in {Opcode.HEARTBEAT, Opcode.HEARTBEAT_ACK}:
            await self._delegate(message)
            if op == Opcode.HEARTBEAT_ACK:
                self._measure_heartbeat()
            self._heard()
        elif op in {Opcode.RECONNECT, Opcode.INVALID_SESSION}:
            await self._reconnect(message)
        else:
            self._reject("opcode")

    def _note_heartbeat(self) -> None:
        self._heartbeat_sent_at = self._clock.monotonic()

    def _measure_heartbeat(self) -> None:
        # disnake's own figure is not used: its thread notes the time of a heartbeat once it has learnt that
        # it was sent, so an answer quicker than the thread is measured against the heartbeat before.
        sent_at, self._heartbeat_sent_at = self._heartbeat_sent_at, None
        if sent_at is not None:
            latency = self._clock.monotonic() - sent_at
            self._telemetry.gateway_latency.labels(str(self._shard)).set(latency)

    async def _reconnect(self, message: str | bytes) -> None:
        # disnake closes the socket first and would wait half a minute for the peer's close frame.
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._delegate(message)
        except TimeoutError as error:
            raise ConnectionLost(self._shard, resume=self._socket.session_id is not None) from error

    async def _hello(self, frame: Frame, message: str | bytes) -> None:
        if self._note_frame is not None:  # each further HELLO would start another thread in disnake
            self._reject("hello")
            return
        try:
            interval = _decode_hello(frame.d).heartbeat_interval / 1000
        except (ValueError, RecursionError):
            self._reject("hello")
            return
        self._socket.set_silence(self._silence or max(interval * HEARTBEATS_MISSED, SHORTEST_TIMEOUT))
        await self._delegate(message)
        self._note_frame = self._socket.note_frame

    async def _delegate(self, message: str | bytes) -> bool:
        """Let disnake handle a frame; False if it could not."""
        try:
            await self._socket.handle(message if isinstance(message, str) else message.decode())
        except CONNECTION_ENDS:
            raise
        except Exception:  # noqa: BLE001 - whatever a malformed frame raises in disnake, the connection stays up
            self._reject("control")
            return False
        return True

    def _inflate(self, chunk: bytes) -> bytes | None:
        try:
            return self._inflater.feed(chunk)
        except StreamError as error:
            self._reject(str(error))
            raise ConnectionLost(self._shard) from error

    def _reject(self, reason: str) -> None:
        self._telemetry.rejected.labels("FRAME", reason).inc()
        _log.warning(
            "Shard %d: a frame could not be used (%s).", self._shard, reason, extra={"once_per": reason}
        )

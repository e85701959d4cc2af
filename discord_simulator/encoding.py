"""Writes gateway payloads as websocket frames, a batch in one write.

aiohttp's sender makes one system call per frame. Frames of a server have no mask (RFC 6455 §5.2), so a header
is two to ten bytes and a batch is one ``join``. aiohttp writes the handshake, pongs and close frames to the
same transport; it writes each as a whole, so no frame is split by another.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_SHORT: Final = struct.Struct("!BB").pack
_MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 0xFFFF

_HIGH_WATER_BYTES: Final = 1024 * 1024
"""Unsent bytes above which the writer waits; one large GUILD_CREATE is below it."""

_DRAIN_POLL_S: Final = 0.002
"""Far below the time a client takes to read a megabyte."""


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented, unmasked websocket frame; ``opcode`` includes the FIN bit."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return _SHORT(opcode, size) + payload
    if size <= _MEDIUM_MAX:
        return _MEDIUM(opcode, 126, size) + payload
    return _LONG(opcode, 127, size) + payload


class FrameWriter:
    """Writes payloads to one connection, plain or as one zlib stream.

    Source: Discord docs, Gateway › Transport Compression.

    Args:
        transport: the transport of the handshake.
        zlib_level: compression level of ``zlib-stream``; None for the plain transport.
    """

    __slots__ = ("_compressor", "_transport")

    def __init__(self, transport: asyncio.Transport, *, zlib_level: int | None) -> None:
        self._transport = transport
        self._compressor = None if zlib_level is None else zlib.compressobj(zlib_level)

    def write(self, payloads: Iterable[bytes]) -> None:
        """Write each payload as one message, all in one write; does nothing on a closing transport."""
        if self._transport.is_closing():
            return
        compressor = self._compressor
        if compressor is None:
            frames = [encode_frame(_TEXT, payload) for payload in payloads]
        else:
            frames = [
                encode_frame(_BINARY, compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))
                for payload in payloads
            ]
        self._transport.write(b"".join(frames))

    async def drain(self) -> None:
        """Wait until the transport's buffer is below its bound, or the transport is closing."""
        while not self._is_writable():  # noqa: ASYNC110 - a transport notifies only its own protocol
            await asyncio.sleep(_DRAIN_POLL_S)

    def _is_writable(self) -> bool:
        transport = self._transport
        return transport.is_closing() or transport.get_write_buffer_size() <= _HIGH_WATER_BYTES

"""Inflates the zlib stream of one websocket, in bounded memory.

Source: Discord docs, Gateway › Transport Compression.
"""

from __future__ import annotations

import zlib
from typing import Final

ZLIB_SUFFIX: Final = b"\x00\x00\xff\xff"
"""Ends each message of the stream: a Z_SYNC_FLUSH."""

INFLATED_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message. The largest GUILD_CREATE has a few megabytes; far more is an attack or a fault."""


class StreamError(Exception):
    """The zlib stream cannot be read any further; the message is the reason to count."""


class Inflater:
    """One connection's zlib stream; memory is bounded by ``INFLATED_LIMIT``."""

    __slots__ = ("_inflate", "_pending")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> bytes | None:
        """The message this chunk completes, or None while one is incomplete.

        Raises:
            StreamError: the stream is broken or a message is larger than the limit.
        """
        if self._pending or chunk[-4:] != ZLIB_SUFFIX:
            self._pending += chunk  # the suffix itself may come in parts
            if len(self._pending) > INFLATED_LIMIT:
                reason = "oversized"
                raise StreamError(reason)
            if not self._pending.endswith(ZLIB_SUFFIX):
                return None
            chunk = bytes(self._pending)
            self._pending.clear()
        try:
            message = self._inflate.decompress(chunk, INFLATED_LIMIT)
        except zlib.error as error:
            reason = "zlib"
            raise StreamError(reason) from error
        if self._inflate.unconsumed_tail:
            reason = "oversized"
            raise StreamError(reason)
        return message

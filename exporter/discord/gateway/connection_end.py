"""What the end of a connection, or of an attempt at one, means for the shard and its session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import disnake
import msgspec

from exporter.discord.gateway.adapter import CONNECTION_ENDS, ConnectionLost, RateLimitedError
from exporter.discord.gateway.fatal_errors import FATAL_CODES
from exporter.discord.rest.failure import describe_failure
from exporter.errors import CredentialsError

_SESSION_ENDING_CODES: Final = frozenset({4007, 4009})
"""Invalid sequence and session timed out: Discord asks for a new session."""

_CUT_OFF: Final = 1006
"""Code of a socket without a closing handshake (RFC 6455 §7.1.5), as after our own timeout."""

_EXPECTED: Final = (*CONNECTION_ENDS, disnake.HTTPException, msgspec.DecodeError)
"""Failures whose text says enough; any other is logged with its traceback."""


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """What was raised, and the code the websocket was closed with, if there was one."""

    error: Exception
    code: int | None

    @property
    def is_fatal(self) -> bool:
        """Whether no retry can change it."""
        if isinstance(self.error, disnake.ConnectionClosed):
            return self.error.code in FATAL_CODES
        return isinstance(self.error, CredentialsError)

    @property
    def is_invalidation(self) -> bool:
        """Whether Discord said INVALID_SESSION."""
        return isinstance(self.error, ConnectionLost) and not self.error.resume

    @property
    def ends_session(self) -> bool:
        """Whether Discord asks for a new session."""
        return self.is_invalidation or self.code in _SESSION_ENDING_CODES

    @property
    def hold(self) -> float:
        """Seconds for which Discord or a proxy asked to be left alone."""
        return self.error.retry_after if isinstance(self.error, RateLimitedError) else 0.0

    @property
    def problem(self) -> str:
        """The reason, for the log."""
        if not isinstance(self.error, ConnectionLost):
            return describe_failure(self.error)
        return "silent or cut off" if self.code in {None, _CUT_OFF} else f"closed with {self.code}"

    @property
    def unexpected(self) -> Exception | None:
        """The error if its traceback is worth a place in the log."""
        return None if isinstance(self.error, _EXPECTED) else self.error

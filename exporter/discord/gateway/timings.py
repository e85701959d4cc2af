"""Every wait of a connection to the gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from exporter.backoff import Backoff

_LONGEST_SILENCE: Final = 30.0
"""Seconds without RESUMED and without a dispatch of a replay after which a RESUME has failed."""

_LONGEST_WITHOUT_IDENTIFY: Final = 60.0
"""Seconds between two attempts, at most, where none got as far as IDENTIFY, so that none was spent."""

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
    """From connecting to READY; Discord takes some seconds."""
    close_timeout: float = 1.0
    """For the closing handshake; a half-open socket never answers it."""

    @property
    def resumed_timeout(self) -> float:
        """From connecting to RESUMED, and anew with each dispatch of a replay, which may be of any length."""
        return min(self.ready_timeout / 2, _LONGEST_SILENCE)

    @property
    def without_identify(self) -> Backoff:
        """Before another attempt where no IDENTIFY was spent."""
        return replace(self.reconnect, cap=min(self.reconnect.cap, _LONGEST_WITHOUT_IDENTIFY))

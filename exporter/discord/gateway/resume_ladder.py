"""When a session that cannot be resumed is given up, and at which address to resume it until then.

An attempt that did not get as far as RESUME says nothing about the session: the host or the network is gone,
and nothing is lost by waiting. It only changes the address of the next one. A RESUME that was sent and not
answered with RESUMED counts, unless the replay got further meanwhile.
"""

from __future__ import annotations

from typing import Final

from exporter.clock import Clock

_BEFORE_GENERAL: Final = 3
"""Failed RESUMEs at the session's own address before the general one is used."""


class ResumeLadder:
    """The attempts to resume one session, since it was last connected.

    It is given up after so many ``attempts`` in a row, or after two and so many seconds of ``patience``.
    """

    def __init__(self, clock: Clock, attempts: int, patience: float) -> None:
        self._clock = clock
        self._attempts = attempts
        self._patience = patience
        self._began = 0.0
        self._is_sent = False
        self._failing_since = 0.0
        self.failed = 0
        self.unreached = 0

    def begin(self) -> None:
        """An attempt begins."""
        self._began = self._clock.monotonic()
        self._is_sent = False
        self.unreached += 1

    def note_sent(self) -> None:
        """RESUME was sent."""
        self._is_sent = True
        self.unreached = 0

    def reset(self) -> None:
        """The session is resumed, or another one is to begin."""
        self._is_sent = False
        self.failed = self.unreached = 0

    def choose(self, own: str, general: str) -> str:
        """The address of the next attempt: the general one in turn where the own one cannot be reached."""
        if general and (self.unreached % 2 or self.failed >= _BEFORE_GENERAL):
            return general
        return own

    def fail(self, *, progressed: bool) -> bool:
        """Take the end of an attempt; returns whether the session is to be given up."""
        if not self._is_sent:
            return False
        self._is_sent = False
        if progressed:
            self.failed = 0
            return False
        if not self.failed:
            self._failing_since = self._began
        self.failed += 1
        waited = self._clock.monotonic() - self._failing_since
        return self.failed >= self._attempts or (self.failed > 1 and waited >= self._patience)

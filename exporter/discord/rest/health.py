"""Whether Discord's REST API answers, for ``/metrics``, ``/readyz`` and the page.

Any answer of Discord's own counts, a refusal, too. Invariant: the state is that of the last request; what had
no answer is put again within two minutes, so it is never old.
"""

from __future__ import annotations

import logging
from typing import Final

from exporter.clock import Clock
from exporter.events.answer_meaning import AnswerMeaning
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

PATIENCE: Final = 120.0
"""Seconds without an answer that are worth a word: by then everything has been put again several times."""

_MINUTE: Final = 60


class RestHealth:
    """Since when there has been no answer, and why."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._answers = telemetry.rest_answers
        self._clock = clock
        self._since: float | None = None
        self._reason = ""
        self._is_reported = False
        for meaning in AnswerMeaning:
            self._answers.labels(meaning).inc(0)

    def note(self, meaning: AnswerMeaning, reason: str = "") -> None:
        """Take what a request came to; ``reason`` is one line about a trouble."""
        self._answers.labels(meaning).inc()
        if meaning is not AnswerMeaning.TROUBLE:
            if self._is_reported:
                _log.info("Discord's REST API answers again.")
            self._since, self._is_reported = None, False
            return
        if self._since is None:
            self._since = self._clock.monotonic()
        self._reason = reason
        if not self._is_reported and (problem := self.problem):
            self._is_reported = True
            _log.warning("Discord's REST API: %s; every question is put again.", problem)

    @property
    def problem(self) -> str:
        """Why it has not been reachable for minutes; empty if it is."""
        if self._since is None or (lasted := self._clock.monotonic() - self._since) < PATIENCE:
            return ""
        return f"no usable answer for {lasted // _MINUTE:.0f} min ({self._reason})"

"""Counts and logs what of the dispatches cannot be read: a whole one, or elements of its lists.

What is logged names places of the payload and the decoder's reason, never a value of it.
"""

from __future__ import annotations

import logging
import re
from typing import Final

import msgspec

from exporter.events.facts.base import ElementsRejected
from exporter.events.reading import UNREADABLE
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

_VALUES: Final = re.compile(
    r"(?<=Invalid value ).*(?= - at `)|(?<=enum value ).*(?= - at `)|['\"].*['\"]", re.DOTALL
)
"""What a message of msgspec quotes from a payload, which may be personal; a place is between backticks."""


class Rejections:
    """What is left out, by dispatch; each kind of it is logged once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._logged: set[tuple[str, str]] = set()

    def reject(self, name: str, error: Exception) -> None:
        """Count a dispatch that cannot be read by the reason, and log the place in it without its value."""
        reason = "defect"
        if isinstance(error, msgspec.ValidationError):
            reason = "shape"
        elif isinstance(error, UNREADABLE):
            reason = "json"
        elif isinstance(error, RecursionError):
            reason = "depth"
        self._telemetry.rejected.labels(name, reason).inc()
        if reason != "defect":
            log.warning(
                "a %s could not be read and is lost (%s): %s",
                *(name, reason, _VALUES.sub("…", str(error))),
                extra={"once_per": name},
            )
        elif self._is_first(name, ""):
            log.error("a %s could not be used; counted, not logged again", name, exc_info=error)

    def leave_out(self, rejected: ElementsRejected) -> None:
        """Count elements of a list that are left out."""
        self._telemetry.rejected_elements.labels(rejected.dispatch, rejected.path).inc(rejected.number)
        if self._is_first(rejected.dispatch, rejected.path):
            log.error(
                "%d of %s in a %s could not be read and are left out: %s; counted, not logged again",
                rejected.number,
                rejected.path,
                rejected.dispatch,
                _VALUES.sub("…", rejected.first),
            )

    def _is_first(self, name: str, path: str) -> bool:
        if (name, path) in self._logged:
            return False
        self._logged.add((name, path))
        return True

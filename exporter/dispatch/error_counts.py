"""Errors by component since the start: each is counted, each kind is logged once with its traceback."""

from __future__ import annotations

import logging

from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)


class ErrorCounts(dict[str, int]):
    """The number of errors by component."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._metric = telemetry.component_errors
        self._logged: set[tuple[str, str]] = set()

    def report(self, name: str, error: Exception) -> None:
        """Count an error of a component, and log it with its traceback the first time."""
        self.add(name)
        kind = (name, type(error).__name__)
        if kind not in self._logged:
            self._logged.add(kind)
            log.error(
                "component %s failed, the others go on; state that it saves is put back to the last commit "
                "(further errors of this kind are counted, not logged)",
                name,
                exc_info=error,
            )

    def add(self, name: str, number: int = 1) -> None:
        """Count errors that were logged where they happened."""
        self[name] = self.get(name, 0) + number
        self._metric.labels(name).inc(number)

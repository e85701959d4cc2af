"""Recording rules and alerts as values, independent of any file format.

An alert compares one value with one threshold, because Grafana needs them apart and shows the value. Further
conditions are part of the value's expression, which has no sample where they do not hold. An alert without
data does not fire, except the one on the absence of the exporter.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exporter.sinks.sql.views.dialect import Dialect


class Severity(enum.StrEnum):
    """How urgent an alert is."""

    CRITICAL = "critical"
    """Act now: data is being lost or not collected."""
    WARNING = "warning"
    """Act today: no data is lost yet."""
    INFO = "info"
    """Act when convenient."""


class Audience(enum.StrEnum):
    """Who receives the alert."""

    OPERATORS = "operators"
    COMMUNITY = "community"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus precomputes for alerts and panels."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert and what to do about it.

    ``value`` is PromQL, or SQL over the views, which only Grafana can run. ``lasting`` is how long the
    condition must hold, in Prometheus' notation. ``summary`` of a PromQL alert may use
    ``{{ $labels.name }}`` and ``{{ $value }}``. ``page`` is the uid of the dashboard that shows the cause,
    ``steps`` a numbered list in Markdown. ``absence`` says that missing data fires the alert.
    """

    name: str
    title: str
    severity: Severity
    value: str | Callable[[Dialect], str]
    comparison: Literal[">", "<"]
    threshold: float
    lasting: str
    summary: str
    meaning: str
    steps: str
    page: str = "discord-exporter"
    absence: bool = False

    @property
    def expr(self) -> str:
        """The complete condition in PromQL.

        Raises:
            TypeError: the value of the alert is SQL.
        """
        if not isinstance(self.value, str):
            msg = f"{self.name} is SQL, which Prometheus cannot run"
            raise TypeError(msg)
        return f"({self.value}) {self.comparison} {self.threshold:g}"

    @property
    def anchor(self) -> str:
        """Anchor of its section in the page of runbooks."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules computed together every ``interval``; their alerts go to one ``audience``."""

    name: str
    interval: str
    recordings: tuple[Recording, ...] = ()
    alerts: tuple[Alert, ...] = ()
    audience: Audience = Audience.OPERATORS

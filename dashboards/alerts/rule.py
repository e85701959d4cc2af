"""What a rule is, as values without a trace of any file format.

An alert compares one value with one threshold, because Grafana wants them apart and shows the value; what
else must hold is part of the value's expression, which then has no sample. Alerts need no data to stay
silent: nothing but the absence of the exporter is told by absence.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exporter.sinks.sql.views.dialect import Dialect


class Severity(enum.StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    """Now: data is being lost, or nothing is seen at all."""
    WARNING = "warning"
    """Today: nothing is lost yet."""
    INFO = "info"
    """When convenient."""


class Audience(enum.StrEnum):
    """Whose business it is."""

    OPERATORS = "operators"
    COMMUNITY = "community"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes ahead, since alerts and panels ask for it too often."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert and what to do about it.

    ``value`` is PromQL, or a question to the views that only Grafana can ask. ``lasting`` is how long it must
    hold, in Prometheus' notation. ``summary`` may use ``{{ $labels.name }}`` and ``{{ $value }}`` of a PromQL
    alert. ``page`` is the uid of the dashboard that shows the cause, ``steps`` a numbered list in Markdown.
    ``absence`` says that no data is the alarm itself.
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
        """The whole condition in PromQL.

        Raises:
            TypeError: the alert asks the views.
        """
        if not isinstance(self.value, str):
            msg = f"{self.name} asks the views, which Prometheus cannot"
            raise TypeError(msg)
        return f"({self.value}) {self.comparison} {self.threshold:g}"

    @property
    def anchor(self) -> str:
        """Where its runbook stands in the page of runbooks."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules computed together every ``interval``; their alerts are the business of one ``audience``."""

    name: str
    interval: str
    recordings: tuple[Recording, ...] = ()
    alerts: tuple[Alert, ...] = ()
    audience: Audience = Audience.OPERATORS

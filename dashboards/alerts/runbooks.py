"""The page of runbooks, one section for each alert."""

from __future__ import annotations

from inspect import cleandoc

from dashboards.alerts.rule import Alert, Audience, Group

_INTRODUCTION = """\
# Runbooks

<!-- Written by `make dashboards`; change dashboards/alerts, not this file. -->

What each alert means, and what to do. Alerts for operators are about the exporter, alerts for communities
about a guild. All of them exist as Prometheus rules (`provisioning/prometheus/rules`) and as rules that
Grafana provisions; use one of the two, or you are told twice.
"""

_TITLES = {Audience.OPERATORS: "For operators", Audience.COMMUNITY: "For communities"}


def page(groups: tuple[Group, ...]) -> str:
    """Markdown; the heading of a section is the alert's name, so that its anchor is known."""
    parts = [_INTRODUCTION]
    for audience, title in _TITLES.items():
        parts.append(f"## {title}\n")
        parts += [_section(alert) for group in groups if group.audience is audience for alert in group.alerts]
    return "\n".join(parts)


def _section(alert: Alert) -> str:
    held = "at once" if alert.lasting == "0s" else f"after {alert.lasting}"
    return (
        f"### {alert.name}\n\n"
        f"**{alert.title}** ({alert.severity.value}, {held}; dashboard `{alert.page}`)\n\n"
        f"{alert.meaning}\n\n{cleandoc(alert.steps)}\n"
    )

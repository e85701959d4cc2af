"""The rules in Prometheus' own format, and as the Prometheus operator takes them.

Sources: Prometheus docs, Defining recording rules, Alerting rules; Prometheus Operator, API reference,
PrometheusRule.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from dashboards.alerts.rule import Alert, Audience, Group, Recording

RUNBOOKS = "docs/runbooks.md"
HEADER = "# Written by `make dashboards`; change dashboards/alerts, not this file.\n"


def rules(groups: tuple[Group, ...]) -> str:
    """One file with all groups, without the alerts that only Grafana can compute."""
    return _written({"groups": _groups(groups)})


def resource(groups: tuple[Group, ...]) -> str:
    """The same as a resource of Kubernetes."""
    head = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "discord-exporter"},
    }
    return _written(head | {"spec": {"groups": _groups(groups)}})


def _written(content: Mapping[str, object]) -> str:
    return HEADER + yaml.safe_dump(dict(content), sort_keys=False, width=110, allow_unicode=True)


def _groups(groups: tuple[Group, ...]) -> list[dict[str, object]]:
    return [
        {"name": group.name, "interval": group.interval, "rules": found}
        for group in groups
        if (
            found := [_recorded(each) for each in group.recordings]
            + [_alert(each, group.audience) for each in _asked(group)]
        )
    ]


def _asked(group: Group) -> list[Alert]:
    return [alert for alert in group.alerts if isinstance(alert.value, str)]


def _recorded(recording: Recording) -> dict[str, object]:
    return {"record": recording.name, "expr": recording.expr}


def _alert(alert: Alert, audience: Audience) -> dict[str, object]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity.value, "audience": audience.value},
        "annotations": {
            "summary": alert.summary,
            "description": alert.meaning,
            "dashboard": f"/d/{alert.page}",
            "runbook": f"{RUNBOOKS}#{alert.anchor}",
        },
    }

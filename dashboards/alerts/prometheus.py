"""The rules in Prometheus' own format. Source: Prometheus docs, Defining recording rules, Alerting rules."""

from __future__ import annotations

import yaml

from dashboards.alerts.rule import Alert, Group, Recording

RUNBOOKS = "docs/runbooks.md"
HEADER = "# Written by `make dashboards`; change dashboards/alerts, not this file.\n"


def rules(groups: tuple[Group, ...]) -> str:
    """One file with all groups, without the alerts that only Grafana can compute."""
    written = [
        {"name": group.name, "interval": group.interval, "rules": found}
        for group in groups
        if (
            found := [_recorded(each) for each in group.recordings] + [_alert(each) for each in _asked(group)]
        )
    ]
    return HEADER + yaml.safe_dump({"groups": written}, sort_keys=False, width=110, allow_unicode=True)


def _asked(group: Group) -> list[Alert]:
    return [alert for alert in group.alerts if isinstance(alert.value, str)]


def _recorded(recording: Recording) -> dict[str, object]:
    return {"record": recording.name, "expr": recording.expr}


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity.value, "audience": alert.audience.value},
        "annotations": {
            "summary": alert.summary,
            "description": alert.meaning,
            "dashboard": f"/d/{alert.page}",
            "runbook": f"{RUNBOOKS}#{alert.anchor}",
        },
    }

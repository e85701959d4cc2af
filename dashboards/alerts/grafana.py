"""The rules as Grafana provisions them from files, and example contact points.

Source: Grafana docs, Provision alerting resources; the file format differs from the HTTP API's. Labels are
interpolated by Grafana when it reads the file, annotations are not, and both are templates afterwards.
"""

from __future__ import annotations

import re

import yaml

from dashboards.alerts.prometheus import HEADER, RUNBOOKS
from dashboards.alerts.rule import Alert, Audience, Group
from dashboards.model import Variant
from dashboards.provisioning import DATABASES, DIALECTS, Source, sql_model

FOLDER = "Alerts"
_RANGE_SECONDS = 600
"""Queries are instant, but the format requires a range."""

_MAX_UID = 40
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def uid(alert: Alert) -> str:
    """The rule's own, stable uid: its name in kebab case.

    Raises:
        ValueError: it is longer than Grafana takes.
    """
    made = _WORD.sub("-", alert.name).lower()
    if len(made) > _MAX_UID:
        msg = f"the uid {made} is longer than {_MAX_UID} characters"
        raise ValueError(msg)
    return made


def rules(groups: tuple[Group, ...], variant: Variant) -> str:
    """One file with all alerts; only Prometheus computes recordings."""
    written = [
        {
            "orgId": 1,
            "name": group.name,
            "folder": FOLDER,
            "interval": group.interval,
            "rules": [_rule(alert, variant, group.audience) for alert in group.alerts],
        }
        for group in groups
        if group.alerts
    ]
    content = {"apiVersion": 1, "groups": written}
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=110, allow_unicode=True)


def _rule(alert: Alert, variant: Variant, audience: Audience) -> dict[str, object]:
    return {
        "uid": uid(alert),
        "title": alert.title,
        "condition": "C",
        "data": [
            _query(alert, variant),
            {
                "refId": "C",
                "datasourceUid": "__expr__",
                "relativeTimeRange": {"from": 0, "to": 0},
                "model": {
                    "refId": "C",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [
                        {
                            "evaluator": {
                                "type": "gt" if alert.comparison == ">" else "lt",
                                "params": [alert.threshold],
                            }
                        }
                    ],
                },
            },
        ],
        # An alert whose value has no sample does not fire, except the one on the absence of the exporter.
        "noDataState": "Alerting" if alert.absence else "OK",
        "execErrState": "Error",
        "for": alert.lasting,
        "annotations": {
            "summary": _summary(alert),
            "description": alert.meaning,
            "dashboard": f"/d/{alert.page}",
            "runbook": f"{RUNBOOKS}#{alert.anchor}",
        },
        "labels": {"severity": alert.severity.value, "audience": audience.value},
    }


def _summary(alert: Alert) -> str:
    """The summary with Grafana's name for the value, which is missing while a query has no result."""
    if "$value" not in alert.summary:
        return alert.summary
    text = alert.summary.replace("$value", "$values.A.Value")
    return f"{{{{ if $values.A }}}}{text}{{{{ else }}}}There is no data.{{{{ end }}}}"


def _query(alert: Alert, variant: Variant) -> dict[str, object]:
    if isinstance(alert.value, str):
        source = Source.PROMETHEUS
        asked: dict[str, object] = {"expr": alert.value, "instant": True, "range": False}
    else:
        source = DATABASES[variant]
        asked = sql_model(alert.value(DIALECTS[variant]), variant)
    return {
        "refId": "A",
        "datasourceUid": source.value,
        "relativeTimeRange": {"from": _RANGE_SECONDS, "to": 0},
        "model": {"refId": "A", **asked},
    }


CONTACTS = """\
# Contact points of the alerts. Copy this file to provisioning/<variant>/alerting/contacts.yaml, remove what
# you do not use, and set the variables for Grafana. Policies replace the whole tree of the organisation.
apiVersion: 1
contactPoints:
  - orgId: 1
    name: operators
    receivers:
      - uid: operators-mail
        type: email
        settings: {addresses: "$ALERT_MAIL"}
      - uid: operators-webhook
        type: webhook
        settings: {url: "$ALERT_WEBHOOK", httpMethod: POST}
  - orgId: 1
    name: moderators
    receivers:
      - uid: moderators-discord
        type: discord
        settings:
          url: "$ALERT_DISCORD_WEBHOOK"
          use_discord_username: true
policies:
  - orgId: 1
    receiver: operators
    group_by: [alertname, guild_id]
    routes:
      - receiver: moderators
        object_matchers: [[audience, "=", community]]
        repeat_interval: 4h
"""
"""Secrets come from the environment of Grafana."""

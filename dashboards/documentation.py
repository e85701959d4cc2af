"""Two pages of documentation: the gallery of dashboards, and a runbook for each alert."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc

from dashboards.alerts.rule import Alert, Audience, Group
from dashboards.model import Folder, Page
from dashboards.pages import overview

_GALLERY = """\
# Gallery

<!-- Written by `make dashboards`; change dashboards/pages, not this file. -->

Every dashboard that Grafana provisions. The pictures, taken by `make pictures`, show two simulated months
of a community. The lite variant (Prometheus and SQLite) has the same dashboards without the panels that need
InfluxDB.
"""

_RUNBOOKS = """\
# Runbooks

<!-- Written by `make dashboards`; change dashboards/alerts, not this file. -->

What each alert means, and what to do. Alerts for operators are about the exporter, alerts for communities
about a guild. All of them exist as Prometheus rules (`provisioning/prometheus/rules`) and as rules that
Grafana provisions; enable only one of the two, or each alert is sent twice.
"""

_OPERATORS, _COMMUNITIES = "For operators", "For communities"


def gallery(pages: tuple[Page, ...]) -> str:
    """The gallery in Markdown; the home dashboard comes first."""
    parts = [_GALLERY]
    for folder, title in ((Folder.COMMUNITY, _COMMUNITIES), (Folder.OPERATIONS, _OPERATORS)):
        parts.append(f"## {title}\n")
        shown = [page for page in pages if page.folder is folder]
        parts += [_dashboard(page) for page in sorted(shown, key=lambda page: page is not overview.PAGE)]
    return "\n".join(parts)


def runbooks(groups: Iterable[Group]) -> str:
    """The runbooks in Markdown; the heading of a section is the alert's name, so that its anchor is known."""
    parts = [_RUNBOOKS]
    for audience, title in ((Audience.OPERATORS, _OPERATORS), (Audience.COMMUNITY, _COMMUNITIES)):
        parts.append(f"## {title}\n")
        parts += [_runbook(alert) for group in groups if group.audience is audience for alert in group.alerts]
    return "\n".join(parts)


def _dashboard(page: Page) -> str:
    panels = (panel for section in page.sections for band in section.bands for panel in band.panels)
    rows = "\n".join(f"| {panel.title} | {_cell(panel.about)} |" for panel in panels if panel.about)
    return (
        f"### {page.title}\n\n{page.about}\n\n![{page.title}](pictures/{page.uid}.png)\n\n"
        "<details><summary>Its panels</summary>\n\n| panel | what it answers |\n| --- | --- |\n"
        f"{rows}\n\n</details>\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _runbook(alert: Alert) -> str:
    held = "at once" if alert.lasting == "0s" else f"after {alert.lasting}"
    return (
        f"### {alert.name}\n\n"
        f"**{alert.title}** ({alert.severity.value}, {held}; dashboard `{alert.page}`)\n\n"
        f"{alert.meaning}\n\n{cleandoc(alert.steps)}\n"
    )

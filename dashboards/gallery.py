"""The gallery: a picture of each dashboard, what it answers, and the questions of its panels."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.model import Folder, Page, Panel
from dashboards.pages import overview

_INTRODUCTION = """\
# Gallery

<!-- Written by `make dashboards`; change dashboards/pages, not this file. -->

Every dashboard that is there when Grafana starts. The pictures, taken by `make pictures`, show two simulated
months of a community. In the lite variant (Prometheus and SQLite) the same dashboards answer the same
questions, but for what only InfluxDB keeps.
"""

_AUDIENCES = {Folder.COMMUNITY: "For communities", Folder.OPERATIONS: "For operators"}


def gallery(pages: tuple[Page, ...]) -> str:
    """Markdown."""
    parts = [_INTRODUCTION]
    for folder, title in _AUDIENCES.items():
        parts.append(f"## {title}\n")
        shown = [page for page in pages if page.folder is folder]
        # Where Grafana opens comes first.
        parts += [_section(page) for page in sorted(shown, key=lambda page: page is not overview.PAGE)]
    return "\n".join(parts)


def _section(page: Page) -> str:
    questions = "\n".join(
        f"| {panel.title} | {_cell(panel.about)} |" for panel in _panels(page) if panel.about
    )
    return (
        f"### {page.title}\n\n{page.about}\n\n![{page.title}](pictures/{page.uid}.png)\n\n"
        "<details><summary>Its panels</summary>\n\n| panel | what it answers |\n| --- | --- |\n"
        f"{questions}\n\n</details>\n"
    )


def _panels(page: Page) -> Iterator[Panel]:
    return (panel for section in page.sections for band in section.bands for panel in band.panels)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

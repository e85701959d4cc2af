"""Corrects the dashboard JSON of the SDK.

* ``placement`` on links and annotations hides them in a menu from Grafana 12.3 on.
* Panels get ids from their slugs, so that links to a panel stay valid when panels are added.
* Variables have the fields of every kind of variable; unused ones are removed.
"""

from __future__ import annotations

import json
import zlib
from typing import Final

Json = dict[str, object]

IDS: Final = 1_000_000
"""Upper limit of ids: short in an address, and collisions within a dashboard are rare."""

_LINK_NOISE: Final = ("placement", "asDropdown", "includeVars", "keepTime", "icon", "tooltip", "tags", "type")
_INTERVAL_ONLY: Final = ("auto", "auto_count", "auto_min")


def panel_id(slug: str) -> int:
    """The id of a panel, for links."""
    return zlib.crc32(slug.encode()) % IDS + 1


def finish(model: Json) -> str:
    """The text of a dashboard's file.

    Keys are sorted, so that a diff shows only changes.
    """
    model.pop("id", None)
    for link in _dicts(model.get("links")):
        link.pop("placement", None)
    annotations = model.get("annotations")
    if isinstance(annotations, dict):
        for query in _dicts(annotations.get("list")):
            query.pop("placement", None)
    templating = model.get("templating")
    if isinstance(templating, dict):
        for variable in _dicts(templating.get("list")):
            _strip_variable(variable)
    for panel in _dicts(model.get("panels")):
        _strip_links(panel)
        for inner in _dicts(panel.get("panels")):
            _strip_links(inner)
    return json.dumps(model, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _strip_variable(variable: Json) -> None:
    if variable.get("type") != "interval":
        for name in _INTERVAL_ONLY:
            variable.pop(name, None)


def _strip_links(panel: Json) -> None:
    config = panel.get("fieldConfig")
    defaults = config.get("defaults") if isinstance(config, dict) else None
    if isinstance(defaults, dict):
        for link in _dicts(defaults.get("links")):
            for name in _LINK_NOISE:
                link.pop(name, None)


def _dicts(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

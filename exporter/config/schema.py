"""The configuration as JSON Schema, with which an editor completes and checks ``config.yaml``."""

from __future__ import annotations

import json
from typing import Any, Final

from exporter.config.model import config_type
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.sinks.registry import AnySink

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-.*)?\}"}
_FILE: Final = {"type": "string", "description": "Name of a file whose content is the value."}


def config_schema(
    catalogue: Catalogue | None = None, sinks: tuple[AnySink, ...] | None = None
) -> dict[str, Any]:
    """The schema, by default with every registered sink.

    Beside each value it allows ``${VAR}``, beside each secret ``<key>_file``.
    """
    schema = config_type(catalogue or full_catalogue(), sinks).model_json_schema()
    for section in (schema, *schema.get("$defs", {}).values()):
        properties: dict[str, Any] = section.get("properties", {})
        for name, declared in list(properties.items()):
            if "password" in json.dumps(declared) and "$ref" not in declared:
                kept = {key: declared[key] for key in ("description", "title") if key in declared}
                properties[name] = {**kept, "anyOf": [_REFERENCE, {"type": "null"}]}
                properties[f"{name}_file"] = _FILE
            elif "$ref" not in declared and "allOf" not in declared and declared.get("type") != "string":
                properties[name] = _allow_reference(declared)
    return {**schema, "$schema": DIALECT, "title": "discord-exporter configuration"}


def write_schema(catalogue: Catalogue | None = None, sinks: tuple[AnySink, ...] | None = None) -> str:
    """The schema as text, the same every time."""
    return json.dumps(config_schema(catalogue, sinks), indent=2, sort_keys=True) + "\n"


def _allow_reference(declared: dict[str, Any]) -> dict[str, Any]:
    notes: dict[str, Any] = {
        key: declared[key] for key in ("description", "title", "default") if key in declared
    }
    rest = {key: value for key, value in declared.items() if key not in notes}
    return {**notes, "anyOf": [*(rest["anyOf"] if set(rest) == {"anyOf"} else [rest]), _REFERENCE]}

"""Recorded payloads and the facts written beside them.

``make goldens`` writes the facts anew (``python -m tests.events.recording``): after a change of what is read,
the difference shows what it means for every payload.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Series
from exporter.events.reading import PayloadReader

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gateway"
RECEIVED_AT = 1_700_000_000_000
CATALOGUE = full_catalogue()


def tell(value: Any) -> Any:
    """A fact as the fixtures write it: what is not a default, a slot as measure/value."""
    if isinstance(value, Series):
        return f"{value.measure}/{value.value}"
    if isinstance(value, msgspec.Struct):
        return {
            field.name: tell(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if field.required or getattr(value, field.name) != field.default
            if not (field.default_factory is not msgspec.NODEFAULT and not getattr(value, field.name))
        }
    if isinstance(value, tuple | list):
        return [tell(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


def read(dispatch: str, body: bytes) -> list[Any]:
    return [
        {"fact": type(fact).__name__} | tell(fact)
        for fact in PayloadReader(dispatch, CATALOGUE.readers[dispatch]).read(body, RECEIVED_AT)
    ]


def write_anew() -> None:
    for path in sorted(FIXTURES.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        facts = [read(path.stem, json.dumps(case["d"]).encode()) for case in document["cases"]]
        if facts == [case["expect"] for case in document["cases"]]:
            continue
        for case, expected in zip(document["cases"], facts, strict=True):
            case["expect"] = expected
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_anew()

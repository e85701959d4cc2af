"""Every recorded payload gives exactly the facts written beside it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import msgspec
import pytest

from exporter.events.catalogue import full_catalogue
from exporter.events.facts import Slot

RECEIVED_AT = 1_700_000_000_000
CATALOGUE = full_catalogue()


def tell(value: Any) -> Any:
    """A fact as the fixtures write it: what is not a default, a slot as measure/value."""
    if isinstance(value, Slot):
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
        for reader in CATALOGUE.readers[dispatch]
        for fact in reader.read(msgspec.json.decode(body, type=reader.payload, strict=False), RECEIVED_AT)
    ]


def test_a_recorded_payload_gives_its_facts(dispatch: str, case: dict[str, Any]) -> None:
    assert read(dispatch, json.dumps(case["d"]).encode()) == case["expect"]


def test_the_machine_s_time_zone_changes_nothing(
    dispatch: str, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert read(dispatch, json.dumps(case["d"]).encode()) == case["expect"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_fields_discord_adds_one_day_change_nothing(dispatch: str, case: dict[str, Any]) -> None:
    body = json.dumps(case["d"] | {"a_field_of_tomorrow": {"deep": [1, None, "x"]}}).encode()
    assert read(dispatch, body) == case["expect"]

"""Every recorded payload gives exactly the facts written beside it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.events.recording import read


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

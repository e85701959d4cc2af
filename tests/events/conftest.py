from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gateway"


Cases = dict[str, list[dict[str, Any]]]


def load_cases() -> Cases:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["cases"] for path in FIXTURES.glob("*.json")
    }


@pytest.fixture(scope="session")
def recorded() -> Cases:
    """The payloads under ``tests/fixtures/gateway``, by dispatch."""
    return load_cases()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"dispatch", "case"} <= set(metafunc.fixturenames):
        cases = [
            pytest.param(dispatch, case, id=f"{dispatch}: {case['name']}")
            for dispatch, cases in sorted(load_cases().items())
            for case in cases
        ]
        metafunc.parametrize(("dispatch", "case"), cases)

"""Values that do not belong in a payload, where they are put, and what must hold of what comes out."""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterator
from typing import Any

DEEP = "[" * 3000 + "]" * 3000

RAW = [
    *(
        "null",
        "true",
        "0",
        "-1",
        "1",
        "1e999",
        "-1e999",
        "1e-999",
        "0.5",
        "9" * 400,
        str(2**63),
        str(2**64),
        str(2**31),
    ),
    *('""', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"a\\nb\\u202ec\\u2028"', '"' + "x" * 70_000 + '"'),
    *('"9999999999999999999"', '"175928847299117063"', '"0"', '"-5"', '"true"', '"\\u0661\\u0662"'),
    *(
        '"9999-12-31T23:59:59.999999-23:59"',
        '"0001-01-01T00:00:00+23:59"',
        '"2023-11-14T22:13:20"',
        '"yesterday"',
    ),
    *("[]", "{}", "[null]", '[{"id":"1"}]', '{"id":null}', '{"user":{}}', DEEP, "[" + "1," * 100_000 + "1]"),
]
"""Values as JSON text, so that what no Python value would write is among them."""

HOLE = "\x01hole\x01"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


def check_text(text: str) -> None:
    text.encode()
    assert not any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in text)
    assert len(text) <= 512


def check(value: Any) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(str(key))
            check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check(inner)
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    elif isinstance(value, float):
        assert value == value  # noqa: PLR0124 - not a number is what differs from itself
        assert abs(value) < float("inf")
    else:
        assert value is None

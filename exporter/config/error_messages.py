"""Turns the validation library's errors into messages: place, found value, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from exporter.config.fields import default_of, field_at, is_secret, kind_of, section_at
from exporter.config.problems import dotted, suggest
from exporter.config.yaml_source import Path

_EXAMPLES: Final = {
    "switch": "true or false",
    "number": "a number",
    "duration": "a duration such as 500ms, 10s, 5m, 12h or 90d",
    "size": "a size such as 64KiB, 512MiB or 2GiB",
    "text": "text",
}
_MAX_SHOWN: Final = 80
"""Characters of a wrong value that a message shows; enough to recognise it."""


def explain(
    error: ValidationError, model: type[BaseModel], data: object, known: Collection[Path]
) -> Iterator[tuple[Path, str, str]]:
    """Path, problem and advice, once per place.

    A rule over a whole section adds nothing while one of its settings is wrong itself, so sections that hold
    one of ``known`` are skipped.
    """
    seen: set[Path] = set()
    for detail in error.errors(include_url=False):
        path = _place(data, detail["loc"], detail["type"])
        if path in seen or any(
            path and len(other) > len(path) and other[: len(path)] == path for other in known
        ):
            continue
        seen.add(path)
        yield path, *_words(model, path, detail)


def _place(data: object, loc: tuple[int | str, ...], kind: str) -> Path:
    """The part of a location that exists in the document; the library adds the branches of unions."""
    path: list[str | int] = []
    for part in loc:
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            data = cast("Any", data)[part]
        elif kind != "missing":
            break
        path.append(part)
    return tuple(path)


def _words(model: type[BaseModel], path: Path, detail: Any) -> tuple[str, str]:
    if detail["type"] == "extra_forbidden":
        section = section_at(model, path[:-1])
        return "is unknown", suggest(str(path[-1]), section.model_fields if section else ())
    if detail["type"] == "value_error":
        what, _, advice = str(detail["ctx"]["error"]).partition("; ")
        return what, advice
    shown = _shown(detail["input"])
    if section_at(model, path) is not None:
        return f"is {shown}, but holds settings", f"write them below {dotted(path)}, indented"
    info = field_at(model, path)
    if info is None:
        parent = field_at(model, path[:-1])
        items = kind_of(parent).removeprefix("list of ").removesuffix("s") if parent else ""
        return f"is {shown}", f"write a {items}" if items else str(detail["msg"])
    if is_secret(info):
        return "is not text", "give it through the environment or a file"
    return f"is {shown}", _expected(info, str(detail["msg"]))


def _expected(info: FieldInfo, message: str) -> str:
    bound = re.search(r"(greater|less) than( or equal to)? \S+", message)
    wanted = f"a value {bound[0]}" if bound else _EXAMPLES.get(kind_of(info), kind_of(info))
    default = default_of(info)
    return f"write {wanted}" + (f"; the default is {default}" if default else "")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    return "empty" if value is None else repr(value)[:_MAX_SHOWN]

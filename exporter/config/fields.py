"""Every setting that the sections declare, for errors, the schema and the reference page."""

from __future__ import annotations

import pathlib
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from exporter.config.yaml_source import Path
from exporter.notation import format_duration, format_size, parse_duration, parse_size

_NOTATIONS = {parse_duration: "duration", parse_size: "size"}
_WORDS = {
    bool: "switch",
    int: "number",
    float: "number",
    str: "text",
    pathlib.Path: "path",
    SecretStr: "secret",
}
ANY_KEY = "<type>"
"""In a path, any key of a table whose keys are free."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``default`` is in YAML notation; ``section`` marks a section."""

    path: Path
    kind: str
    default: str
    help: str
    section: bool = False


def settings(model: type[BaseModel]) -> Iterator[Setting]:
    """Every setting below a section, in the order of declaration."""
    return _settings(model, model(), ())


def _settings(model: type[BaseModel], defaults: BaseModel, path: Path) -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        place = (*path, name)
        nested = section_in(info.annotation)
        value = getattr(defaults, name)
        help_ = info.description or (nested and nested.__doc__) or ""
        if nested is None or _is_table(info.annotation):
            yield Setting(place, kind_of(info), write_value(value, info), help_)
            if nested is not None:
                yield from _settings(nested, nested(), (*place, ANY_KEY))
        else:
            yield Setting(place, "section", "", help_, section=True)
            yield from _settings(nested, value if isinstance(value, nested) else nested(), place)


def field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """The declaration a path leads to; None if it leads nowhere or to an item of a list or table."""
    return _find(model, path)[0]


def section_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The section a path leads to, None if it leads to none."""
    info, section = _find(model, path)
    return None if info is not None and _is_table(info.annotation) else section


def _find(model: type[BaseModel], path: Path) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """The declaration a path leads to, and the section in it; an item of a table is a section only."""
    info: FieldInfo | None = None
    section: type[BaseModel] | None = model
    for part in path:
        if info is not None and _is_table(info.annotation):
            info = None
            continue
        info = section.model_fields.get(str(part)) if section is not None else None
        if info is None:
            return None, None
        section = section_in(info.annotation)
    return info, section


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section an annotation holds, directly, optionally or as the values of a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := section_in(part))), None)


def is_secret(info: FieldInfo) -> bool:
    """Whether the value must not be seen."""
    return kind_of(info) == "secret"


def kind_of(info: FieldInfo) -> str:
    """The type of a setting as messages and the reference page name it."""
    return _kind(Annotated[info.annotation, None, *info.metadata])


def _kind(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return _either(str(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return _either(_kind(part) for part in arguments if part is not type(None))
    if origin is Annotated:
        validators = {item.func for item in arguments[1:] if isinstance(item, BeforeValidator)}
        known = (kind for validator, kind in _NOTATIONS.items() if validator in validators)
        return next(known, "") or _kind(arguments[0])
    if origin in (list, tuple, set, frozenset):
        return f"list of {_kind(arguments[0])}s"
    if origin is dict:
        return "table by event type"
    return _WORDS.get(annotation, "value")


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def default_of(info: FieldInfo) -> str:
    """A setting's default, as ``write_value`` writes it."""
    return write_value(info.get_default(call_default_factory=True, validated_data={}), info)


def write_value(value: object, info: FieldInfo) -> str:
    """A value as it is written in YAML; empty where there is none. For defaults only, which are public."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    kind = kind_of(info)
    if isinstance(value, int | float) and kind in ("duration", "size"):
        return format_duration(value) if kind == "duration" else format_size(round(value))
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _is_table(annotation: Any) -> bool:
    return typing.get_origin(annotation) is dict

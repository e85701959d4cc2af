"""A reader of line protocol, written from InfluxDB's description of it and not from our encoder."""

from __future__ import annotations

from dataclasses import dataclass

SPECIAL = {",", "=", " "}


@dataclass(frozen=True)
class Point:
    """One line, read."""

    measurement: str
    tags: frozenset[tuple[str, str]]
    fields: tuple[tuple[str, int | float], ...]
    at: int

    @property
    def series(self) -> tuple[str, frozenset[tuple[str, str]]]:
        return self.measurement, self.tags

    def tag(self, name: str) -> str:
        return dict(self.tags)[name]


def read(line: str) -> Point:
    assert "\n" not in line
    head, fields, at = _split(line, " ")
    measurement, *pairs = _split(head, ",")
    tags = [tuple(map(_plain, _split(pair, "="))) for pair in pairs]
    assert all(len(tag) == 2 and all(tag) for tag in tags), "a tag is a name and a value, neither empty"
    assert len({name for name, _ in tags}) == len(tags), "a tag stands once"
    found = [_split(pair, "=") for pair in _split(fields, ",")]
    assert len({name for name, _ in found}) == len(found), "a field stands once"
    return Point(
        _plain(measurement),
        frozenset((name, value) for name, value in tags),
        tuple((_plain(name), _number(value)) for name, value in found),
        int(at),
    )


def _number(text: str) -> int | float:
    return int(text[:-1]) if text.endswith("i") else float(text)


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that no backslash precedes."""
    parts = [""]
    previous = ""
    for character in text:
        if character == separator and previous != "\\":
            parts.append("")
        else:
            parts[-1] += character
        previous = character
    return parts


def _plain(text: str) -> str:
    """The text without the backslashes that make a special character plain; any other one is itself."""
    found = ""
    for index, character in enumerate(text):
        if character == "\\" and text[index + 1 : index + 2] in SPECIAL:
            continue
        found += character
    return found

"""A YAML file as plain data, with the line of each value.

Invariants: only data is built (safe loader), every key is text and occurs once, and the work is bounded
for any anchors and aliases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the document."""

MAX_CHARACTERS: Final = 1_000_000
"""A configuration has thousands of characters; more is the wrong file."""
MAX_DEPTH: Final = 32
MAX_NODES: Final = 50_000
"""Aliases can expand a small file to a huge one; these limits stop it."""


@dataclass(slots=True)
class YamlSource:
    """The file's content; ``flaws`` are (path, line, problem) of what plain data cannot express."""

    name: str
    data: dict[str, object] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    flaws: list[tuple[Path, int, str]] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of a value or, if it is absent, of its nearest section; 0 if there is none."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 0


def read_yaml(text: str, name: str) -> YamlSource:
    """Parse a file; its problems are in ``flaws``."""
    document = YamlSource(name)
    if len(text) > MAX_CHARACTERS:
        document.flaws.append(((), 0, f"is larger than {MAX_CHARACTERS:,} characters; is it the right file?"))
        return document
    try:
        # The constructor already rejects characters that YAML does not allow.
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        document.flaws.append(((), 0, f"is not valid YAML: {_reason(error)}"))
        return document
    try:
        root = loader.get_single_node()
        if root is None:
            return document
        data = _NodeBuilder(loader, document).build(root, (), 0)
    except (yaml.YAMLError, _TooLargeError, ValueError, OverflowError, RecursionError) as error:
        document.flaws.append(((), _line(error), f"is not valid YAML: {_reason(error)}"))
        return document
    finally:
        loader.dispose()
    if isinstance(data, dict):
        document.data = data
    else:
        document.flaws.append(((), 1, "must consist of sections, such as `discord:`"))
    return document


class _TooLargeError(Exception):
    """The document's aliases expand beyond every sensible size."""


class _NodeBuilder:
    def __init__(self, loader: yaml.SafeLoader, document: YamlSource) -> None:
        self._loader = loader
        self._document = document
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> object:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            msg = "it is nested too deeply or its aliases expand without end"
            raise _TooLargeError(msg)
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, place), depth + 1) for place, item in enumerate(node.value)]
        return self._loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        self._loader.flatten_mapping(node)
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str):
                self._document.flaws.append((path, line, "has a key that is not text"))
                continue
            if key in found:
                first = self._document.lines[(*path, key)]
                self._document.flaws.append(((*path, key), line, f"is given twice, first on line {first}"))
                continue
            self._document.lines[(*path, key)] = line
            found[key] = self.build(value_node, (*path, key), depth + 1)
        return found


def _line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if isinstance(mark, yaml.Mark) else 0


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error)
    return " ".join(str(problem).split())

"""``${VAR}``, ``${VAR:-default}`` and ``<key>_file``, resolved on parsed values.

Only parsed values are resolved: a variable with a colon or a line break stays one text and never becomes
YAML. A reference without a value leaves its setting at the default. Secrets must be references; a secret
written into the file is refused, because such files end up in repositories.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.config.yaml_source import Path

_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<body>[^}]*)\}")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_WHOLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-)?\}")
_SUFFIX = "_file"
_MAX_SECRET_BYTES = 64 * 1024

Complain = Callable[[Path, str, str], None]
"""Called with path, problem and advice."""


@dataclass(slots=True)
class Resolver:
    """Resolves one document.

    ``variables`` names the usual variable of a secret, for advice; ``used`` maps each
    resolved value to its reference, to remove it from messages.
    """

    environ: Mapping[str, str]
    is_secret: Callable[[Path], bool]
    complain: Complain
    base: pathlib.Path
    variables: Mapping[Path, str] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)

    def mapping(self, data: Mapping[str, object], path: Path = ()) -> dict[str, object]:
        """The mapping with every reference replaced; what cannot be resolved is left out and reported."""
        resolved: dict[str, object] = {}
        files: dict[str, object] = {}
        for key, value in data.items():
            target = key.removesuffix(_SUFFIX)
            if target != key and self.is_secret((*path, target)):
                files[target] = value
            elif (found := self._value(value, (*path, key))) is not _ABSENT:
                resolved[key] = found
        for target, value in files.items():
            self._put_file(target, value, path, resolved)
        return resolved

    def _put_file(self, target: str, value: object, path: Path, resolved: dict[str, object]) -> None:
        key = target + _SUFFIX
        if not isinstance(value, str):
            self.complain((*path, key), "must be the name of a file", "write for instance /run/secrets/name")
        elif not isinstance(name := self._text(value, (*path, key)), str):
            return
        elif resolved.get(target) is not None:
            self.complain(
                (*path, key), f"is given together with {target}", f"keep only one of {target} and {key}"
            )
        elif (content := self._read((*path, key), name)) is not None:
            resolved[target] = content

    def _value(self, value: object, path: Path) -> object:
        if isinstance(value, dict):
            return self.mapping(value, path)
        if isinstance(value, list):
            items = (self._value(item, (*path, place)) for place, item in enumerate(value))
            return [item for item in items if item is not _ABSENT]
        if self.is_secret(path) and value is not None and not _WHOLE.fullmatch(str(value).strip()):
            key = path[-1]
            variable = self.variables.get(path, str(key).upper())
            self.complain(
                path,
                "is a secret written into the file",
                f"put it into the environment variable {variable} and write {key}: ${{{variable}}}, "
                f"or name a file that holds it in {key}{_SUFFIX}",
            )
            return _ABSENT
        found = self._text(value, path) if isinstance(value, str) and "${" in value else value
        if self.is_secret(path) and isinstance(found, str):
            return found.strip()  # of the line end that an editor or ``echo`` puts behind it
        return found

    def _text(self, text: str, path: Path) -> object:
        missing = False

        def replace(match: re.Match[str]) -> str:
            nonlocal missing
            if match["escape"]:
                return match[0][1:]
            body = _BODY.fullmatch(match["body"])
            if body is None:
                missing = True
                self.complain(path, f"has a malformed reference {match[0]}", "write ${NAME} or ${NAME:-x}")
                return ""
            value = self.environ.get(body["name"], "")
            if value:
                self.used[value] = match[0]
                return value
            if body["default"] is None:
                missing = True
                self.complain(
                    path,
                    f"the environment has no variable {body['name']}",
                    f"set it, or write ${{{body['name']}:-default}}",
                )
            return body["default"] or ""

        resolved = _REFERENCE.sub(replace, text)
        return _ABSENT if missing or not resolved else resolved

    def _read(self, path: Path, name: str) -> str | None:
        file = self.base / name
        try:
            content = file.read_bytes()[:_MAX_SECRET_BYTES].decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            self.complain(path, f"cannot read {name} ({reason})", "check the path and its permissions")
            return None
        if not content:
            self.complain(path, f"{name} is empty", "put the secret into it")
            return None
        self.used[content] = f"<content of {name}>"
        return content


class _Absent:
    """Marks a setting that is treated as not given."""


_ABSENT = _Absent()

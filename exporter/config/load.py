"""Reads the configuration: file, references, environment, then every check; all problems at once."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from exporter.config.error_messages import explain
from exporter.config.event_toggles import contradictions
from exporter.config.fields import field_at, is_secret, section_at
from exporter.config.model import Config, config_type, secret_parts
from exporter.config.problems import Problem, dotted
from exporter.config.references import Complain, Resolver
from exporter.config.yaml_source import Path, YamlSource, read_yaml
from exporter.errors import ConfigError
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.redaction import Redactor, one_line
from exporter.sinks.registry import AnySink, built_in_sinks, registered_sinks

DEFAULT_FILE: Final = "config.yaml"
"""Read when it is there and no other file is named."""


def shortcuts(sinks: Iterable[AnySink]) -> tuple[tuple[str, Path], ...]:
    """Environment variables that set what the file does not: variable and path of the setting."""
    return (
        ("DISCORD_TOKEN", ("discord", "token")),
        *(
            (variable, ("sinks", sink.name, setting))
            for sink in sinks
            for variable, setting in sink.environment.items()
        ),
    )


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Secrets in the variables that may hold one, before any configuration is read."""
    try:
        sinks = registered_sinks()
    except ConfigError:
        sinks = built_in_sinks()
    model = config_type(full_catalogue(), sinks)
    found = (
        environ.get(variable, "").strip()
        for variable, path in shortcuts(sinks)
        if (info := field_at(model, path)) is not None and is_secret(info)
    )
    return tuple(part for secret in found if secret for part in secret_parts(secret))


def load_config(
    path: pathlib.Path | None,
    environ: Mapping[str, str],
    *,
    catalogue: Catalogue | None = None,
) -> Config:
    """The configuration from a file, or from ``config.yaml`` here if that exists, or the defaults.

    Raises:
        ConfigError: it cannot be used; every problem is listed.
    """
    return parse_config(_read(path), environ, catalogue=catalogue, base=(path or pathlib.Path()).parent)


def parse_config(
    document: YamlSource,
    environ: Mapping[str, str],
    *,
    catalogue: Catalogue | None = None,
    base: pathlib.Path = pathlib.Path(),
) -> Config:
    """The configuration of a document and an environment; files it names are relative to ``base``.

    Raises:
        ConfigError: it cannot be used; every problem is listed.
    """
    catalogue = catalogue or full_catalogue()
    model = config_type(catalogue)
    shortcut = shortcuts(registered_sinks())
    problems = [Problem(document.name, line, path, what, "") for path, line, what in document.flaws]
    origins: dict[Path, str] = {}

    def complain(path: Path, what: str, advice: str) -> None:
        origin = next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), "")
        line = 0 if origin else document.line_of(path)
        problems.append(Problem(origin or document.name, line, path, what, advice))

    def secret(path: Path) -> bool:
        info = field_at(model, path)
        return info is not None and is_secret(info)

    variables = {target: variable for variable, target in shortcut}
    resolver = Resolver(environ, secret, complain, base, variables)
    data = resolver.mapping(document.data)
    for variable, target in shortcut:
        value = environ.get(variable, "")
        if value and _put(data, target, value.strip() if secret(target) else value):
            origins[target] = variable
            resolver.used[value] = f"${{{variable}}}"
    for found in contradictions(data, catalogue):
        complain(*found)
    config = _validate(model, data, problems, complain)
    if problems or config is None:
        raise ConfigError(tuple(_lines(problems, resolver.used)))
    return config


def require_token(config: Config) -> str:
    """The bot's token.

    Raises:
        ConfigError: there is none.
    """
    token = config.discord.token
    if token is None or not token.get_secret_value().strip():
        problem = (
            "discord.token: is not set; put the bot's token into the environment variable DISCORD_TOKEN, "
            "or name a file that holds it in discord.token_file"
        )
        raise ConfigError((problem,))
    return token.get_secret_value().strip()


def _read(path: pathlib.Path | None) -> YamlSource:
    file = path or pathlib.Path(DEFAULT_FILE)
    try:
        return read_yaml(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        if path is None:
            return YamlSource("defaults")
        reason = "there is no such file"
    except UnicodeDecodeError:
        reason = "is not text in UTF-8"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    raise ConfigError((f"{file}: {reason}; name another file with --config",))


def _put(data: dict[str, object], target: Path, value: str) -> bool:
    """Set a value if there is none; returns whether it was set."""
    section: Any = data
    for part in target[:-1]:
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            return False
    if section.get(target[-1]) is not None:
        return False
    section[target[-1]] = value
    return True


def _validate(
    model: type[Config], data: dict[str, object], problems: list[Problem], complain: Complain
) -> Config | None:
    # `discord:` with everything below it commented out is a section left at its defaults.
    try:
        return model.model_validate(_without_empty_sections(model, data))
    except ValidationError as error:
        known = {problem.path for problem in problems}
        for found in explain(error, model, data, known):
            complain(*found)
    return None


def _without_empty_sections(
    model: type[Config], data: dict[str, object], path: Path = ()
) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in data.items():
        place = (*path, key)
        if value is None and section_at(model, place) is not None:
            continue
        kept[key] = _without_empty_sections(model, value, place) if isinstance(value, dict) else value
    return kept


def _lines(problems: list[Problem], used: Mapping[str, str]) -> Iterator[str]:
    """The problems in the order of the file, without values from the environment or a secret file."""
    redact = Redactor()
    for problem in sorted(problems, key=lambda found: (found.where, found.line, dotted(found.path))):
        line = str(problem)
        for value, reference in sorted(used.items(), key=lambda item: -len(item[0])):
            line = line.replace(value, reference) if len(value) > 2 else line  # noqa: PLR2004 - or every "5" is replaced
        yield one_line(redact(line))

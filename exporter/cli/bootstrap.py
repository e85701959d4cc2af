"""What every command does first: load the configuration, learn its secrets, set up the log."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Final

from exporter.config.load import load_config
from exporter.config.model import Config
from exporter.log import LogConfig, configure
from exporter.redaction import Redactor

SECRET_VARIABLES: Final = ("DISCORD_TOKEN", "DISCORD_EXPORTER_DSN", "INFLUXDB_TOKEN")
"""Known to hold secrets before any configuration says so."""

REDACTOR: Final = Redactor()
"""The process's one list of secrets: the log and the last words on stderr both pass through it."""


def learn_environment(environ: Mapping[str, str]) -> None:
    """Mask what usual variables hold, so that even a failing start says nothing of it."""
    for variable in SECRET_VARIABLES:
        value = environ.get(variable, "").strip()
        if value and not value.startswith("sqlite"):
            REDACTOR.add(value)


def prepare(file: pathlib.Path | None, *, quiet: bool = False) -> Config:
    """The configuration, with the log set up as it says; ``quiet`` keeps lines below WARNING away.

    Raises:
        ConfigError: it cannot be used.
    """
    config = load_config(file, os.environ)
    use_log(config, quiet=quiet)
    return config


def prepare_log() -> None:
    """Set up the log for a command without a configuration."""
    configure(LogConfig(), REDACTOR)


def use_log(config: Config, *, quiet: bool = False) -> None:
    """Set up the log as a configuration says."""
    REDACTOR.add(*config.secrets())
    raised = quiet and config.log.level in ("debug", "info")
    configure(LogConfig(level="warning", format=config.log.format) if raised else config.log, REDACTOR)

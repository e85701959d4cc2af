"""The first steps of every command: load the configuration, mask its secrets, set up the log."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Final

from exporter.config.load import load_config, secrets_in
from exporter.config.model import Config
from exporter.log import LogConfig, configure
from exporter.redaction import Redactor

REDACTOR: Final = Redactor()
"""The secrets of the process; the log and the errors on stderr both pass through it."""


def learn_environment(environ: Mapping[str, str]) -> None:
    """Mask the secrets in environment variables, so that even a failed start does not print them."""
    REDACTOR.add(*secrets_in(environ))


def prepare(file: pathlib.Path | None, *, quiet: bool = False) -> Config:
    """The configuration, with the log set up as it says; ``quiet`` suppresses lines below WARNING.

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
    log = LogConfig(level="warning", format=config.log.format) if raised else config.log
    libraries = {name: level for sink in config.sinks.specs for name, level in sink.loggers.items()}
    configure(log, REDACTOR, libraries=libraries)

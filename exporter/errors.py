"""Every error the program raises on purpose, and the exit code of each.

    ExporterError
    ├── ConfigError          the configuration cannot be used; every problem listed      exit 78
    ├── CredentialsError     Discord refused the token or an intent; retrying cannot help  exit 78
    ├── SchemaError          a store or spool is newer than this program                 exit 78
    ├── SpoolError           the spool cannot be opened or written at all, or was not at
    │                        the stop, so that counts are lost                           exit 74
    └── DifferenceError      `verify` found numbers that do not agree                    exit 1

Exit codes follow sysexits.h: 78 is EX_CONFIG (a supervisor must not restart), 74 is EX_IOERR.
"""

from __future__ import annotations

from typing import ClassVar


class ExporterError(Exception):
    """Base of all errors whose message is written for the operator."""

    exit_code: ClassVar[int] = 1


class ConfigError(ExporterError):
    """The configuration cannot be used; ``problems`` holds one complete line for each reason."""

    exit_code: ClassVar[int] = 78

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CredentialsError(ExporterError):
    """Discord refused the token, an intent or the shard layout; retrying cannot help."""

    exit_code: ClassVar[int] = 78


class SchemaError(ExporterError):
    """A store or the spool was written by a newer version of this program."""

    exit_code: ClassVar[int] = 78


class SpoolError(ExporterError):
    """The spool directory cannot be used, or could not be at the stop: what was counted last is lost."""

    exit_code: ClassVar[int] = 74


class DifferenceError(ExporterError):
    """`verify` found at least one number that differs from the ledger."""

    exit_code: ClassVar[int] = 1

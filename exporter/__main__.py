"""The program's entry and exit: errors meant for people become clear lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final

from exporter.cli.app import app
from exporter.errors import ExporterError

EX_SOFTWARE: Final = 70
"""sysexits.h: an internal error, which somebody should report."""


def main() -> None:
    """Run one command and end the process."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last stop: whatever comes is told without secrets
        sys.exit(_tell(error))


def _tell(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    # Loaded here, since most calls end well and `--help` should be quick.
    from exporter.cli.bootstrap import REDACTOR, learn_environment  # noqa: PLC0415 - see above
    from exporter.redaction import one_line  # noqa: PLC0415 - see above

    learn_environment(os.environ)
    known = _known(error)
    if known is not None:
        for line in str(known).splitlines():
            sys.stderr.write(f"error: {one_line(REDACTOR(line))}\n")
        return known.exit_code
    sys.stderr.write(REDACTOR("".join(traceback.format_exception(error))))
    sys.stderr.write("error: this is a defect of discord-exporter; the lines above say where\n")
    return EX_SOFTWARE


def _known(error: BaseException) -> ExporterError | None:
    """The error meant for people, also inside the groups that parallel tasks raise."""
    if isinstance(error, ExporterError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := _known(part))), None)
    return None


if __name__ == "__main__":
    main()

"""Entry point: runs one command, and turns an error into lines on stderr and an exit code."""

# ruff: noqa: E402 - the handlers of signals are installed before the imports, which take seconds under load

from __future__ import annotations

import os
import signal
import sys


def _stop_before_start(_number: int, _frame: object) -> None:
    """End the process at once: nothing is held yet. The handlers of ``exporter.process`` replace this one."""
    try:
        os.write(2, b"stopped before the start\n")
    finally:  # also where stderr is closed
        os._exit(0)


if sys.argv[1:2] == ["run"]:
    signal.signal(signal.SIGTERM, _stop_before_start)
    signal.signal(signal.SIGINT, _stop_before_start)

import traceback
from typing import Final

from exporter.cli.app import app
from exporter.errors import ExporterError

EX_SOFTWARE: Final = 70
"""sysexits.h: an internal error, to be reported as a defect."""


def main() -> None:
    """Run one command and end the process."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the outermost border: any error is reported, without secrets
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Write the error to stderr; returns the exit code."""
    # Imported here because most calls succeed and `--help` should be quick.
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
    """The error with a message for the operator, also inside the groups that parallel tasks raise."""
    if isinstance(error, ExporterError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := _known(part))), None)
    return None


if __name__ == "__main__":
    main()

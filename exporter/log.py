"""Structured logs: readable lines on a terminal, JSON elsewhere.

All code logs with the standard ``logging``; this module formats and filters it. Invariants: one event is one
line; no secret is written; disnake and the drivers never log below INFO, because they log payloads and
statements there; a repeated warning is written a few times a minute and then counted, an error always.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any, Final, Literal, TextIO

import structlog
from pydantic import Field

from exporter.clock import Clock, SystemClock
from exporter.redaction import Redactor, one_line
from exporter.settings import Section

LIBRARIES: Final[Mapping[str, int]] = dict.fromkeys(("disnake", "aiohttp", "asyncio"), logging.INFO)
"""Lowest level written per library; each sink declares those of its own libraries."""
REPEAT_WINDOW_S: Final = 60.0
REPEAT_LIMIT: Final = 5
"""Lines of one warning per window: enough to show a pattern, too few to fill a disk."""
MAX_REMEMBERED: Final = 512
"""Warnings distinguished at once; a message is identified by its template, so there are far fewer."""
MAX_FRAMES: Final = 12
"""Innermost frames of a traceback that a console line shows."""


class LogConfig(Section):
    """Level and format of the log."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Lowest level that is written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "console", "json"],
        Field(description="auto writes console lines on a terminal and JSON otherwise."),
    ] = "auto"


def configure(
    config: LogConfig,
    redactor: Redactor,
    *,
    libraries: Mapping[str, int] | None = None,
    stream: TextIO | None = None,
    clock: Clock | None = None,
) -> logging.Handler:
    """Send everything logged to ``stream`` (stderr by default); returns the handler, for tests.

    ``libraries`` maps each further library to the lowest level written.
    """
    stream = stream or sys.stderr
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(redactor, console=console, colors=console and stream.isatty()))
    handler.addFilter(_LibraryFilter({**LIBRARIES, **(libraries or {})}))
    handler.addFilter(RepeatFilter(clock or SystemClock()))
    root = logging.getLogger()
    for former in tuple(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    logging.captureWarnings(capture=True)
    return handler


class _LibraryFilter(logging.Filter):
    """Passes a library's records from its lowest level on."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__()
        self._levels = levels

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._levels.get(record.name.partition(".")[0], logging.NOTSET)


class RepeatFilter(logging.Filter):
    """Passes a warning ``REPEAT_LIMIT`` times per window; the next record says how many were suppressed.

    A warning logged with ``extra={"once_per": subject}`` passes once per window for each subject, so that one
    subject does not hide another. Errors always pass: each one means a loss or a required action of the
    operator.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str, str], list[float]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.levelno != logging.WARNING:
            return True
        subject = record.__dict__.pop("once_per", "")
        limit = 1 if subject else REPEAT_LIMIT
        key = (record.name, str(record.msg), subject)
        now = self._clock.monotonic()
        entry = self._seen.get(key)
        if entry is None or now - entry[0] >= REPEAT_WINDOW_S:
            if entry is not None and entry[1] > limit:
                record.repeated = int(entry[1]) - limit
            self._seen[key] = [now, 1]
            self._seen.move_to_end(key)
            if len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
            return True
        entry[1] += 1
        return entry[1] <= limit


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record and masks secrets once more in the finished line."""

    def __init__(self, redactor: Redactor, *, console: bool, colors: bool) -> None:
        renderer: structlog.typing.Processor = (
            structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)
            if console
            else structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False)
        )
        super().__init__(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _flatten_exception(full=not console),
                _redact(redactor),
                renderer,
            ],
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            keep_exc_info=False,
        )
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(super().format(record))


def _flatten_exception(*, full: bool) -> structlog.typing.Processor:
    def flatten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        info = event.pop("exc_info", None)
        event.pop("stack_info", None)
        if info is True:
            info = sys.exc_info()
        error = info[1] if isinstance(info, tuple) else info
        if isinstance(error, BaseException):
            event["error"] = describe(error)
            if full:
                event["traceback"] = "".join(traceback.format_exception(error))
        return event

    return flatten


def describe(error: BaseException) -> str:
    """An exception on one line: type, message and frames, the innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    ]
    head = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " < ".join((head, *places))


def _redact(redactor: Redactor) -> structlog.typing.Processor:
    def clean(value: object) -> object:
        if isinstance(value, bool | int | float) or value is None:
            return value
        return one_line(redactor(value if isinstance(value, str) else repr(value)))

    def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # JSON escapes line breaks, so a traceback may keep them.
        long = str(event.pop("traceback", ""))
        cleaned = {one_line(str(key)): clean(value) for key, value in event.items()}
        if long:
            cleaned["traceback"] = "\n".join(one_line(line) for line in redactor(long).splitlines())
        return cleaned

    return redact

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest

from exporter.clock import ManualClock
from exporter.log import LIBRARIES, REPEAT_LIMIT, REPEAT_WINDOW_S, LogConfig, configure
from exporter.redaction import MASK, Redactor
from exporter.sinks.registry import built_in_sinks

SINK_LIBRARIES = {name: level for sink in built_in_sinks() for name, level in sink.loggers.items()}
SECRET = "a-secret-of-some-length"
logger = logging.getLogger("exporter.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def start(clock):
    """Sets the log up as the program would; the test's own set-up is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def begin(stream: io.StringIO | None = None, **config: str) -> io.StringIO:
        stream = stream or io.StringIO()
        redactor = Redactor([SECRET])
        configure(LogConfig(**config), redactor, libraries=SINK_LIBRARIES, stream=stream, clock=clock)
        return stream

    yield begin
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def fail(text: str) -> None:
    raise ValueError(text)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_anything_but_a_terminal_gets_json_lines(start):
    stream = start()
    logger.info("hello %s", "world", extra={"guild": 1})
    (line,) = lines(stream)
    assert line["event"] == "hello world"
    assert line["level"] == "info"
    assert line["logger"] == "exporter.test"
    assert line["guild"] == 1
    assert str(line["timestamp"]).endswith("Z")


def test_a_terminal_gets_words(start):
    stream = start(Terminal())
    logger.info("hello")
    assert "hello" in stream.getvalue()
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(stream.getvalue())


@pytest.mark.parametrize("kind", ["console", "json"])
def test_the_format_can_be_chosen(start, kind):
    stream = start(Terminal() if kind == "json" else None, format=kind)
    logger.info("hello")
    assert stream.getvalue().startswith("{") is (kind == "json")


@pytest.mark.parametrize("kind", ["console", "json"])
@pytest.mark.parametrize("name", ["a\nb", "a\r\nb", "\x1b[2J", "a\u2028b", "a\u202eb", "\x00", "\x85"])
def test_one_event_is_one_line_whatever_a_name_holds(start, kind, name):
    stream = start(format=kind)
    logger.warning("guild %s", name, extra={"name_": name, name: 1})
    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert name not in written


@pytest.mark.parametrize("kind", ["console", "json"])
def test_an_exception_is_one_line_and_tells_where(start, kind):
    stream = start(format=kind)
    try:
        fail(f"two\nlines {SECRET}")
    except ValueError:
        logger.exception("cannot")
    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert "ValueError: two" in written
    assert "test_log.py:" in written
    assert SECRET not in written


def test_json_keeps_the_whole_traceback(start):
    stream = start(format="json")
    try:
        fail("no")
    except ValueError:
        logger.exception("cannot")
    assert str(lines(stream)[0]["traceback"]).startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize("kind", ["console", "json"])
def test_secrets_pass_in_no_part_of_a_record(start, kind):
    stream = start(format=kind, level="debug")
    for number, each in enumerate(({"a": SECRET}, [SECRET], SECRET, {SECRET: 1}, Exception(SECRET))):
        logger.debug("x %s %d", each, number, extra={"value": each})
    logging.getLogger(SECRET).info("by name")
    logger.info("a key", extra={f"k{SECRET}": 1})
    assert SECRET not in stream.getvalue()
    assert MASK in stream.getvalue()


@pytest.mark.parametrize("library", [*LIBRARIES, *SINK_LIBRARIES])
def test_libraries_never_log_below_info_since_that_is_payloads(start, library):
    stream = start(level="debug")
    logging.getLogger(f"{library}.part").debug("payload")
    logging.getLogger(f"{library}.part").warning("logged")
    assert [line["event"] for line in lines(stream)] == ["logged"]


def test_the_steps_of_a_migration_are_not_logged(start):
    stream = start(level="debug")
    logging.getLogger("alembic.runtime.migration").info("Context impl SQLiteImpl.")
    logging.getLogger("alembic.runtime.migration").warning("logged")
    assert [line["event"] for line in lines(stream)] == ["logged"]


def test_the_level_holds(start):
    stream = start(level="error")
    logger.warning("no")
    logger.error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_a_repeated_warning_is_written_a_few_times_a_minute_and_then_counted(start, clock):
    stream = start()
    for number in range(REPEAT_LIMIT + 20):
        logger.warning("sink %d is away", number)
    logger.warning("something else")
    assert len(lines(stream)) == REPEAT_LIMIT + 1
    clock.advance(REPEAT_WINDOW_S)
    logger.warning("sink %d is away", 99)
    last = lines(stream)[-1]
    assert last["event"] == "sink 99 is away"
    assert last["repeated"] == 20


def test_a_warning_about_one_subject_is_written_once_a_minute_and_hides_no_other_subject(start, clock):
    stream = start()
    subjects = [f"TYPE_{number}" for number in range(REPEAT_LIMIT + 3)]
    for subject in subjects * 4:
        logger.warning("a %s could not be read", subject, extra={"once_per": subject})
    assert [line["event"] for line in lines(stream)] == [f"a {name} could not be read" for name in subjects]
    clock.advance(REPEAT_WINDOW_S)
    logger.warning("a %s could not be read", "TYPE_0", extra={"once_per": "TYPE_0"})
    assert lines(stream)[-1]["repeated"] == 3
    assert "once_per" not in stream.getvalue()


def test_errors_are_never_held_back(start):
    stream = start()
    for _ in range(REPEAT_LIMIT * 4):
        logger.error("lost")
    assert len(lines(stream)) == REPEAT_LIMIT * 4


def test_endlessly_different_warnings_do_not_fill_the_memory(start):
    start(io.StringIO())
    for number in range(2000):
        logger.warning(f"warning {number}")  # noqa: G004 - a template of its own each time
    (handler,) = logging.getLogger().handlers
    (_, repeats) = handler.filters
    assert len(repeats._seen) <= 512


def test_pythons_own_warnings_are_logged(start):
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old\nway", stacklevel=1)
    assert "old" in str(lines(stream)[0]["event"])
    assert len(stream.getvalue().splitlines()) == 1


def test_setting_up_twice_writes_each_line_once(start):
    start()
    stream = start()
    logger.info("once")
    assert len(lines(stream)) == 1

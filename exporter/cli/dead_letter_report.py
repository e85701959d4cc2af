"""Dead letters as text: a list without what they say, one of them with it, or many as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from exporter.cli.output import print_table
from exporter.errors import ExporterError
from exporter.model import Json
from exporter.notation import counted
from exporter.redaction import one_line
from exporter.spool.dead_letters import DeadLetterFilter
from exporter.spool.inspection import SpoolInspector
from exporter.spool.ports import DeadLetter

PORTION: Final = 500
"""Dead letters read at a time by an export; one may have a megabyte."""


def format_time(at_ms: int) -> str:
    """A time in ms since the epoch as people read it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def write_list(letters: Sequence[DeadLetter], total: int, *, as_json: bool) -> None:
    """Print dead letters without what they say; ``total`` is how many match."""
    if as_json:
        found = {"total": total, "dead_letters": [_describe(letter) for letter in letters]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    if not letters:
        sys.stdout.write("No dead letter matches.\n")
        return
    print_table(
        ("id", "refused", "sink", "reason", "type", "lane", "guild", "of"),
        [
            (
                str(letter.id),
                format_time(letter.dead_at),
                one_line(letter.sink),
                one_line(letter.reason),
                one_line(letter.type),
                letter.lane.name.lower(),
                str(letter.guild_id),
                format_time(letter.at),
            )
            for letter in letters
        ],
    )
    if total > len(letters):
        sys.stdout.write(f"{len(letters):,} of {counted(total, 'dead letter')}; --limit shows more\n")


def write_letter(letter: DeadLetter, *, as_json: bool) -> None:
    """Print one dead letter with everything it says."""
    found = _describe_whole(letter)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    data = found.pop("data")
    texts = {**found, "refused": format_time(letter.dead_at), "of": format_time(letter.at)}
    if isinstance(data, dict):
        texts |= {f"data.{name}": value for name, value in data.items()}
    else:
        texts["data"] = "(the entry cannot be read)"
    # Escaped as in JSON: control characters in a name must not reach the terminal.
    print_table(("field", "value"), [(name, _escape(value)) for name, value in texts.items()])


def export_letters(
    spool: SpoolInspector, chosen: DeadLetterFilter, limit: int | None, output: pathlib.Path | None
) -> None:
    """Write dead letters as JSON lines.

    Raises:
        ExporterError: the file exists already or cannot be written.
        SpoolError: the spool cannot be read.
    """
    ids = spool.dead_letter_ids(chosen, limit=limit)
    written = 0
    with _open(output) as file:
        for start in range(0, len(ids), PORTION):
            portion = DeadLetterFilter(ids=tuple(ids[start : start + PORTION]))
            for letter in spool.dead_letters(portion):
                file.write(json.dumps(_describe_whole(letter)) + "\n")
                written += 1
    sys.stderr.write(f"{counted(written, 'dead letter')} exported\n")


@contextlib.contextmanager
def _open(output: pathlib.Path | None) -> Iterator[TextIO]:
    """A new file that only its owner may read, since it will hold names and ids of members."""
    if output is None:
        yield sys.stdout
        return
    try:
        number = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"{output} cannot be written ({error.strerror}); name a new file with --output"
        raise ExporterError(msg) from error
    with os.fdopen(number, "w", encoding="utf-8") as file:
        yield file


def _describe(letter: DeadLetter) -> dict[str, Json]:
    """What may be printed anywhere: no key, which may hold the id of a member, and no data."""
    return {
        "id": letter.id,
        "sink": letter.sink,
        "reason": letter.reason,
        "dead_at": letter.dead_at,
        "type": letter.type,
        "lane": letter.lane.name.lower(),
        "guild_id": letter.guild_id,
        "at": letter.at,
        "readable": letter.entry is not None,
    }


def _escape(value: Json) -> str:
    """A value as JSON, text without its quotes."""
    text = json.dumps(value)
    return text[1:-1] if isinstance(value, str) else text


def _describe_whole(letter: DeadLetter) -> dict[str, Json]:
    entry = letter.entry
    return _describe(letter) | {
        "position": letter.position,
        # What cannot be read cannot be screened, and a key may hold the id of a member who opted out since.
        "key": None if entry is None else letter.key,
        "amends": None if entry is None else entry.amends,
        "data": None if entry is None else msgspec.to_builtins(entry.data),
    }

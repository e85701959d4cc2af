"""The golden file of one event type, as a person reads it: what is played, and what each store gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.goldens.script import Script
from tests.goldens.scripts import script_of
from tests.goldens.stage import CATALOGUE, play
from tests.goldens.stores import lines, tables

FOLDER = Path(__file__).parent / "files"
PLAYED, EXPOSED, LINES, ROWS = "Played", "Exposition", "Line protocol", "SQL"
NONE = "none"

_OWN = ("discord_exporter_", "discord_gateway_", "discord_rest_")
"""What the exporter says of itself."""


async def write_page(kind: str, scratch: Path) -> str:
    """The file's text; ``scratch`` is where its database is, with its tables made or not there yet."""
    script = script_of(kind)
    outcome = await play(kind, script)
    stored = await tables(outcome.rows, scratch, snapshots=script.store_snapshots)
    sections = {
        PLAYED: list(_played(script)),
        EXPOSED: list(_changed(outcome.before, outcome.after)),
        LINES: lines(outcome.rows),
        ROWS: list(_rows(stored)),
    }
    text = f"{kind}: {CATALOGUE.events[kind].help}\n"
    for title, found in sections.items():
        text += f"\n== {title}\n" + "\n".join(found or [NONE]) + "\n"
    return text


def read_page(text: str) -> dict[str, str]:
    """The sections by title; an empty one is not there."""
    sections = (part.split("\n", 1) for part in text.split("\n== ")[1:])
    return {title: body.strip() for title, body in sections if body.strip() != NONE}


def _played(script: Script) -> Iterator[str]:
    if script.alongside:
        yield f"also on: {', '.join(script.alongside)}"
    yield from (f"before  {step}" for step in script.before)
    yield from map(str, script.steps)
    yield f"+{script.rest:g} s"


def _changed(before: str, after: str) -> Iterator[str]:
    """Samples that differ: ``name value``, ``name old -> new``, and ``name old -> gone``."""
    old, new = _samples(before), _samples(after)
    for name in sorted(old | new):
        if old.get(name) == new.get(name):
            continue
        if name in old:
            yield f"{name} {old[name]} -> {new.get(name, 'gone')}"
        else:
            yield f"{name} {new[name]}"


def _samples(exposition: str) -> dict[str, str]:
    pairs = (line.rpartition(" ") for line in exposition.splitlines() if not line.startswith(("#", *_OWN)))
    return {name: value for name, _, value in pairs}


def _rows(stored: dict[str, list[dict[str, object]]]) -> Iterator[str]:
    for table, rows in stored.items():
        for row in rows:
            yield table
            for column, value in row.items():
                yield f"    {column} = {json.dumps(value, ensure_ascii=False, default=str)}"

"""What the ``spool`` commands share: the spool of a configuration, read, and changed while it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import typer

from exporter.cli.bootstrap import prepare
from exporter.cli.dead_letter_report import write_list
from exporter.clock import SystemClock
from exporter.errors import ExporterError
from exporter.notation import counted
from exporter.spool.config import SPOOL_DIRECTORY, SpoolConfig
from exporter.spool.dead_letters import DeadLetterFilter
from exporter.spool.directory import SpoolDirectory
from exporter.spool.inspection import SpoolInspector
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

PORTION: Final = 500
"""Dead letters changed in one transaction: a few milliseconds, and seldom enough a commit."""


@dataclass(frozen=True, slots=True)
class DeadLetterChange:
    """What may be done with dead letters; its words, and what does it to some of them."""

    verb: str
    participle: str
    apply: Callable[[Spool, Sequence[int]], Awaitable[int]]
    after: str


_AFTER_REPLAY: Final = "delivered after the next start of the exporter"
CHANGES: Final[Mapping[str, DeadLetterChange]] = {
    "replay": DeadLetterChange("replay", "replayed", Spool.replay, _AFTER_REPLAY),
    "discard": DeadLetterChange("discard", "discarded", Spool.discard, "deleted for good"),
}
"""By the command's name."""


@contextlib.contextmanager
def open_spool(config: pathlib.Path | None) -> Iterator[SpoolInspector]:
    """The spool of a configuration, for reading; also beside a running exporter.

    Raises:
        ConfigError: the configuration cannot be used.
        SpoolError: there is no spool, or it cannot be read.
    """
    with SpoolInspector.open(prepare(config, quiet=True).data_dir / SPOOL_DIRECTORY) as inspector:
        yield inspector


def change_dead_letters(
    action: DeadLetterChange,
    config: pathlib.Path | None,
    chosen: DeadLetterFilter,
    limit: int | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Change the chosen dead letters, after asking on a terminal, and print how many.

    Raises:
        ConfigError: the configuration cannot be used.
        ExporterError: some of them stay as they are.
        SpoolError: there is no spool, an exporter runs on it, or it cannot be written.
        typer.Abort: the answer was no.
        typer.BadParameter: there is no terminal to ask on.
    """
    loaded = prepare(config, quiet=True)
    path = loaded.data_dir / SPOOL_DIRECTORY
    with SpoolInspector.open(path) as inspector:
        ids = inspector.dead_letter_ids(chosen, limit=limit)
        letters = inspector.dead_letters(DeadLetterFilter(ids=tuple(ids))) if dry_run else []
    if dry_run:
        write_list(letters, len(letters), as_json=as_json)
        sys.stderr.write(f"{counted(len(ids), 'dead letter')} would be {action.participle}\n")
        return
    done = 0
    if ids:
        _require_stopped(path)
        _confirm(action, len(ids), yes=yes)
        done = asyncio.run(_change(action, path, loaded.spool, ids))
    _write_result(action, len(ids), done, as_json=as_json)


def _require_stopped(path: pathlib.Path) -> None:
    """Fail before the question, not after it, where an exporter runs on the spool."""
    directory = SpoolDirectory(path)
    directory.claim()
    directory.release()


def _confirm(action: DeadLetterChange, number: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"there is no terminal to ask on; --yes says to {action.verb} {counted(number, 'dead letter')}"
        raise typer.BadParameter(msg, param_hint="'--yes'")
    typer.confirm(f"{action.verb.capitalize()} {counted(number, 'dead letter')}?", abort=True, err=True)


async def _change(
    action: DeadLetterChange, path: pathlib.Path, config: SpoolConfig, ids: Sequence[int]
) -> int:
    spool = await Spool.open(path, config, SystemClock(), Telemetry())
    done = 0
    try:
        with _progress(action, len(ids)) as advance:
            for start in range(0, len(ids), PORTION):
                portion = ids[start : start + PORTION]
                done += await action.apply(spool, portion)
                advance(len(portion))
    finally:
        await spool.close()
    return done


@contextlib.contextmanager
def _progress(action: DeadLetterChange, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else a line for each portion; on stderr, and not for what is done at once."""
    if total <= PORTION:
        yield lambda _: None
    elif sys.stderr.isatty():
        with typer.progressbar(length=total, label=action.participle, file=sys.stderr) as bar:
            yield bar.update
    else:
        seen = 0

        def write(number: int) -> None:
            nonlocal seen
            seen += number
            sys.stderr.write(f"{seen:,} of {counted(total, 'dead letter')} {action.participle}\n")

        yield write


def _write_result(action: DeadLetterChange, matched: int, done: int, *, as_json: bool) -> None:
    left = matched - done
    if as_json:
        typer.echo(json.dumps({"matched": matched, action.participle: done, "left": left}))
    elif not matched:
        typer.echo("No dead letter matches.")
    elif done:
        typer.echo(f"{counted(done, 'dead letter')} {action.participle}: {action.after}.")
    if left:
        msg = (
            f"{counted(left, 'dead letter')} could not be {action.participle}: it cannot be read, its sink "
            "is not configured, or it is gone; `discord-exporter spool dead list` lists what is left"
        )
        raise ExporterError(msg)

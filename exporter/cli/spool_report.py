"""The status of a spool: its sizes, and by sink what waits and what became of the rest."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from dataclasses import asdict

from exporter.cli.dead_letter_report import format_time
from exporter.cli.output import print_table
from exporter.model import Json
from exporter.spool.dead_letters import KeptDeadLetters
from exporter.spool.ports import SinkStats, SpoolStats

_MIB = 1024**2


def status_as_json(
    path: pathlib.Path, stats: SpoolStats, kept: Sequence[KeptDeadLetters], *, closed: bool
) -> dict[str, Json]:
    """The status as JSON; times in ms since the epoch, sizes in bytes."""
    letters = {each.sink: each for each in kept}
    sinks: dict[str, Json] = {
        name: {
            **_counts(stats.sinks.get(name)),
            "dead_letters": letters[name].count if name in letters else 0,
            "dead_letter_bytes": letters[name].size if name in letters else 0,
            "oldest_dead_letter_at": letters[name].oldest if name in letters else None,
        }
        for name in sorted({*stats.sinks, *letters})
    }
    return {
        "path": str(path),
        "closed": closed,
        "spooled": stats.spooled,
        "bytes": stats.bytes,
        "log_bytes": stats.wal_bytes,
        "limit_bytes": stats.limit,
        "free_bytes": stats.free,
        "sinks": sinks,
    }


def write_status(
    path: pathlib.Path, stats: SpoolStats, kept: Sequence[KeptDeadLetters], *, closed: bool
) -> None:
    """Print the status."""
    state = "closed" if closed else "in use by an exporter, or its last run was killed"
    sys.stdout.write(
        f"spool {path}: {state}\n"
        f"{stats.bytes / _MIB:,.1f} MiB and a log of {stats.wal_bytes / _MIB:,.1f} MiB of at most "
        f"{stats.limit / _MIB:,.1f} MiB; its volume has {stats.free / _MIB:,.1f} MiB free\n"
        f"{stats.spooled:,} entries spooled since it was created\n"
    )
    letters = {each.sink: each for each in kept}
    rows = []
    for name in sorted({*stats.sinks, *letters}):
        counts, dead = stats.sinks.get(name), letters.get(name)
        numbers = (
            ("-",) * 4
            if counts is None
            else tuple(f"{n:,}" for n in (counts.pending, counts.delivered, counts.evicted, counts.dead))
        )
        oldest = None if counts is None else counts.oldest_pending_at
        rows.append(
            (
                name if counts is not None else f"{name} (not configured)",
                *numbers,
                f"{dead.count:,}" if dead else "0",
                format_time(oldest) if oldest is not None else "-",
                format_time(dead.oldest) if dead else "-",
            )
        )
    head = (
        "sink",
        "waiting",
        "delivered",
        "evicted",
        "dead",
        "dead letters",
        "oldest waiting",
        "oldest dead",
    )
    print_table(head, rows)


def _counts(sink: SinkStats | None) -> dict[str, Json]:
    return {"configured": False} if sink is None else {"configured": True, **asdict(sink)}

from __future__ import annotations

from exporter.spool.dead_letters import DeadLetterFilter
from exporter.spool.inspection import SpoolInspector
from exporter.spool.ports import DeadLetter
from exporter.spool.store import Spool


def dead_letters(
    spool: Spool, chosen: DeadLetterFilter | None = None, *, limit: int | None = None
) -> list[DeadLetter]:
    """Read them as an operator does, beside the running spool."""
    with SpoolInspector.open(spool._directory.path) as inspector:
        return inspector.dead_letters(chosen or DeadLetterFilter(), limit=limit)

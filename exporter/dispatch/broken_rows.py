"""Finds the saved rows that a component cannot resume with.

Each of them would break the next start and every revert in the same way, so they are deleted: a row that
stays might name a person who opted out, and no component could take the name out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from exporter.dispatch.component import StateRow

log = logging.getLogger(__name__)

MAX_RETRIES: Final = 200
"""Parts of a component's rows that are tried when it cannot resume with all of them: enough for some ten
broken ones among 100,000. What is not tried by then is deleted with them, so that a start always ends."""


def resume_without_broken(
    name: str, rows: list[StateRow], retry: Callable[[Iterable[StateRow]], int], error: Exception
) -> int:
    """Resume a component without the rows that break it; returns how many are deleted.

    ``retry`` resumes it from nothing but the given rows and returns how many of them could not be read; it
    deletes those, and the ones given without their value.
    ``error`` is what all rows raised. They are found by halves, each tried alone, so that a broken row among
    many costs about three times what all of them cost.

    Raises:
        Exception: the component fails without any row.
    """
    retry(())
    kept: list[StateRow] = []
    parts = [rows]
    for _ in range(MAX_RETRIES):
        if not parts:
            break
        part = parts.pop()
        try:
            retry(part)
            kept += part
        except Exception:  # noqa: BLE001 - whatever it is
            half = len(part) // 2
            parts += [part[half:], part[:half]] if half else []
    try:
        unread = retry([*kept, *_without_values(rows, kept)])
    except Exception:  # noqa: BLE001 - rows that break it only together
        kept = []
        unread = retry(_without_values(rows, kept))
    broken = len(rows) - len(kept)
    log.error(
        "component %s cannot resume with %d of its %d saved rows: they are deleted, what they hold is lost",
        *(name, broken, len(rows)),
        exc_info=error,
    )
    return unread + broken


def _without_values(rows: Iterable[StateRow], kept: Iterable[StateRow]) -> list[StateRow]:
    """The rows that are not kept, as they are deleted."""
    found = {(row.table, row.key) for row in kept}
    return [row._replace(value=None) for row in rows if (row.table, row.key) not in found]

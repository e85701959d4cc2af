"""What a SQLite log has confirmed, in a small file beside it: so a deleted or an older log is noticed.

The spool's cursor would not do: it also passes entries that were refused, withheld or evicted. Positions
count entries of all lanes and jump at each start, so the number of entries is kept with them.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from exporter.model import Batch, Priority

log = logging.getLogger(__name__)

SUFFIX: Final = ".delivered"
"""In place of the log's own: what deletes ``discord.db*`` leaves the file."""

MAX_MARKS: Final = 64
"""Of a lane; older ones are joined, so that a loss from the middle of one is counted too high."""


class _Record(msgspec.Struct):
    source: str = ""
    lanes: dict[Priority, list[tuple[int, int]]] = {}
    """Marks of each lane, in order: the last position of one batch or several, and how many entries."""


class Delivered:
    """The entries of one spool that were confirmed; ``path`` is the log's."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(SUFFIX)
        self._record = _Record()
        self._loaded = False
        self._warned = False

    def load(self) -> None:
        """Read the file, once; one that cannot be read says nothing of what was delivered before."""
        if self._loaded:
            return
        self._loaded = True
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                self._record = msgspec.json.decode(file.read(), type=_Record)
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            log.warning(
                "%s cannot be read (%s); whether the log lacks entries is not known", self._path, error
            )

    def add(self, batch: Batch) -> None:
        """Note a batch that is stored; of one that came before only what is new."""
        if batch.source != self._record.source:
            self._record = _Record(batch.source)
        marks = self._record.lanes.setdefault(batch.lane, [])
        last = marks[-1][0] if marks else -1
        if count := sum(row.position > last for row in batch.rows):
            marks.append((batch.rows[-1].position, count))
        if len(marks) > MAX_MARKS:
            old = marks[: MAX_MARKS // 2]
            marks[: len(old)] = [
                (second[0], first[1] + second[1]) for first, second in zip(old[::2], old[1::2], strict=True)
            ]

    def take_missing(
        self, source: str, lane: Priority, held: int, again_from: int | None = None
    ) -> tuple[int, int] | None:
        """The last position and the number of entries after ``held``, which are then no longer noted.

        ``again_from`` is the first position that is delivered again. None if nothing is missing.
        """
        marks = self._record.lanes.get(lane, []) if source == self._record.source else []
        missing = [mark for mark in marks if mark[0] > held]
        if missing:
            self._record.lanes[lane] = marks[: -len(missing)]
        gone = [mark for mark in missing if again_from is None or mark[0] < again_from]
        return (gone[-1][0], sum(count for _, count in gone)) if gone else None

    def lanes(self) -> list[tuple[str, Priority]]:
        """The lanes that have marks, each with the spool it is of."""
        return [(self._record.source, lane) for lane in sorted(self._record.lanes)]

    def save(self) -> None:
        """Write the file; a failure is logged once and holds up nothing."""
        temporary = self._path.with_suffix(f"{SUFFIX}.new")
        try:
            # Not synced: after a power cut the file may be of an earlier moment, and says less.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._record))
            temporary.replace(self._path)
        except OSError as error:
            if not self._warned:
                log.warning(
                    "%s cannot be written (%s); a log that is replaced while the exporter is stopped may "
                    "not be noticed",
                    *(self._path, error),
                )
            self._warned = True
        else:
            self._warned = False

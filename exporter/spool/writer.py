"""The thread that owns the only write connection, and commits whatever waits as one group.

Invariants: a job is answered after COMMIT has returned, never before; a job that fails leaves nothing of
itself behind and does not touch the others of its group (the group is rolled back and its jobs are tried one
by one); no error ends the thread. The queue is as long as there are callers, since each waits for its own
job.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.spool.database import full_volume_error, spool_error, transaction
from exporter.spool.disk_quota import DiskQuota
from exporter.spool.write_jobs import CallJob, WriteJob

log = logging.getLogger(__name__)

T = TypeVar("T")

GROUP_WEIGHT: Final = 20_000
"""Entries and rows of state in one commit, beyond a single caller's own: about 100 ms of writing at most
before the next group."""

IDLE_SECONDS: Final = 1.0
"""Quiet time after which the log is emptied and the file tidied."""

PASSED_SECONDS: Final = 0.05
"""Quiet time after which a portion of passed rows is deleted; not with each small advance, which would double
the commits."""

TIDY_SECONDS: Final = 60.0
"""The same is done this often when it never gets quiet; that it fails is logged at most this often."""

PORTION_EVERY: Final = 4
"""While jobs keep coming, passed rows are deleted after every fourth group: as fast as groups of that size
can come."""

TRIES: Final = 4
"""How often space is made for one job before its caller gets the error that the disk is full."""


class WriterThread:
    """Runs jobs in transactions. ``run`` and ``tidy`` belong to the event loop, all else to the thread."""

    def __init__(self, connection: sqlite3.Connection, quota: DiskQuota, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._quota = quota
        self._path = path
        self._clock = clock
        self._queue: queue.SimpleQueue[WriteJob[Any] | None] = queue.SimpleQueue()
        self._held: WriteJob[Any] | None = None
        self._closed = False
        self._ended = False
        self._groups = 0
        self._untidy = False
        self._warned_at: float | None = None
        self._tidied_at = clock.monotonic()
        self._thread = threading.Thread(target=self._serve, name="spool-writer", daemon=True)
        self._thread.start()

    async def run(self, job: WriteJob[T]) -> T:
        """Run a job in a transaction and return its result once that is committed.

        A caller that is cancelled meanwhile cannot know whether its work was committed.

        Raises:
            SpoolError: nothing was committed.
        """
        if self._closed:
            msg = f"the spool {self._path} is closed"
            raise SpoolError(msg)
        self._queue.put(job)
        return await job.future

    async def tidy(self) -> None:
        """Do now what is done in an idle moment.

        Raises:
            SpoolError: some of it could not be done.
        """
        await self.run(CallJob(lambda _: self._tidy(), alone=True))

    def close(self) -> None:
        """Finish what waits and end the thread; blocks, safe twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            self._serve_group([job] if job.alone else self._admit([job, *self._waiting(job.weight)]))
            self._maintain()

    def _next(self) -> WriteJob[Any] | None:
        """The next job, with the wait for it used for maintenance; ``None`` at the end."""
        if self._held is not None or self._ended:
            job, self._held = self._held, None
            return job
        while True:
            try:
                return self._queue.get(timeout=self._patience())
            except queue.Empty:
                self._guard(self._quota.delete_passed if self._quota.has_passed else self._tidy)

    def _patience(self) -> float | None:
        if self._quota.has_passed:
            return PASSED_SECONDS
        return IDLE_SECONDS if self._untidy else None

    def _waiting(self, weight: int) -> list[WriteJob[Any]]:
        jobs: list[WriteJob[Any]] = []
        while weight < GROUP_WEIGHT:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None or job.alone:
                self._ended, self._held = job is None, job
                break
            jobs.append(job)
            weight += job.weight
        return jobs

    def _admit(self, group: list[WriteJob[Any]]) -> list[WriteJob[Any]]:
        """Refuse what a full volume has no space for: the reserve was released for what drains it."""
        if self._quota.starved:
            self._guard(self._quota.recover)
        admitted: list[WriteJob[Any]] = []
        for job in group:
            if self._quota.admits(job):
                admitted.append(job)
            else:
                job.fail(full_volume_error(self._path))
        return admitted

    def _serve_group(self, group: list[WriteJob[Any]]) -> None:
        if len(group) > 1:
            try:
                self._run(group)
            except Exception as error:  # noqa: BLE001 - any job may be at fault; each is tried for itself
                log.debug("spool: a group of %d was rolled back: %s", len(group), error)
            else:
                return
        for job in group:
            self._serve_alone(job)

    def _serve_alone(self, job: WriteJob[Any]) -> None:
        for attempt in range(TRIES):
            try:
                self._run([job])
            except sqlite3.Error as error:
                if attempt + 1 < TRIES and self._quota.relieve(error, job, attempt):
                    continue
                job.fail(spool_error(self._path, "writing", error))
            except Exception as error:  # noqa: BLE001 - it is raised at the caller
                job.fail(error)
            return

    def _run(self, group: Sequence[WriteJob[Any]]) -> None:
        if group[0].alone:
            answers = [job.run(self._connection) for job in group]
        else:
            with transaction(self._connection):
                answers = [job.run(self._connection) for job in group]
        for answer in answers:
            answer()

    def _maintain(self) -> None:
        self._untidy = True
        self._groups += 1
        self._guard(self._quota.keep_bound)
        if self._groups % PORTION_EVERY == 0 and self._quota.has_passed:
            self._guard(self._quota.delete_passed)
        if self._clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._guard(self._tidy)

    def _tidy(self) -> None:
        # First, so that a step that fails is not tried in a busy loop.
        self._untidy = False
        self._tidied_at = self._clock.monotonic()
        self._quota.tidy()

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            now = self._clock.monotonic()
            if self._warned_at is None or now - self._warned_at >= TIDY_SECONDS:
                self._warned_at = now
                log.warning("spool: maintenance of %s failed, it is tried again: %s", self._path, error)

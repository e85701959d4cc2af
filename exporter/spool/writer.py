"""The thread that owns the only write connection, and commits whatever waits as one group.

Invariants: a job is answered after COMMIT has returned, never before; a job that fails leaves nothing of
itself behind and does not touch the others of its group (the group is rolled back and its jobs are tried one
by one); no error ends the thread. The queue is as long as there are callers, since each waits for its own
job.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.spool.database import spool_error
from exporter.spool.jobs import Job, Step, Work
from exporter.spool.room import Room

log = logging.getLogger(__name__)

T = TypeVar("T")

GROUP_WEIGHT: Final = 20_000
"""Entries in one commit, beyond a single caller's own: about 100 ms of writing at most before the next
group."""

IDLE_SECONDS: Final = 1.0
"""Quiet time after which the log is emptied and the file tidied."""

PASSED_SECONDS: Final = 0.05
"""Quiet time after which a portion of passed rows is deleted; not with each small advance, which would double
the commits."""

TIDY_SECONDS: Final = 60.0
"""The same is done this often when it never gets quiet."""

PORTION_EVERY: Final = 4
"""While jobs keep coming, passed rows are deleted after every fourth group: as fast as groups of that size
can come."""

TRIES: Final = 4
"""How often room is made for one job before its caller is told that the disk is full."""


class Writer:
    """Runs jobs in transactions. ``run`` and ``tidy`` belong to the event loop, all else to the thread."""

    def __init__(self, connection: sqlite3.Connection, room: Room, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._room = room
        self._path = path
        self._clock = clock
        self._queue: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._held: Job[Any] | None = None
        self._closed = False
        self._ended = False
        self._groups = 0
        self._untidy = False
        self._tidied_at = clock.monotonic()
        self._thread = threading.Thread(target=self._serve, name="spool-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Run ``work`` in a transaction and return its result once that is committed.

        ``then`` is called with the result on the event loop even if the caller was cancelled meanwhile; such
        a caller cannot know whether its work was committed.

        Raises:
            SpoolError: nothing was committed.
        """
        loop = asyncio.get_running_loop()
        return await self._put(Job(work, loop, loop.create_future(), then))

    async def tidy(self) -> None:
        """Do now what is done in an idle moment.

        Raises:
            SpoolError: some of it could not be done.
        """
        loop = asyncio.get_running_loop()
        await self._put(Job(Step(lambda _: self._tidy()), loop, loop.create_future(), alone=True))

    def close(self) -> None:
        """Finish what waits and end the thread; blocks, safe twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    async def _put(self, job: Job[T]) -> T:
        if self._closed:
            msg = f"the spool {self._path} is closed"
            raise SpoolError(msg)
        self._queue.put(job)
        return await job.future

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            if job.alone:
                self._serve_alone(job, lambda alone: [alone.work(self._connection)])
            else:
                self._serve_group(job)
            self._keep_house()

    def _next(self) -> Job[Any] | None:
        """The next job, with the wait for it used for housekeeping; ``None`` at the end."""
        if self._held is not None or self._ended:
            job, self._held = self._held, None
            return job
        while True:
            try:
                return self._queue.get(timeout=self._patience())
            except queue.Empty:
                self._guard(self._room.delete_passed if self._room.has_passed else self._tidy)

    def _patience(self) -> float | None:
        if self._room.has_passed:
            return PASSED_SECONDS
        return IDLE_SECONDS if self._untidy else None

    def _serve_group(self, first: Job[Any]) -> None:
        group = self._admit([first, *self._waiting(first.work.weight)])
        if not group:
            return
        try:
            results = self._transact(group)
        except Exception as error:  # noqa: BLE001 - any job may be at fault; each is tried for itself
            log.debug("spool: a group of %d was rolled back: %s", len(group), error)
            for job in group:
                self._serve_alone(job, lambda alone: self._transact([alone]))
        else:
            for job, result in zip(group, results, strict=True):
                job.answer(result)

    def _admit(self, group: list[Job[Any]]) -> list[Job[Any]]:
        """Refuse what adds to a full volume: the reserve was given up for what drains it."""
        if not self._room.starved:
            return group
        self._guard(self._room.recover)
        if not self._room.starved:
            return group
        for job in group:
            if job.work.adds:
                job.fail(spool_error(self._path, "writing", sqlite3.OperationalError("the volume is full")))
        return [job for job in group if not job.work.adds]

    def _waiting(self, weight: int) -> list[Job[Any]]:
        jobs: list[Job[Any]] = []
        while weight < GROUP_WEIGHT:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None or job.alone:
                self._ended, self._held = job is None, job
                break
            jobs.append(job)
            weight += job.work.weight
        return jobs

    def _serve_alone(self, job: Job[Any], serve: Callable[[Job[Any]], list[Any]]) -> None:
        for attempt in range(TRIES):
            try:
                (result,) = serve(job)
            except sqlite3.Error as error:
                need = job.work.size << attempt
                if attempt + 1 < TRIES and self._room.relieve(error, need, adds=job.work.adds):
                    continue
                job.fail(spool_error(self._path, "writing", error))
            except Exception as error:  # noqa: BLE001 - it is raised at the caller
                job.fail(error)
            else:
                job.answer(result)
            return

    def _transact(self, group: list[Job[Any]]) -> list[Any]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [job.work(connection) for job in group]
            connection.execute("COMMIT")
        finally:
            # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide its error.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return results

    def _keep_house(self) -> None:
        self._untidy = True
        self._groups += 1
        self._guard(self._room.keep_bound)
        if self._groups % PORTION_EVERY == 0 and self._room.has_passed:
            self._guard(self._room.delete_passed)
        if self._clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._guard(self._tidy)

    def _tidy(self) -> None:
        # First, so that a step that fails is not tried in a busy loop.
        self._untidy = False
        self._tidied_at = self._clock.monotonic()
        self._room.tidy()

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            log.warning("spool: housekeeping on %s failed, it is tried again: %s", self._path, error)

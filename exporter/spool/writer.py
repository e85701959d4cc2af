"""The thread that owns the only write connection, and commits whatever waits as one group.

Invariants: a job is answered after COMMIT has returned, never before; a job that fails leaves nothing of
itself behind and does not touch the others of its group (the group is rolled back and its jobs are tried one
by one); no error ends the thread. The queue is as long as there are callers, since each waits for its own
job.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.spool.accounts import AccountsFile, read_accounts
from exporter.spool.database import full_volume_error, is_full, spool_error
from exporter.spool.directory import SpoolDirectory
from exporter.spool.disk_quota import DiskQuota
from exporter.spool.file_watch import FileWatch

log = logging.getLogger(__name__)

T = TypeVar("T")

IDLE_SECONDS: Final = 1.0
"""Quiet time after which the log is emptied, the file tidied, and checked to be in its place."""

TIDY_SECONDS: Final = 60.0
"""The file is tidied this often when it never gets quiet; that it fails is logged at most this often."""


@dataclass(frozen=True, slots=True, eq=False)
class WriteJob(Generic[T]):
    """Work on the connection that writes, and the future of its result.

    The work may be done more than once, each time in a new transaction. What ``takes_entries`` is refused on
    a full volume while that drains. All but what ``drains`` is refused while a file of the spool is gone.
    """

    work: Callable[[sqlite3.Connection], T]
    future: asyncio.Future[T]
    takes_entries: bool
    state_size: int
    """Bytes of saved state it writes."""
    drains: bool

    def answer(self, result: T) -> None:
        """Give the result to the caller; called in the writer thread, after the commit."""
        self._post(self.future.set_result, result)

    def fail(self, error: BaseException) -> None:
        """Raise the error at the caller; called in the writer thread."""
        self._post(self.future.set_exception, error)

    def _post(self, settle: Callable[[Any], None], outcome: object) -> None:
        # The loop may be gone when the program ended in the middle.
        with contextlib.suppress(RuntimeError):
            self.future.get_loop().call_soon_threadsafe(settle, outcome)


class WriterThread:
    """Runs jobs in transactions. ``submit`` is for the event loop, all else but ``close`` for the thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        quota: DiskQuota,
        accounts: AccountsFile,
        directory: SpoolDirectory,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._quota = quota
        self._accounts = accounts
        self._path = directory.database
        self._watch = FileWatch(directory)
        self._clock = clock
        self._queue: queue.SimpleQueue[WriteJob[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._untidy = False
        self._warned_at: float | None = None
        self._tidied_at = clock.monotonic()
        self._thread = threading.Thread(target=self._serve, name="spool-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[sqlite3.Connection], T],
        then: Callable[[T], object] | None = None,
        *,
        takes_entries: bool = False,
        state_size: int = 0,
        drains: bool = False,
    ) -> asyncio.Future[T]:
        """Do the work in a transaction; the future has its result once that is committed.

        ``then`` is called with the result before, even if the caller was cancelled meanwhile, who cannot know
        whether the work was committed.

        Raises:
            SpoolError: the spool is closed. Raised by the future: nothing was committed.
        """
        if self._closed:
            msg = f"the spool {self._path} is closed"
            raise SpoolError(msg)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if then is not None:
            future.add_done_callback(lambda done: None if done.exception() else then(done.result()))
        self._queue.put(WriteJob(work, future, takes_entries, state_size, drains))
        return asyncio.shield(future)

    @property
    def displaced(self) -> str:
        """Which file is not in its place and what to do, as of the last second; empty while all are."""
        return self._watch.problem

    def close(self) -> None:
        """Finish what waits and end the thread; blocks, safe twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._accounts.close()

    def _serve(self) -> None:
        ended = False
        while not ended:
            jobs = self._waiting()
            ended = None in jobs
            self._run_group(self._admitted([job for job in jobs if job is not None]))
            self._maintain()

    def _waiting(self) -> list[WriteJob[Any] | None]:
        """All that waits, ended by None when closed; the wait for it is used for maintenance."""
        while True:
            try:
                jobs = [self._queue.get(timeout=IDLE_SECONDS)]
                break
            except queue.Empty:
                self._watch.check()
                if self._untidy:
                    self._guard(self._tidy)
        with contextlib.suppress(queue.Empty):
            while True:
                jobs.append(self._queue.get_nowait())
        return jobs

    def _admitted(self, jobs: Sequence[WriteJob[Any]]) -> list[WriteJob[Any]]:
        """Refuse what a full volume has no space for: the reserve was released for what drains it.

        And what would be saved in a file that is gone; what it holds can still be delivered.
        """
        problem = self._watch.check()
        if self._quota.starved:
            self._guard(self._quota.recover)
        admitted: list[WriteJob[Any]] = []
        for job in jobs:
            if problem and not job.drains:
                job.fail(SpoolError(problem))
            elif not self._quota.starved or self._may_use_reserve(job):
                admitted.append(job)
            else:
                job.fail(full_volume_error(self._path))
        return admitted

    def _may_use_reserve(self, job: WriteJob[Any]) -> bool:
        return not job.takes_entries and self._quota.reserve_holds(job.state_size)

    def _run_group(self, group: Sequence[WriteJob[Any]]) -> None:
        if len(group) > 1:
            try:
                self._run(group)
            except Exception as error:  # noqa: BLE001 - any job may be at fault; each is tried for itself
                log.debug("spool: a group of %d was rolled back: %s", len(group), error)
            else:
                return
        for job in group:
            self._try(job)

    def _try(self, job: WriteJob[Any]) -> None:
        try:
            try:
                self._run([job])
            except sqlite3.Error as error:
                if not is_full(error):
                    raise
                self._quota.relieve(release=self._may_use_reserve(job))
                self._run([job])
        except sqlite3.Error as error:
            job.fail(spool_error(self._path, "writing", error))
        except Exception as error:  # noqa: BLE001 - it is raised at the caller
            job.fail(error)

    def _run(self, group: Sequence[WriteJob[Any]]) -> None:
        with self._quota.transaction():
            results = [job.work(self._connection) for job in group]
            accounts = read_accounts(self._connection)
        self._accounts.write(accounts)
        for job, result in zip(group, results, strict=True):
            job.answer(result)

    def _maintain(self) -> None:
        self._untidy = True
        if self._clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._guard(self._tidy)

    def _tidy(self) -> None:
        # First, so that a step that fails is not tried in a busy loop.
        self._untidy = False
        self._tidied_at = self._clock.monotonic()
        self._untidy = self._quota.tidy()

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            now = self._clock.monotonic()
            if self._warned_at is None or now - self._warned_at >= TIDY_SECONDS:
                self._warned_at = now
                log.warning("spool: maintenance of %s failed, it is tried again: %s", self._path, error)

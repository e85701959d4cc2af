"""Each fault is what its name says to a process that commits with SQLite, and ends with the healing."""

from __future__ import annotations

import errno
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.disk import Call, FaultyDisk, SmallVolume

CHILD = Path(__file__).with_name("writing_child.py")
DEADLINE = 30.0

pytestmark = pytest.mark.timeout(60)


class Commit(NamedTuple):
    """One commit of the child: whether it was made, how long it took, and the error."""

    made: bool
    seconds: float
    error: str


class Writer:
    """The child. ``made`` counts the commits that were acknowledged."""

    def __init__(self, database: Path, environ: dict[str, str]) -> None:
        self.database = database
        self.made = 0
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environ,
        )

    def begin(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answers(self, timeout: float = DEADLINE) -> bool:
        return bool(select.select([self.process.stdout], [], [], timeout)[0])

    def answer(self) -> Commit:
        assert self.answers()
        word, seconds, error = self.process.stdout.readline().removesuffix("\n").split(" ", 2)
        self.made += word == "ok"
        return Commit(word == "ok", float(seconds), error)

    def commit(self) -> Commit:
        self.begin()
        return self.answer()

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def rows(self) -> int:
        with sqlite3.connect(self.database) as connection:
            return connection.execute("SELECT count(*) FROM rows").fetchone()[0]


def begin_and_hang(writer: Writer, disk: FaultyDisk) -> None:
    disk.hang()
    writer.begin()
    deadline = time.monotonic() + DEADLINE
    while disk.held != 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def writer(tmp_path, faulty_disk):
    writer = Writer(tmp_path / "data" / "rows.db", faulty_disk.environ)
    assert writer.commit().made
    yield writer
    faulty_disk.heal()
    writer.end()


def test_a_slow_disk_takes_its_time_for_each_fsync(writer, faulty_disk):
    faulty_disk.slow(0.2)
    syncs = faulty_disk.syncs
    made, seconds, _ = writer.commit()
    assert made
    assert seconds >= 0.2 * (faulty_disk.syncs - syncs) > 0
    faulty_disk.heal()
    assert min(writer.commit().seconds for _ in range(5)) < 0.2


def test_a_hanging_disk_holds_a_commit_until_it_is_healed(writer, faulty_disk):
    begin_and_hang(writer, faulty_disk)
    assert not writer.answers(timeout=0.3)
    faulty_disk.heal()
    made, seconds, _ = writer.answer()
    assert made
    assert seconds >= 0.3
    assert faulty_disk.held == 0
    assert writer.rows() == writer.made == 2


def test_a_process_on_a_hanging_disk_can_be_killed(writer, faulty_disk):
    begin_and_hang(writer, faulty_disk)
    writer.end()
    assert writer.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errno.EIO, "disk I/O error"),
        (errno.ENOSPC, "database or disk is full"),
        (errno.EROFS, "disk I/O error"),
    ],
)
def test_a_refusing_disk_fails_commits_and_loses_none_that_was_made(writer, faulty_disk, error, text):
    faulty_disk.refuse(error)
    for _ in range(3):
        made, _, found = writer.commit()
        assert not made
        assert found == text
    assert faulty_disk.refused >= 3
    faulty_disk.heal()
    assert writer.commit().made
    assert writer.rows() == writer.made == 2


def test_a_disk_may_refuse_one_kind_of_call_only(writer, faulty_disk):
    faulty_disk.refuse(errno.EIO, Call.SYNC)
    assert writer.commit()[::2] == (False, "disk I/O error")


def test_a_disk_that_hangs_may_refuse_next(writer, faulty_disk):
    begin_and_hang(writer, faulty_disk)
    faulty_disk.refuse(errno.EIO)
    assert not writer.answer().made


def test_files_elsewhere_are_not_affected(tmp_path, faulty_disk):
    faulty_disk.refuse(errno.EIO, Call(31))
    # A directory whose name begins like that of the faulty one is another.
    (tmp_path / "database").mkdir()
    for name in ("rows.db", "database/rows.db"):
        writer = Writer(tmp_path / name, faulty_disk.environ)
        assert writer.commit().made
        writer.end()
    assert faulty_disk.refused == 0


def test_a_read_only_disk_lets_no_file_be_made_renamed_or_deleted(tmp_path, faulty_disk):
    kept = tmp_path / "data" / "kept"
    kept.write_text("content")
    script = (
        "import os, sys\n"
        "for call in (lambda: open(sys.argv[1] + '2', 'w'), lambda: os.unlink(sys.argv[1]),"
        " lambda: os.rename(sys.argv[1], sys.argv[1] + '3')):\n"
        "    try: call()\n"
        "    except OSError as error: print(error.errno)\n"
        "print(open(sys.argv[1]).read())\n"
    )
    faulty_disk.refuse(errno.EROFS)
    command = [sys.executable, "-c", script, str(kept)]
    environ = os.environ | faulty_disk.environ
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
    assert output.split() == [*[str(errno.EROFS)] * 3, "content"]
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_a_full_volume_refuses_until_there_is_space(small_volume: SmallVolume):
    writer = Writer(small_volume.path / "rows.db", {})
    try:
        assert writer.commit().made
        small_volume.fill()
        assert small_volume.left == 0
        assert writer.commit()[::2] == (False, "database or disk is full")
        small_volume.free()
        assert writer.commit().made
        assert writer.rows() == writer.made == 2
    finally:
        writer.end()

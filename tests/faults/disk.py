"""Disks at fault: slow, hanging or refusing by a preloaded library, full by a small volume of their own.

The library (``faulty_disk.c``) stands before the calls of one process that write below one directory; what it
does is read from a mapped file, so a test changes the disk while the process runs. Both kinds skip a test
with the reason where they cannot be had.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntFlag
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).with_name("faulty_disk.c")
CHUNK: Final = 64 * 1024


class Call(IntFlag):
    """Calls that a refusing disk refuses."""

    SYNC = 1
    WRITE = 2
    TRUNCATE = 4
    OPEN = 8
    """Opening a file to write."""
    NAME = 16
    """Deleting and renaming."""


_REFUSED: Final = {
    errno.ENOSPC: Call.WRITE,
    errno.EIO: Call.WRITE | Call.SYNC | Call.TRUNCATE,
    errno.EROFS: Call.WRITE | Call.TRUNCATE | Call.OPEN | Call.NAME,
}
"""What a disk refuses with each error."""


class _Control(ctypes.Structure):
    _fields_ = [
        ("mode", ctypes.c_int32),
        ("calls", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("delay_ms", ctypes.c_int32),
        ("held", ctypes.c_int64),
        ("refused", ctypes.c_int64),
        ("syncs", ctypes.c_int64),
    ]


_HEALTHY, _SLOW, _HANGING, _REFUSING = range(4)


class FaultyDisk:
    """The disk below ``root``, for processes started with ``environ``; healthy at first."""

    def __init__(self, root: Path, library: Path, control: Path) -> None:
        control.write_bytes(bytes(ctypes.sizeof(_Control)))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._map)
        preloaded = os.environ.get("LD_PRELOAD")
        self.environ = {
            "LD_PRELOAD": f"{library}:{preloaded}" if preloaded else str(library),
            "FAULTY_DISK_ROOT": str(root.resolve()),
            "FAULTY_DISK_CONTROL": str(control.resolve()),
        }

    def slow(self, seconds: float) -> None:
        """Each fsync takes this much longer."""
        self._control.delay_ms = round(seconds * 1000)
        self._control.mode = _SLOW

    def hang(self) -> None:
        """No call returns until the disk is something else."""
        self._control.mode = _HANGING

    def refuse(self, error: int, calls: Call | None = None) -> None:
        """Calls fail with this errno: those it is known for, or ``calls``."""
        self._control.error = error
        self._control.calls = _REFUSED[error] if calls is None else calls
        self._control.mode = _REFUSING

    def heal(self) -> None:
        """Every call passes; those that hang go on."""
        self._control.mode = _HEALTHY

    @property
    def held(self) -> int:
        """Calls that hang now."""
        return int(self._control.held)

    @property
    def refused(self) -> int:
        """Calls refused so far."""
        return int(self._control.refused)

    @property
    def syncs(self) -> int:
        """Calls of fsync and fdatasync so far."""
        return int(self._control.syncs)


class SmallVolume:
    """A mounted tmpfs of ``size`` bytes, with a file that takes all the space there is."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._filler = path / "filler"

    def fill(self) -> None:
        """Take the space that is left; called again, what was freed since."""
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(CHUNK))

    def release(self, size: int) -> None:
        """Give this many bytes back."""
        os.truncate(self._filler, self._filler.stat().st_size - size)

    def free(self) -> None:
        """Give all the space back."""
        self._filler.unlink(missing_ok=True)

    @property
    def left(self) -> int:
        """Bytes free."""
        return shutil.disk_usage(self.path).free


@pytest.fixture(scope="session")
def faulty_disk_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preloaded library, built once."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed (Debian: apt install gcc libc6-dev)")
    if sys.platform != "linux" or sys.maxsize < 2**32:
        pytest.skip("the preloaded library is for Linux on 64 bits")
    library = tmp_path_factory.mktemp("faulty_disk") / "faulty_disk.so"
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    done = subprocess.run([*command, "-o", library, SOURCE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


@pytest.fixture
def faulty_disk(tmp_path: Path, faulty_disk_library: Path) -> Iterator[FaultyDisk]:
    """The disk below ``tmp_path / "data"``; healthy again at the end, so that every process can be ended."""
    (tmp_path / "data").mkdir()
    disk = FaultyDisk(tmp_path / "data", faulty_disk_library, tmp_path / "faulty_disk.control")
    yield disk
    disk.heal()


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[SmallVolume]:
    """A volume of 48 MiB at ``tmp_path / "volume"``."""
    (tmp_path / "volume").mkdir()
    with mounted(tmp_path / "volume", 48 * 1024**2) as volume:
        yield volume


@contextmanager
def mounted(path: Path, size: int) -> Iterator[SmallVolume]:
    """A small volume at a directory; skips the test where none may be mounted."""
    if os.geteuid() != 0:
        pytest.skip("a small volume can be mounted by root only")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no volume can be mounted here")
    # Unmounts however this process ends: a killed one cleans up nothing.
    guard = subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; umount -l "$0"', str(path)],
        stdin=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield SmallVolume(path, size)
    finally:
        guard.stdin.close()
        guard.wait(10)

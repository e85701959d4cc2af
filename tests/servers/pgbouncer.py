"""A PgBouncer in transaction mode before the session's PostgreSQL, with settings as installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.postgres import PASSWORD, USER, Postgres, unprivileged
from tests.servers.process import free_port

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = 2
"""
"""Two server connections are fewer than the clients of the tests: each transaction may get another."""


@dataclass(frozen=True)
class PgBouncer:
    """A running pooler."""

    port: int

    def dsn(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running_pgbouncer(server: Postgres) -> Iterator[PgBouncer]:
    """A pooler before ``server``; skips the test where PgBouncer is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt install pgbouncer)")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="exporter-pgbouncer-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        settings = directory / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(server=server.port, port=port, directory=directory))
        process = subprocess.Popen(
            [*unprivileged(), program, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await_port(port, process)
            yield PgBouncer(port)
        finally:
            process.terminate()
            process.wait(20)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail("PgBouncer ended")


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """One pooler for the session."""
    with running_pgbouncer(postgres) as pooler:
        yield pooler

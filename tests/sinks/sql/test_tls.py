"""PostgreSQL over TLS: a named authority, and a client certificate in the place of a password."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from exporter.model import STORED, Outcome
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.sink import SqlSink
from tests.servers.postgres import PASSWORD, USER, Postgres, running_postgres
from tests.sinks.sql.conftest import close_store, open_store
from tests.sinks.sql.entries import ban

_ACCESS = """
hostssl with_certificate {user} 127.0.0.1/32 cert
hostssl all {user} 127.0.0.1/32 scram-sha-256
"""


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def make_authority(directory: Path, name: str) -> None:
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}"),
        *("-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt"),
    )


def make_certificate(directory: Path, name: str, subject: str, alternative: str) -> None:
    """A certificate of the authority ``ca``."""
    key, request, extension = (directory / f"{name}.{end}" for end in ("key", "csr", "ext"))
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", key, "-out", request
    )
    extension.write_text(f"subjectAltName={alternative}\n")
    openssl(
        *("x509", "-req", "-in", request, "-days", 2, "-extfile", extension, "-CAcreateserial"),
        *("-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-out", directory / f"{name}.crt"),
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("certificates")
    make_authority(directory, "ca")
    make_authority(directory, "other")
    make_certificate(directory, "server", "127.0.0.1", "IP:127.0.0.1")
    make_certificate(directory, "client", USER, f"DNS:{USER}")
    return directory


@pytest.fixture(scope="module")
def server(certificates: Path) -> Iterator[Postgres]:
    """A server that takes TLS only."""

    def prepare(data: Path) -> None:
        for name in ("ca.crt", "server.crt", "server.key"):
            shutil.copy(certificates / name, data / name)
            shutil.chown(data / name, data.owner())
            (data / name).chmod(0o600)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\nssl_ca_file = 'ca.crt'\n")
        (data / "pg_hba.conf").write_text(_ACCESS.format(user=USER))

    with running_postgres(prepare) as running:
        running.sql("CREATE DATABASE with_certificate TEMPLATE template0")
        yield running


def configure(server: Postgres, database: str, password: str = f":{PASSWORD}", **options: Any) -> SqlConfig:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    dsn = f"postgresql://{USER}{password}@127.0.0.1:{server.port}/{database}?{query}"
    return SqlConfig.model_validate({"dsn": dsn})


async def test_a_server_of_the_named_authority_is_connected_to(server: Postgres, certificates: Path) -> None:
    config = configure(server, "postgres", sslmode="verify-full", sslrootcert=certificates / "ca.crt")
    engine = make_engine(config)
    async with engine.connect() as connection:
        query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert await connection.scalar(query) is True
    await engine.dispose()


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
async def test_a_server_of_another_authority_is_refused(
    server: Postgres, certificates: Path, mode: str
) -> None:
    config = configure(server, "postgres", sslmode=mode, sslrootcert=certificates / "other.crt")
    probe = await SqlSink(config).probe()
    assert not probe.ok
    assert "certificate verify failed" in probe.detail
    assert PASSWORD not in probe.detail
    store = await open_store(config)
    verdict = await store.deliver(ban())
    await close_store(store)
    assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "credentials")


async def test_the_authorities_of_the_system_do_not_know_this_one(server: Postgres) -> None:
    probe = await SqlSink(configure(server, "postgres", sslmode="verify-full", sslrootcert="system")).probe()
    assert "certificate verify failed" in probe.detail


async def test_a_client_certificate_needs_no_password(server: Postgres, certificates: Path) -> None:
    options = {"sslmode": "verify-full", "sslrootcert": certificates / "ca.crt"}
    assert not (await SqlSink(configure(server, "with_certificate", "", **options)).probe()).ok
    own = {"sslcert": certificates / "client.crt", "sslkey": certificates / "client.key"}
    store = await open_store(configure(server, "with_certificate", "", **options, **own))
    try:
        assert await store.deliver(ban()) == STORED
    finally:
        await close_store(store)


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert", "sslkey"])
def test_a_file_that_is_not_there_is_named(option: str) -> None:
    with pytest.raises(ValidationError, match=f"{option} of the DSN: /no/such.file cannot be read"):
        SqlConfig.model_validate({"dsn": f"postgresql://u:{PASSWORD}@host/d?{option}=/no/such.file"})

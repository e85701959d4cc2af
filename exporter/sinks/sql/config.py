"""The ``sinks.sql`` section of ``config.yaml``."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pydantic import ConfigDict, Field, SecretStr, field_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from exporter.settings import Duration, Secret
from exporter.sinks.spec import SinkSection

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_ADDRESS = ("host", "port")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_LIBPQ = (
    *("sslmode", *_FILES, "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs"),
)
"""Options of a PostgreSQL DSN that the driver takes as libpq spells them."""
_ALIASES = {"ssl": "sslmode"}
_IGNORED = {"channel_binding": {"prefer", "disable"}, "gssencmode": {"prefer", "disable"}}
"""Options that providers add to a DSN and that this driver cannot do, with the values that do not need it."""
_ELSEWHERE = {"connect_timeout": "sinks.sql.connect_timeout"}
"""Options that are settings here."""
SYSTEM_CERTIFICATES = "system"
"""Value of ``sslrootcert`` for the certificates of the operating system, as in libpq."""

_HOW = (
    "write sqlite:///path/to/file.db, sqlite:////absolute/path.db or postgresql://user:password@host/database"
)


class SqlConfig(SinkSection):
    """An exact log and daily roll-ups in a database."""

    # Pydantic's own messages would quote the DSN.
    model_config = ConfigDict(hide_input_in_errors=True)

    enabled: bool = Field(default=True, description="Write to a database.")
    dsn: Secret = Field(
        default=SecretStr("sqlite:///data/discord.db"),
        description=(
            "Where: sqlite:///file or postgresql://user:password@host/database. TLS as libpq writes it: "
            "?sslmode=verify-full&sslrootcert=/path/ca.crt&sslcert=/path/client.crt&sslkey=/path/client.key."
        ),
    )
    store_snapshots: bool = Field(
        default=False,
        description="Also keep every METRICS_SNAPSHOT as it is; large, and the daily tables have its sums.",
    )
    migrate_on_start: bool = Field(
        default=True,
        description="Create and upgrade the tables at first use; else run `discord-exporter migrate`.",
    )
    connect_timeout: Duration = Field(default=10.0, gt=0, description="How long connecting may take.")
    statement_timeout: Duration = Field(
        default=30.0, gt=0, description="How long one statement may take, or SQLite wait for its lock."
    )

    @field_validator("dsn")
    @classmethod
    def _check_dsn(cls, dsn: SecretStr) -> SecretStr:
        _parse(dsn.get_secret_value())
        for name, value in _libpq_options(dsn.get_secret_value()).items():
            if name in _FILES and (name, value) != ("sslrootcert", SYSTEM_CERTIFICATES):
                _check_file(name, pathlib.Path(value))
        return dsn

    @property
    def url(self) -> URL:
        """The DSN with the driver this program uses; prints with the password hidden."""
        return _parse(self.dsn.get_secret_value())

    @property
    def libpq_options(self) -> Mapping[str, str]:
        """The options of a PostgreSQL DSN beside the address, such as ``sslmode``, by libpq's names."""
        return _libpq_options(self.dsn.get_secret_value())


def _parse(dsn: str) -> URL:
    """Read the DSN; messages never repeat it, since it may hold a password."""
    scheme, _, rest = dsn.partition("://")
    if not scheme.strip().startswith("sqlite") and rest.partition("?")[0].count("@") > 1:
        msg = f"the DSN holds more than one @; in a user or password percent-encode @ as %40; {_HOW}"
        raise ValueError(msg)
    try:
        url = make_url(dsn.strip())
    except (ArgumentError, ValueError):
        msg = f"the DSN cannot be read; {_HOW}"
        raise ValueError(msg) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        msg = f"{url.drivername!r} is not supported; {_HOW}"
        raise ValueError(msg)
    if driver == "sqlite+aiosqlite":
        return _sqlite(url).set(drivername=driver)
    return _postgresql(url).set(drivername=driver)


def _sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        msg = f"SQLite needs a file, or nothing outlives the process; {_HOW}"
        raise ValueError(msg)
    if url.host or url.query:
        msg = f"a SQLite DSN is a path and nothing else; {_HOW}"
        raise ValueError(msg)
    return url


def _postgresql(url: URL) -> URL:
    known = {*_ADDRESS, *_LIBPQ, *_ALIASES, *_IGNORED, *_ELSEWHERE}
    repeated = sorted(name for name, value in url.query.items() if not isinstance(value, str))
    if repeated:
        msg = f"the DSN names {', '.join(repeated)} more than once"
        raise ValueError(msg)
    unknown = sorted(set(url.query) - known)
    if unknown:
        msg = f"unknown DSN option {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        raise ValueError(msg)
    for name, harmless in _IGNORED.items():
        if url.query.get(name, "disable") not in harmless:
            msg = f"the DSN asks for {name}={url.query[name]}, which the driver cannot do; leave it out"
            raise ValueError(msg)
    for name, setting in _ELSEWHERE.items():
        if name in url.query:
            msg = f"leave {name} out of the DSN and set {setting}"
            raise ValueError(msg)
    if not url.database:
        msg = f"the DSN names no database; {_HOW}"
        raise ValueError(msg)
    return url.set(query={name: url.query[name] for name in _ADDRESS if name in url.query})


def _libpq_options(dsn: str) -> dict[str, str]:
    query = make_url(dsn.strip()).query
    found = {_ALIASES.get(name, name): str(value) for name, value in query.items()}
    return {name: value for name, value in found.items() if name in _LIBPQ}


def _check_file(option: str, path: pathlib.Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        msg = f"{option} of the DSN: {path} cannot be read ({error.strerror})"
        raise ValueError(msg) from None

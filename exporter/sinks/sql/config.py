"""The ``sinks.sql`` section of ``config.yaml``."""

from __future__ import annotations

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
_OPTIONS = {"sslmode": "ssl", "ssl": "ssl", "host": "host", "port": "port"}
"""What may stand behind ``?`` in a PostgreSQL DSN, and the driver's name for it."""

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
        description="Where: sqlite:///file or postgresql://user:password@host/database.",
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
        return dsn

    @property
    def url(self) -> URL:
        """The DSN with the driver this program uses; prints with the password hidden."""
        return _parse(self.dsn.get_secret_value())


def _parse(dsn: str) -> URL:
    """Read the DSN; messages never repeat it, since it may hold a password."""
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
    unknown = sorted(set(url.query) - set(_OPTIONS))
    if unknown:
        msg = f"unknown DSN option {', '.join(unknown)}; known are {', '.join(sorted(_OPTIONS))}"
        raise ValueError(msg)
    if not url.database:
        msg = f"the DSN names no database; {_HOW}"
        raise ValueError(msg)
    # libpq's spelling is what people paste; asyncpg takes the same values under another name.
    return url.set(query={_OPTIONS[name]: value for name, value in url.query.items()})

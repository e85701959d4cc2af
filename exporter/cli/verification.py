"""Reads the configured stores and compares them with the ledger, for ``verify`` and ``demo``."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from discord_simulator.verify.compare import compare
from discord_simulator.verify.differences import ComparisonLine
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.ledger_reader import LedgerError
from discord_simulator.verify.metrics import read_metrics
from discord_simulator.verify.quantities import Expected, Observed
from discord_simulator.verify.table import as_json, differences, plain, rich_table
from exporter.cli.scrape import flush, scrape
from exporter.config.model import Config
from exporter.config.problems import suggest
from exporter.errors import ConfigError, DifferenceError, ExporterError
from exporter.notation import counted
from exporter.redaction import one_line
from exporter.sinks.influx.declaration import SINK as INFLUX_SINK
from exporter.sinks.sql.declaration import SINK as SQL_SINK

METRICS: Final = "metrics"
SQL: Final = "sql"
INFLUXDB: Final = "influxdb"

_Reader = Callable[[Config, Expected], Awaitable[Observed]]


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Result of a comparison; ``unreadable`` maps a store that could not be read to the reason."""

    expected: Expected
    lines: tuple[ComparisonLine, ...]
    unreadable: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether the ledger is complete and every store was read and agrees with it."""
        return (
            self.expected.complete
            and not self.unreadable
            and bool(self.lines)
            and all(line.ok for line in self.lines)
        )

    def require_agreement(self) -> None:
        """Raise unless ``ok``.

        Raises:
            DifferenceError: something differs; the message says how much.
        """
        if self.ok:
            return
        parts = [f"{store} cannot be read: {reason}" for store, reason in self.unreadable.items()]
        if differing := sum(not line.ok for line in self.lines):
            verb = "differs" if differing == 1 else "differ"
            parts.append(f"{differing} of {counted(len(self.lines), 'quantity', 'quantities')} {verb}")
        if not self.expected.complete:
            parts.append("the ledger has no END: the simulator is still running or was killed")
        raise DifferenceError("\n".join(parts or ["nothing to compare"]))


def chosen_stores(config: Config, names: str | None) -> tuple[str, ...]:
    """The stores to compare: those in the comma-separated ``names``, or every configured one for None.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    if names is None:
        active = {
            METRICS: config.sinks.prometheus.enabled,
            SQL: config.sinks.of(SQL_SINK).active,
            INFLUXDB: config.sinks.of(INFLUX_SINK).active,
        }
        return tuple(store for store, on in active.items() if on)
    wanted = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in _READERS]
    if unknown or not wanted:
        raise ConfigError(
            tuple(f"--stores: {name} is not a store; {suggest(name, _READERS)}" for name in unknown)
            or ("--stores: no store is named; write for instance metrics,sql",)
        )
    return wanted


async def compare_stores(config: Config, ledger: pathlib.Path, stores: tuple[str, ...]) -> VerifyResult:
    """Flush the exporter if it is running, read the stores and compare them with the ledger.

    Raises:
        ExporterError: the ledger cannot be read.
    """
    try:
        expected = load_expected(ledger)
    except LedgerError as error:
        raise ExporterError(str(error)) from error
    unreadable: dict[str, str] = {}
    observed: dict[str, Observed] = {}
    try:
        await flush(base_url(config))
    except (aiohttp.ClientError, OSError) as error:
        # No exporter is running: its entries are stored already, or wait in its spool for the next start.
        if isinstance(error, aiohttp.ClientResponseError):
            unreadable["flush"] = f"answered {error.status}"
    for store in stores:
        try:
            observed[store] = await _READERS[store](config, expected)
        except (aiohttp.ClientError, OSError, SQLAlchemyError, ValueError) as error:
            reason = str(getattr(error, "orig", None) or error) or type(error).__name__
            unreadable[store] = one_line(reason.partition("\n")[0])
    return VerifyResult(expected, tuple(compare(expected, observed)), unreadable)


def report(result: VerifyResult, *, as_json: bool) -> None:
    """Print the comparison on stdout."""
    if as_json:
        answer = write_json(result)
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    elif sys.stdout.isatty():
        console = Console()
        console.print(rich_table(result.lines))
        for difference in differences(result.lines):
            console.print(one_line(difference), markup=False, highlight=False)
    else:
        sys.stdout.write("\n".join(map(one_line, plain(result.lines).split("\n"))) + "\n")


def write_json(result: VerifyResult) -> dict[str, object]:
    """The comparison as a JSON object."""
    return as_json(result.expected, result.lines) | {
        "ok": result.ok,
        "unreadable": dict(result.unreadable),
    }


def base_url(config: Config) -> str:
    """Base URL of the configured exporter, as reached from this machine."""
    host, port = config.web.address
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _read_metrics(config: Config, _expected: Expected) -> Observed:
    return read_metrics((await scrape(base_url(config))).text)


async def _read_sql(config: Config, _expected: Expected) -> Observed:
    from discord_simulator.verify.database import read_database
    from exporter.sinks.sql.engine import dispose_engine, make_engine

    engine = make_engine(config.sinks.of(SQL_SINK))
    try:
        return await read_database(engine, actions=_stored_types(config))
    finally:
        await dispose_engine(engine)


def _stored_types(config: Config) -> frozenset[str]:
    """The moderation actions and structure changes that this exporter is configured to store rows of."""
    from exporter.events.catalogue import full_catalogue
    from exporter.events.moderation import ACTIONS

    types = config.chosen(full_catalogue())
    return frozenset(types.events) | frozenset(ACTIONS.values)


async def _read_influxdb(config: Config, expected: Expected) -> Observed:
    from discord_simulator.verify.influxdb import read_influxdb

    section = config.sinks.of(INFLUX_SINK)
    buckets = (section.bucket, section.bucket_members)
    token = section.token.get_secret_value()
    return await read_influxdb(section.url or "", section.org, token, buckets, expected=expected)


_READERS: Final[Mapping[str, _Reader]] = {
    METRICS: _read_metrics,
    SQL: _read_sql,
    INFLUXDB: _read_influxdb,
}

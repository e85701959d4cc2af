"""What ``migrate`` does for the SQL sink: tables and views, and a role that may read the views."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from exporter.errors import ExporterError
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.migration import migrate


def prepare(config: SqlConfig, reader_role: str | None = None) -> Iterator[str]:
    """Create or upgrade tables and views; yields what was done. Blocks.

    Raises:
        ExporterError: the database cannot be reached or changed, or is newer than this program.
    """
    address = config.url.render_as_string(hide_password=True)
    try:
        state = asyncio.run(migrate(config, reader_role=reader_role))
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        msg = f"cannot migrate {address}: {reason}; check that the database is there and may be changed"
        raise ExporterError(msg) from error
    if state.views_lack:
        msg = f"the tables of {address} are at version {state.current}, but {state.views_lack}"
        raise ExporterError(msg)
    yield f"{address} is at version {state.current}."
    if reader_role is not None:
        yield f"{reader_role} may read the views."

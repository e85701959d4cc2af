"""Applies a batch and the position it ends at in one transaction: both happen or neither does.

The delivered position is stored with the rows it refers to, so a row delivered again is recognised and
skipped, whatever was lost between this commit and the runner's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, Final, TypeAlias

from sqlalchemy import Executable, bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.model import Batch, Priority
from exporter.sinks.sql.batch_plan import BatchPlan, MemberKey, PendingTenure
from exporter.sinks.sql.increments import DAILY, Parameters
from exporter.sinks.sql.schema import deliveries, members
from exporter.sinks.sql.statements import Statements

Positions: TypeAlias = dict[tuple[str, Priority], int]
"""By spool and lane."""

ROWS_PER_STATEMENT: Final = 1000
"""Rows of one executemany. Binding them runs on the event loop, some microseconds each, so the loop is never
held longer than some milliseconds."""

_NOTHING_DELIVERED: Final = -1
"""Below any position a spool may give."""
_KEYS_PER_QUERY: Final = 500
"""Members asked for at once; two parameters each, far below any driver's limit."""


@dataclass(frozen=True, slots=True)
class WriteSet:
    """Statements with their rows, ready for the driver but for tenures, which the database knows."""

    operations: tuple[tuple[Executable, Sequence[Parameters]], ...]
    tenures: tuple[PendingTenure, ...]


class SqlWriter:
    """Writes batches over a connection that is within a transaction; ``dialect`` is SQLAlchemy's name."""

    def __init__(self, dialect: str) -> None:
        self._statements = Statements(dialect)

    async def lock_position(self, connection: AsyncConnection, batch: Batch) -> int:
        """The position up to which the batch's lane is applied, locked until the transaction ends."""
        key = {"the_source": batch.source, "the_lane": int(batch.lane)}
        position: int | None = await connection.scalar(_POSITION, key)
        if position is None:
            # Nothing to lock yet. The insert waits for another that is about to do the same.
            row = {"source": batch.source, "lane": int(batch.lane), "position": _NOTHING_DELIVERED}
            await connection.execute(self._statements.enrol, row)
            position = await connection.scalar(_POSITION, key)
        return _NOTHING_DELIVERED if position is None else position

    async def positions(self, connection: AsyncConnection) -> Positions:
        """The position up to which each lane of each spool is applied."""
        rows = await connection.execute(select(deliveries))
        return {(source, Priority(lane)): position for source, lane, position in rows}

    def arrange(self, plan: BatchPlan) -> WriteSet:
        """Statements with their rows, tables always in the same order."""
        return WriteSet(
            tuple((statement, part) for statement, rows in self._operations(plan) for part in _parts(rows)),
            tuple(plan.tenures),
        )

    async def write(self, connection: AsyncConnection, write_set: WriteSet, batch: Batch) -> None:
        """Execute the statements and move the position to the batch's last row."""
        await _compute_tenure(connection, write_set.tenures)
        for statement, rows in write_set.operations:
            await connection.execute(statement, rows)
        await connection.execute(
            _MOVE,
            {
                "the_source": batch.source,
                "the_lane": int(batch.lane),
                "the_position": batch.rows[-1].position,
            },
        )

    def _operations(self, plan: BatchPlan) -> Iterator[tuple[Executable, list[Parameters]]]:
        use = self._statements
        yield use.guild, sorted(plan.guilds, key=itemgetter("guild_id"))
        yield use.member_count, _by_key(plan.member_counts)
        for single, removals in plan.channels.removal_runs():
            yield use.channel_deleted if single else use.channels_listed, removals
        yield use.channel, plan.channels.rows()
        yield use.member, plan.member_rows()
        yield use.expel, _by_key(plan.expelled)
        yield use.invite, sorted(plan.invites, key=itemgetter("guild_id", "code"))
        for name, runs in sorted(plan.occurrences.items(), key=itemgetter(0)):
            for run in runs:
                yield (use.amendments if run.amends else use.originals)[name], run.rows
        for table in DAILY:
            yield use.increments[table.name], plan.increments.daily_rows(table)
        yield use.totals, plan.increments.total_rows()
        yield use.snapshot, _by_key(plan.snapshots)


async def _compute_tenure(connection: AsyncConnection, tenures: Sequence[PendingTenure]) -> None:
    joined: dict[MemberKey, int] = {}
    keys = iter(sorted({tenure.member for tenure in tenures}))
    while part := list(islice(keys, _KEYS_PER_QUERY)):
        for guild_id, user_id, joined_at in await connection.execute(_JOINED, {"keys": part}):
            joined[guild_id, user_id] = joined_at
    for tenure in tenures:
        row = tenure.row
        since = max(tenure.joined_at, joined.get(tenure.member, 0))
        if since and since <= row["at"]:
            row["tenure_seconds"] = (row["at"] - since) / 1000


def _by_key(rows: Mapping[Any, Parameters]) -> list[Parameters]:
    return [rows[key] for key in sorted(rows)]


def _parts(rows: Sequence[Parameters]) -> Iterator[Sequence[Parameters]]:
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield rows[start : start + ROWS_PER_STATEMENT]


_POSITION: Final = (
    select(deliveries.columns.position)
    .where(
        deliveries.columns.source == bindparam("the_source"),
        deliveries.columns.lane == bindparam("the_lane"),
    )
    .with_for_update()
)
_MOVE: Final = (
    update(deliveries)
    .where(
        deliveries.columns.source == bindparam("the_source"),
        deliveries.columns.lane == bindparam("the_lane"),
    )
    .values(position=bindparam("the_position"))
)
_JOINED: Final = select(members.columns.guild_id, members.columns.user_id, members.columns.joined_at).where(
    tuple_(members.columns.guild_id, members.columns.user_id).in_(bindparam("keys", expanding=True)),
    members.columns.joined_at.is_not(None),
)

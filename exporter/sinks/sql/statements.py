"""The upserts, one for each table and rule, written once for both dialects.

Every value is a bound parameter. What a row had is ``old``, what is offered is ``new`` (SQL's EXCLUDED).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from exporter.events.guilds import THREAD_TYPES
from exporter.sinks.sql.increments import DAILY
from exporter.sinks.sql.records import OCCURRENCES
from exporter.sinks.sql.schema import (
    channels,
    deliveries,
    guild_events,
    guilds,
    invites,
    member_stats,
    members,
    metrics_snapshots,
    moderation_logs,
)
from exporter.sinks.sql.types import UtcMilliseconds

Insert: TypeAlias = postgresql.Insert | sqlite.Insert
Merge: TypeAlias = Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[Any]]

AT: Final = "observed_at"
"""Parameter of statements that are not inserts: the time of the observation."""

_IDENTITY: Final = frozenset({"guild_id", "at", "action", "event", "type"})
"""What an occurrence is; an amendment may not know it and never changes it."""
_ONCE: Final = frozenset({"created_at", "tenure_seconds"})
"""Computed once: later, for instance after a rejoin, less is known."""


_LOGGED_ONCE: Final = (moderation_logs, guild_events)
"""Tables in which an audit-log entry has one row."""


EXPEL: Final = (
    update(members)
    .where(
        members.columns.guild_id == bindparam("the_guild"),
        members.columns.user_id == bindparam("the_user"),
        or_(
            members.columns.joined_at.is_(None),
            members.columns.joined_at <= bindparam(AT, type_=UtcMilliseconds),
        ),
        or_(
            members.columns.left_at.is_(None), members.columns.left_at < bindparam(AT, type_=UtcMilliseconds)
        ),
    )
    .values(left_at=bindparam(AT, type_=UtcMilliseconds))
)
"""``members``: a known member was kicked or banned in an absence; no row is added for others."""

CHANNEL_DELETED: Final = (
    update(channels)
    .where(
        channels.columns.guild_id == bindparam("the_guild"),
        channels.columns.channel_id == bindparam("the_channel"),
        channels.columns.deleted_at.is_(None),
    )
    .values(deleted_at=bindparam(AT, type_=UtcMilliseconds))
)
"""``channels``: one was deleted; no row is added for a channel that was never described."""


class Statements:
    """Every statement of one dialect, by SQLAlchemy's name for it; maps are by the name of the table."""

    def __init__(self, dialect: str) -> None:
        self._insert: Callable[[Table], Insert] = sqlite.insert
        # A document with the keys of both, those of the second winning. SQLite's json_patch would merge
        # nested objects too and so differ from PostgreSQL; ``engine`` registers this function.
        self._merged: Merge = func.merged_documents
        if dialect == "postgresql":
            self._insert = postgresql.insert
            self._merged = lambda base, over: base.op("||")(over)
        # ``deliveries``: a lane's first row, unless another has just made it.
        self.enrol: Executable = self._insert(deliveries).on_conflict_do_nothing()
        self.guild = self._guild()
        self.member_count = self._member_count()
        self.channel_deleted: Executable = CHANNEL_DELETED
        self.channels_listed = self._channels_listed(dialect)
        self.channel = self._channel()
        self.member = self._member()
        self.expel: Executable = EXPEL
        # ``invites``: what is reported replaces what was known.
        self.invite = self._upsert(invites, lambda old, new: func.coalesce(new, old))
        self.originals = {table.name: self._record(table, amends=False) for table in OCCURRENCES}
        self.amendments = {table.name: self._record(table, amends=True) for table in OCCURRENCES}
        # ``*_daily``: every column adds up.
        self.increments = {table.name: self._upsert(table, lambda old, new: old + new) for table in DAILY}
        self.totals = self._totals()
        # ``metrics_snapshots``: a snapshot never changes.
        self.snapshot: Executable = self._insert(metrics_snapshots).on_conflict_do_nothing(
            index_elements=["event_key"]
        )

    def _totals(self) -> Executable:
        """``member_stats``: sums add up, the name is the one of the latest activity."""
        insert = self._insert(member_stats)
        old, new = member_stats.columns, insert.excluded
        changed: dict[str, ColumnElement[Any]] = {
            column.name: old[column.name] + new[column.name]
            for column in member_stats.columns
            if column.name.startswith("total_")
        }
        newer = and_(new.username != "", or_(new.last_seen >= old.last_seen, old.username == ""))
        changed["username"] = case((newer, new.username), else_=old.username)
        changed["first_seen"] = case((new.first_seen < old.first_seen, new.first_seen), else_=old.first_seen)
        changed["last_seen"] = latest(old.last_seen, new.last_seen)
        return insert.on_conflict_do_update(index_elements=["guild_id", "user_id"], set_=changed)

    def _record(self, table: Table, *, amends: bool) -> Executable:
        """The first report of an occurrence fills what is missing, more about it replaces what was known."""
        names = [column.name for column in table.columns if column.name != "id"]
        insert = self._insert(table)
        if table in _LOGGED_ONCE:
            insert = insert.from_select(names, _unless_logged(table, names))
        changed: dict[str, ColumnElement[Any]] = {}
        for name in names:
            old, new = table.columns[name], insert.excluded[name]
            winner, other = (new, old) if amends else (old, new)
            if name in _IDENTITY:
                changed[name] = other
            elif name == "details":
                changed[name] = self._merged(other, winner)
            elif name in _ONCE:
                changed[name] = func.coalesce(old, new)
            elif name == "recovered":
                changed[name] = or_(old, new)
            elif name != "event_key":
                changed[name] = func.coalesce(winner, other)
        return insert.on_conflict_do_update(index_elements=["event_key"], set_=changed)

    def _guild(self) -> Executable:
        """``guilds``: newer information replaces older, older fills what is missing."""
        insert = self._insert(guilds)
        old, new = guilds.columns, insert.excluded
        newer = or_(old.updated_at.is_(None), new.updated_at >= old.updated_at)
        changed: dict[str, ColumnElement[Any]] = {
            column.name: case(
                (newer, func.coalesce(new[column.name], column)),
                else_=func.coalesce(column, new[column.name]),
            )
            for column in guilds.columns
            if not column.primary_key
        }
        changed["left_at"] = case((newer, new.left_at), else_=old.left_at)
        changed["updated_at"] = latest(old.updated_at, new.updated_at)
        return insert.on_conflict_do_update(index_elements=["guild_id"], set_=changed)

    def _member_count(self) -> Executable:
        """``guilds.member_count`` from a gauge, unless the guild itself was reported later."""
        insert = self._insert(guilds).values(
            guild_id=bindparam("guild_id"), member_count=bindparam("member_count")
        )
        old, new = guilds.columns, insert.excluded
        return insert.on_conflict_do_update(
            index_elements=["guild_id"],
            set_={"member_count": new.member_count},
            where=or_(old.updated_at.is_(None), old.updated_at <= bindparam(AT, type_=UtcMilliseconds)),
        )

    @staticmethod
    def _channels_listed(dialect: str) -> Executable:
        """``channels``: those of a guild that a list of all, in JSON, does not have are gone, but threads."""
        listed = bindparam("listed", type_=Text)
        if dialect == "postgresql":
            elements = func.jsonb_array_elements_text(cast(listed, postgresql.JSONB)).column_valued("listed")
            ids = select(cast(elements, BigInteger))
        else:
            ids = select(func.json_each(listed).table_valued("value").columns.value)
        # Values of a list would be expanded, which a statement of many rows cannot be.
        threads: list[ColumnElement[Any]] = [literal_column(str(kind)) for kind in sorted(THREAD_TYPES)]
        table = channels.columns
        return (
            update(channels)
            .where(
                table.guild_id == bindparam("the_guild"),
                table.deleted_at.is_(None),
                or_(table.type.is_(None), table.type.not_in(threads)),
                table.channel_id.not_in(ids),
            )
            .values(deleted_at=bindparam(AT, type_=UtcMilliseconds))
        )

    def _channel(self) -> Executable:
        """``channels``: the last report counts; an unchanged row is not written again."""
        insert = self._insert(channels)
        changed = {name: insert.excluded[name] for name in ("name", "type", "parent_id", "deleted_at")}
        return self._only_if_changed(insert, channels, changed)

    def _member(self) -> Executable:
        """``members``: the latest join and leave, in whatever order they arrive."""
        insert = self._insert(members)
        old, new = members.columns, insert.excluded
        joined, left = latest(old.joined_at, new.joined_at), latest(old.left_at, new.left_at)
        changed = {
            "username": func.coalesce(new.username, old.username),
            "bot": func.coalesce(new.bot, old.bot),
            "joined_at": joined,
            "left_at": case((left < joined, null()), else_=left),
        }
        return self._only_if_changed(insert, members, changed)

    def _upsert(self, table: Table, merge: Merge) -> Executable:
        insert = self._insert(table)
        keys = [column.name for column in table.primary_key.columns]
        changed = {
            column.name: merge(column, insert.excluded[column.name])
            for column in table.columns
            if not column.primary_key
        }
        return insert.on_conflict_do_update(index_elements=keys, set_=changed)

    @staticmethod
    def _only_if_changed(
        insert: Insert, table: Table, changed: Mapping[str, ColumnElement[Any]]
    ) -> Executable:
        keys = [column.name for column in table.primary_key.columns]
        differs = [table.columns[name].is_distinct_from(value) for name, value in changed.items()]
        return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=or_(*differs))


def latest(old: ColumnElement[int], new: ColumnElement[int]) -> ColumnElement[int]:
    """The later of two moments, either of which may be null."""
    return case((old.is_(None), new), (new > old, new), else_=old)


def _unless_logged(table: Table, names: list[str]) -> Any:
    """The row itself, unless another row holds the same audit-log entry: one action is one row."""
    columns = table.columns
    values = [bindparam(name, type_=columns[name].type).label(name) for name in names]
    other = table.alias("other")
    logged = exists(
        select(other.columns.id).where(
            other.columns.audit_entry_id == bindparam("audit_entry_id", type_=BigInteger),
            other.columns.event_key != bindparam("event_key", type_=columns.event_key.type),
        )
    )
    return select(*values).where(~logged)

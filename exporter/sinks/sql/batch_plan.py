"""A batch as the rows it plan: pure, so that what is written can be tested without a database.

Sums and states come out by key, so that two writers take locks in the same order. Occurrences keep the order
of the batch: of two reports of one action the first one makes the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from exporter.events.catalogue import Catalogue
from exporter.events.guilds import MEMBERS
from exporter.events.records.occurrences import (
    GuildChannelsRecord,
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    InviteDeleteRecord,
    InviteRecord,
    MemberJoinRecord,
    MemberLeaveRecord,
)
from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot
from exporter.model import Entry, EntryData, Row
from exporter.sinks.sql.channel_plan import ChannelPlan
from exporter.sinks.sql.column_mapping import ColumnMapping
from exporter.sinks.sql.dimension_rows import Member, guild_row
from exporter.sinks.sql.increments import Increments, Parameters, snapshot_row
from exporter.sinks.sql.records import invite_row, record_row, record_table
from exporter.sinks.sql.statements import AT

MemberKey = tuple[int, int]

_EXPELS = frozenset({"ban", "kick"})
"""Actions that end a membership; a prune names no targets."""


@dataclass(frozen=True, slots=True)
class PendingTenure:
    """A leave whose tenure is to be computed. ``joined_at``: the latest join before it in the batch, or 0."""

    member: MemberKey
    joined_at: int
    row: Parameters


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one table that follow each other and are merged by the same rule."""

    amends: bool
    rows: list[Parameters] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rules:
    """How entries are written, derived from the declarations."""

    tables: Mapping[str, str | None]
    mapping: ColumnMapping
    store_snapshots: bool = False

    @classmethod
    def of(cls, catalogue: Catalogue, *, store_snapshots: bool = False) -> Rules:
        """The rules that follow from the declarations."""
        tables = {event.type: event.table for event in catalogue.events.values()}
        return cls(tables, ColumnMapping.of(catalogue), store_snapshots)


@dataclass(slots=True)
class BatchPlan:
    """The rows a batch changes; lists are in the order of the batch."""

    increments: Increments
    occurrences: dict[str, list[Run]] = field(default_factory=dict)
    guilds: list[Parameters] = field(default_factory=list)
    member_counts: dict[int, Parameters] = field(default_factory=dict)
    channels: ChannelPlan = field(default_factory=ChannelPlan)
    members: dict[MemberKey, Member] = field(default_factory=dict)
    invites: list[Parameters] = field(default_factory=list)
    snapshots: dict[str, Parameters] = field(default_factory=dict)
    tenures: list[PendingTenure] = field(default_factory=list)
    expelled: dict[MemberKey, Parameters] = field(default_factory=dict)

    def member_rows(self) -> list[Parameters]:
        """Rows for ``members``, by key."""
        for key, seen in self.increments.seen.items():
            if seen.name and (member := self.members.setdefault(key, Member())).username is None:
                member.username = seen.name
        return [self.members[key].row(*key) for key in sorted(self.members)]


def plan_batch(rows: Iterable[Row], rules: Rules, now: int) -> BatchPlan:
    """The plan of these rows; ``now`` is the creation time of rows, in ms since the epoch.

    Raises:
        InvalidValueError: an entry holds what the tables cannot.
    """
    plan = BatchPlan(Increments(rules.mapping))
    for row in rows:
        entry = row.entry
        # Data of a type that is not declared has no table.
        if isinstance(entry.data, EntryData):
            _take(entry, entry.data, plan, rules, now)
    return plan


def _take(entry: Entry, data: EntryData, plan: BatchPlan, rules: Rules, now: int) -> None:
    match data:
        case MetricsSnapshot():
            _take_metrics(entry, data, plan, rules)
            return
        case MemberActivitySnapshot():
            plan.increments.add_members(entry.guild_id, data)
            return
        case InviteRecord() | InviteDeleteRecord():
            plan.invites.append(invite_row(entry, data))
            return
        case GuildRecord() | GuildDeleteRecord():
            plan.guilds.append(guild_row(entry, data))
            if isinstance(data, GuildSyncRecord):
                plan.channels.add_sync(entry, data)
        case GuildChannelsRecord():
            plan.channels.add_changes(entry, data)
            return
    table = record_table(rules.tables.get(entry.type))
    if table is not None:
        _take_record(table, entry, data, plan, now)


def _take_metrics(entry: Entry, data: MetricsSnapshot, plan: BatchPlan, rules: Rules) -> None:
    sums = plan.increments.add_guild(entry.guild_id, data)
    members = data.gauges.get(MEMBERS.name)
    if members is not None:
        plan.member_counts[entry.guild_id] = {
            "guild_id": entry.guild_id,
            "member_count": members,
            AT: data.period_end,
        }
    if rules.store_snapshots:
        row = snapshot_row(entry, data, sums, rules.mapping)
        plan.snapshots.setdefault(row["event_key"], row)


def _take_record(table: Table, entry: Entry, data: EntryData, plan: BatchPlan, now: int) -> None:
    row = record_row(table, entry, data, now)
    runs = plan.occurrences.setdefault(table.name, [])
    if not runs or runs[-1].amends != entry.amends:
        runs.append(Run(entry.amends))
    runs[-1].rows.append(row)
    if row.get("recovered") and row.get("action") in _EXPELS and row["target_user_id"]:
        # No departure was received; that they had to leave is all that is known.
        guild_id, user_id = key = (entry.guild_id, row["target_user_id"])
        expel = plan.expelled.setdefault(key, {"the_guild": guild_id, "the_user": user_id, AT: 0})
        expel[AT] = max(row["at"], expel[AT])
    if not isinstance(data, MemberJoinRecord | MemberLeaveRecord) or not data.user_id:
        return
    key = (entry.guild_id, data.user_id)
    member = plan.members.setdefault(key, Member())
    if isinstance(data, MemberLeaveRecord):
        plan.tenures.append(PendingTenure(key, member.joined_at or 0, row))
    member.apply(entry.at, data)

"""A batch as the rows it changes: pure, so that what is written can be tested without a database.

Sums and states come out by key, so that two writers take locks in the same order. Occurrences keep the order
of the batch: which of two reports of one action came first decides which row stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from exporter.events.catalogue import Catalogue
from exporter.events.guilds import MEMBERS
from exporter.events.records import (
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    InviteDeleteRecord,
    InviteRecord,
    MemberActivitySnapshot,
    MemberJoinRecord,
    MemberLeaveRecord,
    MetricsSnapshot,
)
from exporter.model import Entry, EntryData, Row
from exporter.sinks.sql.column_mapping import Booking
from exporter.sinks.sql.dimension_rows import Member, channel_rows, guild_row
from exporter.sinks.sql.increments import Increments, Parameters, snapshot_row
from exporter.sinks.sql.records import invite_row, record_row, record_table

MemberKey = tuple[int, int]

_EXPELS = frozenset({"ban", "kick"})
"""Actions after which somebody is a member no more; a prune names nobody."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A leave whose tenure is to be found: ``joined_at`` is the latest join before it in the batch, or 0."""

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
    """What decides how an entry is written."""

    tables: Mapping[str, str | None]
    booking: Booking
    store_snapshots: bool = False

    @classmethod
    def of(cls, catalogue: Catalogue, *, store_snapshots: bool = False) -> Rules:
        """The rules that follow from the declarations."""
        tables = {event.type: event.table for event in catalogue.events.values()}
        return cls(tables, Booking.of(catalogue), store_snapshots)


@dataclass(slots=True)
class Changes:
    """What a batch changes; lists are in the order of the batch."""

    increments: Increments
    occurrences: dict[str, list[Run]] = field(default_factory=dict)
    guilds: list[Parameters] = field(default_factory=list)
    member_counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    channels: dict[tuple[int, int], Parameters] = field(default_factory=dict)
    members: dict[MemberKey, Member] = field(default_factory=dict)
    invites: list[Parameters] = field(default_factory=list)
    snapshots: dict[str, Parameters] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    expelled: dict[MemberKey, int] = field(default_factory=dict)

    def member_rows(self) -> list[Parameters]:
        """Rows for ``members``, by key."""
        for key, seen in self.increments.seen.items():
            if seen.name and (member := self.members.setdefault(key, Member())).username is None:
                member.username = seen.name
        return [self.members[key].row(*key) for key in sorted(self.members)]


def plan(rows: Iterable[Row], rules: Rules, now: int) -> Changes:
    """What these rows change; ``now`` stamps the rows that are made, in ms since the epoch.

    Raises:
        InvalidValueError: an entry holds what the tables cannot.
    """
    changes = Changes(Increments(rules.booking))
    for row in rows:
        entry = row.entry
        # Data of a type that is not declared has no table.
        if isinstance(entry.data, EntryData):
            _take(entry, entry.data, changes, rules, now)
    return changes


def _take(entry: Entry, data: EntryData, changes: Changes, rules: Rules, now: int) -> None:
    match data:
        case MetricsSnapshot():
            _take_metrics(entry, data, changes, rules)
            return
        case MemberActivitySnapshot():
            changes.increments.book_members(entry.guild_id, data)
            return
        case InviteRecord() | InviteDeleteRecord():
            changes.invites.append(invite_row(entry, data))
            return
        case GuildRecord() | GuildDeleteRecord():
            changes.guilds.append(guild_row(entry, data))
            if isinstance(data, GuildSyncRecord):
                for channel in channel_rows(entry, data):
                    changes.channels[channel["guild_id"], channel["channel_id"]] = channel
    table = record_table(rules.tables.get(entry.type))
    if table is not None:
        _take_record(table, entry, data, changes, now)


def _take_metrics(entry: Entry, data: MetricsSnapshot, changes: Changes, rules: Rules) -> None:
    sums = changes.increments.book_guild(entry.guild_id, data)
    members = data.gauges.get(MEMBERS.name)
    if members is not None:
        changes.member_counts[entry.guild_id] = (members, data.period_end)
    if rules.store_snapshots:
        row = snapshot_row(entry, data, sums, rules.booking)
        changes.snapshots.setdefault(row["event_key"], row)


def _take_record(table: Table, entry: Entry, data: EntryData, changes: Changes, now: int) -> None:
    row = record_row(table, entry, data, now)
    runs = changes.occurrences.setdefault(table.name, [])
    if not runs or runs[-1].amends != entry.amends:
        runs.append(Run(entry.amends))
    runs[-1].rows.append(row)
    if row.get("recovered") and row.get("action") in _EXPELS and row["target_user_id"]:
        # No departure was received: that they had to leave is all there is.
        key = (entry.guild_id, row["target_user_id"])
        changes.expelled[key] = max(row["at"], changes.expelled.get(key, 0))
    if not isinstance(data, MemberJoinRecord | MemberLeaveRecord) or not data.user_id:
        return
    key = (entry.guild_id, data.user_id)
    member = changes.members.setdefault(key, Member())
    if isinstance(data, MemberLeaveRecord):
        changes.departures.append(Departure(key, member.joined_at or 0, row))
    member.apply(entry.at, data)

"""A batch as the rows it changes: pure, so that what is written can be tested without a database.

Sums and states come out by key, so that two writers take locks in the same order. Occurrences keep the order
of the batch: which of two reports of one action came first decides which row stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.model import Entry, Row
from exporter.sinks.sql.column_mapping import Booking
from exporter.sinks.sql.dimension_rows import (
    GUILD_GONE,
    GUILD_HERE,
    MEMBER_JOINED,
    MEMBER_LEFT,
    Member,
    channel_rows,
    guild_row,
)
from exporter.sinks.sql.increments import Increments, Parameters, snapshot_row
from exporter.sinks.sql.records import invite_row, record_row, record_table
from exporter.sinks.sql.schema import invites
from exporter.sinks.sql.validation import UnfitError, fit_integer, fit_moment

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
        UnfitError: an entry holds what the tables cannot.
    """
    changes = Changes(Increments(rules.booking))
    for row in rows:
        try:
            _take(row.entry, changes, rules, now)
        except KeyError as error:
            msg = f"{row.entry.type} lacks {error}"
            raise UnfitError(msg) from None
        except TypeError as error:
            msg = f"{row.entry.type} holds a list or object where a name belongs"
            raise UnfitError(msg) from error
    return changes


def _take(entry: Entry, changes: Changes, rules: Rules, now: int) -> None:
    fit_integer(entry.guild_id, "guild")
    if entry.type == METRICS_SNAPSHOT:
        _take_metrics(entry, changes, rules)
        return
    if entry.type == MEMBER_ACTIVITY_SNAPSHOT:
        changes.increments.book_members(entry)
        return
    if entry.type in GUILD_HERE or entry.type == GUILD_GONE:
        changes.guilds.append(guild_row(entry))
        for channel in channel_rows(entry):
            changes.channels[channel["guild_id"], channel["channel_id"]] = channel
    name = rules.tables.get(entry.type)
    table = record_table(name)
    if table is not None:
        _take_record(table, entry, changes, now)
    elif name == invites.name:
        changes.invites.append(invite_row(entry))


def _take_metrics(entry: Entry, changes: Changes, rules: Rules) -> None:
    sums = changes.increments.book_guild(entry)
    gauges = entry.data.get("gauges")
    members = gauges.get("members") if isinstance(gauges, Mapping) else None
    if members is not None:
        at = fit_moment(entry.data["period_end"], "period_end")
        changes.member_counts[entry.guild_id] = (fit_integer(members, "gauge members"), at)
    if rules.store_snapshots:
        row = snapshot_row(entry, sums, rules.booking)
        changes.snapshots.setdefault(row["event_key"], row)


def _take_record(table: Table, entry: Entry, changes: Changes, now: int) -> None:
    row = record_row(table, entry, now)
    runs = changes.occurrences.setdefault(table.name, [])
    if not runs or runs[-1].amends != entry.amends:
        runs.append(Run(entry.amends))
    runs[-1].rows.append(row)
    if row.get("recovered") and row.get("action") in _EXPELS and row["target_user_id"]:
        # Nobody saw them leave; that they had to is all there is.
        key = (entry.guild_id, row["target_user_id"])
        changes.expelled[key] = max(row["at"], changes.expelled.get(key, 0))
    user_id = entry.data.get("user_id")
    if entry.type not in (MEMBER_JOINED, MEMBER_LEFT) or not isinstance(user_id, int) or not user_id:
        return
    key = (entry.guild_id, user_id)
    member = changes.members.setdefault(key, Member())
    if entry.type == MEMBER_LEFT:
        changes.departures.append(Departure(key, member.joined_at or 0, row))
    member.apply(entry)

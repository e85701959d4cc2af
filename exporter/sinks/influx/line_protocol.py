r"""Entries as lines of the InfluxDB line protocol. Pure: rows in, text out.

What is written::

    METRICS_SNAPSHOT          <measurement>[,<label>=…][,channel_id=…][,emoji=…],guild_id=… <field>=…
                              discord_guild,guild_id=… members=…i        (gauges, at the end of the window)
    MEMBER_ACTIVITY_SNAPSHOT  discord_member_activity,guild_id=…,user_id=… messages=…i,voice_seconds=…
    any other entry           discord_events,guild_id=…,type=… count=1i  (not for one that amends)

Invariants:

* A row always makes the same lines, so a row delivered again overwrites its own points and nothing else.
* No two rows make points of one series at one time. InfluxDB keeps one point per series and time, so two
  deltas of a window (the second one late) would otherwise replace instead of add. A span of time is cut into
  slots of 1024 ns. The slot follows from the row's position, the place within the slot from the spool's name.
  Rows of one spool meet only when their positions differ by a multiple of the number of slots and they
  describe the same span: 58.6 million positions for a window of 60 s, 976,562 for a record, whose span is
  its second. Two spools meet only if their names agree in ten bits of a hash, and then only where both
  report the same span of the same guild at the same position.
* A point is inside the span it describes: queries by window see it in its window.
* Whatever text a tag holds, a row's lines are as many as its points. A line ends at LF, and no escape for it
  exists in a tag: control characters, which neither server accepts everywhere, become ``?``.
* The type of a field never changes: counts are integers, seconds are floats, gauges are integers.

Source: InfluxDB 2 docs, Reference › Syntax › Line protocol.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.spec import Unit
from exporter.model import Row

MEMBER_MEASUREMENT = "discord_member_activity"
EVENT_MEASUREMENT = "discord_events"

SLOT_NS = 1024
"""Room for ten bits of the spool's name. 60 s hold 58.6 million such slots: more rows than a spool holds."""

RECORD_SPAN_MS = 1000
"""A record's point may lie anywhere in its second. In a millisecond there are 976 slots, and two records of
one burst could meet; in a second there are a thousand times as many."""

_Series: TypeAlias = Iterable[tuple[str, str, int, str, int]]
_Members: TypeAlias = Iterable[tuple[int, str, int, int, bool, Iterable[tuple[str, str, int, int]]]]
"""The shapes ``events.aggregates`` promises. Nothing checks them beforehand, being the hot path: whatever has
another shape fails in the loop and is rejected as malformed."""

_NS_PER_MS = 1_000_000
_INT64_MAX = 2**63 - 1
_MAX_MS = _INT64_MAX // _NS_PER_MS

_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, of which LF ends a line, and lone surrogates, which UTF-8 cannot hold."""

_AMBIGUOUS_BACKSLASH = re.compile(r"\\(?=[\\,= ]|\Z)")
"""A backslash is literal, except where the next character makes it an escape: before the three specials, at
the end (a special follows the value), and before another one, which servers do not agree upon."""

_SPECIAL = re.compile("[,= ]")

_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\\,= ]*")
"""Text that is written as it is: almost all of it, so that one match is all that it costs."""


def escape(text: str) -> str:
    """Text as a measurement, tag key, tag value or field key.

    An equals sign is escaped in a measurement too, where it need not be: servers take both.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _UNWRITABLE.sub("?", text)
    text = _AMBIGUOUS_BACKSLASH.sub("\N{FULLWIDTH REVERSE SOLIDUS}", text)
    return _SPECIAL.sub(r"\\\g<0>", text)


def salt_of(source: str) -> int:
    """Ten bits of the spool's name, the same in every process and version."""
    digest = hashlib.blake2b(source.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % SLOT_NS


def timestamp_ns(start_ms: int, end_ms: int, position: int, salt: int) -> int:
    """The moment in [start, end) that belongs to this row alone, in ns since the Unix epoch.

    Raises:
        ValueError: the span is empty, or does not fit 64 bits of nanoseconds.
    """
    slots = (end_ms - start_ms) * _NS_PER_MS // SLOT_NS
    if slots < 1 or start_ms < 0 or end_ms > _MAX_MS:
        msg = f"no span of time: {start_ms} to {end_ms} ms"
        raise ValueError(msg)
    return start_ms * _NS_PER_MS + position % slots * SLOT_NS + salt


@dataclass(slots=True)
class Lines:
    """Lines by the bucket they go to, and the rows (position, reason) that cannot be written at all."""

    activity: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.activity) + len(self.members)


class Encoder:
    """Encodes rows by the catalogue's names; holds nothing else."""

    __slots__ = ("_gauges", "_members", "_series")

    def __init__(self, catalogue: Catalogue) -> None:
        self._series: dict[tuple[str, str], tuple[str, str, bool]] = {}
        self._members: dict[tuple[str, str], tuple[str, bool] | None] = {}
        for measure in catalogue.measures.values():
            seconds = measure.unit is Unit.MILLISECONDS
            for value in measure.values:
                head = escape(measure.measurement)
                if measure.label and value:
                    head += f",{escape(measure.label)}={escape(value)}"
                self._series[measure.name, value] = (head, f" {escape(measure.field)}=", seconds)
                column = measure.member_columns.get(value)
                self._members[measure.name, value] = (f"{escape(column)}=", seconds) if column else None
        self._gauges = {
            gauge.name: (escape(gauge.measurement), f"{escape(gauge.field)}=")
            for gauge in catalogue.gauges.values()
        }

    def encode(self, source: str, rows: tuple[Row, ...]) -> Lines:
        """The lines of all rows; ``source`` is the batch's."""
        lines = Lines()
        salt = salt_of(source)
        for row in rows:
            self.encode_row(salt, row, lines)
        return lines

    def encode_row(self, salt: int, row: Row, lines: Lines) -> None:
        """Add the lines of one row to ``lines``, or the row to what is rejected."""
        entry = row.entry
        try:
            if entry.type == METRICS_SNAPSHOT:
                lines.activity += self._snapshot(salt, row)
            elif entry.type == MEMBER_ACTIVITY_SNAPSHOT:
                lines.members += self._member_activity(salt, row)
            elif not entry.amends:
                lines.activity.append(_event(salt, row))
        except _UnknownNameError:
            lines.rejected.append((row.position, "unknown_measure"))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            lines.rejected.append((row.position, "malformed"))

    def _snapshot(self, salt: int, row: Row) -> list[str]:
        data = row.entry.data
        start, end = _period(data)
        at = timestamp_ns(start, end, row.position, salt)
        guild = _guild_tag(row.entry.guild_id)
        plans = self._series
        counts: dict[str, int] = {}
        durations: dict[str, int] = {}
        for measure, value, channel_id, emoji, amount in cast("_Series", data["series"]):
            plan = plans.get((measure, value))
            if plan is None:
                raise _UnknownNameError(measure)
            head, name, seconds = plan
            channel = f",channel_id={channel_id:d}" if channel_id else ""
            tag = f",emoji={escape(emoji)}" if emoji else ""
            key = f"{head}{channel}{tag}{guild}{name}"
            # Two emojis may read the same once unwritable characters are gone: one series, so one sum.
            sums = durations if seconds else counts
            sums[key] = sums.get(key, 0) + amount
        found = [f"{key}{_int64(amount):d}i {at}" for key, amount in counts.items()]
        found += [f"{key}{_int64(amount) / 1000!r} {at}" for key, amount in durations.items()]
        found += self._gauge_lines(cast("Mapping[str, float]", data.get("gauges") or {}), guild, end)
        return found

    def _gauge_lines(self, gauges: Mapping[str, float], guild: str, end_ms: int) -> list[str]:
        fields: dict[str, list[str]] = {}
        for name, value in gauges.items():
            plan = self._gauges.get(name)
            if plan is None:
                raise _UnknownNameError(name)
            fields.setdefault(plan[0], []).append(f"{plan[1]}{_int64(round(value)):d}i")
        at = end_ms * _NS_PER_MS
        return [f"{measurement}{guild} {','.join(found)} {at}" for measurement, found in fields.items()]

    def _member_activity(self, salt: int, row: Row) -> list[str]:
        data = row.entry.data
        at = timestamp_ns(*_period(data), row.position, salt)
        head = f"{MEMBER_MEASUREMENT}{_guild_tag(row.entry.guild_id)}"
        plans = self._members
        found = []
        for user_id, _name, _first, _last, _new, deltas in cast("_Members", data["members"]):
            sums: dict[tuple[str, bool], int] = {}
            for measure, value, _channel, amount in deltas:
                if (measure, value) not in plans:
                    raise _UnknownNameError(measure)
                plan = plans[measure, value]
                if plan:
                    sums[plan] = sums.get(plan, 0) + amount
            if sums:
                fields = ",".join(
                    f"{name}{_int64(amount) / 1000!r}" if seconds else f"{name}{_int64(amount):d}i"
                    for (name, seconds), amount in sums.items()
                )
                found.append(f"{head},user_id={user_id:d} {fields} {at}")
        return found


class _UnknownNameError(Exception):
    """A measure or gauge the catalogue does not have; a newer or older version made the entry."""


def _event(salt: int, row: Row) -> str:
    entry = row.entry
    second = entry.at - entry.at % RECORD_SPAN_MS
    at = timestamp_ns(second, second + RECORD_SPAN_MS, row.position, salt)
    return f"{EVENT_MEASUREMENT}{_guild_tag(entry.guild_id)},type={escape(entry.type)} count=1i {at}"


def _guild_tag(guild_id: int) -> str:
    return f",guild_id={guild_id:d}" if guild_id else ""


def _period(data: Mapping[str, object]) -> tuple[int, int]:
    start, end = data["period_start"], data["period_end"]
    if not (isinstance(start, int) and isinstance(end, int)):
        msg = "a period's bounds are integers"
        raise TypeError(msg)
    return start, end


def _int64(amount: int) -> int:
    if not -_INT64_MAX <= amount <= _INT64_MAX:
        msg = "an amount beyond 64 bits"
        raise OverflowError(msg)
    return amount

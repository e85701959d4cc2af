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
* The type of a field never changes: counts are integers, seconds are floats (in scientific notation, so
  that milliseconds need no division), gauges are integers.

Source: InfluxDB 2 docs, Reference › Syntax › Line protocol.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.events.catalogue import Catalogue
from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot, WindowData
from exporter.events.spec import Unit
from exporter.model import Row

MEMBER_MEASUREMENT = "discord_member_activity"
EVENT_MEASUREMENT = "discord_events"

SLOT_NS = 1024
"""Space for ten bits of the spool's name. 60 s hold 58.6 million such slots: more rows than a spool holds."""

RECORD_SPAN_MS = 1000
"""A record's point may lie anywhere in its second. In a millisecond there are 976 slots, and two records of
one burst could meet; in a second there are a thousand times as many."""

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
    series_of = (end_ms - start_ms) * _NS_PER_MS // SLOT_NS
    if series_of < 1 or start_ms < 0 or end_ms > _MAX_MS:
        msg = f"no span of time: {start_ms} to {end_ms} ms"
        raise ValueError(msg)
    return start_ms * _NS_PER_MS + position % series_of * SLOT_NS + salt


@dataclass(slots=True)
class Lines:
    """Lines by the bucket they go to, and the rows (position, reason) that cannot be written at all."""

    activity: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.activity) + len(self.members)


class Encoder:
    """Encodes rows by the catalogue's names, no two of which write to one field; holds nothing else."""

    __slots__ = ("_gauges", "_members", "_series")

    def __init__(self, catalogue: Catalogue) -> None:
        self._series: _Known[tuple[str, str], tuple[str, str, bool]] = _Known()
        self._members: _Known[tuple[str, str], str | None] = _Known()
        for measure in catalogue.measures.values():
            seconds = measure.unit is Unit.MILLISECONDS
            for value in measure.values:
                head = escape(measure.measurement)
                if measure.label and value:
                    head += f",{escape(measure.label)}={escape(value)}"
                self._series[measure.name, value] = (head, f" {escape(measure.field)}=", seconds)
                column = measure.member_columns.get(value)
                self._members[measure.name, value] = (
                    _field_format(column, seconds=seconds) if column else None
                )
        self._gauges: _Known[str, tuple[str, str]] = _Known(
            (gauge.name, (escape(gauge.measurement), f"{escape(gauge.field)}="))
            for gauge in catalogue.gauges.values()
        )

    def encode(self, source: str, rows: tuple[Row, ...]) -> Lines:
        """The lines of all rows; ``source`` is the batch's."""
        lines = Lines()
        salt = salt_of(source)
        for row in rows:
            self.encode_row(salt, row, lines)
        return lines

    def encode_row(self, salt: int, row: Row, lines: Lines) -> None:
        """Add the lines of one row to ``lines``, or the row to what is rejected."""
        data = row.entry.data
        try:
            if not isinstance(data, WindowData):
                if not row.entry.amends:
                    lines.activity.append(_event(salt, row))
            elif isinstance(data, MetricsSnapshot):
                lines.activity += self._snapshot(salt, row, data)
            elif isinstance(data, MemberActivitySnapshot):
                lines.members += self._member_activity(salt, row, data)
        except _UnknownNameError:
            lines.rejected.append((row.position, "unknown_measure"))
        except ValueError:
            lines.rejected.append((row.position, "malformed"))

    def _snapshot(self, salt: int, row: Row, data: MetricsSnapshot) -> list[str]:
        at = _moment(data, row.position, salt)
        guild = _guild_tag(row.entry.guild_id)
        plans = self._series
        places: dict[tuple[int, str], str] = {}
        counts: dict[str, int] = {}
        durations: dict[str, int] = {}
        for measure, value, channel_id, emoji, amount in data.series:
            head, name, seconds = plans[measure, value]
            place = places.get((channel_id, emoji))
            if place is None:
                place = places[channel_id, emoji] = _place(channel_id, emoji) + guild
            key = head + place + name
            # Two emojis may read the same once unwritable characters are gone: one series, so one sum.
            sums = durations if seconds else counts
            if key in sums:
                sums[key] += amount
            else:
                sums[key] = amount
        count_end, duration_end = f"i {at}", f"e-3 {at}"
        found = [f"{key}{amount}{count_end}" for key, amount in counts.items()]
        found += [f"{key}{amount}{duration_end}" for key, amount in durations.items()]
        found += self._gauge_lines(data.gauges, guild, data.period_end)
        return found

    def _gauge_lines(self, gauges: Mapping[str, int], guild: str, end_ms: int) -> list[str]:
        fields: dict[str, list[str]] = {}
        for name, value in gauges.items():
            measurement, field_name = self._gauges[name]
            fields.setdefault(measurement, []).append(f"{field_name}{value}i")
        at = end_ms * _NS_PER_MS
        return [f"{measurement}{guild} {','.join(found)} {at}" for measurement, found in fields.items()]

    def _member_activity(self, salt: int, row: Row, data: MemberActivitySnapshot) -> list[str]:
        at = _moment(data, row.position, salt)
        head = f"{MEMBER_MEASUREMENT}{_guild_tag(row.entry.guild_id)},user_id=%d "
        tail = f" {at}"
        formats: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        lines: list[str] = []
        arguments: list[int] = []
        for member in data.members:
            if not member.deltas:
                continue
            # Most members did the same few kinds of things, each in one channel: few formats serve many.
            measures, values, _channels, amounts = zip(*member.deltas)  # noqa: B905 - all are of one length; strict costs a tenth of the line
            line = formats.get((measures, values))
            if line is None:
                fields = self._member_fields(measures, values)
                line = formats[measures, values] = f"{head}{fields}{tail}" if fields else ""
            if not line:
                fields, amounts = self._member_sums(measures, values, amounts)
                if not fields:
                    continue
                line = f"{head}{fields}{tail}"
            lines.append(line)
            arguments.append(member.user_id)
            arguments += amounts
        return ("\n".join(lines) % tuple(arguments)).split("\n") if lines else []

    def _member_fields(self, measures: Sequence[str], values: Sequence[str]) -> str:
        """The fields of these deltas as a %-format; nothing where some must be summed or left out."""
        plans = [self._members[key] for key in zip(measures, values, strict=True)]
        fields = [plan for plan in plans if plan is not None]
        return ",".join(fields) if len(set(fields)) == len(plans) else ""

    def _member_sums(
        self, measures: Sequence[str], values: Sequence[str], amounts: Sequence[int]
    ) -> tuple[str, tuple[int, ...]]:
        sums: dict[str, int] = {}
        for key, amount in zip(zip(measures, values, strict=True), amounts, strict=True):
            plan = self._members[key]
            if plan is not None:
                sums[plan] = sums.get(plan, 0) + amount
        return ",".join(sums), tuple(sums.values())


_Key = TypeVar("_Key")
_Plan = TypeVar("_Plan")


class _Known(dict[_Key, _Plan]):
    """Plans by name; asking for one that is not there says so."""

    def __missing__(self, key: _Key) -> _Plan:
        raise _UnknownNameError(key)


class _UnknownNameError(Exception):
    """A measure or gauge the catalogue does not have; a newer or older version made the entry."""


def _event(salt: int, row: Row) -> str:
    entry = row.entry
    second = entry.at - entry.at % RECORD_SPAN_MS
    at = timestamp_ns(second, second + RECORD_SPAN_MS, row.position, salt)
    return f"{EVENT_MEASUREMENT}{_guild_tag(entry.guild_id)},type={escape(entry.type)} count=1i {at}"


def _guild_tag(guild_id: int) -> str:
    return f",guild_id={guild_id:d}" if guild_id else ""


def _moment(data: WindowData, position: int, salt: int) -> int:
    return timestamp_ns(data.period_start, data.period_end, position, salt)


def _field_format(name: str, *, seconds: bool) -> str:
    """A field as a %-format of its amount; seconds are ``1500e-3``, exact and cheaper than a division."""
    return f"{escape(name).replace('%', '%%')}=%d{'e-3' if seconds else 'i'}"


def _place(channel_id: int, emoji: str) -> str:
    channel = f",channel_id={channel_id:d}" if channel_id else ""
    return f"{channel},emoji={escape(emoji)}" if emoji else channel

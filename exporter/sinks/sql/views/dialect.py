"""The SQL in which SQLite and PostgreSQL differ, so that each view and each dashboard query is written once.

Moments are ``timestamptz`` in PostgreSQL and RFC 3339 text of one width in SQLite; days are ``date`` and
``YYYY-MM-DD``, text that sorts as time does. Comparing them in the column's own form lets an index be used.
Arguments are SQL of this program or numbers, never a value from outside; results are SQL, in PostgreSQL
whatever time zone the session has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

DISCORD_EPOCH_MS: Final = 1_420_070_400_000
"""The first second of 2015, from which the upper 42 bits of an id count milliseconds. Discord docs,
Reference › Snowflakes."""

_EPOCH_DAY: Final = 2_440_587.5
"""The Julian day on which 1970 began."""
_RFC3339: Final = "'%Y-%m-%dT%H:%M:%fZ'"
_FIRST_DAY: Final = {"week": "'-6 days', 'weekday 1'", "month": "'start of month'"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect, by SQLAlchemy's name for it; a method returns an expression in it."""

    name: Literal["postgresql", "sqlite"]

    @property
    def _sqlite(self) -> bool:
        return self.name == "sqlite"

    @property
    def _clock(self) -> str:
        """The current moment, as the functions of time take it."""
        return "'now'" if self._sqlite else "now()"

    @property
    def now(self) -> str:
        """The current moment."""
        return f"strftime({_RFC3339}, 'now')" if self._sqlite else "now()"

    @property
    def today(self) -> str:
        """The current day in UTC."""
        return self.day_of(self._clock)

    @property
    def week(self) -> str:
        """Monday of the current week."""
        return self.first_day_of("week", self._clock)

    @property
    def month(self) -> str:
        """The first day of the current month."""
        return self.first_day_of("month", self._clock)

    def ago(self, *, hours: int) -> str:
        """The moment that many hours before now."""
        return self.hours_later(self._clock, -hours)

    def created_at(self, snowflake: str) -> str:
        """The moment at which an id was made."""
        return self.moment(f"(({snowflake} >> 22) + {DISCORD_EPOCH_MS})")

    def age_at(self, moment: str, snowflake: str) -> str:
        """Seconds from the making of an id to a moment, to the millisecond."""
        if self._sqlite:
            # Parsing text takes the time here, and the id need not become text first.
            return (
                f"ROUND((julianday({moment}) - {_EPOCH_DAY}) * 86400.0"
                f" - (({snowflake} >> 22) + {DISCORD_EPOCH_MS}) / 1000.0, 3)"
            )
        return self.seconds_between(moment, self.created_at(snowflake))

    def days_ago(self, days: int) -> str:
        """The day that many days before today."""
        return f"date({self._clock}, '-{days} days')" if self._sqlite else f"({self.today} - {days})"

    def day_of(self, moment: str) -> str:
        """The UTC day of a moment."""
        return f"date({moment})" if self._sqlite else f"CAST({moment} AT TIME ZONE 'UTC' AS DATE)"

    def first_day_of(self, period: Literal["week", "month"], moment: str) -> str:
        """The first day of the UTC week or month of a moment; weeks begin on Monday."""
        if self._sqlite:
            return f"date({moment}, {_FIRST_DAY[period]})"
        return f"CAST(date_trunc('{period}', {moment} AT TIME ZONE 'UTC') AS DATE)"

    def midnight(self, day: str) -> str:
        """The moment at which a day begins."""
        if self._sqlite:
            return f"({day} || 'T00:00:00.000Z')"
        return f"(CAST({day} AS TIMESTAMP) AT TIME ZONE 'UTC')"

    def days_later(self, day: str, days: str) -> str:
        """The day that many days later; ``days`` is SQL."""
        return f"date({day}, ({days}) || ' days')" if self._sqlite else f"({day} + CAST({days} AS INTEGER))"

    def hours_later(self, moment: str, hours: int) -> str:
        """The moment that many hours later; earlier for a negative number."""
        if self._sqlite:
            return f"strftime({_RFC3339}, {moment}, '{hours:+d} hours')"
        return f"({moment} {'-' if hours < 0 else '+'} INTERVAL '{abs(hours)} hours')"

    def days_between(self, late: str, early: str) -> str:
        """Whole days from one day to another."""
        if self._sqlite:
            return f"CAST(julianday({late}) - julianday({early}) AS INTEGER)"
        return f"CAST({late} - {early} AS BIGINT)"

    def seconds_between(self, late: str, early: str) -> str:
        """Seconds from one moment to another, to the millisecond."""
        if self._sqlite:
            return f"ROUND((julianday({late}) - julianday({early})) * 86400.0, 3)"
        return f"CAST(ROUND(EXTRACT(EPOCH FROM ({late} - {early})), 3) AS DOUBLE PRECISION)"

    def moment(self, milliseconds: str) -> str:
        """The moment that many milliseconds after the beginning of 1970."""
        if self._sqlite:
            return f"strftime({_RFC3339}, {milliseconds} / 1000.0, 'unixepoch')"
        return f"to_timestamp({milliseconds} / 1000.0)"

    def weekday(self, moment: str) -> str:
        """The weekday in UTC: 1 for Monday to 7 for Sunday."""
        if self._sqlite:
            return f"((CAST(strftime('%w', {moment}) AS INTEGER) + 6) % 7 + 1)"
        return f"CAST(EXTRACT(ISODOW FROM {moment} AT TIME ZONE 'UTC') AS BIGINT)"

    def hour(self, moment: str) -> str:
        """The hour of the day in UTC: 0 to 23."""
        if self._sqlite:
            return f"CAST(substr({moment}, 12, 2) AS INTEGER)"
        return f"CAST(EXTRACT(HOUR FROM {moment} AT TIME ZONE 'UTC') AS BIGINT)"

    def axis_time(self, moment: str) -> str:
        """A moment as Grafana takes it for the time axis: seconds since 1970 in SQLite."""
        return f"CAST(strftime('%s', {moment}) AS INTEGER)" if self._sqlite else moment

    def slot(self, moment: str, seconds: int | str) -> str:
        """The beginning of the slot of that many seconds that holds the moment, for the time axis."""
        if self._sqlite:
            return f"{self.axis_time(moment)} / {seconds} * {seconds}"
        return f"to_timestamp(floor(extract(epoch FROM {moment}) / {seconds}) * {seconds})"

    def json_text(self, document: str, key: str) -> str:
        """A text or number of a JSON document, as text."""
        if self._sqlite:
            return f"CAST(json_extract({document}, '$.{key}') AS TEXT)"
        return f"({document} ->> '{key}')"

    def json_fields(self, document: str, key: str) -> str:
        """The sorted names of the fields of an object within a JSON document, as one text; null without."""
        if self._sqlite:
            names = f"json_each({document}, '$.{key}')"
            wanted = f"json_type({document}, '$.{key}') = 'object'"
            ordered = f"SELECT key AS field FROM {names} WHERE {wanted} ORDER BY key"
            return f"(SELECT group_concat(field, ', ') FROM ({ordered}))"
        # Of anything but an object, jsonb_object_keys is an error.
        inner = f"{document} -> '{key}'"
        names = f"jsonb_object_keys(CASE WHEN jsonb_typeof({inner}) = 'object' THEN {inner} END)"
        return f"""(SELECT string_agg(field, ', ' ORDER BY field COLLATE "C") FROM {names} AS field)"""

    def rounded(self, number: str) -> str:
        """A number rounded to three decimal places."""
        if self._sqlite:
            return f"ROUND({number}, 3)"
        return f"CAST(ROUND(CAST({number} AS NUMERIC), 3) AS DOUBLE PRECISION)"


POSTGRESQL: Final = Dialect("postgresql")
SQLITE: Final = Dialect("sqlite")

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({each.name: each for each in (POSTGRESQL, SQLITE)})
"""By SQLAlchemy's name."""

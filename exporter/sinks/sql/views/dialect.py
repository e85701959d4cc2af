"""The few things the two dialects say differently, so that each query is written once.

Every method returns SQL. Arguments are SQL of this program or numbers, never a value from outside.
"""

from __future__ import annotations

from typing import Final, Protocol

DISCORD_EPOCH_MS: Final = 1_420_070_400_000
"""The first second of 2015, from which the upper 42 bits of an id count milliseconds. Discord docs,
Reference › Snowflakes."""


class Tongue(Protocol):
    """One dialect: ``day`` is a date, ``moment`` a time as the tables keep it."""

    @property
    def today(self) -> str:
        """The day it is in UTC."""

    def days_ago(self, days: int) -> str:
        """The day that many days before today."""

    def ago(self, hours: int) -> str:
        """The moment that many hours before now."""

    def now(self) -> str:
        """This moment."""

    def week(self) -> str:
        """Monday of this week."""

    def month(self) -> str:
        """The first day of this month."""

    def day_of(self, moment: str) -> str:
        """The UTC day a moment is in."""

    def monday_of(self, moment: str) -> str:
        """Monday of the UTC week a moment is in."""

    def midnight(self, day: str) -> str:
        """The moment a day begins."""

    def later(self, day: str, days: str) -> str:
        """The day that many days later; ``days`` is SQL."""

    def days_between(self, late: str, early: str) -> str:
        """Whole days from one day to another."""

    def seconds_between(self, late: str, early: str) -> str:
        """Seconds from one moment to another, to the millisecond."""

    def hours_later(self, moment: str, hours: int) -> str:
        """The moment that many hours later."""

    def made_at(self, snowflake: str) -> str:
        """The moment an id was made."""

    def age_at(self, moment: str, snowflake: str) -> str:
        """Seconds from the making of an id to a moment, to the millisecond."""

    def moment(self, milliseconds: str) -> str:
        """The moment that many milliseconds after 1970 began."""

    def weekday(self, moment: str) -> str:
        """1 for Monday to 7 for Sunday."""

    def hour(self, moment: str) -> str:
        """0 to 23."""

    def detail(self, document: str, key: str) -> str:
        """A text or number of a JSON document, as text."""

    def fields(self, document: str, key: str) -> str:
        """The sorted names of the fields of an object within a JSON document, as one text; null without."""

    def rounded(self, number: str) -> str:
        """A number to three places."""


class Postgresql:
    """PostgreSQL, whatever time zone the session has."""

    today = "CAST(now() AT TIME ZONE 'UTC' AS DATE)"

    def days_ago(self, days: int) -> str:
        """As in ``Tongue``."""
        return f"({self.today} - {days})"

    def ago(self, hours: int) -> str:
        """As in ``Tongue``."""
        return f"(now() - INTERVAL '{hours} hours')"

    def now(self) -> str:
        """As in ``Tongue``."""
        return "now()"

    def week(self) -> str:
        """As in ``Tongue``."""
        return "CAST(date_trunc('week', now() AT TIME ZONE 'UTC') AS DATE)"

    def month(self) -> str:
        """As in ``Tongue``."""
        return "CAST(date_trunc('month', now() AT TIME ZONE 'UTC') AS DATE)"

    def day_of(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"CAST({moment} AT TIME ZONE 'UTC' AS DATE)"

    def monday_of(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(date_trunc('week', {moment} AT TIME ZONE 'UTC') AS DATE)"

    def midnight(self, day: str) -> str:
        """As in ``Tongue``."""
        return f"(CAST({day} AS TIMESTAMP) AT TIME ZONE 'UTC')"

    def later(self, day: str, days: str) -> str:
        """As in ``Tongue``."""
        return f"({day} + CAST({days} AS INTEGER))"

    def days_between(self, late: str, early: str) -> str:
        """As in ``Tongue``."""
        return f"CAST({late} - {early} AS BIGINT)"

    def seconds_between(self, late: str, early: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(ROUND(EXTRACT(EPOCH FROM ({late} - {early})), 3) AS DOUBLE PRECISION)"

    def hours_later(self, moment: str, hours: int) -> str:
        """As in ``Tongue``."""
        return f"({moment} + INTERVAL '{hours} hours')"

    def made_at(self, snowflake: str) -> str:
        """As in ``Tongue``."""
        return self.moment(f"(({snowflake} >> 22) + {DISCORD_EPOCH_MS})")

    def age_at(self, moment: str, snowflake: str) -> str:
        """As in ``Tongue``."""
        return self.seconds_between(moment, self.made_at(snowflake))

    def moment(self, milliseconds: str) -> str:
        """As in ``Tongue``."""
        return f"to_timestamp({milliseconds} / 1000.0)"

    def weekday(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(EXTRACT(ISODOW FROM {moment} AT TIME ZONE 'UTC') AS BIGINT)"

    def hour(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(EXTRACT(HOUR FROM {moment} AT TIME ZONE 'UTC') AS BIGINT)"

    def detail(self, document: str, key: str) -> str:
        """As in ``Tongue``."""
        return f"({document} ->> '{key}')"

    def fields(self, document: str, key: str) -> str:
        """As in ``Tongue``; what is no object has no names, which PostgreSQL would call an error."""
        inner = f"{document} -> '{key}'"
        names = f"jsonb_object_keys(CASE WHEN jsonb_typeof({inner}) = 'object' THEN {inner} END)"
        return f"""(SELECT string_agg(field, ', ' ORDER BY field COLLATE "C") FROM {names} AS field)"""

    def rounded(self, number: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(ROUND(CAST({number} AS NUMERIC), 3) AS DOUBLE PRECISION)"


_EPOCH_DAY: Final = 2_440_587.5
"""The Julian day on which 1970 began."""
_RFC3339: Final = "'%Y-%m-%dT%H:%M:%fZ'"


class Sqlite:
    """SQLite, whose days and moments are text that sorts as time does."""

    today = "date('now')"

    def days_ago(self, days: int) -> str:
        """As in ``Tongue``."""
        return f"date('now', '-{days} days')"

    def ago(self, hours: int) -> str:
        """As in ``Tongue``."""
        return f"strftime({_RFC3339}, 'now', '-{hours} hours')"

    def now(self) -> str:
        """As in ``Tongue``."""
        return f"strftime({_RFC3339}, 'now')"

    def week(self) -> str:
        """As in ``Tongue``."""
        return "date('now', '-6 days', 'weekday 1')"

    def month(self) -> str:
        """As in ``Tongue``."""
        return "date('now', 'start of month')"

    def day_of(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"date({moment})"

    def monday_of(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"date({moment}, '-6 days', 'weekday 1')"

    def midnight(self, day: str) -> str:
        """As in ``Tongue``."""
        return f"({day} || 'T00:00:00.000Z')"

    def later(self, day: str, days: str) -> str:
        """As in ``Tongue``."""
        return f"date({day}, ({days}) || ' days')"

    def days_between(self, late: str, early: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(julianday({late}) - julianday({early}) AS INTEGER)"

    def seconds_between(self, late: str, early: str) -> str:
        """As in ``Tongue``."""
        return f"ROUND((julianday({late}) - julianday({early})) * 86400.0, 3)"

    def hours_later(self, moment: str, hours: int) -> str:
        """As in ``Tongue``."""
        return f"strftime({_RFC3339}, {moment}, '+{hours} hours')"

    def made_at(self, snowflake: str) -> str:
        """As in ``Tongue``."""
        return self.moment(f"(({snowflake} >> 22) + {DISCORD_EPOCH_MS})")

    def age_at(self, moment: str, snowflake: str) -> str:
        """As in ``Tongue``; text is read once, since that is what takes the time."""
        return (
            f"ROUND((julianday({moment}) - {_EPOCH_DAY}) * 86400.0"
            f" - (({snowflake} >> 22) + {DISCORD_EPOCH_MS}) / 1000.0, 3)"
        )

    def moment(self, milliseconds: str) -> str:
        """As in ``Tongue``."""
        return f"strftime({_RFC3339}, {milliseconds} / 1000.0, 'unixepoch')"

    def weekday(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"((CAST(strftime('%w', {moment}) AS INTEGER) + 6) % 7 + 1)"

    def hour(self, moment: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(substr({moment}, 12, 2) AS INTEGER)"

    def detail(self, document: str, key: str) -> str:
        """As in ``Tongue``."""
        return f"CAST(json_extract({document}, '$.{key}') AS TEXT)"

    def fields(self, document: str, key: str) -> str:
        """As in ``Tongue``."""
        names = f"json_each({document}, '$.{key}')"
        wanted = f"json_type({document}, '$.{key}') = 'object'"
        ordered = f"SELECT key AS field FROM {names} WHERE {wanted} ORDER BY key"
        return f"(SELECT group_concat(field, ', ') FROM ({ordered}))"

    def rounded(self, number: str) -> str:
        """As in ``Tongue``."""
        return f"ROUND({number}, 3)"


def tongue_of(dialect: str) -> Tongue:
    """The tongue of a dialect, by SQLAlchemy's name for it."""
    return Postgresql() if dialect == "postgresql" else Sqlite()

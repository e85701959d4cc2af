"""What differs between PostgreSQL and SQLite where a panel asks a view.

Moments are ``timestamptz`` in PostgreSQL and RFC 3339 text of one width in SQLite, days are ``date`` and
``YYYY-MM-DD``; in both, comparing in the column's own form lets an index be used. Grafana's SQLite plugin
knows no time macro but gives the range as ``$__from`` and ``$__to`` in milliseconds.
"""

from __future__ import annotations

from typing import Final, Protocol

DAY: Final = 86_400
_SLOT: Final = "($__interval_ms / 1000)"
"""The panel's interval in whole seconds; panels that use it have a least interval of a minute or more."""


class Dialect(Protocol):
    """Fragments of SQL; arguments are column names or expressions, results are SQL."""

    name: str

    def within(self, moment: str) -> str:
        """The moment lies in the range of the dashboard."""
        ...

    def before(self, moment: str) -> str:
        """The moment lies in the period of the same length just before the range."""
        ...

    def days_within(self, day: str) -> str:
        """The UTC day touches the range of the dashboard."""
        ...

    def days_before(self, day: str) -> str:
        """The UTC day lies in as many days just before the range."""
        ...

    def since(self, moment: str, days: int) -> str:
        """The moment is not older than ``days``, whatever the range."""
        ...

    def hours_since(self, moment: str, hours: int) -> str:
        """The moment is not older than ``hours``, whatever the range."""
        ...

    def days_since(self, day: str, days: int) -> str:
        """The UTC day is one of the last ``days``, today among them."""
        ...

    def elapsed(self, day: str, days: int) -> str:
        """``days`` have wholly passed since the beginning of the UTC day."""
        ...

    def day_time(self, day: str) -> str:
        """The start of a UTC day as Grafana takes time."""
        ...

    def bucket(self, moment: str) -> str:
        """The start of the slot the moment lies in, as Grafana takes time; the panel's interval long."""
        ...

    def slot(self, moment: str, seconds: int) -> str:
        """The start of the slot of ``seconds`` the moment lies in, as Grafana takes time."""
        ...

    def text(self, value: str) -> str:
        """The value as text."""
        ...

    def percent(self, part: str, whole: str) -> str:
        """``part`` of ``whole`` in percent; null where there is no whole."""
        ...


class _Shared:
    __slots__ = ()

    def percent(self, part: str, whole: str) -> str:
        return f"100.0 * {part} / nullif({whole}, 0)"

    def text(self, value: str) -> str:
        return f"CAST({value} AS text)"


class Postgres(_Shared):
    """PostgreSQL through Grafana's own data source."""

    name = "postgresql"
    _FROM: Final = "$__timeFrom()::timestamptz"
    _TO: Final = "$__timeTo()::timestamptz"

    def within(self, moment: str) -> str:
        return f"$__timeFilter({moment})"

    def before(self, moment: str) -> str:
        start = f"{self._FROM} - ({self._TO} - {self._FROM})"
        return f"{moment} >= {start} AND {moment} < {self._FROM}"

    def days_within(self, day: str) -> str:
        return f"{day} BETWEEN {self._date(self._FROM)} AND {self._date(self._TO)}"

    def days_before(self, day: str) -> str:
        start, end = self._date(self._FROM), self._date(self._TO)
        return f"{day} >= {start} - ({end} - {start} + 1) AND {day} < {start}"

    def since(self, moment: str, days: int) -> str:
        return f"{moment} >= now() - interval '{days} days'"

    def hours_since(self, moment: str, hours: int) -> str:
        return f"{moment} >= now() - interval '{hours} hours'"

    def days_since(self, day: str, days: int) -> str:
        return f"{day} > (now() AT TIME ZONE 'UTC')::date - {days}"

    def elapsed(self, day: str, days: int) -> str:
        return f"{day} + {days} <= (now() AT TIME ZONE 'UTC')::date"

    def day_time(self, day: str) -> str:
        return f"{day}::timestamp AT TIME ZONE 'UTC'"

    def bucket(self, moment: str) -> str:
        return self.slot(moment, _SLOT)

    def slot(self, moment: str, seconds: int | str) -> str:
        return f"to_timestamp(floor(extract(epoch FROM {moment}) / {seconds}) * {seconds})"

    @staticmethod
    def _date(moment: str) -> str:
        return f"({moment} AT TIME ZONE 'UTC')::date"


class Sqlite(_Shared):
    """SQLite through frser-sqlite-datasource."""

    name = "sqlite"
    _FROM: Final = "$__from / 1000.0"
    _TO: Final = "$__to / 1000.0"

    def within(self, moment: str) -> str:
        return f"{moment} BETWEEN {self._text(self._FROM)} AND {self._text(self._TO)}"

    def before(self, moment: str) -> str:
        start = self._text("(2 * $__from - $__to) / 1000.0")
        return f"{moment} >= {start} AND {moment} < {self._text(self._FROM)}"

    def days_within(self, day: str) -> str:
        return f"{day} BETWEEN {self._date(self._FROM)} AND {self._date(self._TO)}"

    def days_before(self, day: str) -> str:
        first, last = self._number("$__from"), self._number("$__to")
        start = f"date(({first} - ({last} - {first} + 1)) * {DAY}, 'unixepoch')"
        return f"{day} >= {start} AND {day} < {self._date(self._FROM)}"

    def since(self, moment: str, days: int) -> str:
        return f"{moment} >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')"

    def hours_since(self, moment: str, hours: int) -> str:
        return f"{moment} >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{hours} hours')"

    def days_since(self, day: str, days: int) -> str:
        return f"{day} > date('now', '-{days} days')"

    def elapsed(self, day: str, days: int) -> str:
        return f"{day} <= date('now', '-{days} days')"

    def day_time(self, day: str) -> str:
        return f"CAST(strftime('%s', {day}) AS INTEGER)"

    def bucket(self, moment: str) -> str:
        return self.slot(moment, _SLOT)

    def slot(self, moment: str, seconds: int | str) -> str:
        return f"CAST(strftime('%s', {moment}) AS INTEGER) / {seconds} * {seconds}"

    @staticmethod
    def _text(seconds: str) -> str:
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {seconds}, 'unixepoch')"

    @staticmethod
    def _date(seconds: str) -> str:
        return f"date({seconds}, 'unixepoch')"

    @staticmethod
    def _number(milliseconds: str) -> str:
        return f"({milliseconds} / {DAY * 1000})"

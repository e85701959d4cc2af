"""How an event is declared. Everything else about it is derived from the declaration.

From an ``EventSpec`` and its measures follow the YAML switch, the intents to ask for, the permissions an
invite link carries, the Prometheus family, the Influx measurement, the SQL table and columns, the place in
the spool, the reference page and the contract tests.

Invariants, checked when the catalogue is built: types, measures and metrics are unique; every dispatch name
is one Discord documents; members never become a Prometheus label.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Series
from exporter.events.records.values import DataField, RecordType, describe_fields
from exporter.model import Priority

SHARD_STATE = "SHARD"
"""The one dispatch that is not Discord's: by it the source reports the state of its own connections."""


CLEARED = "cleared"
"""What becomes of a thing when all there is of it is removed at once."""


class Dimension(enum.StrEnum):
    """What a measure is kept by, besides the guild."""

    CHANNEL = "channel"
    MEMBER = "member"
    EMOJI = "emoji"


class Unit(enum.Enum):
    """What one step of an amount means; amounts are integers so that sums are exact."""

    COUNT = 1
    MILLISECONDS = 1000
    """Exposed as seconds, the base unit of Prometheus."""

    def expose(self, amount: int) -> int | float:
        """The amount in the unit people query."""
        return amount if self is Unit.COUNT else amount / self.value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantity:
    """What measures and gauges have in common.

    ``metric`` is the Prometheus family without ``_total``, by default the name after ``discord_``.
    ``measurement`` and ``field`` name it in InfluxDB; the field is by default named as the quantity.
    """

    name: str
    help: str
    metric: str | None = ""
    measurement: str = "discord_guild"
    field: str = ""

    def __post_init__(self) -> None:
        if self.metric == "":
            object.__setattr__(self, "metric", f"discord_{self.name}")
        if not self.field:
            object.__setattr__(self, "field", self.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauge(Quantity):
    """A state of a guild that is sampled, not counted."""

    metric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measure(Quantity):
    """A quantity counted from facts.

    ``metric`` is None where Prometheus does not get it. ``label`` splits the measure by the bounded set
    ``values``; in InfluxDB it becomes a tag. ``columns`` maps label values to columns of the ``*_daily``
    tables; members' columns may differ, ``member_columns``. What is ``live`` is in progress all the time: the
    running totals get it as it passes, apart from the windows.
    """

    label: str | None = None
    values: tuple[str, ...] = ("",)
    by: frozenset[Dimension] = frozenset()
    unit: Unit = Unit.COUNT
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    member_columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    live: bool = False
    series_of: dict[str, Series] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        Quantity.__post_init__(self)
        object.__setattr__(self, "series_of", {value: Series(self.name, value) for value in self.values})

    def __getitem__(self, value: str) -> Series:
        """The slot that counts ``value`` of this measure."""
        return self.series_of[value]

    @property
    def series(self) -> Series:
        """The only slot of a measure without a label."""
        return self.series_of[""]


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What a dispatch says has happened, where it would count twice if Discord delivered it twice.

    Something ``becomes`` of a ``thing``; None where only the whole dispatch says what. ``scopes`` are things
    that may be ``CLEARED``, and this one with them. It says nothing unless the dispatches that tell of the
    opposite are read as well. ``repeats`` compares.
    """

    becomes: str | None
    thing: Callable[[Any], Hashable]
    scopes: Callable[[Any], tuple[Hashable, ...]] | None = None
    opposites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """How one kind of dispatch is understood.

    ``payload`` names the few fields that are needed; the decoder skips the rest. ``read`` is pure and total:
    payload and time of receipt in, facts out. It never gets a payload that is ``InGuild`` without a guild.
    With an ``identity`` a dispatch that repeats another one is not read.
    """

    payload: type[msgspec.Struct]
    read: Callable[[Any, int], Iterable[Fact]]  # each reads its own payload type
    identity: Identity | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EventSpec:
    """One event type; ``family`` is the name of the family that declares it.

    ``reads`` maps dispatch names of the gateway to readers; what several types read is parsed once.
    ``blind_without`` says per permission of use what is lost without it, ``blind_without_all`` what is lost
    only where several are missing at once; both and ``intents`` use Discord's own names in snake_case. The
    invite link asks for the permissions of use, one of which is among each of the latter. ``record`` is what
    its entries say, None for what is only counted; ``table`` is the SQL table they go to: fields that are
    columns fill them, the rest goes to ``details``.
    """

    type: str
    help: str
    _: dataclasses.KW_ONLY
    family: str = dataclasses.field(init=False, default="")
    priority: Priority = Priority.SLOW
    reads: Mapping[str, Reader] = dataclasses.field(default_factory=dict)
    intents: tuple[str, ...] = ()
    blind_without: Mapping[str, str] = dataclasses.field(default_factory=dict)
    blind_without_all: Mapping[tuple[str, ...], str] = dataclasses.field(default_factory=dict)
    default: bool = True
    measures: tuple[Measure, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    record: RecordType | None = None
    table: str | None = None

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions of use."""
        return tuple(self.blind_without)

    @property
    def losses(self) -> Mapping[tuple[str, ...], str]:
        """What is lost, by the permissions that are all missing then."""
        return {(name,): lost for name, lost in self.blind_without.items()} | dict(self.blind_without_all)

    @property
    def fields(self) -> tuple[DataField, ...]:
        """The fields of its entries' data."""
        return describe_fields(self.record)


@dataclass(frozen=True, slots=True)
class Family:
    """What one file of this package declares; found by its name ``FAMILY``.

    ``core`` is read whatever is switched on, since other events cannot be understood without it;
    ``core_intents`` are what it needs.
    """

    name: str
    help: str
    events: tuple[EventSpec, ...]
    core: Mapping[str, Reader] = dataclasses.field(default_factory=dict)
    core_intents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for event in self.events:
            object.__setattr__(event, "family", self.name)

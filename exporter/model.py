"""The values that flow between stages, in the order in which they come into being.

    frame ──decode──▶ Fact ──aggregate / attribute──▶ Entry ──spool──▶ Batch ──sink──▶ Verdict

Invariants: values are immutable; ids are Discord snowflakes as ``int`` with 0 for "none"; every time is
an ``int`` of milliseconds since the Unix epoch in UTC.
This module imports nothing of the project, so that every stage may import it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import msgspec

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
    """What an entry may carry; text is free of NUL and lone surrogates, numbers are finite."""
else:
    # msgspec reads annotations at run time and does not follow a recursive alias.
    Json = Any


class Priority(enum.IntEnum):
    """How long an entry may wait before it is committed; also its lane in the spool.

    Order is kept within a lane only: a ban never waits behind a backlog of counters.
    """

    CRITICAL = 0
    IMPORTANT = 1
    SLOW = 2


class EntryData(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of what entries say, one struct per kind of record and per snapshot (``events.records``)."""

    @classmethod
    def of(cls, fields: Mapping[str, Json]) -> Self:
        """The data with these fields; those that it does not have are left out, and none is checked."""
        return cls(**{name: fields[name] for name in cls.__struct_fields__ if name in fields})


class Entry(msgspec.Struct, frozen=True):
    """What is spooled and delivered: an exact occurrence, or the snapshot of a window.

    ``data`` is a struct of ``events.records``, or a mapping where the type is not declared: such an entry was
    made by another version, and no store has a place for what it says.

    ``key`` is the occurrence's identity for ever and everywhere. A later entry with the same key and
    ``amends`` set knows more about the same occurrence: stores merge it (a null never overwrites), and
    nothing is counted again.
    """

    type: str
    guild_id: int
    at: int
    key: str
    priority: Priority
    data: EntryData | Mapping[str, Json]
    amends: bool = False


class Row(msgspec.Struct, frozen=True):
    """An entry at its place in the spool; positions rise and are never used twice."""

    position: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one lane, in order. ``source`` names the spool they come from, for ever unique to it."""

    source: str
    lane: Priority
    rows: tuple[Row, ...]


class Outcome(enum.Enum):
    """What became of a batch at the far end."""

    STORED = "stored"
    """All rows are stored durably, but for those listed as rejected."""
    PARTIAL_FAILURE = "partial_failure"
    """Nothing may be assumed stored: a row is bad or the batch too large. Deliver smaller parts;
    a batch of one row that is answered so is rejected. Delivering a stored row again is harmless."""
    RETRY = "retry"
    """The far end is away or overloaded; keep everything and come back."""
    NEEDS_OPERATOR = "needs_operator"
    """Retrying cannot help before an operator acts: credentials, a missing bucket, an unknown schema."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sink's answer to one batch.

    ``rejected`` holds (position, reason) of rows the far end will never take; ``reason`` is short and from
    a bounded set, since it becomes a label; ``detail`` is for the log; ``retry_after`` is in seconds and a
    lower bound; ``lost`` counts entries answered ``STORED`` earlier that the far end turns out not to hold;
    ``before`` is the position up to which it held the lane, where the far end keeps one.
    """

    outcome: Outcome
    rejected: tuple[tuple[int, str], ...] = ()
    reason: str = ""
    detail: str = ""
    retry_after: float | None = None
    lost: int = 0
    before: int | None = field(default=None, compare=False)


STORED = Verdict(Outcome.STORED)


def entry_key(entry_id: int) -> str:
    """The key of an occurrence that was learnt from an audit-log entry."""
    return f"audit:{entry_id}"

"""What is counted and recorded: amounts for windows, entries of their own, and who is meant."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.model import EntryData, Json


class Series:
    """One (measure, label value) pair; compared by identity, being part of every key on the hot path."""

    __slots__ = ("measure", "value")

    def __init__(self, measure: str, value: str) -> None:
        self.measure = measure
        self.value = value

    def __repr__(self) -> str:
        return f"Series({self.measure!r}, {self.value!r})"


class Count(msgspec.Struct, frozen=True, gc=False):
    """An amount to add to one measure.

    ``dedup_key`` names the occurrence where Discord may report it repeatedly; a repeated one is not added.
    ``name`` is the member's name where the dispatch told it. ``person`` is whose doing it is where it is not
    booked on them: it is not counted if they opted out. ``until`` is when something that lasted ended.
    """

    series: Series
    guild_id: int
    at: int
    channel_id: int = 0
    user_id: int = 0
    emoji: str = ""
    amount: int = 1
    dedup_key: tuple[int, int] | None = None
    name: str = ""
    person: int = 0
    until: int = 0


class Record(msgspec.Struct, frozen=True):
    """One exact occurrence that becomes one entry. ``person`` is whom it is about, 0 for no person.

    One that ``amends`` says what else is known of the occurrence of the same key; it is not counted again.
    """

    type: str
    guild_id: int
    at: int
    key: str
    data: EntryData | Mapping[str, Json]
    person: int = 0
    amends: bool = False


class Person(msgspec.Struct, frozen=True):
    """A user's name at this moment, for tables that show people; as a fact, a name told in passing."""

    user_id: int
    name: str
    bot: bool = False

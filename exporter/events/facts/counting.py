"""What is counted and recorded: amounts for windows, entries of their own, and who is meant."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

from exporter.events.facts.base import Fact, Subject
from exporter.model import EntryData


class Series:
    """One (measure, label value) pair; compared by identity, being part of every key on the hot path."""

    __slots__ = ("measure", "value")

    def __init__(self, measure: str, value: str) -> None:
        self.measure = measure
        self.value = value

    def __repr__(self) -> str:
        return f"Series({self.measure!r}, {self.value!r})"


class Count(Fact, frozen=True, gc=False):
    """An amount to add to one measure.

    ``dedup_key`` names the occurrence where Discord may report it repeatedly; a repeated one is not added.
    ``name`` is the member's name where the dispatch contains it. ``person`` is who caused it where it is not
    counted per member: it is not counted if they opted out. ``until`` is when something that lasted ended.
    """

    series: Series
    guild_id: int
    at: int
    channel_id: int = 0
    user_id: Subject = 0
    emoji: str = ""
    amount: int = 1
    dedup_key: tuple[int, int] | None = None
    name: str = ""
    person: Subject = 0
    until: int = 0

    def without(self, people: Container[int]) -> Self | None:
        """As of every fact, without a loop: most facts are counts."""
        return None if self.user_id in people or self.person in people else self


class BotSeen(Fact, frozen=True, gc=False):
    """A user is a bot, or the author of a webhook's messages: on boards of people it has no place."""

    user_id: Subject


class ReactionReceived(Fact, frozen=True, gc=False):
    """A person, ``person``, reacted to a message of ``user_id``, of whom the dispatch says nothing else."""

    guild_id: int
    at: int
    user_id: Subject
    person: Subject


class TimeElapsed(Fact, frozen=True, gc=False):
    """Time of a live measure that passed: ``amount`` in ms, for the running totals alone.

    The windows get it later as a ``Count``, when a state changes or a window ends.
    """

    series: Series
    guild_id: int
    channel_id: int
    amount: int


class Record(Fact, frozen=True):
    """One exact occurrence that becomes one entry. ``person`` is whom it is about, 0 for no person.

    One that ``amends`` says what else is known of the occurrence of the same key; it is not counted again.
    """

    type: str
    guild_id: int
    at: int
    key: str
    data: EntryData
    person: Subject = 0
    amends: bool = False


class Person(Fact, frozen=True):
    """A user's name at this moment, for tables that show people; as a fact, a name seen in a dispatch."""

    user_id: Subject
    name: str
    bot: bool = False

"""Counts the messages of each guild; every third one is a streak."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import msgspec

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts import Count, Record
from exporter.tracking.registry import TrackingContext
from tests.tracking.throwaway.events.streaks import STREAKS, MessageWritten, StreakRecord


class SavedStreak(msgspec.Struct, frozen=True, array_like=True):
    """How many messages a guild has, and who wrote the last one."""

    messages: int
    last_user_id: int


class StreakTracker(Component):
    """The streaks of all guilds."""

    name = "streaks"

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit)
        self.streaks: dict[int, SavedStreak] = {}
        self._table: SavedTable[int, SavedStreak] = SavedTable(
            "guilds", int, SavedStreak, self.streaks.get, self.streaks.__setitem__
        )

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Messages."""
        return {MessageWritten: self._take}

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """The messages of each guild."""
        return (self._table,)

    def _take(self, fact: MessageWritten, now: int) -> None:
        del now
        before = self.streaks.get(fact.guild_id, SavedStreak(0, 0))
        after = self.streaks[fact.guild_id] = SavedStreak(before.messages + 1, fact.user_id)
        self._table.touch(fact.guild_id)
        if after.messages % 3 == 0:
            key = f"streak:{fact.guild_id}:{after.messages}"
            data = StreakRecord(user_id=fact.user_id, messages=after.messages)
            self.emit(Record("STREAK", fact.guild_id, fact.at, key, data, fact.user_id))
            self.emit(Count(STREAKS.series, fact.guild_id, fact.at))
        if fact.content == "raise":
            message = "a defect of the throw-away component"
            raise ArithmeticError(message)

    def clear(self) -> None:
        """Forget all streaks."""
        self.streaks.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget who wrote last where they opted out."""
        for guild_id, streak in list(self.streaks.items()):
            if streak.last_user_id in people:
                self.streaks[guild_id] = SavedStreak(streak.messages, 0)
                self._table.touch(guild_id)

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        if self.streaks.pop(guild_id, None) is not None:
            self._table.touch(guild_id)


def make(context: TrackingContext, emit: Emit) -> Component:
    """The line of the registry calls this."""
    del context
    return StreakTracker(emit)

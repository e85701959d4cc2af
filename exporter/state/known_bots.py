"""Who is known to be a bot, where a dispatch names a user and says nothing else: the author of a message.

Whoever posts through a webhook is a bot here, too. Invariant: no more than ``MAX_BOTS`` are known; those seen
first are forgotten first. They are saved, since a reaction may come long after the bot was last seen.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts.counting import BotSeen, Count, ReactionReceived
from exporter.events.facts.guilds import BotKnown, MemberRoles
from exporter.events.reactions import RECEIVED

MAX_BOTS: Final = 100_000
"""Most bots known, about 10 MB: two for each of 50,000 guilds, where most guilds have the same few."""


class KnownBots(Component):
    """The bots, and what they keep off the boards of people."""

    name = "known_bots"

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit)
        self._bots: dict[int, None] = {}
        self._table = SavedTable("bots", int, bool, lambda bot: bot in self._bots or None, self._load)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Bots, and reactions to messages of unknown authors."""
        return {
            BotSeen: lambda fact: self._learn(fact.user_id),
            BotKnown: lambda fact: self._learn(fact.user_id),
            MemberRoles: lambda fact: self._learn(fact.user_id),
            ReactionReceived: self._receive,
        }

    @property
    def tables(self) -> tuple[SavedTable[int, bool]]:
        """The bots."""
        return (self._table,)

    def clear(self) -> None:
        """Forget the bots."""
        self._bots.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget those who opted out: of them nothing is counted."""
        for user_id in [user_id for user_id in self._bots if user_id in people]:
            self._forget(user_id)

    def _learn(self, user_id: int) -> None:
        if user_id in self._bots:
            return
        if len(self._bots) >= MAX_BOTS:
            self._forget(next(iter(self._bots)))
        self._bots[user_id] = None
        self._table.touch(user_id)

    def _forget(self, user_id: int) -> None:
        del self._bots[user_id]
        self._table.touch(user_id)

    def _load(self, user_id: int, _: object) -> None:
        self._bots[user_id] = None

    def _receive(self, fact: ReactionReceived) -> None:
        """Count a reaction for the author of the message, if that is a person."""
        if fact.user_id not in self._bots:
            self.emit(
                Count(RECEIVED.series, fact.guild_id, fact.at, user_id=fact.user_id, person=fact.person)
            )

"""A throw-away event: every third message of a guild is a streak."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Annotated, Self

import msgspec

from exporter.events.facts import Fact
from exporter.events.records.values import Doc, Id, Int64
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.model import EntryData, Priority


class MessageWritten(Fact, frozen=True):
    """A member wrote a message."""

    guild_id: int
    user_id: int
    at: int
    content: str

    def without(self, people: Container[int]) -> Self | None:
        """Nothing remains of a message by someone who opted out."""
        return None if self.user_id in people else self


class StreakRecord(EntryData, frozen=True, kw_only=True):
    """A guild's streak."""

    user_id: Annotated[Id, Doc("Who wrote the last message.", personal=True)]
    messages: Annotated[Int64, Doc("How many messages there were.")]


class _Author(msgspec.Struct):
    id: int


class _Message(msgspec.Struct):
    guild_id: int
    author: _Author
    content: str = ""


def _read(message: _Message, at: int) -> Iterator[Fact]:
    yield MessageWritten(message.guild_id, message.author.id, at, message.content)


STREAKS = Measure(
    name="streaks",
    help="Streaks of three messages.",
    metric="discord_streaks",
    measurement="discord_guild",
    field="streaks",
)

FAMILY = Family(
    "streaks",
    "Streaks.",
    (
        EventSpec(
            type="STREAK",
            family="streaks",
            help="Every third message of a guild.",
            priority=Priority.CRITICAL,
            reads={"MESSAGE_CREATE": Reader(_Message, _read)},
            measures=(STREAKS,),
            record=StreakRecord,
        ),
    ),
)

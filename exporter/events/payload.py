"""The types payloads are decoded into, and the cleaning of what people can write.

Ids arrive as strings of digits; the decoder (``strict=False``) turns them into integers and refuses what does
not fit 63 bits, the width of the stores' columns. Text is freed of what no store should see: control
characters, which could start a second line, and direction marks, which could disguise one.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

import msgspec

from exporter.events.facts.counting import Person

MAX_ID = 2**63 - 1
"""What a signed column of 64 bits can hold."""

Snowflake = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]
"""An id. Discord docs, Reference › Snowflakes."""

MAX_NUMBER = 2**31 - 1
"""No number of Discord's that is not an id comes near. One that no store can hold would take a whole snapshot
with it."""

Number = Annotated[int, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
"""A count, a level or a type."""

DISCORD_EPOCH_MS = 1_420_070_400_000
"""The first second of 2015, from which snowflakes count. Discord docs, Reference › Snowflakes."""

CLOCK_SPREAD_MS = 3_600_000
"""How far a time in a payload may lie from the time of receipt and still be believed. A resumed session
replays minutes, never an hour; anything further is no honest time and would open windows in the past."""

MAX_TEXT = 512
"""An audit-log reason has at most 512 characters, a name at most 100: more is not from Discord."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
FIRST_MS = (dt.datetime.min.replace(tzinfo=dt.UTC) - _EPOCH) // _MILLISECOND
LAST_MS = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // _MILLISECOND

_UNCLEAN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1 control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings, overrides and isolates
    "\u2028\u2029"  # line and paragraph separator
    "\ud800-\udfff"  # lone surrogates, which no store can encode
    "\ufeff\ufffe\uffff]+"  # byte-order mark and non-characters
)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """The text without what could disguise or break a line, cut to ``limit`` characters."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    return _UNCLEAN.sub(" ", text)[:limit]


def clean_or_none(text: str | None, limit: int = MAX_TEXT) -> str | None:
    """Like ``clean``; nothing stays nothing."""
    return None if text is None else clean(text, limit)


def snowflake_ms(snowflake: int) -> int:
    """When the id was made, in ms since the Unix epoch. Discord docs, Reference › Snowflakes."""
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def believable(at: int, received_at: int) -> int:
    """A time given by a payload if it can be true, else that of receipt; both in ms since the epoch."""
    return at if abs(received_at - at) <= CLOCK_SPREAD_MS else received_at


def moment_of(snowflake: int, received_at: int) -> int:
    """When the id was made, if that can be true, else the time of receipt; in ms since the epoch."""
    at = (snowflake >> 22) + DISCORD_EPOCH_MS  # no further calls: every message has an id
    return at if -CLOCK_SPREAD_MS <= received_at - at <= CLOCK_SPREAD_MS else received_at


def unix_ms(moment: dt.datetime | None) -> int:
    """Milliseconds since the Unix epoch; 0 for no moment. One without a zone is UTC, not local time.

    Never outside the years 1 to 9999, since no store can write that down: a zone can lead out of them.
    """
    if moment is None:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return min(max((moment - _EPOCH) // _MILLISECOND, FIRST_MS), LAST_MS)


class InGuild(msgspec.Struct, kw_only=True):
    """Base of what happens in a guild, or in direct messages: those come without a guild and are not read."""

    guild_id: Snowflake = 0


class InChannel(InGuild):
    """Base of what happens in a channel."""

    channel_id: Snowflake


class Identified(msgspec.Struct):
    """An object of which only the id is of interest."""

    id: Snowflake


class User(Identified):
    """A user, as far as names go. Discord docs, Resources › User."""

    username: str = ""
    bot: bool = False

    @property
    def person(self) -> Person:
        """The user as a fact."""
        return Person(self.id, clean(self.username), self.bot)


class MemberOf(msgspec.Struct):
    """A guild member where only the user is of interest."""

    user: User | None = None


class UserEvent(msgspec.Struct):
    """Base of what happens to a user of a guild."""

    guild_id: Snowflake
    user: User

"""Reactions: given, received and taken back, by emoji.

A reaction counts for who gave it and, apart, for who wrote the message. Discord names the author on adding
only, so what is taken back is counted by itself and never subtracted: a negative would be a guess.
"""

from __future__ import annotations

from functools import partial

import msgspec

from exporter.events.facts.counting import BotSeen, Count, ReactionReceived
from exporter.events.payload import InChannel, MemberOf, Snowflake, clean
from exporter.events.spec import CLEARED, Dimension, EventSpec, Family, Identity, Measure, Reader

_measure = partial(Measure, measurement="discord_reactions")

REACTIONS = _measure(
    name="reactions",
    help="Reactions added to messages.",
    field="added",
    label="kind",
    values=("normal", "super"),
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER, Dimension.EMOJI}),
    columns={"normal": "reactions", "super": "reactions"},
    member_columns={"normal": "reactions_given", "super": "reactions_given"},
)
RECEIVED = _measure(
    name="reactions_received",
    help="Reactions added to a member's messages.",
    metric=None,  # at guild level it is the same number as reactions added
    field="received",
    by=frozenset({Dimension.MEMBER}),
    member_columns={"": "reactions_received"},
)
REMOVED = _measure(
    name="reactions_removed",
    help="Reactions removed one by one.",
    field="removed",
    by=frozenset({Dimension.CHANNEL, Dimension.EMOJI}),
    columns={"": "reactions_removed"},
)
CLEARS = _measure(
    name="reaction_clears",
    help="Times all reactions, or all of one emoji, were removed from a message; their number is not given.",
    field="clears",
    label="kind",
    values=("all", "emoji"),
    by=frozenset({Dimension.CHANNEL}),
)


class Emoji(msgspec.Struct):
    """An emoji as reactions carry it: custom ones have an id. Discord docs, Resources › Emoji."""

    id: Snowflake | None = None
    name: str | None = None

    @property
    def key(self) -> str:
        """What it is counted by: the id of a custom emoji, else its text."""
        return str(self.id) if self.id else clean(self.name or "", 32)


class ReactionAdd(InChannel):
    """Discord docs, Gateway Events › Message Reaction Add."""

    user_id: Snowflake
    emoji: Emoji
    message_author_id: Snowflake = 0
    burst: bool = False
    member: MemberOf | None = None
    message_id: Snowflake = 0


class ReactionRemove(InChannel):
    """Discord docs, Gateway Events › Message Reaction Remove; and Remove Emoji, which names no user."""

    emoji: Emoji
    user_id: Snowflake = 0
    message_id: Snowflake = 0
    burst: bool = False


class ReactionClear(InChannel):
    """Discord docs, Gateway Events › Message Reaction Remove All."""

    message_id: Snowflake = 0


def read_add(reaction: ReactionAdd, received_at: int) -> tuple[Count | BotSeen | ReactionReceived, ...]:
    """One reaction given and, if it is another's message, one received. Those of bots count for no member.

    Whether the author is a bot is not said: ``state.known_bots`` knows.
    """
    user = reaction.member.user if reaction.member else None
    giver = 0 if user and user.bot else reaction.user_id
    given = Count(
        REACTIONS["super" if reaction.burst else "normal"],
        reaction.guild_id,
        received_at,
        reaction.channel_id,
        giver,
        reaction.emoji.key,
        name=clean(user.username) if user and giver else "",
        person=reaction.user_id,
    )
    author = reaction.message_author_id
    if not giver:
        return (BotSeen(reaction.user_id), given)
    if author in {0, giver}:
        return (given,)
    return (given, ReactionReceived(reaction.guild_id, received_at, author, giver))


def read_remove(reaction: ReactionRemove, received_at: int) -> tuple[Count, ...]:
    """One reaction taken back."""
    guild_id, channel_id, emoji = reaction.guild_id, reaction.channel_id, reaction.emoji.key
    return (Count(REMOVED.series, guild_id, received_at, channel_id, 0, emoji, person=reaction.user_id),)


def read_clear_all(reaction: ReactionClear, received_at: int) -> tuple[Count, ...]:
    """All reactions of a message removed at once."""
    return (Count(CLEARS["all"], reaction.guild_id, received_at, reaction.channel_id),)


def read_clear_emoji(reaction: ReactionRemove, received_at: int) -> tuple[Count, ...]:
    """All reactions of one emoji removed from a message at once."""
    return (Count(CLEARS["emoji"], reaction.guild_id, received_at, reaction.channel_id),)


def _declare(kind: str, help_: str, reader: Reader, *measures: Measure) -> EventSpec:
    return EventSpec(
        kind,
        help_,
        reads={kind: reader},
        intents=("guild_message_reactions",),
        blind_without={"view_channel": "reactions in channels the bot cannot see"},
        measures=measures,
    )


def _reaction(reaction: ReactionAdd | ReactionRemove) -> tuple[int, int, str, bool]:
    return reaction.message_id, reaction.user_id, reaction.emoji.key, reaction.burst


def _all(reaction: ReactionAdd | ReactionRemove | ReactionClear) -> tuple[int, str]:
    return reaction.message_id, "all"


def _all_of_emoji(reaction: ReactionAdd | ReactionRemove) -> tuple[int, str]:
    return reaction.message_id, reaction.emoji.key


_ADDED = Identity(
    "added",
    _reaction,
    lambda reaction: (_all(reaction), _all_of_emoji(reaction)),
    ("MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL", "MESSAGE_REACTION_REMOVE_EMOJI"),
)
_REMOVED = Identity("removed", _reaction, opposites=("MESSAGE_REACTION_ADD",))
_ALL_CLEARED = Identity(CLEARED, _all, opposites=("MESSAGE_REACTION_ADD",))
_EMOJI_CLEARED = Identity(CLEARED, _all_of_emoji, opposites=("MESSAGE_REACTION_ADD",))
_ADD = Reader(ReactionAdd, read_add, _ADDED)
_REMOVE = Reader(ReactionRemove, read_remove, _REMOVED)
_CLEAR_ALL = Reader(ReactionClear, read_clear_all, _ALL_CLEARED)
_CLEAR_EMOJI = Reader(ReactionRemove, read_clear_emoji, _EMOJI_CLEARED)

FAMILY = Family(
    "reactions",
    "Which emoji people answer with, who gives and who receives.",
    (
        _declare("MESSAGE_REACTION_ADD", "A reaction was added.", _ADD, REACTIONS, RECEIVED),
        _declare("MESSAGE_REACTION_REMOVE", "A reaction was removed by its author.", _REMOVE, REMOVED),
        _declare(
            "MESSAGE_REACTION_REMOVE_ALL", "All reactions of a message were removed.", _CLEAR_ALL, CLEARS
        ),
        _declare(
            "MESSAGE_REACTION_REMOVE_EMOJI",
            "All reactions of one emoji were removed from a message.",
            _CLEAR_EMOJI,
            CLEARS,
        ),
    ),
)

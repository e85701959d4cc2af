"""Reactions: given, received and taken back, by emoji.

A reaction counts for who gave it and, apart, for who wrote the message. Discord tells the author on adding
only, so what is taken back is counted by itself and never subtracted: a negative would be a guess.
"""

from __future__ import annotations

import msgspec

from exporter.events.facts import Count
from exporter.events.payload import Emoji, MemberOf, Snowflake, clean
from exporter.events.spec import Dimension, EventSpec, Family, Measure, Reader
from exporter.model import Priority

REACTIONS = Measure(
    name="reactions",
    help="Reactions added to messages.",
    metric="discord_reactions",
    measurement="discord_reactions",
    field="added",
    label="kind",
    values=("normal", "super"),
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER, Dimension.EMOJI}),
    columns={"normal": "reactions", "super": "reactions"},
    member_columns={"normal": "reactions_given", "super": "reactions_given"},
)
RECEIVED = Measure(
    name="reactions_received",
    help="Reactions added to a member's messages.",
    metric=None,  # at guild level it is the same number as reactions added
    measurement="discord_reactions",
    field="received",
    by=frozenset({Dimension.MEMBER}),
    member_columns={"": "reactions_received"},
)
REMOVED = Measure(
    name="reactions_removed",
    help="Reactions removed one by one.",
    metric="discord_reactions_removed",
    measurement="discord_reactions",
    field="removed",
    by=frozenset({Dimension.CHANNEL, Dimension.EMOJI}),
    columns={"": "reactions_removed"},
)
CLEARS = Measure(
    name="reaction_clears",
    help="Times all reactions, or all of one emoji, were removed from a message; their number is not given.",
    metric="discord_reaction_clears",
    measurement="discord_reactions",
    field="clears",
    label="kind",
    values=("all", "emoji"),
    by=frozenset({Dimension.CHANNEL}),
)


class ReactionAdd(msgspec.Struct):
    """Discord docs, Gateway Events › Message Reaction Add."""

    user_id: Snowflake
    channel_id: Snowflake
    emoji: Emoji
    guild_id: Snowflake = 0
    message_author_id: Snowflake = 0
    burst: bool = False
    member: MemberOf | None = None


class ReactionRemove(msgspec.Struct):
    """Discord docs, Gateway Events › Message Reaction Remove; and Remove Emoji, which names no user."""

    channel_id: Snowflake
    emoji: Emoji
    guild_id: Snowflake = 0
    user_id: Snowflake = 0


class ReactionClear(msgspec.Struct):
    """Discord docs, Gateway Events › Message Reaction Remove All."""

    channel_id: Snowflake
    guild_id: Snowflake = 0


def read_add(reaction: ReactionAdd, received_at: int) -> tuple[Count, ...]:
    """One reaction given and, if the author is known, one received. Bots' reactions count for no member."""
    if not reaction.guild_id:
        return ()
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
    if not reaction.message_author_id:
        return (given,)
    author = reaction.message_author_id
    received = Count(RECEIVED.series, reaction.guild_id, received_at, user_id=author, person=reaction.user_id)
    return (given, received)


def read_remove(reaction: ReactionRemove, received_at: int) -> tuple[Count, ...]:
    """One reaction taken back."""
    if not reaction.guild_id:
        return ()
    return (
        Count(
            REMOVED.series,
            reaction.guild_id,
            received_at,
            reaction.channel_id,
            emoji=reaction.emoji.key,
            person=reaction.user_id,
        ),
    )


def read_clear_all(reaction: ReactionClear, received_at: int) -> tuple[Count, ...]:
    """All reactions of a message removed at once."""
    if not reaction.guild_id:
        return ()
    return (Count(CLEARS["all"], reaction.guild_id, received_at, reaction.channel_id),)


def read_clear_emoji(reaction: ReactionRemove, received_at: int) -> tuple[Count, ...]:
    """All reactions of one emoji removed from a message at once."""
    if not reaction.guild_id:
        return ()
    return (Count(CLEARS["emoji"], reaction.guild_id, received_at, reaction.channel_id),)


def _declare(kind: str, help_: str, reader: Reader, *measures: Measure) -> EventSpec:
    return EventSpec(
        type=kind,
        family="reactions",
        help=help_,
        priority=Priority.SLOW,
        reads={kind: reader},
        intents=("guild_message_reactions",),
        permissions=("view_channel",),
        blind_without={"view_channel": "reactions in channels the bot cannot see"},
        measures=measures,
    )


FAMILY = Family(
    "reactions",
    "Which emoji people answer with, who gives and who receives.",
    (
        _declare(
            "MESSAGE_REACTION_ADD",
            "A reaction was added.",
            Reader(ReactionAdd, read_add),
            REACTIONS,
            RECEIVED,
        ),
        _declare(
            "MESSAGE_REACTION_REMOVE",
            "A reaction was removed by its author.",
            Reader(ReactionRemove, read_remove),
            REMOVED,
        ),
        _declare(
            "MESSAGE_REACTION_REMOVE_ALL",
            "All reactions of a message were removed.",
            Reader(ReactionClear, read_clear_all),
            CLEARS,
        ),
        _declare(
            "MESSAGE_REACTION_REMOVE_EMOJI",
            "All reactions of one emoji were removed from a message.",
            Reader(ReactionRemove, read_clear_emoji),
            CLEARS,
        ),
    ),
)

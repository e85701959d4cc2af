"""What a reader makes of a dispatch. Facts are immutable; most go straight into a window.

A fact says what Discord said and nothing more: who did it, what it belongs to and whether it was known
already is found out by the pipeline, which has memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from exporter.model import Json


class Slot:
    """One (measure, label value) pair; compared by identity, being part of every key on the hot path."""

    __slots__ = ("measure", "value")

    def __init__(self, measure: str, value: str) -> None:
        self.measure = measure
        self.value = value

    def __repr__(self) -> str:
        return f"Slot({self.measure!r}, {self.value!r})"


class Count(msgspec.Struct, frozen=True, gc=False):
    """An amount to add to one measure.

    ``once`` names the occurrence where Discord may report it repeatedly; a repeated one is not added again.
    ``name`` is the member's name where the dispatch told it. ``person`` is whose doing it is where it is not
    booked on them: it is not counted if they opted out.
    """

    slot: Slot
    guild_id: int
    at: int
    channel_id: int = 0
    user_id: int = 0
    emoji: str = ""
    amount: int = 1
    once: tuple[int, int] | None = None
    name: str = ""
    person: int = 0


class Record(msgspec.Struct, frozen=True):
    """One exact occurrence that becomes one entry. ``person`` is whom it is about, 0 for nobody."""

    type: str
    guild_id: int
    at: int
    key: str
    data: Mapping[str, Json]
    person: int = 0


class Person(msgspec.Struct, frozen=True):
    """A user's name at this moment, for tables that show people."""

    user_id: int
    name: str
    bot: bool = False


class Action(msgspec.Struct, frozen=True):
    """Something was done to a person: a ban, an unban, a departure. Who did it is not in the dispatch."""

    type: str
    action: str
    guild_id: int
    at: int
    target: Person
    data: Mapping[str, Json] = {}


class AuditEntry(msgspec.Struct, frozen=True):
    """An entry of the guild's audit log: who and why of an action, arriving before it, after it or never.

    ``at`` is when it was written, ``heard_at`` when it came. ``amount`` is how many it speaks of where it
    names nobody: members pruned, messages deleted.
    """

    guild_id: int
    entry_id: int
    at: int
    action_type: int
    actor_id: int
    target_id: int
    reason: str | None
    amount: int = 0
    heard_at: int = 0


class VoiceState(msgspec.Struct, frozen=True):
    """Where a member is and in what state; ``channel_id`` 0 means not in voice."""

    guild_id: int
    user_id: int
    channel_id: int
    at: int
    bot: bool = False
    self_mute: bool = False
    self_deaf: bool = False
    mute: bool = False
    deaf: bool = False
    suppress: bool = False
    stream: bool = False
    video: bool = False


class SessionStarted(msgspec.Struct, frozen=True):
    """A shard has a new session, and will be sent these guilds; what came before may have a gap.

    ``shard`` is its number and how many there are: a guild of it that is not among these is gone.
    """

    guild_ids: tuple[int, ...]
    at: int
    shard: tuple[int, int] = (0, 1)


class ShardNews(msgspec.Struct, frozen=True):
    """What became of a shard's connection.

    ``lost``; ``resuming``, before the replay of what was missed; ``settled``, once a replay is over or a new
    session began; ``heard``, a sign of life that is no dispatch.
    """

    shard: int
    state: str


class ChannelSeen(msgspec.Struct, frozen=True):
    """A channel or thread as it is now; a thread's activity is booked on ``parent_id``."""

    guild_id: int
    channel_id: int
    name: str
    kind: int
    parent_id: int = 0


class ChannelGone(msgspec.Struct, frozen=True):
    """A channel or thread was removed."""

    guild_id: int
    channel_id: int


class GuildSeen(msgspec.Struct, frozen=True):
    """A guild, whole: after identify, after an outage, or because the bot was added."""

    guild_id: int
    at: int
    name: str
    icon: str | None
    owner_id: int
    member_count: int
    features: tuple[str, ...]
    premium_tier: int
    premium_subscription_count: int
    joined_at: int
    afk_channel_id: int
    channels: tuple[ChannelSeen, ...]
    voice_states: tuple[VoiceState, ...]


class GuildChanged(msgspec.Struct, frozen=True):
    """A guild's settings after a change; what changed follows from what was known."""

    guild_id: int
    at: int
    name: str
    icon: str | None
    owner_id: int
    features: tuple[str, ...]
    premium_tier: int
    premium_subscription_count: int
    afk_channel_id: int


class GuildGone(msgspec.Struct, frozen=True):
    """The bot lost sight of a guild: for good, or (``unavailable``) in an outage."""

    guild_id: int
    at: int
    unavailable: bool


class MemberMoved(msgspec.Struct, frozen=True):
    """Somebody joined (+1) or left (-1); keeps the member count true between syncs."""

    guild_id: int
    delta: int


Fact: TypeAlias = (
    Count
    | Record
    | Action
    | AuditEntry
    | VoiceState
    | SessionStarted
    | ShardNews
    | ChannelSeen
    | ChannelGone
    | GuildSeen
    | GuildChanged
    | GuildGone
    | MemberMoved
)

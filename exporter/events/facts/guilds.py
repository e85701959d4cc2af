"""Connections, and what a guild consists of: settings, channels, members in voice, roles, its objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact, GuildFact, Named, Subject, TimedFact
from exporter.model import Json


class SessionStarted(Fact, frozen=True):
    """A shard has a new session, and will be sent these guilds; what came before may have a gap.

    ``shard`` is its number and how many there are: a guild of it that is not among these is gone.
    """

    guild_ids: tuple[int, ...]
    at: int
    shard: tuple[int, int] = (0, 1)


class ShardStateChanged(Fact, frozen=True):
    """What became of a shard's connection.

    ``lost``; ``identifying``, before a new session begins; ``resuming``, before the replay of what was
    missed; ``settled``, once a replay is over or a new session began; ``heard``, a sign of life that is no
    dispatch.
    """

    shard: int
    state: str


class ChannelUpserted(GuildFact, frozen=True):
    """A channel or thread as it is now; a thread's activity is counted for ``parent_id``."""

    channel_id: int
    name: str
    kind: int
    parent_id: int = 0


class ChannelDeleted(GuildFact, frozen=True):
    """A channel or thread was removed."""

    channel_id: int


class VoiceState(Fact, frozen=True, gc=False):
    """Where a member is and in what state; ``channel_id`` 0 means not in voice.

    ``session`` identifies one stay in voice where Discord gives an id, else it is 0.
    """

    guild_id: int
    user_id: Subject
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
    session: int = 0


class VoiceChannelLeft(GuildFact, frozen=True):
    """A member who was in voice is in another channel now, or in none (``channel_id`` 0)."""

    channel_id: int
    at: int


class GuildUpdated(TimedFact, frozen=True):
    """A guild's settings after a change; what changed follows from what was known."""

    name: str
    icon: str | None
    owner_id: Named
    features: tuple[str, ...]
    premium_tier: int
    premium_subscription_count: int
    afk_channel_id: int


class GuildUpserted(GuildUpdated, frozen=True):
    """A guild, whole: after identify, after an outage, or because the bot was added."""

    member_count: int
    joined_at: int
    channels: tuple[ChannelUpserted, ...]
    voice_states: tuple[VoiceState, ...]


class GuildDeleted(TimedFact, frozen=True):
    """A guild is not available to the bot: it left the guild, or (``unavailable``) there is an outage."""

    unavailable: bool


class MemberCountChanged(GuildFact, frozen=True):
    """A member joined (+1) or left (-1); keeps the member count true between syncs."""

    delta: int


class GuildCountsRead(GuildFact, frozen=True):
    """How many members a guild has and how many are online, as requested by REST; None where not given."""

    meaning: AnswerMeaning
    members: int | None = None
    online: int | None = None


class MemberCountCorrected(GuildFact, frozen=True):
    """By what Discord's own count of members differs, and how many are online; None if not given."""

    difference: int
    online: int | None


class BotKnown(Fact, frozen=True):
    """Who the bot itself is."""

    user_id: int


class RolesListed(GuildFact, frozen=True):
    """All roles of a guild with what they permit, and which of them its bots have.

    The owner's id only says whether the bot itself owns the guild.
    """

    owner_id: Named
    roles: tuple[tuple[int, int], ...]
    holders: tuple[tuple[int, tuple[int, ...]], ...]


class RoleUpserted(GuildFact, frozen=True):
    """A role was made or changed; ``permissions`` are Discord's bits."""

    role_id: int
    permissions: int


class RoleDeleted(GuildFact, frozen=True):
    """A role was removed."""

    role_id: int


class MemberRoles(GuildFact, frozen=True):
    """Which roles a bot has now."""

    user_id: int
    role_ids: tuple[int, ...]


class PermissionsChanged(GuildFact, frozen=True):
    """The bot may do more or less in a guild than before, or its permissions there are first known."""


Trait: TypeAlias = bool | int | str | None
"""The value of one field of a guild's object."""


class GuildObject(msgspec.Struct, frozen=True):
    """A role, channel, thread, emoji or sticker; ``traits`` are the fields whose changes are recorded."""

    kind: str
    object_id: int
    traits: Mapping[str, Trait]


class GuildObjectUpserted(TimedFact, frozen=True):
    """An object was ``created`` or ``updated``, or only became visible (``shown``), by ``change``.

    ``creator_id`` is who created it, where the dispatch says so. The object itself belongs to the guild.
    """

    guild_object: GuildObject
    change: str
    creator_id: Named = 0


class GuildObjectDeleted(TimedFact, frozen=True):
    """An object of a guild was deleted."""

    kind: str
    object_id: int


class GuildObjectsListed(TimedFact, frozen=True):
    """All objects of these kinds that a guild has; ``updated`` if the list was sent because of a change."""

    kinds: tuple[str, ...]
    objects: tuple[GuildObject, ...]
    updated: bool = False


class GuildObjectChanged(TimedFact, frozen=True):
    """What was done to an object, as its dispatch shows it; ``actor_id`` 0 where that is not said."""

    action: str
    target_id: int
    name: str | None
    changes: Mapping[str, Json]
    actor_id: Named = 0

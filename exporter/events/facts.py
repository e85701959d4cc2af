"""What a reader makes of a dispatch. Facts are immutable; most go straight into a window.

A fact says what Discord said and nothing more: who did it, what it belongs to and whether it was known
already is found out by the pipeline, which has memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from exporter.events.inquiry import Inquiry
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
    booked on them: it is not counted if they opted out. ``until`` is when something that lasted ended.
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
    until: int = 0


class Record(msgspec.Struct, frozen=True):
    """One exact occurrence that becomes one entry. ``person`` is whom it is about, 0 for nobody."""

    type: str
    guild_id: int
    at: int
    key: str
    data: Mapping[str, Json]
    person: int = 0


class Person(msgspec.Struct, frozen=True):
    """A user's name at this moment, for tables that show people; as a fact, a name told in passing."""

    user_id: int
    name: str
    bot: bool = False


class Action(msgspec.Struct, frozen=True):
    """Something was done to a person: a ban, an unban, a departure. Who did it is not in the dispatch.

    ``once`` names the occurrence where the dispatch has a name for it.
    """

    type: str
    action: str
    guild_id: int
    at: int
    target: Person
    data: Mapping[str, Json] = {}
    once: str = ""


class AuditEntry(msgspec.Struct, frozen=True):
    """An entry of the guild's audit log: who and why of an action, arriving before it, after it or never.

    ``amount`` is how many it speaks of where it names
    nobody: members pruned, messages deleted. ``action`` is what a moderator did by it, empty where it is no
    action on a person; ``until`` is when a timeout ends, in ms; ``details`` is what else it tells.
    """

    guild_id: int
    entry_id: int
    at: int
    action_type: int
    actor_id: int
    target_id: int
    reason: str | None
    amount: int = 0
    action: str = ""
    channel_id: int = 0
    until: int = 0
    details: Mapping[str, Json] = {}


class AuditPage(msgspec.Struct, frozen=True):
    """Part of an audit log as it was asked for; ``status`` is that of HTTP, 0 if there was no answer.

    ``people`` are those the page itself names; ``size`` is how many entries it had, readable or not.
    """

    inquiry: Inquiry
    status: int
    entries: tuple[AuditEntry, ...] = ()
    people: tuple[Person, ...] = ()
    size: int = 0


class MemberJoined(msgspec.Struct, frozen=True):
    """Since when somebody is a member again: what was done before was done in an earlier membership."""

    guild_id: int
    user_id: int
    at: int


class MemberSilence(msgspec.Struct, frozen=True):
    """Until when a member is timed out, in ms; 0 for one who is not."""

    guild_id: int
    at: int
    target: Person
    until: int


class MessageGone(msgspec.Struct, frozen=True):
    """A message was deleted, by its author or by a moderator: Discord does not say."""

    guild_id: int
    channel_id: int
    at: int


class VoiceState(msgspec.Struct, frozen=True, gc=False):
    """Where a member is and in what state; ``channel_id`` 0 means not in voice.

    ``session`` tells one stay from another where Discord does, 0 where it does not.
    """

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
    session: int = 0


class SessionStarted(msgspec.Struct, frozen=True):
    """A shard has a new session, and will be sent these guilds; what came before may have a gap.

    ``shard`` is its number and how many there are: a guild of it that is not among these is gone.
    """

    guild_ids: tuple[int, ...]
    at: int
    shard: tuple[int, int] = (0, 1)


class ShardNews(msgspec.Struct, frozen=True):
    """What became of a shard's connection.

    ``lost``; ``identifying``, before a new session begins; ``resuming``, before the replay of what was
    missed; ``settled``, once a replay is over or a new session began; ``heard``, a sign of life that is no
    dispatch.
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


class CountsRead(msgspec.Struct, frozen=True):
    """How many members a guild has and how many are online, as it was asked for; None where not told."""

    guild_id: int
    members: int | None = None
    online: int | None = None


class BotKnown(msgspec.Struct, frozen=True):
    """Who the bot itself is."""

    user_id: int


class RolesSeen(msgspec.Struct, frozen=True):
    """All roles of a guild with what they permit, and which of them its bots have."""

    guild_id: int
    owner_id: int
    roles: tuple[tuple[int, int], ...]
    holders: tuple[tuple[int, tuple[int, ...]], ...]


class RoleSeen(msgspec.Struct, frozen=True):
    """A role was made or changed; ``permissions`` are Discord's bits."""

    guild_id: int
    role_id: int
    permissions: int


class RoleGone(msgspec.Struct, frozen=True):
    """A role was removed."""

    guild_id: int
    role_id: int


class MemberRoles(msgspec.Struct, frozen=True):
    """Which roles a member has now."""

    guild_id: int
    user_id: int
    role_ids: tuple[int, ...]


Trait: TypeAlias = bool | int | str | None
"""The value of one field of a part."""


class Part(msgspec.Struct, frozen=True):
    """A role, channel, thread, emoji or sticker; ``traits`` are the fields whose changes are told."""

    kind: str
    part_id: int
    traits: Mapping[str, Trait]


class PartSeen(msgspec.Struct, frozen=True):
    """A part of a guild was ``made``, or ``changed``, or merely came into sight (``shown``).

    ``maker_id`` is who made it, where the dispatch says so.
    """

    guild_id: int
    at: int
    part: Part
    news: str
    maker_id: int = 0


class PartGone(msgspec.Struct, frozen=True):
    """A part of a guild was deleted."""

    guild_id: int
    at: int
    kind: str
    part_id: int


class PartsListed(msgspec.Struct, frozen=True):
    """All parts of these kinds that a guild has; ``told`` if the list is news of a change."""

    guild_id: int
    at: int
    kinds: tuple[str, ...]
    parts: tuple[Part, ...]
    told: bool = False


class InviteKnown(msgspec.Struct, frozen=True, array_like=True):
    """An invite as it is known; ``vanity`` is the guild's own address. Times are in ms, 0 for none."""

    code: str
    uses: int = 0
    max_uses: int = 0
    inviter_id: int = 0
    inviter_name: str = ""
    expires_at: int = 0
    vanity: bool = False


class InviteMade(msgspec.Struct, frozen=True):
    """An invite was made."""

    guild_id: int
    invite: InviteKnown


class InviteLost(msgspec.Struct, frozen=True):
    """An invite is gone: taken back, or used up."""

    guild_id: int
    code: str


class InviteTaken(msgspec.Struct, frozen=True):
    """Somebody took an invite back."""

    guild_id: int
    code: str


class InvitesRead(msgspec.Struct, frozen=True):
    """An answer about invites or a guild's own address; ``status`` is that of HTTP, 0 for no usable one."""

    inquiry: Inquiry
    at: int
    status: int
    invites: tuple[InviteKnown, ...] = ()


class Joined(msgspec.Struct, frozen=True):
    """Somebody joined, by a way nobody tells; ``at`` is the moment of the join's own record."""

    guild_id: int
    at: int
    person: Person


Fact: TypeAlias = (
    Count
    | Record
    | Person
    | Action
    | AuditEntry
    | AuditPage
    | MemberJoined
    | MemberSilence
    | MessageGone
    | VoiceState
    | SessionStarted
    | ShardNews
    | ChannelSeen
    | ChannelGone
    | GuildSeen
    | GuildChanged
    | GuildGone
    | MemberMoved
    | CountsRead
    | BotKnown
    | RolesSeen
    | RoleSeen
    | RoleGone
    | MemberRoles
    | PartSeen
    | PartGone
    | PartsListed
    | InviteMade
    | InviteLost
    | InviteTaken
    | InvitesRead
    | Joined
)

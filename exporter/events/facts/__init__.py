"""What a reader makes of a dispatch. Facts are immutable; most go straight into a window.

A fact says what Discord said and nothing more: who did it, what it belongs to and whether it was known
already is found out by the pipeline, which has memory.
"""

from typing import TypeAlias

from exporter.events.facts.counting import Count, Person, Record, Slot
from exporter.events.facts.guild_objects import Part, PartGone, PartSeen, PartsListed, Trait
from exporter.events.facts.guilds import (
    ChannelGone,
    ChannelSeen,
    CountsRead,
    GuildChanged,
    GuildGone,
    GuildSeen,
    MemberMoved,
)
from exporter.events.facts.invites import (
    InviteKnown,
    InviteLost,
    InviteMade,
    InvitesRead,
    InviteTaken,
    Joined,
)
from exporter.events.facts.moderation import (
    Action,
    AuditEntry,
    AuditPage,
    MemberJoined,
    MemberSilence,
    MessageGone,
)
from exporter.events.facts.permissions import BotKnown, MemberRoles, RoleGone, RoleSeen, RolesSeen
from exporter.events.facts.sessions import SessionStarted, ShardNews
from exporter.events.facts.voice import VoiceState

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


__all__ = [
    "Action",
    "AuditEntry",
    "AuditPage",
    "BotKnown",
    "ChannelGone",
    "ChannelSeen",
    "Count",
    "CountsRead",
    "Fact",
    "GuildChanged",
    "GuildGone",
    "GuildSeen",
    "InviteKnown",
    "InviteLost",
    "InviteMade",
    "InviteTaken",
    "InvitesRead",
    "Joined",
    "MemberJoined",
    "MemberMoved",
    "MemberRoles",
    "MemberSilence",
    "MessageGone",
    "Part",
    "PartGone",
    "PartSeen",
    "PartsListed",
    "Person",
    "Record",
    "RoleGone",
    "RoleSeen",
    "RolesSeen",
    "SessionStarted",
    "ShardNews",
    "Slot",
    "Trait",
    "VoiceState",
]

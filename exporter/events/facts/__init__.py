"""What a reader makes of a dispatch. Facts are immutable; most go straight into a window.

A fact says what Discord said and nothing more: who did it, what it belongs to and whether it was known
already is found out by the pipeline, which has memory.
"""

from typing import TypeAlias

from exporter.events.facts.counting import Count, Person, Record, Series
from exporter.events.facts.guild_objects import (
    GuildObject,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
    Trait,
)
from exporter.events.facts.guilds import (
    ChannelDeleted,
    ChannelUpserted,
    GuildCountsRead,
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    MemberCountChanged,
)
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
)
from exporter.events.facts.moderation import (
    Action,
    AuditEntry,
    AuditPage,
    MembershipStarted,
    MessageDeleted,
    TimeoutState,
)
from exporter.events.facts.permissions import BotKnown, MemberRoles, RoleDeleted, RolesListed, RoleUpserted
from exporter.events.facts.sessions import SessionStarted, ShardStateChanged
from exporter.events.facts.voice import VoiceState

Fact: TypeAlias = (
    Count
    | Record
    | Person
    | Action
    | AuditEntry
    | AuditPage
    | MembershipStarted
    | TimeoutState
    | MessageDeleted
    | VoiceState
    | SessionStarted
    | ShardStateChanged
    | ChannelUpserted
    | ChannelDeleted
    | GuildUpserted
    | GuildUpdated
    | GuildDeleted
    | MemberCountChanged
    | GuildCountsRead
    | BotKnown
    | RolesListed
    | RoleUpserted
    | RoleDeleted
    | MemberRoles
    | GuildObjectUpserted
    | GuildObjectDeleted
    | GuildObjectsListed
    | InviteCreated
    | InviteDeleted
    | InviteRevoked
    | InvitesRead
    | MemberJoined
)


__all__ = [
    "Action",
    "AuditEntry",
    "AuditPage",
    "BotKnown",
    "ChannelDeleted",
    "ChannelUpserted",
    "Count",
    "Fact",
    "GuildCountsRead",
    "GuildDeleted",
    "GuildObject",
    "GuildObjectDeleted",
    "GuildObjectUpserted",
    "GuildObjectsListed",
    "GuildUpdated",
    "GuildUpserted",
    "InviteCreated",
    "InviteDeleted",
    "InviteKnown",
    "InviteRevoked",
    "InvitesRead",
    "MemberCountChanged",
    "MemberJoined",
    "MemberRoles",
    "MembershipStarted",
    "MessageDeleted",
    "Person",
    "Record",
    "RoleDeleted",
    "RoleUpserted",
    "RolesListed",
    "Series",
    "SessionStarted",
    "ShardStateChanged",
    "TimeoutState",
    "Trait",
    "VoiceState",
]

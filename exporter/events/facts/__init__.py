"""What a reader makes of a dispatch. Facts are immutable; most go straight into a window.

A fact says what Discord said and nothing more: who did it, what it belongs to and whether it was known
already is found out by the pipeline, which has memory.
"""

from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.facts.counting import Count, Person, Record, Series, TimeElapsed
from exporter.events.facts.guild_objects import (
    GuildObject,
    GuildObjectChanged,
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
    MemberCountCorrected,
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
    ActionExplained,
    ActionUnexplained,
    AuditEntry,
    AuditEntryRecounted,
    AuditEntryTaken,
    AuditPage,
    AuditPageRead,
    MembershipStarted,
    MessageDeleted,
    TimeoutState,
)
from exporter.events.facts.permissions import (
    BotKnown,
    MemberRoles,
    PermissionsChanged,
    RoleDeleted,
    RolesListed,
    RoleUpserted,
)
from exporter.events.facts.sessions import SessionStarted, ShardStateChanged
from exporter.events.facts.voice import VoiceChannelLeft, VoiceState

__all__ = [
    "Action",
    "ActionExplained",
    "ActionUnexplained",
    "AuditEntry",
    "AuditEntryRecounted",
    "AuditEntryTaken",
    "AuditPage",
    "AuditPageRead",
    "BotKnown",
    "ChannelDeleted",
    "ChannelUpserted",
    "Count",
    "ElementsRejected",
    "Fact",
    "GuildCountsRead",
    "GuildDeleted",
    "GuildObject",
    "GuildObjectChanged",
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
    "MemberCountCorrected",
    "MemberJoined",
    "MemberRoles",
    "MembershipStarted",
    "MessageDeleted",
    "PermissionsChanged",
    "Person",
    "Record",
    "RoleDeleted",
    "RoleUpserted",
    "RolesListed",
    "Series",
    "SessionStarted",
    "ShardStateChanged",
    "TimeElapsed",
    "TimeoutState",
    "Trait",
    "VoiceChannelLeft",
    "VoiceState",
]

"""What the entries of each event type say: one struct per kind of record and per snapshot.

The structs are the declaration of the data: the reference page, the columns of the SQL tables and the decoder
of the spool follow from them. Names of fields are an interface: they are the keys on disk, columns, and keys
of ``details``.

Of a field that is None an entry says nothing: a store keeps what it knows. Producers of records have checked
every value (``payload``); the decoder checks them once more when an entry is read from disk, and nothing
behind it does.
"""

from exporter.events.records.occurrences import (
    AuditedActionRecord,
    AutomodRecord,
    ChannelUpdateRecord,
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    GuildUpdateRecord,
    InviteDeleteRecord,
    InviteRecord,
    InviteUseRecord,
    LevelUpRecord,
    ListedChannel,
    MemberJoinRecord,
    MemberLeaveRecord,
    ModerationRecord,
    StructureRecord,
    StructureUpdateRecord,
    VoiceOrderRecord,
)
from exporter.events.records.snapshots import (
    ALL_DETAILS,
    ActiveMember,
    MemberActivitySnapshot,
    MetricsSnapshot,
    SnapshotDetail,
    WindowData,
)
from exporter.events.records.values import (
    Changes,
    DataField,
    Doc,
    Int64,
    Milliseconds,
    RecordType,
    describe_fields,
)

__all__ = [
    "ALL_DETAILS",
    "ActiveMember",
    "AuditedActionRecord",
    "AutomodRecord",
    "Changes",
    "ChannelUpdateRecord",
    "DataField",
    "Doc",
    "GuildDeleteRecord",
    "GuildRecord",
    "GuildSyncRecord",
    "GuildUpdateRecord",
    "Int64",
    "InviteDeleteRecord",
    "InviteRecord",
    "InviteUseRecord",
    "LevelUpRecord",
    "ListedChannel",
    "MemberActivitySnapshot",
    "MemberJoinRecord",
    "MemberLeaveRecord",
    "MetricsSnapshot",
    "Milliseconds",
    "ModerationRecord",
    "RecordType",
    "SnapshotDetail",
    "StructureRecord",
    "StructureUpdateRecord",
    "VoiceOrderRecord",
    "WindowData",
    "describe_fields",
]

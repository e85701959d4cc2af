"""Structure: roles, channels, threads, emoji and stickers are made, changed and deleted, and by whom.

A dispatch shows an object as it is now, emoji and stickers as the list of all there are; what changed follows
from what was known, and who did it from the audit log (``changes``), but for a thread, which names its
creator. All of it is off by default: it is a record for those who want to look up who did it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.events.changes import CHANGES, VERBS
from exporter.events.facts.guilds import (
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
)
from exporter.events.moderation import AUDIT_READS
from exporter.events.payload import Identified, Snowflake
from exporter.events.records.occurrences import ChannelUpdateRecord, StructureRecord, StructureUpdateRecord
from exporter.events.roles import RoleDelete
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.events.traits import (
    WATCHED,
    ChannelTraits,
    EmojiTraits,
    ObjectTraits,
    RoleTraits,
    StickerTraits,
    ThreadTraits,
)
from exporter.model import Priority

STRUCTURE = Measure(
    name="structure_changes",
    help="Roles, channels, threads, emoji and stickers made, changed and deleted.",
    label="change",
    values=CHANGES,
)
STRUCTURE_TYPES = frozenset(action.upper() for action in CHANGES)
"""The event types of changes; in small letters the action."""


class RoleUpsert(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Create, Guild Role Update."""

    guild_id: Snowflake
    role: RoleTraits


class ThreadsSync(msgspec.Struct):
    """Discord docs, Gateway Events › Thread List Sync."""

    guild_id: Snowflake
    threads: tuple[ThreadTraits, ...]


class EmojisUpdate(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Emojis Update."""

    guild_id: Snowflake
    emojis: tuple[EmojiTraits, ...]


class StickersUpdate(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Stickers Update."""

    guild_id: Snowflake
    stickers: tuple[StickerTraits, ...]


class GuildStructure(Identified):
    """Discord docs, Gateway Events › Guild Create."""

    unavailable: bool = False
    roles: tuple[RoleTraits, ...] = ()
    channels: tuple[ChannelTraits, ...] = ()
    threads: tuple[ThreadTraits, ...] = ()
    emojis: tuple[EmojiTraits, ...] = ()
    stickers: tuple[StickerTraits, ...] = ()


def read_guild(guild: GuildStructure, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All a guild consists of."""
    if guild.unavailable:
        return ()
    listed = (*guild.roles, *guild.channels, *guild.threads, *guild.emojis, *guild.stickers)
    objects = tuple(each.guild_object for each in listed)
    return (GuildObjectsListed(guild.id, received_at, tuple(WATCHED), objects),)


def read_emojis(update: EmojisUpdate, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All emoji there are now."""
    emojis = tuple(emoji.guild_object for emoji in update.emojis)
    return (GuildObjectsListed(update.guild_id, received_at, ("emoji",), emojis, updated=True),)


def read_stickers(update: StickersUpdate, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All stickers there are now."""
    stickers = tuple(sticker.guild_object for sticker in update.stickers)
    return (GuildObjectsListed(update.guild_id, received_at, ("sticker",), stickers, updated=True),)


def read_thread_created(thread: ThreadTraits, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A new thread, or an old one that the bot was let into."""
    change, creator_id = ("created", thread.owner_id or 0) if thread.newly_created else ("shown", 0)
    return (GuildObjectUpserted(thread.guild_id, received_at, thread.guild_object, change, creator_id),)


def read_threads(sync: ThreadsSync, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """Threads that have just become visible to the bot."""
    return tuple(
        GuildObjectUpserted(sync.guild_id, received_at, thread.guild_object, "shown")
        for thread in sync.threads
    )


def read_role_deleted(role: RoleDelete, received_at: int) -> tuple[GuildObjectDeleted, ...]:
    """A role that is gone."""
    return (GuildObjectDeleted(role.guild_id, received_at, "role", role.role_id),)


def read_deleted(gone: ObjectTraits, received_at: int) -> tuple[GuildObjectDeleted, ...]:
    """A channel or thread that is gone."""
    return (GuildObjectDeleted(gone.guild_id, received_at, gone.kind, gone.id),)


def _role_reader(change: str) -> Reader:
    def read(role: RoleUpsert, received_at: int) -> tuple[GuildObjectUpserted, ...]:
        return (GuildObjectUpserted(role.guild_id, received_at, role.role.guild_object, change),)

    return Reader(RoleUpsert, read)


def _channel_reader(payload: type[ObjectTraits], change: str) -> Reader:
    def read(channel: ObjectTraits, received_at: int) -> tuple[GuildObjectUpserted, ...]:
        return (GuildObjectUpserted(channel.guild_id, received_at, channel.guild_object, change),)

    return Reader(payload, read)


_GUILD = {"GUILD_CREATE": Reader(GuildStructure, read_guild)}
_READS: Mapping[str, Mapping[str, Reader]] = {
    "role": {
        "GUILD_ROLE_CREATE": _role_reader("created"),
        "GUILD_ROLE_UPDATE": _role_reader("updated"),
        "GUILD_ROLE_DELETE": Reader(RoleDelete, read_role_deleted),
    },
    "channel": {
        "CHANNEL_CREATE": _channel_reader(ChannelTraits, "created"),
        "CHANNEL_UPDATE": _channel_reader(ChannelTraits, "updated"),
        "CHANNEL_DELETE": Reader(ChannelTraits, read_deleted),
    },
    "thread": {
        "THREAD_CREATE": Reader(ThreadTraits, read_thread_created),
        "THREAD_UPDATE": _channel_reader(ThreadTraits, "updated"),
        "THREAD_DELETE": Reader(ThreadTraits, read_deleted),
        "THREAD_LIST_SYNC": Reader(ThreadsSync, read_threads),
    },
    "emoji": {"GUILD_EMOJIS_UPDATE": Reader(EmojisUpdate, read_emojis)},
    "sticker": {"GUILD_STICKERS_UPDATE": Reader(StickersUpdate, read_stickers)},
}
_EXPRESSIONS = frozenset({"emoji", "sticker"})
_DONE = {"create": "made", "update": "changed", "delete": "deleted"}


RECORDS: Mapping[str, type[StructureRecord]] = {
    kind: StructureUpdateRecord if kind.endswith("_UPDATE") else StructureRecord for kind in STRUCTURE_TYPES
} | {"CHANNEL_UPDATE": ChannelUpdateRecord}
"""What the rows of changes say, by event type."""


def _declare(kind: str, verb: str) -> EventSpec:
    name = f"{kind}_{verb}".upper()
    return EventSpec(
        name,
        f"{'An' if kind == 'emoji' else 'A'} {kind} was {_DONE[verb]}.",
        priority=Priority.IMPORTANT,
        reads={**_GUILD, **_READS[kind], **AUDIT_READS},
        intents=("guilds", "guild_moderation", *(("guild_expressions",) if kind in _EXPRESSIONS else ())),
        blind_without={"view_audit_log": "who did it and why"},
        default=False,
        measures=(STRUCTURE,),
        table="guild_events",
        record=RECORDS[name],
    )


FAMILY = Family(
    "structure",
    "What guilds are made of, and who changes it.",
    tuple(_declare(kind, verb) for kind in WATCHED for verb in VERBS),
)

"""Structure: roles, channels, threads, emoji and stickers are made, changed and deleted, and by whom.

A dispatch shows a part as it is now, emoji and stickers as the list of all there are; what changed follows
from what was known, and who did it from the audit log (``changes``), but for a thread, which names its maker.
All of it is off by default: it is a record for those who want to look up who did it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.events.changes import CHANGES, VERBS, WATCHED, tidy
from exporter.events.facts import (
    GuildObject,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
    Trait,
)
from exporter.events.guilds import THREAD_TYPES
from exporter.events.moderation import AUDIT_READS
from exporter.events.payload import Number, Snowflake
from exporter.events.records import ChannelUpdateRecord, StructureRecord, StructureUpdateRecord
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.model import Priority

STRUCTURE = Measure(
    name="structure_changes",
    help="Roles, channels, threads, emoji and stickers made, changed and deleted.",
    metric="discord_structure_changes",
    measurement="discord_guild",
    field="structure_changes",
    label="change",
    values=CHANGES,
)
STRUCTURE_TYPES = frozenset(action.upper() for action in STRUCTURE.values)
"""The event types of changes; in small letters the action."""


class _Traits(msgspec.Struct):
    """Base of the payloads of parts: fields are those watched, by Discord's names for them."""

    id: Snowflake

    def part(self, kind: str) -> GuildObject:
        """The part as a fact; ids are text, as in the audit log."""
        found: dict[str, Trait] = {}
        for name in WATCHED[kind]:
            value = getattr(self, name)
            found[name] = str(value) if name == "parent_id" and value is not None else tidy(value)
        return GuildObject(kind, self.id, found)


class RoleTraits(_Traits):
    """Discord docs, Topics › Permissions › Role Object."""

    name: str = ""
    permissions: str = "0"
    color: Number = 0
    hoist: bool = False
    mentionable: bool = False


class ThreadState(msgspec.Struct):
    """Discord docs, Resources › Channel › Thread Metadata Object."""

    archived: bool = False
    locked: bool = False
    auto_archive_duration: Number = 0


class ChannelTraits(_Traits):
    """A channel or a thread. Discord docs, Resources › Channel › Channel Object."""

    type: Number = 0
    guild_id: Snowflake = 0
    name: str | None = None
    parent_id: Snowflake | None = None
    topic: str | None = None
    nsfw: bool = False
    rate_limit_per_user: Number | None = None
    bitrate: Number | None = None
    user_limit: Number | None = None
    thread_metadata: ThreadState | None = None
    owner_id: Snowflake | None = None
    newly_created: bool = False

    @property
    def archived(self) -> bool:
        """Whether a thread is put away."""
        return self.thread_metadata is not None and self.thread_metadata.archived

    @property
    def locked(self) -> bool:
        """Whether only moderators may take a thread up again."""
        return self.thread_metadata is not None and self.thread_metadata.locked

    @property
    def auto_archive_duration(self) -> int:
        """Minutes of silence after which Discord puts a thread away."""
        return self.thread_metadata.auto_archive_duration if self.thread_metadata else 0

    @property
    def kind(self) -> str:
        """Which of the two it is."""
        return "thread" if self.type in THREAD_TYPES else "channel"


class EmojiTraits(_Traits):
    """Discord docs, Resources › Emoji › Emoji Object."""

    name: str | None = None


class StickerTraits(_Traits):
    """Discord docs, Resources › Sticker › Sticker Object."""

    name: str = ""
    description: str | None = None
    tags: str | None = None


class RoleNews(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Create, Guild Role Update."""

    guild_id: Snowflake
    role: RoleTraits


class RoleLoss(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Delete."""

    guild_id: Snowflake
    role_id: Snowflake


class ThreadsShown(msgspec.Struct):
    """Discord docs, Gateway Events › Thread List Sync."""

    guild_id: Snowflake
    threads: list[ChannelTraits]


class EmojisNews(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Emojis Update."""

    guild_id: Snowflake
    emojis: list[EmojiTraits]


class StickersNews(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Stickers Update."""

    guild_id: Snowflake
    stickers: list[StickerTraits]


class GuildParts(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Create."""

    id: Snowflake
    unavailable: bool = False
    roles: list[RoleTraits] = []
    channels: list[ChannelTraits] = []
    threads: list[ChannelTraits] = []
    emojis: list[EmojiTraits] = []
    stickers: list[StickerTraits] = []


def read_guild(guild: GuildParts, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All a guild is made of."""
    if guild.unavailable:
        return ()
    parts = (
        *(role.part("role") for role in guild.roles),
        *(channel.part("channel") for channel in guild.channels),
        *(thread.part("thread") for thread in guild.threads),
        *(emoji.part("emoji") for emoji in guild.emojis),
        *(sticker.part("sticker") for sticker in guild.stickers),
    )
    return (GuildObjectsListed(guild.id, received_at, tuple(WATCHED), parts),)


def read_role_made(news: RoleNews, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A new role."""
    return (GuildObjectUpserted(news.guild_id, received_at, news.role.part("role"), "made"),)


def read_role_changed(news: RoleNews, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A role as it is now."""
    return (GuildObjectUpserted(news.guild_id, received_at, news.role.part("role"), "changed"),)


def read_role_gone(loss: RoleLoss, received_at: int) -> tuple[GuildObjectDeleted, ...]:
    """A role that is gone."""
    return (GuildObjectDeleted(loss.guild_id, received_at, "role", loss.role_id),)


def _read_channel(channel: ChannelTraits, received_at: int, news: str) -> tuple[GuildObjectUpserted, ...]:
    if not channel.guild_id:
        return ()
    maker = channel.owner_id or 0 if channel.kind == "thread" and news == "made" else 0
    return (GuildObjectUpserted(channel.guild_id, received_at, channel.part(channel.kind), news, maker),)


def read_channel_made(channel: ChannelTraits, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A new channel."""
    return _read_channel(channel, received_at, "made")


def read_thread_made(thread: ChannelTraits, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A new thread, or an old one that the bot was let into."""
    return _read_channel(thread, received_at, "made" if thread.newly_created else "shown")


def read_channel_changed(channel: ChannelTraits, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """A channel or thread as it is now."""
    return _read_channel(channel, received_at, "changed")


def read_channel_gone(channel: ChannelTraits, received_at: int) -> tuple[GuildObjectDeleted, ...]:
    """A channel or thread that is gone."""
    if not channel.guild_id:
        return ()
    return (GuildObjectDeleted(channel.guild_id, received_at, channel.kind, channel.id),)


def read_threads(shown: ThreadsShown, received_at: int) -> tuple[GuildObjectUpserted, ...]:
    """Threads that have just become visible to the bot."""
    return tuple(
        GuildObjectUpserted(shown.guild_id, received_at, thread.part("thread"), "shown")
        for thread in shown.threads
    )


def read_emojis(news: EmojisNews, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All emoji there are now."""
    parts = tuple(emoji.part("emoji") for emoji in news.emojis)
    return (GuildObjectsListed(news.guild_id, received_at, ("emoji",), parts, told=True),)


def read_stickers(news: StickersNews, received_at: int) -> tuple[GuildObjectsListed, ...]:
    """All stickers there are now."""
    parts = tuple(sticker.part("sticker") for sticker in news.stickers)
    return (GuildObjectsListed(news.guild_id, received_at, ("sticker",), parts, told=True),)


_GUILD = {"GUILD_CREATE": Reader(GuildParts, read_guild)}
_CHANGED = Reader(ChannelTraits, read_channel_changed)
_GONE = Reader(ChannelTraits, read_channel_gone)
_READS: Mapping[str, Mapping[str, Reader]] = {
    "role": {
        "GUILD_ROLE_CREATE": Reader(RoleNews, read_role_made),
        "GUILD_ROLE_UPDATE": Reader(RoleNews, read_role_changed),
        "GUILD_ROLE_DELETE": Reader(RoleLoss, read_role_gone),
    },
    "channel": {
        "CHANNEL_CREATE": Reader(ChannelTraits, read_channel_made),
        "CHANNEL_UPDATE": _CHANGED,
        "CHANNEL_DELETE": _GONE,
    },
    "thread": {
        "THREAD_CREATE": Reader(ChannelTraits, read_thread_made),
        "THREAD_UPDATE": _CHANGED,
        "THREAD_DELETE": _GONE,
        "THREAD_LIST_SYNC": Reader(ThreadsShown, read_threads),
    },
    "emoji": {"GUILD_EMOJIS_UPDATE": Reader(EmojisNews, read_emojis)},
    "sticker": {"GUILD_STICKERS_UPDATE": Reader(StickersNews, read_stickers)},
}
_DONE = {"create": "made", "update": "changed", "delete": "deleted"}
_ARTICLES = {"emoji": "An"}


RECORDS: Mapping[str, type[StructureRecord]] = {
    f"{part}_{verb}".upper(): StructureUpdateRecord if verb == "update" else StructureRecord
    for part in WATCHED
    for verb in VERBS
} | {"CHANNEL_UPDATE": ChannelUpdateRecord}
"""What the rows of changes say, by event type."""


def _declare(part: str, verb: str) -> EventSpec:
    expression = part in {"emoji", "sticker"}
    return EventSpec(
        type=f"{part}_{verb}".upper(),
        family="structure",
        help=f"{_ARTICLES.get(part, 'A')} {part} was {_DONE[verb]}.",
        priority=Priority.IMPORTANT,
        reads={**_GUILD, **_READS[part], **AUDIT_READS},
        intents=("guilds", "guild_moderation", *(("guild_expressions",) if expression else ())),
        permissions=("view_audit_log",),
        blind_without={"view_audit_log": "who did it and why"},
        default=False,
        measures=(STRUCTURE,),
        table="guild_events",
        record=RECORDS[f"{part}_{verb}".upper()],
    )


FAMILY = Family(
    "structure",
    "What guilds are made of, and who changes it.",
    tuple(_declare(part, verb) for part in WATCHED for verb in VERBS),
)

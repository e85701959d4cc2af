"""Objects of a guild and the fields that are compared of them between dispatches.

An object is a role, a channel, a thread, an emoji or a sticker. Only the fields declared here are compared:
Discord also sends a dispatch for changes that no user made, such as the positions of all roles below one that
was moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from exporter.events.facts.guilds import GuildObject, Trait
from exporter.events.payload import InGuild, Number, Snowflake, clean


def tidy(value: Trait) -> Trait:
    """A value as it is kept: text is clean and short, and no text is nothing."""
    return (clean(value) or None) if isinstance(value, str) else value


class ObjectTraits(InGuild):
    """Base of the payloads of objects; in lists they come without their guild."""

    kind: ClassVar[str]
    id: Snowflake

    @classmethod
    def watched(cls) -> tuple[str, ...]:
        """The fields whose changes are recorded, by their names in the audit log."""
        return tuple(name for name in cls.__struct_fields__ if name not in ObjectTraits.__struct_fields__)

    @property
    def guild_object(self) -> GuildObject:
        """The object as a fact."""
        return GuildObject(self.kind, self.id, {name: self.trait(name) for name in WATCHED[self.kind]})

    def trait(self, name: str) -> Trait:
        """The value of a watched field; ids are text, as in the audit log."""
        value = getattr(self, name)
        return str(value) if name == "parent_id" and value is not None else tidy(value)


class RoleTraits(ObjectTraits):
    """Discord docs, Topics › Permissions › Role Object."""

    kind = "role"
    name: str = ""
    permissions: str = "0"
    color: Number = 0
    hoist: bool = False
    mentionable: bool = False


class ChannelTraits(ObjectTraits):
    """Discord docs, Resources › Channel › Channel Object."""

    kind = "channel"
    name: str | None = None
    type: Number = 0
    parent_id: Snowflake | None = None
    topic: str | None = None
    nsfw: bool = False
    rate_limit_per_user: Number | None = None
    bitrate: Number | None = None
    user_limit: Number | None = None


class ThreadState(msgspec.Struct):
    """Discord docs, Resources › Channel › Thread Metadata Object."""

    archived: bool = False
    locked: bool = False
    auto_archive_duration: Number = 0


class ThreadTraits(ObjectTraits):
    """Discord docs, Resources › Channel › Channel Object, for a thread."""

    kind = "thread"
    name: str | None = None
    rate_limit_per_user: Number | None = None
    thread_metadata: ThreadState | None = None
    owner_id: Snowflake | None = None
    newly_created: bool = False

    @classmethod
    def watched(cls) -> tuple[str, ...]:
        """The fields whose changes are recorded; most of them are in ``thread_metadata``."""
        return ("name", *ThreadState.__struct_fields__, "rate_limit_per_user")

    def trait(self, name: str) -> Trait:
        """The value of a watched field; some stand in ``thread_metadata``."""
        state = self.thread_metadata or ThreadState()
        return getattr(state, name) if name in state.__struct_fields__ else super().trait(name)


class EmojiTraits(ObjectTraits):
    """Discord docs, Resources › Emoji › Emoji Object."""

    kind = "emoji"
    name: str | None = None


class StickerTraits(ObjectTraits):
    """Discord docs, Resources › Sticker › Sticker Object."""

    kind = "sticker"
    name: str = ""
    description: str | None = None
    tags: str | None = None


WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    traits.kind: traits.watched()
    for traits in (RoleTraits, ChannelTraits, ThreadTraits, EmojiTraits, StickerTraits)
}
"""By kind of object, the fields a change is made of."""

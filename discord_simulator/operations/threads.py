"""Operations on threads: started, renamed, archived by Discord above a number, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.guild import Channel, Guild, Message
from discord_simulator.objects import Data, thread_object
from discord_simulator.operations import audit, messages
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction, Author, ChannelKind, Intent, MessageKind

if TYPE_CHECKING:
    from discord_simulator.world import World


def start(
    world: World, guild: Guild, parent: Channel, owner_id: int, *, name: str, on: Message | None = None
) -> None:
    """A user starts a thread: on a message, without one, or as a post in a forum."""
    _archive_oldest(world, guild)
    now = world.now()
    thread = Channel(
        id=on.id if on else world.ids.make(now),
        kind=ChannelKind.THREAD,
        name=name,
        parent_id=parent.id,
        owner_id=owner_id,
        created_at=now,
    )
    guild.threads.append(thread)
    entry = audit.entry_for(
        world,
        guild,
        AuditAction.THREAD_CREATE,
        Actor(owner_id),
        thread.id,
        changes=(audit.change("name", None, name),),
    )
    line = world.record(
        "THREAD_CREATE",
        guild,
        now,
        channel_id=str(thread.id),
        parent_id=str(parent.id),
        user_id=str(owner_id),
        target_id=str(thread.id),
        name=name,
        moderator_id=str(owner_id),
        audit_entry_id=str(entry.id),
    )
    world.publish(
        "THREAD_CREATE", guild, {**thread_object(guild, thread), "newly_created": True}, Intent.GUILDS, line
    )
    audit.publish_entry(world, guild, entry, line)
    if parent.kind is ChannelKind.FORUM:
        # A post in a forum is a thread whose first message has the thread's own id.
        messages.post(world, guild, thread, owner_id, Author.HUMAN, message_id=thread.id)
        return
    if on is not None:
        on.has_thread = True
        world.publish("MESSAGE_UPDATE", guild, world.render.message(guild, on), Intent.GUILD_MESSAGES)
    else:
        messages.post(
            world, guild, parent, owner_id, Author.SYSTEM, kind=MessageKind.THREAD_CREATED, reply_to=thread.id
        )


def _archive_oldest(world: World, guild: Guild) -> None:
    if len(guild.threads) == guild.threads.maxlen:
        oldest = guild.threads.popleft()
        line = _record(world, guild, "THREAD_UPDATE", oldest, None, {"archived": {"old": False, "new": True}})
        world.publish(
            "THREAD_UPDATE", guild, thread_object(guild, oldest, archived=True), Intent.GUILDS, line
        )


def rename(world: World, guild: Guild, thread: Channel, name: str, by: Actor) -> None:
    """A user renames a thread."""
    old, thread.name = thread.name, name
    changed = audit.change("name", old, name)
    entry = audit.entry_for(world, guild, AuditAction.THREAD_UPDATE, by, thread.id, changes=(changed,))
    line = _record(world, guild, "THREAD_UPDATE", thread, (by, entry.id), {"name": {"old": old, "new": name}})
    audit.publish_before(world, guild, entry, line, by)
    world.publish("THREAD_UPDATE", guild, thread_object(guild, thread), Intent.GUILDS, line)
    audit.publish_after(world, guild, entry, line, by)


def delete(world: World, guild: Guild, thread: Channel, by: Actor) -> None:
    """A moderator deletes a thread; no event is published for its messages."""
    guild.threads.remove(thread)
    thread.recent.clear()
    changed = audit.change("name", thread.name, None)
    entry = audit.entry_for(world, guild, AuditAction.THREAD_DELETE, by, thread.id, changes=(changed,))
    line = _record(world, guild, "THREAD_DELETE", thread, (by, entry.id), {})
    audit.publish_before(world, guild, entry, line, by)
    data: Data = {
        "id": str(thread.id),
        "guild_id": str(guild.id),
        "parent_id": str(thread.parent_id),
        "type": int(thread.kind),
    }
    world.publish("THREAD_DELETE", guild, data, Intent.GUILDS, line)
    audit.publish_after(world, guild, entry, line, by)


def _record(
    world: World, guild: Guild, kind: str, thread: Channel, done: tuple[Actor, int] | None, changes: Data
) -> int:
    by, entry_id = done or (None, None)
    return world.record(
        kind,
        guild,
        world.now(),
        target_id=str(thread.id),
        parent_id=str(thread.parent_id),
        name=thread.name,
        moderator_id=str(by.moderator_id) if by else None,
        audit_entry_id=str(entry_id) if entry_id else None,
        reason=by.reason if by else None,
        changes=changes,
    )

"""The audit log: who performed an action and why, published apart from the event of the action.

Discord publishes an entry shortly before or after the event it belongs to, in no guaranteed order. Entries
about deleted messages, moves and disconnects are grouped: further actions of the moderator raise the count of
the first entry, and only the first one is published (discord-api-docs 5911 and 5989).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from discord_simulator.guild import AuditEntry, Guild
from discord_simulator.objects import Data, audit_object
from discord_simulator.vocabulary import VIEW_AUDIT_LOG, AuditAction, Intent

if TYPE_CHECKING:
    from discord_simulator.world import World

GROUPED_MS = 5 * 60 * 1000
"""How long the deletions of one user's messages, the moves to one channel or the disconnects by one moderator
are counted in one entry."""

_GROUPED = frozenset({AuditAction.MESSAGE_DELETE, AuditAction.MEMBER_MOVE, AuditAction.MEMBER_DISCONNECT})

_PERMISSIONS = frozenset({VIEW_AUDIT_LOG})


@dataclass(frozen=True, slots=True)
class Actor:
    """The user who performs an action, and how its audit entry is published.

    Attributes:
        moderator_id: the acting user.
        reason: the reason in the audit entry, if any.
        delay: simulated seconds from the event to the publication of the entry; just before the event if
            negative, never if None.
        entry: an entry that was published before the action (``publish_early``).
    """

    moderator_id: int
    reason: str | None = None
    delay: float | None = 0.0
    entry: AuditEntry | None = None


def change(key: str, old: object, new: object) -> Data:
    """A change in an audit entry; a value that was absent or was removed is left out, not null."""
    found: Data = {"key": key}
    if old is not None:
        found["old_value"] = old
    if new is not None:
        found["new_value"] = new
    return found


def add_entry(
    world: World,
    guild: Guild,
    action: AuditAction,
    *,
    user_id: int,
    target_id: int,
    reason: str | None = None,
    options: dict[str, str] | None = None,
    changes: tuple[Data, ...] = (),
) -> AuditEntry:
    """Add an entry to the log: it can be fetched over REST from now on, and is not published yet."""
    now = world.now()
    entry = AuditEntry(
        id=world.ids.make(now),
        at=now,
        action=action,
        user_id=user_id,
        target_id=target_id,
        reason=reason,
        options=options or {},
        changes=changes,
    )
    guild.audit.append(entry)
    return entry


def entry_for(
    world: World,
    guild: Guild,
    action: AuditAction,
    by: Actor,
    target_id: int,
    *,
    options: dict[str, str] | None = None,
    changes: tuple[Data, ...] = (),
) -> AuditEntry:
    """The entry of an action: the one published early, else a new one."""
    return by.entry or add_entry(
        world,
        guild,
        action,
        user_id=by.moderator_id,
        target_id=target_id,
        reason=by.reason,
        options=options,
        changes=changes,
    )


def publish_early(
    world: World,
    guild: Guild,
    action: AuditAction,
    by: Actor,
    target_id: int,
    *,
    changes: tuple[Data, ...] = (),
) -> Actor:
    """Publish the entry of an action that follows; returns the actor to perform it with."""
    entry = entry_for(world, guild, action, by, target_id, changes=changes)
    publish_entry(world, guild, entry, 0)
    return replace(by, entry=entry)


def publish_before(world: World, guild: Guild, entry: AuditEntry, line: int, by: Actor) -> None:
    """Publish an entry if its actor's delay says before the event."""
    if by.entry is None and by.delay is not None and by.delay < 0:
        publish_entry(world, guild, entry, line)


def publish_after(world: World, guild: Guild, entry: AuditEntry, line: int, by: Actor) -> None:
    """Publish an entry if its delay says after the event, or record that it never is."""
    if by.entry is None and (by.delay is None or by.delay >= 0):
        publish_entry(world, guild, entry, line, by.delay)


def publish_entry(
    world: World, guild: Guild, entry: AuditEntry, line: int, delay: float | None = 0.0
) -> None:
    """Publish an entry now, ``delay`` simulated seconds later, or for None never.

    The entry has a ledger line of its own, because a bot may receive the event without the entry, or the
    entry without the event; ``line`` is the line of the event, or 0.
    """

    def publish() -> None:
        number = world.record(
            "AUDIT_LOG_ENTRY",
            guild,
            world.now(),
            audit_entry_id=str(entry.id),
            action_type=int(entry.action),
            user_id=str(entry.user_id),
            of=line or None,
            visible=delay is not None and VIEW_AUDIT_LOG in guild.permissions,
        )
        if delay is not None:
            world.publish(
                "GUILD_AUDIT_LOG_ENTRY_CREATE",
                guild,
                {**audit_object(entry), "guild_id": str(guild.id)},
                Intent.GUILD_MODERATION,
                number,
                permissions=_PERMISSIONS,
            )

    if delay is not None and delay > 0:
        world.scheduler.after(delay, publish, before_outage_of=guild.id)
    else:
        publish()


def count_into(
    world: World,
    guild: Guild,
    by: Actor,
    action: AuditAction,
    *,
    target_id: int = 0,
    channel_id: int = 0,
    number: int = 1,
) -> tuple[AuditEntry, bool]:
    """Add ``number`` to the count of a matching entry or of a new one; returns it and whether it is new."""
    now = world.now()
    if action in _GROUPED:
        for entry in reversed(guild.audit):
            if now - entry.at > GROUPED_MS:
                break
            if (entry.action, entry.user_id, entry.target_id, entry.channel_id) == (
                action,
                by.moderator_id,
                target_id,
                channel_id,
            ):
                entry.count += number
                return entry, False
    entry = add_entry(world, guild, action, user_id=by.moderator_id, target_id=target_id, reason=by.reason)
    entry.count = number
    entry.channel_id = channel_id if action in _GROUPED else 0
    return entry, True

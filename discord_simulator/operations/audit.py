"""The audit log: who did it and why, told apart from the deed itself.

Discord tells of an entry shortly before or after the event it belongs to, with no promise about which.
Entries about deleted messages, moves and disconnects are grouped: a moderator who goes on raises the count of
the first entry, and only that first one is ever told (discord-api-docs 5911 and 5989).
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
"""How long the same moderator's deletions of the same person's messages, moves to the same channel or
disconnects are counted into one entry."""

_GROUPED = frozenset({AuditAction.MESSAGE_DELETE, AuditAction.MEMBER_MOVE, AuditAction.MEMBER_DISCONNECT})

_NEEDS = frozenset({VIEW_AUDIT_LOG})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something to somebody else, and why.

    ``delay`` is when the audit entry is told of: simulated seconds after the event, just before it if
    negative, None for never. ``entry`` is one that was told of long before (``foretell``).
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
    """Put an entry into the log; it can be fetched from now on, but nobody has been told."""
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
    """The entry of a deed: a new one, unless it was foretold."""
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
    """Tell of the entry now; the deed follows, done by who is returned here."""
    entry = entry_for(world, guild, action, by, target_id, changes=changes)
    publish_entry(world, guild, entry, 0)
    return replace(by, entry=entry)


def publish_before(world: World, guild: Guild, entry: AuditEntry, line: int, by: Actor) -> None:
    """Tell of an entry if it is to be told before its deed."""
    if by.entry is None and by.delay is not None and by.delay < 0:
        publish_entry(world, guild, entry, line)


def publish_after(world: World, guild: Guild, entry: AuditEntry, line: int, by: Actor) -> None:
    """Tell of an entry if it is to be told after its deed, or never."""
    if by.entry is None and (by.delay is None or by.delay >= 0):
        publish_entry(world, guild, entry, line, by.delay)


def publish_entry(
    world: World, guild: Guild, entry: AuditEntry, line: int, delay: float | None = 0.0
) -> None:
    """Tell of an entry now, ``delay`` simulated seconds later, or for None never.

    The entry has a ledger line of its own, because a bot may see the deed and miss its entry, or the reverse;
    ``line`` is the deed's, or 0.
    """

    def publish() -> None:
        told = world.record(
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
                told,
                permissions=_NEEDS,
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
    """Count what was done into an entry; says which one and whether it is new."""
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

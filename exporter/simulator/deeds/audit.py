"""The audit log: who did it and why, told apart from the deed itself.

Discord tells of an entry shortly before or after the event it belongs to, with no promise about which.
Entries about deleted messages are grouped: a moderator who goes on deleting raises the count of the first
entry, and only that first one is ever told (discord-api-docs 5911 and 5989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.simulator.guild import AuditEntry, Guild
from exporter.simulator.objects import Data, audit_object
from exporter.simulator.vocabulary import VIEW_AUDIT_LOG, AuditAction, Intent

if TYPE_CHECKING:
    from exporter.simulator.world import World

GROUPED_MS = 5 * 60 * 1000
"""How long deletions by the same moderator of the same person's messages are counted into one entry."""

_NEEDS = frozenset({VIEW_AUDIT_LOG})


@dataclass(frozen=True, slots=True)
class By:
    """Who does something to somebody else, and why.

    ``delay`` is when the audit entry is told of: simulated seconds after the event, or before it if negative.
    """

    moderator_id: int
    reason: str | None = None
    delay: float = 0.0


def enter(
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


def tell(world: World, guild: Guild, entry: AuditEntry, line: int, delay: float = 0.0) -> None:
    """Tell of an entry now, or ``delay`` simulated seconds later.

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
            visible=VIEW_AUDIT_LOG in guild.permissions,
        )
        world.tell(
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            guild,
            {**audit_object(entry), "guild_id": str(guild.id)},
            Intent.GUILD_MODERATION,
            told,
            permissions=_NEEDS,
        )

    if delay > 0:
        world.agenda.after(delay, publish, echo_of=guild.id)
    else:
        publish()


def count_deletion(
    world: World,
    guild: Guild,
    *,
    user_id: int,
    target_id: int,
    channel_id: int,
    number: int,
    action: AuditAction,
) -> tuple[AuditEntry, bool]:
    """Count deleted messages into an entry; says which one and whether it is new."""
    now = world.now()
    if action is AuditAction.MESSAGE_DELETE:
        for entry in reversed(guild.audit):
            if now - entry.at > GROUPED_MS:
                break
            if (entry.action, entry.user_id, entry.target_id, entry.channel_id) == (
                action,
                user_id,
                target_id,
                channel_id,
            ):
                entry.count += number
                return entry, False
    entry = enter(world, guild, action, user_id=user_id, target_id=target_id)
    entry.count = number
    entry.channel_id = channel_id if action is AuditAction.MESSAGE_DELETE else 0
    return entry, True

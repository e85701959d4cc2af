"""Operations on invites: created, used, used up, deleted, expired.

Discord does not publish which invite a user joined by: only its count of uses rises, as REST shows if the
invite still exists. An invite that is used up is deleted and INVITE_DELETE is sent, sometimes before the
join; for an expired invite no event is sent. Sources: Discord docs, Gateway Events › Invite Create, Invite
Delete; discord-api-docs 7249.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.invite import Invite, make_code
from discord_simulator.operations import audit, members
from discord_simulator.vocabulary import MANAGE_CHANNELS, MANAGE_GUILD, AuditAction, Intent

if TYPE_CHECKING:
    from discord_simulator.guild import Channel, Guild
    from discord_simulator.objects import Data
    from discord_simulator.operations.audit import Actor
    from discord_simulator.world import World

JoinMethod: TypeAlias = Literal["invite", "vanity", "unknown"]

_PERMISSIONS = frozenset({MANAGE_CHANNELS})
_RETRY_MS = 1000
"""Retry interval of an expiry that is due in an outage; it is recorded after the outage."""


def create(
    world: World,
    guild: Guild,
    channel: Channel,
    by: Actor,
    *,
    max_uses: int = 0,
    max_age: int = 0,
    temporary: bool = False,
) -> Invite:
    """A user creates an invite to a channel; ``max_age`` is in seconds."""
    now = world.now()
    invite = Invite(
        make_code(world.rng), channel.id, by.moderator_id, now, max_uses, max_age, temporary=temporary
    )
    guild.invites[invite.code] = invite
    if invite.expires_at is not None:
        _expire_at(world, guild, invite, invite.expires_at)
    entry = audit.entry_for(
        world, guild, AuditAction.INVITE_CREATE, by, 0, changes=_changes(invite, is_new=True)
    )
    line = world.record(
        "INVITE_CREATE",
        guild,
        now,
        code=invite.code,
        channel_id=str(invite.channel_id),
        inviter_id=str(invite.inviter_id),
        max_uses=max_uses,
        max_age=max_age,
        temporary=temporary,
        audit_entry_id=str(entry.id),
        visible=MANAGE_CHANNELS in guild.permissions,
    )
    audit.publish_before(world, guild, entry, line, by)
    data: Data = {
        **invite.terms(),
        "channel_id": str(invite.channel_id),
        "guild_id": str(guild.id),
        "inviter": world.render.user(invite.inviter_id),
        "type": 0,
    }
    world.publish("INVITE_CREATE", guild, data, Intent.GUILD_INVITES, line, permissions=_PERMISSIONS)
    audit.publish_after(world, guild, entry, line, by)
    return invite


def delete(world: World, guild: Guild, invite: Invite, by: Actor) -> None:
    """A user deletes an invite."""
    entry = audit.entry_for(
        world, guild, AuditAction.INVITE_DELETE, by, 0, changes=_changes(invite, is_new=False)
    )
    line = _record_end(
        world, guild, invite, "deleted", moderator_id=str(by.moderator_id), audit_entry_id=str(entry.id)
    )
    audit.publish_before(world, guild, entry, line, by)
    _publish_end(world, guild, invite, line)
    audit.publish_after(world, guild, entry, line, by)


def join(world: World, guild: Guild, user_id: int, invite: Invite, *, delete_first: bool = False) -> None:
    """A user joins by an invite.

    ``delete_first``: if the invite is used up by this, INVITE_DELETE is published before the join.
    """
    invite.uses += 1
    if invite.used_up and delete_first:
        _end(world, guild, invite)
    members.join(world, guild, user_id)
    _record_use(world, guild, user_id, "invite", invite.code, invite.inviter_id)
    if invite.used_up and not delete_first:
        _end(world, guild, invite)


def join_by_vanity(world: World, guild: Guild, user_id: int) -> None:
    """A user joins by the vanity URL of the guild.

    Raises:
        ValueError: the guild has no vanity URL.
    """
    if guild.vanity is None:
        msg = f"guild {guild.id} has no vanity URL"
        raise ValueError(msg)
    guild.vanity.uses += 1
    members.join(world, guild, user_id)
    _record_use(world, guild, user_id, "vanity", guild.vanity.code)


def join_untraced(world: World, guild: Guild, user_id: int) -> None:
    """A user joins without raising any count, as from Discord's list of public guilds."""
    members.join(world, guild, user_id)
    _record_use(world, guild, user_id, "unknown")


def _record_use(
    world: World, guild: Guild, user_id: int, method: JoinMethod, code: str | None = None, inviter_id: int = 0
) -> None:
    world.record(
        "INVITE_USE",
        guild,
        world.now(),
        user_id=str(user_id),
        code=code,
        method=method,
        inviter_id=str(inviter_id) if inviter_id else None,
        knowable=method != "unknown" and MANAGE_GUILD in guild.permissions,
    )


def _end(world: World, guild: Guild, invite: Invite) -> None:
    _publish_end(world, guild, invite, _record_end(world, guild, invite, "used_up"))


def _record_end(world: World, guild: Guild, invite: Invite, cause: str, **fields: object) -> int:
    del guild.invites[invite.code]
    return world.record(
        "INVITE_DELETE",
        guild,
        world.now(),
        code=invite.code,
        cause=cause,
        visible=MANAGE_CHANNELS in guild.permissions,
        **fields,
    )


def _publish_end(world: World, guild: Guild, invite: Invite, line: int) -> None:
    data: Data = {"channel_id": str(invite.channel_id), "guild_id": str(guild.id), "code": invite.code}
    world.publish("INVITE_DELETE", guild, data, Intent.GUILD_INVITES, line, permissions=_PERMISSIONS)


def _expire_at(world: World, guild: Guild, invite: Invite, moment: int) -> None:
    def expire() -> None:
        if guild.removed or guild.invites.get(invite.code) is not invite:
            return
        if guild.unavailable:
            _expire_at(world, guild, invite, world.now() + _RETRY_MS)
            return
        del guild.invites[invite.code]
        world.record("INVITE_EXPIRED", guild, world.now(), code=invite.code)

    world.deadlines.at(moment, expire)


def _changes(invite: Invite, *, is_new: bool) -> tuple[Data, ...]:
    values: Data = {
        "code": invite.code,
        "channel_id": str(invite.channel_id),
        "inviter_id": str(invite.inviter_id),
        "max_uses": invite.max_uses,
        "max_age": invite.max_age,
        "temporary": invite.temporary,
        "uses": invite.uses,
    }
    return tuple(
        audit.change(key, None if is_new else value, value if is_new else None)
        for key, value in values.items()
    )

"""What moderators do to members who stay: timeouts, roles, names, and order in voice channels.

Each deed is in the audit log. What Discord does not send: anything when a timeout runs out; a second entry
for members moved or disconnected one after the other; whom an entry about a move or a disconnect speaks of.
Sources: Discord docs, Gateway Events › Guild Member Update; Resources › Audit Log › Audit Log Events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.guild import Timeout
from discord_simulator.operations import audit, messages, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.payload import roles_of
from discord_simulator.snowflake import iso
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from discord_simulator.guild import AuditEntry, Channel, Guild
    from discord_simulator.objects import Data
    from discord_simulator.world import World

VoiceRestriction: TypeAlias = Literal["mute", "deaf"]

_ORDERS = {
    ("mute", True): "voice_mute",
    ("mute", False): "voice_unmute",
    ("deaf", True): "voice_deafen",
    ("deaf", False): "voice_undeafen",
}

_AGAIN_MS = 1000
"""A timeout that runs out in an outage is said to be over when the guild is back."""


def time_out(world: World, guild: Guild, user_id: int, until: int, by: Actor) -> None:
    """A moderator silences a member until a moment in ms, or changes that moment."""
    old = guild.timeouts.get(user_id)
    changed = audit.change("communication_disabled_until", iso(old.until) if old else None, iso(until))
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))
    set_timeout(world, guild, user_id, until, entry)
    _act(world, guild, user_id, "timeout", by, entry, _tell_member, until=until)


def set_timeout(world: World, guild: Guild, user_id: int, until: int, entry: AuditEntry) -> None:
    """Keep a timeout in mind until it ends, which nobody is told of."""
    timeout = guild.timeouts[user_id] = Timeout(until, entry.id)
    world.render.forget_member(guild, user_id)

    def expire() -> None:
        if guild.removed or guild.timeouts.get(user_id) is not timeout:
            return
        if guild.unavailable:
            world.deadlines.at(world.now() + _AGAIN_MS, expire)
            return
        del guild.timeouts[user_id]
        world.render.forget_member(guild, user_id)
        world.record(
            "TIMEOUT_EXPIRED",
            guild,
            world.now(),
            target_user_id=str(user_id),
            until=until,
            member=guild.has_member(user_id),
        )

    world.deadlines.at(until, expire)


def lift_timeout(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator lets a silenced member talk again."""
    old = guild.timeouts.pop(user_id)
    world.render.forget_member(guild, user_id)
    changed = audit.change("communication_disabled_until", iso(old.until), None)
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))
    _act(world, guild, user_id, "timeout_removed", by, entry, _tell_member)


def give_roles(world: World, guild: Guild, user_id: int, role_ids: Sequence[int], by: Actor) -> None:
    """A moderator or a bot gives a member roles."""
    _set_roles(world, guild, user_id, [*roles_of(guild, user_id), *role_ids], role_ids, "role_add", by)


def take_roles(world: World, guild: Guild, user_id: int, role_ids: Sequence[int], by: Actor) -> None:
    """A moderator or a bot takes roles from a member."""
    left = [role_id for role_id in roles_of(guild, user_id) if role_id not in role_ids]
    _set_roles(world, guild, user_id, left, role_ids, "role_remove", by)


def _set_roles(
    world: World,
    guild: Guild,
    user_id: int,
    roles: list[int],
    changed: Sequence[int],
    action: Literal["role_add", "role_remove"],
    by: Actor,
) -> None:
    guild.given_roles[user_id] = roles
    world.render.forget_member(guild, user_id)
    named = [{"id": str(role.id), "name": role.name} for role in guild.roles if role.id in changed]
    changes: Data = {"key": "$add" if action == "role_add" else "$remove", "new_value": named}
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_ROLE_UPDATE, by, user_id, changes=(changes,))
    ids = [str(role_id) for role_id in changed]
    _act(world, guild, user_id, action, by, entry, _tell_member, role_ids=ids)


def set_nickname(world: World, guild: Guild, user_id: int, nick: str | None, by: Actor) -> None:
    """A moderator gives a member another nickname, or takes it away."""
    entry = _set_nickname(world, guild, user_id, nick, by)
    _act(world, guild, user_id, "nick", by, entry, _tell_member, nick=nick)


def set_own_nickname(world: World, guild: Guild, user_id: int, nick: str | None) -> None:
    """A member takes another nickname: in the audit log, and nobody's business."""
    by = Actor(user_id)
    entry = _set_nickname(world, guild, user_id, nick, by)
    line = world.record(
        "OWN_NICK", guild, world.now(), user_id=str(user_id), nick=nick, audit_entry_id=str(entry.id)
    )
    _tell_member(world, guild, user_id, line)
    audit.publish_after(world, guild, entry, line, by)


def _set_nickname(world: World, guild: Guild, user_id: int, nick: str | None, by: Actor) -> AuditEntry:
    changed = audit.change("nick", world.render.nickname(guild, user_id), nick)
    guild.nicknames[user_id] = nick
    world.render.forget_member(guild, user_id)
    return audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))


def toggle_restriction(world: World, guild: Guild, user_id: int, what: VoiceRestriction, by: Actor) -> None:
    """A moderator mutes or deafens a member in voice, or lifts it."""
    value = not getattr(guild.states[user_id], what)
    changed: Data = {"key": what, "old_value": not value, "new_value": value}
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))

    def tell(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.toggle(world, guild, user_id, what)

    _act(world, guild, user_id, _ORDERS[what, value], by, entry, tell)


def move(world: World, guild: Guild, user_id: int, channel: Channel, by: Actor) -> None:
    """A moderator moves a member to another voice channel."""

    def tell(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.move(world, guild, user_id, channel)

    _act_grouped(world, guild, user_id, "member_move", by, tell, channel.id)


def disconnect(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator throws a member out of voice."""

    def tell(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.leave(world, guild, user_id)

    _act_grouped(world, guild, user_id, "member_disconnect", by, tell)


def _act_grouped(
    world: World,
    guild: Guild,
    user_id: int,
    name: Literal["member_move", "member_disconnect"],
    by: Actor,
    tell: Callable[[World, Guild, int, int], None],
    channel_id: int = 0,
) -> None:
    moved = name == "member_move"
    action = AuditAction.MEMBER_MOVE if moved else AuditAction.MEMBER_DISCONNECT
    entry, is_new = audit.count_into(world, guild, by, action, channel_id=channel_id)
    place = {"channel_id": str(channel_id)} if moved else {}
    _act(world, guild, user_id, name, by, entry, tell, is_told=is_new, **place)


def add_bot(world: World, guild: Guild, bot_id: int, by: Actor) -> None:
    """Somebody adds a bot through OAuth; it comes by no invite."""
    entry = audit.entry_for(world, guild, AuditAction.BOT_ADD, by, bot_id)
    now = world.now()
    guild.bots.append(bot_id)
    guild.joined[bot_id] = now
    world.render.forget_member(guild, bot_id)

    def tell(world: World, guild: Guild, bot_id: int, _line: int) -> None:
        line = world.record(
            "GUILD_MEMBER_ADD", guild, now, user_id=str(bot_id), member_count=guild.member_count
        )
        data = {**world.render.whole_member(guild, bot_id), "guild_id": str(guild.id)}
        world.publish("GUILD_MEMBER_ADD", guild, data, Intent.GUILD_MEMBERS, line)

    _act(world, guild, bot_id, "bot_add", by, entry, tell)
    world.record(
        "INVITE_USE",
        guild,
        now,
        user_id=str(bot_id),
        code=None,
        method="oauth",
        inviter_id=str(by.moderator_id),
        knowable=True,
    )
    messages.post(world, guild, guild.system_channel, bot_id, Author.SYSTEM, kind=MessageKind.JOIN)


def _act(
    world: World,
    guild: Guild,
    user_id: int,
    action: str,
    by: Actor,
    entry: AuditEntry,
    tell: Callable[[World, Guild, int, int], None],
    *,
    is_told: bool = True,
    **fields: object,
) -> None:
    """Record an action and tell of it; ``is_told`` says whether its entry is new."""
    line = world.record(
        "MEMBER_ACTION",
        guild,
        world.now(),
        action=action,
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
        **fields,
    )
    if is_told:
        audit.publish_before(world, guild, entry, line, by)
    tell(world, guild, user_id, line)
    if is_told:
        audit.publish_after(world, guild, entry, line, by)


def _tell_member(world: World, guild: Guild, user_id: int, line: int) -> None:
    data = {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)}
    world.publish("GUILD_MEMBER_UPDATE", guild, data, Intent.GUILD_MEMBERS, line)

"""Behaviours of moderators, bots and AutoMod towards members who stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import automod, messages, moderation
from discord_simulator.operations.audit import Actor
from discord_simulator.payload import roles_of

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild, Role, VoiceState

_RULES = (
    ("no scams", 1, (automod.RuleAction.BLOCK,)),
    (
        'mentions, "spam" = 5',
        5,
        (automod.RuleAction.BLOCK, automod.RuleAction.FLAG, automod.RuleAction.TIMEOUT),
    ),
    ("look at this", 4, (automod.RuleAction.FLAG,)),
)
"""Name, number of the trigger type, and actions of each rule."""

_MOST_AT_ONCE = 4
"""Largest number of members that a moderator moves or disconnects at once."""


def time_out(context: Context) -> bool:
    """A moderator times a member out."""
    found = _pick_member(context)
    if found is None or found[1] in found[0].timeouts:
        return False
    guild, user_id = found
    moderation.time_out(context.world, guild, user_id, _timeout_end(context), context.acting_moderator(guild))
    return True


def extend_timeout(context: Context) -> bool:
    """A moderator changes the end of a timeout."""
    found = _timed_out_member(context)
    if found is None:
        return False
    guild, user_id = found
    moderation.time_out(context.world, guild, user_id, _timeout_end(context), context.acting_moderator(guild))
    return True


def lift_timeout(context: Context) -> bool:
    """A moderator removes a timeout before its end."""
    found = _timed_out_member(context)
    if found is None:
        return False
    guild, user_id = found
    moderation.lift_timeout(context.world, guild, user_id, context.acting_moderator(guild))
    return True


def _timeout_end(context: Context) -> int:
    return context.world.now() + round(context.rng.uniform(*context.timeouts) * 1000)


def _timed_out_member(context: Context) -> tuple[Guild, int] | None:
    guild = context.guild()
    if guild is None:
        return None
    present = [user_id for user_id in guild.timeouts if guild.has_member(user_id)]
    return (guild, context.rng.choice(present)) if present else None


def _pick_member(context: Context) -> tuple[Guild, int] | None:
    guild = context.guild()
    user_id = context.removable_member(guild) if guild else None
    return None if guild is None or user_id is None else (guild, user_id)


def give_roles(context: Context) -> bool:
    """A moderator or a bot adds one or two roles to a member."""
    found = _pick_member(context)
    if found is None:
        return False
    guild, user_id = found
    held = roles_of(guild, user_id)
    free = [role.id for role in _assignable_roles(guild) if role.id not in held]
    if not free:
        return False
    chosen = context.rng.sample(free, min(len(free), context.rng.choice((1, 1, 1, 2))))
    moderation.give_roles(context.world, guild, user_id, chosen, _role_actor(context, guild))
    return True


def take_role(context: Context) -> bool:
    """A moderator or a bot removes a role from a member."""
    found = _pick_member(context)
    if found is None:
        return False
    guild, user_id = found
    ordinary = {role.id for role in _assignable_roles(guild)}
    held = [role_id for role_id in roles_of(guild, user_id) if role_id in ordinary]
    if not held:
        return False
    by = _role_actor(context, guild)
    moderation.take_roles(context.world, guild, user_id, [context.rng.choice(held)], by)
    return True


def _assignable_roles(guild: Guild) -> list[Role]:
    """Roles of members: without @everyone, the moderators' role and the roles of bots."""
    return [role for role in guild.roles[2:] if not role.bot_id]


def _role_actor(context: Context, guild: Guild) -> Actor:
    if len(guild.bots) > 1 and context.chance(0.3):
        return Actor(guild.bots[1], "reaction role", context.audit_delay())
    return context.acting_moderator(guild)


def set_nickname(context: Context) -> bool:
    """A moderator changes the nickname of a member."""
    found = _pick_member(context)
    if found is None:
        return False
    guild, user_id = found
    nick = _nickname(context, guild, user_id)
    moderation.set_nickname(context.world, guild, user_id, nick, context.acting_moderator(guild))
    return True


def set_own_nickname(context: Context) -> bool:
    """A member changes their own nickname."""
    guild = context.guild()
    if guild is None:
        return False
    user_id = context.member(guild)
    moderation.set_own_nickname(context.world, guild, user_id, _nickname(context, guild, user_id))
    return True


def _nickname(context: Context, guild: Guild, user_id: int) -> str | None:
    now = context.world.render.nickname(guild, user_id)
    return context.rng.choice([nick for nick in (*words.NICKNAMES, None) if nick != now])


def mute_or_deafen(context: Context) -> bool:
    """A moderator mutes or deafens a member in voice, or removes that."""
    found = _member_in_voice(context)
    if found is None:
        return False
    guild, state = found
    what: tuple[moderation.VoiceRestriction, ...] = ("mute", "mute", "deaf")
    moderation.toggle_restriction(
        context.world, guild, state.user_id, context.rng.choice(what), context.acting_moderator(guild)
    )
    return True


def move_members(context: Context) -> bool:
    """A moderator moves some members of a voice channel to another one."""
    found = _member_in_voice(context)
    if found is None:
        return False
    guild, first = found
    channel = context.voice_channel(guild)
    if channel.id == first.channel_id:
        return False
    by = context.acting_moderator(guild)
    for state in _same_channel(context, guild, first):
        moderation.move(context.world, guild, state.user_id, channel, by)
    return True


def disconnect_members(context: Context) -> bool:
    """A moderator disconnects some members of a voice channel."""
    found = _member_in_voice(context)
    if found is None:
        return False
    guild, first = found
    by = context.acting_moderator(guild)
    for state in _same_channel(context, guild, first):
        moderation.disconnect(context.world, guild, state.user_id, by)
    return True


def _member_in_voice(context: Context) -> tuple[Guild, VoiceState] | None:
    guild = context.guild()
    if guild is None or not guild.states:
        return None
    return guild, guild.states[context.rng.choice(list(guild.states))]


def _same_channel(context: Context, guild: Guild, first: VoiceState) -> list[VoiceState]:
    present = [state for state in guild.states.values() if state.channel_id == first.channel_id]
    present.remove(first)
    return [first, *present[: context.rng.randrange(_MOST_AT_ONCE)]]


def add_bot(context: Context) -> bool:
    """An owner adds a bot."""
    guild = context.guild()
    new = [user_id for user_id in context.world.population.bots if guild and user_id not in guild.bots]
    if guild is None or not new:
        return False
    moderation.add_bot(
        context.world, guild, context.rng.choice(new), Actor(guild.owner_id, delay=context.audit_delay())
    )
    return True


def trigger_automod(context: Context) -> bool:
    """A member writes a message that an AutoMod rule matches."""
    found = _pick_member(context)
    if found is None or found[1] in found[0].timeouts:
        return False
    guild, user_id = found
    number = context.rng.randrange(len(_RULES))
    name, trigger, actions = _RULES[number]
    rule = automod.AutoModRule(
        guild.id + number,
        name,
        trigger,
        actions,
        timeout_seconds=round(context.rng.uniform(*context.timeouts)),
    )
    channel = context.channel(guild)
    automod.apply_rule(context.world, guild, channel, user_id, rule, delay=context.audit_delay())
    return True


def delete_as_bot(context: Context) -> bool:
    """A bot deletes a single message, which has no audit entry."""
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None or len(guild.bots) == 1:
        return False
    messages.delete(context.world, guild, message)
    return True

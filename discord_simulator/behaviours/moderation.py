"""Moderators keep order among those who stay, bots and AutoMod help them, and members rename themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import automod, messages, moderation
from discord_simulator.operations.audit import By
from discord_simulator.payload import roles_of

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Guild, Role, VoiceState

_RULES = (
    ("no scams", 1, (automod.Measure.BLOCK,)),
    ('mentions, "spam" = 5', 5, (automod.Measure.BLOCK, automod.Measure.FLAG, automod.Measure.TIMEOUT)),
    ("look at this", 4, (automod.Measure.FLAG,)),
)
"""Name, Discord's number of the trigger, and what is done."""

_SERIES = 4
"""Most members a moderator moves or throws out in one go."""


def time_out(scene: Scene) -> bool:
    """A moderator silences somebody for a while."""
    found = _bystander(scene)
    if found is None or found[1] in found[0].timeouts:
        return False
    guild, user_id = found
    moderation.time_out(scene.world, guild, user_id, _end(scene), scene.sentence(guild))
    return True


def extend(scene: Scene) -> bool:
    """A moderator changes how long somebody stays silenced."""
    found = _silenced(scene)
    if found is None:
        return False
    guild, user_id = found
    moderation.time_out(scene.world, guild, user_id, _end(scene), scene.sentence(guild))
    return True


def forgive(scene: Scene) -> bool:
    """A moderator lets somebody talk again before the time is over."""
    found = _silenced(scene)
    if found is None:
        return False
    guild, user_id = found
    moderation.lift_timeout(scene.world, guild, user_id, scene.sentence(guild))
    return True


def _end(scene: Scene) -> int:
    return scene.world.now() + round(scene.rng.uniform(*scene.timeouts) * 1000)


def _silenced(scene: Scene) -> tuple[Guild, int] | None:
    guild = scene.guild()
    if guild is None:
        return None
    there = [user_id for user_id in guild.timeouts if guild.has(user_id)]
    return (guild, scene.rng.choice(there)) if there else None


def _bystander(scene: Scene) -> tuple[Guild, int] | None:
    guild = scene.guild()
    user_id = scene.bystander(guild) if guild else None
    return None if guild is None or user_id is None else (guild, user_id)


def promote(scene: Scene) -> bool:
    """A moderator or a bot gives somebody one or two roles."""
    found = _bystander(scene)
    if found is None:
        return False
    guild, user_id = found
    held = roles_of(guild, user_id)
    free = [role.id for role in _ordinary(guild) if role.id not in held]
    if not free:
        return False
    chosen = scene.rng.sample(free, min(len(free), scene.rng.choice((1, 1, 1, 2))))
    moderation.give_roles(scene.world, guild, user_id, chosen, _promoter(scene, guild))
    return True


def demote(scene: Scene) -> bool:
    """A moderator or a bot takes a role from somebody."""
    found = _bystander(scene)
    if found is None:
        return False
    guild, user_id = found
    ordinary = {role.id for role in _ordinary(guild)}
    held = [role_id for role_id in roles_of(guild, user_id) if role_id in ordinary]
    if not held:
        return False
    by = _promoter(scene, guild)
    moderation.take_roles(scene.world, guild, user_id, [scene.rng.choice(held)], by)
    return True


def _ordinary(guild: Guild) -> list[Role]:
    """The roles people get: not @everyone, not the moderators', no bot's."""
    return [role for role in guild.roles[2:] if not role.bot_id]


def _promoter(scene: Scene, guild: Guild) -> By:
    if len(guild.bots) > 1 and scene.chance(0.3):
        return By(guild.bots[1], "reaction role", scene.echo_delay())
    return scene.sentence(guild)


def rename(scene: Scene) -> bool:
    """A moderator gives somebody another nickname."""
    found = _bystander(scene)
    if found is None:
        return False
    guild, user_id = found
    nick = _nickname(scene, guild, user_id)
    moderation.rename(scene.world, guild, user_id, nick, scene.sentence(guild))
    return True


def rename_oneself(scene: Scene) -> bool:
    """Somebody takes another nickname."""
    guild = scene.guild()
    if guild is None:
        return False
    user_id = scene.member(guild)
    moderation.rename_oneself(scene.world, guild, user_id, _nickname(scene, guild, user_id))
    return True


def _nickname(scene: Scene, guild: Guild, user_id: int) -> str | None:
    now = scene.world.render.nickname(guild, user_id)
    return scene.rng.choice([nick for nick in (*words.NICKNAMES, None) if nick != now])


def silence(scene: Scene) -> bool:
    """A moderator mutes or deafens somebody in voice, or lifts it."""
    found = _in_voice(scene)
    if found is None:
        return False
    guild, state = found
    what: tuple[moderation.Order, ...] = ("mute", "mute", "deaf")
    moderation.order(scene.world, guild, state.user_id, scene.rng.choice(what), scene.sentence(guild))
    return True


def move(scene: Scene) -> bool:
    """A moderator moves some of those in a voice channel to another one."""
    found = _in_voice(scene)
    if found is None:
        return False
    guild, first = found
    place = scene.speaking_place(guild)
    if place.id == first.channel_id:
        return False
    by = scene.sentence(guild)
    for state in _neighbours(scene, guild, first):
        moderation.move(scene.world, guild, state.user_id, place, by)
    return True


def throw_out(scene: Scene) -> bool:
    """A moderator disconnects some of those in a voice channel."""
    found = _in_voice(scene)
    if found is None:
        return False
    guild, first = found
    by = scene.sentence(guild)
    for state in _neighbours(scene, guild, first):
        moderation.disconnect(scene.world, guild, state.user_id, by)
    return True


def _in_voice(scene: Scene) -> tuple[Guild, VoiceState] | None:
    guild = scene.guild()
    if guild is None or not guild.states:
        return None
    return guild, guild.states[scene.rng.choice(list(guild.states))]


def _neighbours(scene: Scene, guild: Guild, first: VoiceState) -> list[VoiceState]:
    there = [state for state in guild.states.values() if state.channel_id == first.channel_id]
    there.remove(first)
    return [first, *there[: scene.rng.randrange(_SERIES)]]


def add_bot(scene: Scene) -> bool:
    """A moderator adds one more bot."""
    guild = scene.guild()
    new = [user_id for user_id in scene.world.population.bots if guild and user_id not in guild.bots]
    if guild is None or not new:
        return False
    moderation.add_bot(
        scene.world, guild, scene.rng.choice(new), By(guild.owner_id, delay=scene.echo_delay())
    )
    return True


def trip(scene: Scene) -> bool:
    """Somebody writes what AutoMod does not let through."""
    found = _bystander(scene)
    if found is None or found[1] in found[0].timeouts:
        return False
    guild, user_id = found
    number = scene.rng.randrange(len(_RULES))
    name, trigger, measures = _RULES[number]
    rule = automod.Rule(
        guild.id + number, name, trigger, measures, timeout_seconds=round(scene.rng.uniform(*scene.timeouts))
    )
    place = scene.channel(guild)
    automod.stop(scene.world, guild, place, user_id, rule, delay=scene.echo_delay())
    return True


def tidy(scene: Scene) -> bool:
    """A bot deletes a single message, which no audit log mentions."""
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None or len(guild.bots) == 1:
        return False
    messages.delete(scene.world, guild, message)
    return True

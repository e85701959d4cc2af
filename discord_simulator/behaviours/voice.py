"""People come into voice, stay for a while, move about, mute themselves, fall asleep and leave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from discord_simulator.operations import voice

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild, VoiceState

_SHORTEST, _LONGEST = 4.0, 3 * 3600.0
"""Length of a stay in seconds; as many stays last ten seconds to a minute as one to six minutes."""

_SWITCHES: tuple[voice.VoiceFlag, ...] = (
    "self_mute",
    "self_mute",
    "self_mute",
    "self_deaf",
    "self_stream",
    "self_video",
)
"""What people switch, as often as it stands here."""


def join(context: Context) -> bool:
    """Somebody joins a voice channel and will leave it some time."""
    guild = context.guild()
    if guild is None:
        return False
    user_id = context.member(guild)
    if user_id in guild.states:
        return False
    voice.join(context.world, guild, user_id, context.voice_channel(guild))
    state = guild.states[user_id]
    stay = math.exp(context.rng.uniform(math.log(_SHORTEST), math.log(_LONGEST)))
    if guild.afk and context.chance(0.15):
        context.scheduler.after(stay * 0.7, lambda: _fall_asleep(context, guild, state))
    context.scheduler.after(stay, lambda: _go(context, guild, state))
    return True


def _is_here(guild: Guild, state: VoiceState) -> bool:
    return guild.is_visible and guild.states.get(state.user_id) is state


def _fall_asleep(context: Context, guild: Guild, state: VoiceState) -> None:
    if _is_here(guild, state) and guild.afk and state.channel_id != guild.afk.id:
        voice.move(context.world, guild, state.user_id, guild.afk)


def _go(context: Context, guild: Guild, state: VoiceState) -> None:
    if guild.unavailable and not guild.removed:
        context.scheduler.after(_SHORTEST, lambda: _go(context, guild, state))
    elif _is_here(guild, state):
        voice.leave(context.world, guild, state.user_id)


def move(context: Context) -> bool:
    """Somebody goes to another channel."""
    found = _somebody(context)
    if found is None:
        return False
    guild, state = found
    place = context.voice_channel(guild)
    if place.id == state.channel_id:
        return False
    voice.move(context.world, guild, state.user_id, place)
    return True


def toggle(context: Context) -> bool:
    """Somebody mutes, deafens, streams, films, or stops doing so."""
    found = _somebody(context)
    if found is None:
        return False
    guild, state = found
    voice.toggle(context.world, guild, state.user_id, context.rng.choice(_SWITCHES))
    return True


def _somebody(context: Context) -> tuple[Guild, VoiceState] | None:
    guild = context.guild()
    if guild is None or not guild.states:
        return None
    return guild, guild.states[context.rng.choice(list(guild.states))]


def disconnect_all(context: Context) -> None:
    """Everybody leaves voice everywhere, so that every session is in the ledger."""
    for guild in context.guilds():
        for user_id in tuple(guild.states):
            voice.leave(context.world, guild, user_id)

"""Behaviours in voice: join, move, mute, stream, become AFK, leave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from discord_simulator.operations import voice

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild, VoiceState

_SHORTEST, _LONGEST = 4.0, 3 * 3600.0
"""Length of a session in seconds, log-uniform: as many last ten seconds to a minute as one to six minutes."""

_FLAGS: tuple[voice.VoiceFlag, ...] = (
    "self_mute",
    "self_mute",
    "self_mute",
    "self_deaf",
    "self_stream",
    "self_video",
)
"""Flags that members toggle; one that stands here several times is that much more likely."""


def join(context: Context) -> bool:
    """A member joins a voice channel and leaves it after a random time."""
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
        context.scheduler.after(stay * 0.7, lambda: _move_to_afk(context, guild, state))
    context.scheduler.after(stay, lambda: _leave(context, guild, state))
    return True


def _is_connected(guild: Guild, state: VoiceState) -> bool:
    return guild.is_visible and guild.states.get(state.user_id) is state


def _move_to_afk(context: Context, guild: Guild, state: VoiceState) -> None:
    if _is_connected(guild, state) and guild.afk and state.channel_id != guild.afk.id:
        voice.move(context.world, guild, state.user_id, guild.afk)


def _leave(context: Context, guild: Guild, state: VoiceState) -> None:
    if guild.unavailable and not guild.removed:
        context.scheduler.after(_SHORTEST, lambda: _leave(context, guild, state))
    elif _is_connected(guild, state):
        voice.leave(context.world, guild, state.user_id)


def move(context: Context) -> bool:
    """A member changes to another voice channel."""
    found = _connected_member(context)
    if found is None:
        return False
    guild, state = found
    channel = context.voice_channel(guild)
    if channel.id == state.channel_id:
        return False
    voice.move(context.world, guild, state.user_id, channel)
    return True


def toggle(context: Context) -> bool:
    """A member toggles mute, deafen, stream or video."""
    found = _connected_member(context)
    if found is None:
        return False
    guild, state = found
    voice.toggle(context.world, guild, state.user_id, context.rng.choice(_FLAGS))
    return True


def _connected_member(context: Context) -> tuple[Guild, VoiceState] | None:
    guild = context.guild()
    if guild is None or not guild.states:
        return None
    return guild, guild.states[context.rng.choice(list(guild.states))]


def disconnect_all(context: Context) -> None:
    """End every voice session, so that all of them are in the ledger."""
    for guild in context.guilds():
        for user_id in tuple(guild.states):
            voice.leave(context.world, guild, user_id)

"""People come into voice, stay for a while, move about, mute themselves, fall asleep and leave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from discord_simulator.operations import voice

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Guild, VoiceState

_SHORTEST, _LONGEST = 4.0, 3 * 3600.0
"""Length of a stay in seconds; as many stays last ten seconds to a minute as one to six minutes."""

_SWITCHES: tuple[voice.Switch, ...] = (
    "self_mute",
    "self_mute",
    "self_mute",
    "self_deaf",
    "self_stream",
    "self_video",
)
"""What people switch, as often as it stands here."""


def come_in(scene: Scene) -> bool:
    """Somebody joins a voice channel and will leave it some time."""
    guild = scene.guild()
    if guild is None:
        return False
    user_id = scene.member(guild)
    if user_id in guild.states:
        return False
    voice.join(scene.world, guild, user_id, scene.speaking_place(guild))
    state = guild.states[user_id]
    stay = math.exp(scene.rng.uniform(math.log(_SHORTEST), math.log(_LONGEST)))
    if guild.afk and scene.chance(0.15):
        scene.agenda.after(stay * 0.7, lambda: _fall_asleep(scene, guild, state))
    scene.agenda.after(stay, lambda: _go(scene, guild, state))
    return True


def _is_here(guild: Guild, state: VoiceState) -> bool:
    return guild.open and guild.states.get(state.user_id) is state


def _fall_asleep(scene: Scene, guild: Guild, state: VoiceState) -> None:
    if _is_here(guild, state) and guild.afk and state.channel_id != guild.afk.id:
        voice.move(scene.world, guild, state.user_id, guild.afk)


def _go(scene: Scene, guild: Guild, state: VoiceState) -> None:
    if guild.unavailable and not guild.gone:
        scene.agenda.after(_SHORTEST, lambda: _go(scene, guild, state))
    elif _is_here(guild, state):
        voice.leave(scene.world, guild, state.user_id)


def move(scene: Scene) -> bool:
    """Somebody goes to another channel."""
    found = _somebody(scene)
    if found is None:
        return False
    guild, state = found
    place = scene.speaking_place(guild)
    if place.id == state.channel_id:
        return False
    voice.move(scene.world, guild, state.user_id, place)
    return True


def switch(scene: Scene) -> bool:
    """Somebody mutes, deafens, streams, films, or stops doing so."""
    found = _somebody(scene)
    if found is None:
        return False
    guild, state = found
    voice.switch(scene.world, guild, state.user_id, scene.rng.choice(_SWITCHES))
    return True


def _somebody(scene: Scene) -> tuple[Guild, VoiceState] | None:
    guild = scene.guild()
    if guild is None or not guild.states:
        return None
    return guild, guild.states[scene.rng.choice(list(guild.states))]


def send_everybody_home(scene: Scene) -> None:
    """Everybody leaves voice everywhere, so that every session is in the ledger."""
    for guild in scene.guilds():
        for user_id in tuple(guild.states):
            voice.leave(scene.world, guild, user_id)

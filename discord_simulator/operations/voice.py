"""Operations on voice: join, move, mute, stream, leave.

The ledger has each change as VOICE_STATE and, when a session ends, one VOICE_SESSION with its time by channel
and by state. Invariant: each of the two adds up to the length of the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.guild import Channel, Guild, VoiceState
from discord_simulator.vocabulary import Intent

if TYPE_CHECKING:
    from discord_simulator.world import World

VoiceFlag: TypeAlias = Literal["self_mute", "self_deaf", "self_stream", "self_video", "mute", "deaf"]
"""Flags of a voice state that a member, or for the last two a moderator, can toggle."""


def join(world: World, guild: Guild, user_id: int, channel: Channel) -> None:
    """A member joins a voice channel."""
    now = world.now()
    _accrue(guild, channel.id, now)
    state = VoiceState(
        user_id=user_id,
        channel_id=channel.id,
        session_id=f"{world.rng.getrandbits(128):032x}",
        joined_at=now,
        since=now,
    )
    guild.states[user_id] = state
    _publish_state(world, guild, state, now, channel.id)


def move(world: World, guild: Guild, user_id: int, channel: Channel) -> None:
    """A member changes to another voice channel; the session continues."""
    now = world.now()
    state = guild.states[user_id]
    _accrue(guild, state.channel_id, now)
    _accrue(guild, channel.id, now)
    state.channel_id = channel.id
    # A stream belongs to the channel it was started in.
    state.self_stream = False
    _publish_state(world, guild, state, now, channel.id)


def toggle(world: World, guild: Guild, user_id: int, what: VoiceFlag) -> None:
    """Toggle a flag of a member's voice state."""
    state = guild.states[user_id]
    _accrue(guild, state.channel_id, world.now())
    value = not getattr(state, what)
    setattr(state, what, value)
    if what == "self_deaf":
        # A client that is deafened is muted as well.
        state.self_mute = value
    if what in {"mute", "deaf"}:
        world.render.forget_member(guild, user_id)
    _publish_state(world, guild, state, world.now(), state.channel_id)


def leave(world: World, guild: Guild, user_id: int) -> None:
    """A member leaves voice; the session ends."""
    now = world.now()
    state = end_session(world, guild, user_id, now, "left")
    state.self_stream = state.self_video = False
    _publish_state(world, guild, state, now, 0)


def end_session(world: World, guild: Guild, user_id: int, now: int, ended: str) -> VoiceState:
    """End a session and record it, without publishing an event."""
    _accrue(guild, guild.states[user_id].channel_id, now)
    state = guild.states.pop(user_id)
    world.render.forget_member(guild, user_id)
    afk = state.spent.get(guild.afk.id, 0) if guild.afk else 0
    world.record(
        "VOICE_SESSION",
        guild,
        now,
        user_id=str(user_id),
        channels={str(channel_id): spent for channel_id, spent in state.spent.items()},
        ms=sum(state.spent.values()),
        afk_ms=afk,
        states=state.states,
        shown=state.shown,
        **{"from": state.joined_at, "to": now},
        ended=ended,
    )
    return state


def _accrue(guild: Guild, channel_id: int, now: int) -> None:
    """Add the time since the last change in a channel to the totals of every session in it."""
    present = [state for state in guild.states.values() if state.channel_id == channel_id]
    for state in present:
        passed = now - state.since
        activity = _activity(guild, state, accompanied=len(present) > 1)
        state.spent[channel_id] = state.spent.get(channel_id, 0) + passed
        state.states[activity] = state.states.get(activity, 0) + passed
        for what, shows in (("stream", state.self_stream), ("video", state.self_video)):
            if shows:
                state.shown[what] = state.shown.get(what, 0) + passed
        state.since = now


def _activity(guild: Guild, state: VoiceState, *, accompanied: bool) -> str:
    if guild.afk and state.channel_id == guild.afk.id:
        return "afk"
    if state.self_deaf or state.deaf:
        return "deafened"
    if state.self_mute or state.mute:
        return "muted"
    return "active" if accompanied else "alone"


def _publish_state(world: World, guild: Guild, state: VoiceState, now: int, channel_id: int) -> None:
    shown = world.render.voice_state(state, channel_id)
    flags = {
        name: shown[name] for name in ("self_mute", "self_deaf", "self_stream", "self_video", "mute", "deaf")
    }
    line = world.record(
        "VOICE_STATE", guild, now, user_id=str(state.user_id), channel_id=shown["channel_id"], **flags
    )
    world.publish(
        "VOICE_STATE_UPDATE",
        guild,
        {**shown, "guild_id": str(guild.id), "member": world.render.whole_member(guild, state.user_id)},
        Intent.GUILD_VOICE_STATES,
        line,
    )

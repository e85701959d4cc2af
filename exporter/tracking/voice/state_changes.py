"""Changes between two voice states of one session, made by the member or by a moderator."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.events.facts.counting import Count, Person
from exporter.events.facts.guilds import VoiceState
from exporter.events.facts.moderation import Action
from exporter.events.moderation import TYPE_OF_ACTION
from exporter.events.voice import SELF_DEAFENS, SELF_MUTES, STREAMS, VIDEOS
from exporter.model import Json

_ORDERS = {
    "mute": ("voice_unmute", "voice_mute"),
    "deaf": ("voice_undeafen", "voice_deafen"),
}
_SWITCHES = {
    "self_mute": SELF_MUTES,
    "self_deaf": SELF_DEAFENS,
    "stream": STREAMS,
    "video": VIDEOS,
}
_ENDS_WITH_SESSION = frozenset({"stream", "video"})
"""Members who leave muted return muted, but a stream or video ends."""


def switched(before: VoiceState, after: VoiceState) -> Iterator[Count]:
    """Counts of what the member switched on or off; bots are not counted."""
    if before.bot:
        return
    for name, measure in _SWITCHES.items():
        was, now = bool(getattr(before, name)), bool(getattr(after, name))
        if not after.channel_id:
            now = False if name in _ENDS_WITH_SESSION else was
        if was is not now:
            yield Count(measure["on" if now else "off"], after.guild_id, after.at)


def ordered(before: VoiceState, after: VoiceState) -> Iterator[Action]:
    """Actions of a moderator on the member. Both at once are one action, as in the audit log."""
    if not after.channel_id:
        return  # only members in voice can be muted
    changed = [name for name in _ORDERS if getattr(before, name) is not getattr(after, name)]
    actions = [_ORDERS[name][bool(getattr(after, name))] for name in changed]
    if not actions:
        return
    also: list[Json] = list(actions[1:])
    yield Action(
        TYPE_OF_ACTION[actions[0]],
        actions[0],
        after.guild_id,
        after.at,
        Person(after.user_id, "", before.bot),
        {"also": also} if also else {},
        str(after.at),
    )

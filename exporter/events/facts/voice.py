"""Voice states of members."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

from exporter.events.facts.base import Fact


class VoiceState(Fact, frozen=True, gc=False):
    """Where a member is and in what state; ``channel_id`` 0 means not in voice.

    ``session`` identifies one stay in voice where Discord gives an id, else it is 0.
    """

    guild_id: int
    user_id: int
    channel_id: int
    at: int
    bot: bool = False
    self_mute: bool = False
    self_deaf: bool = False
    mute: bool = False
    deaf: bool = False
    suppress: bool = False
    stream: bool = False
    video: bool = False
    session: int = 0

    def without(self, people: Container[int]) -> Self | None:
        """Nothing remains of a fact about someone who opted out."""
        return None if self.user_id in people else self


class VoiceChannelLeft(Fact, frozen=True):
    """A member who was in voice is in another channel now, or in none (``channel_id`` 0)."""

    guild_id: int
    channel_id: int
    at: int

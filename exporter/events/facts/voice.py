"""How somebody stands in voice."""

from __future__ import annotations

import msgspec


class VoiceState(msgspec.Struct, frozen=True, gc=False):
    """Where a member is and in what state; ``channel_id`` 0 means not in voice.

    ``session`` tells one stay from another where Discord does, 0 where it does not.
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

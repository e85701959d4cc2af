"""What becomes of the connections themselves."""

from __future__ import annotations

from exporter.events.facts.base import Fact


class SessionStarted(Fact, frozen=True):
    """A shard has a new session, and will be sent these guilds; what came before may have a gap.

    ``shard`` is its number and how many there are: a guild of it that is not among these is gone.
    """

    guild_ids: tuple[int, ...]
    at: int
    shard: tuple[int, int] = (0, 1)


class ShardStateChanged(Fact, frozen=True):
    """What became of a shard's connection.

    ``lost``; ``identifying``, before a new session begins; ``resuming``, before the replay of what was
    missed; ``settled``, once a replay is over or a new session began; ``heard``, a sign of life that is no
    dispatch.
    """

    shard: int
    state: str

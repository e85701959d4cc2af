"""What is known of reading the guilds' audit logs: written by catching up, read by what waits for entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exporter.state.shard_timeline import ShardTimeline

AUDIT: Final = "view_audit_log"


class AuditAccess:
    """Where audit logs can be read, and where something from before is still to be read.

    ``lacks`` says whether the bot has not a permission in a guild; ``audited`` whether any event type that is
    on is known from audit logs. ``behind`` are the guilds whose log is being read after a gap, each with the
    session's start in ms; ``expected`` those not seen again since the gap.
    """

    def __init__(
        self, lacks: Callable[[int, str], bool], timeline: ShardTimeline, *, audited: bool = True
    ) -> None:
        self._lacks = lacks
        self._timeline = timeline
        self._audited = audited
        self.behind: dict[int, int] = {}
        self.expected: set[int] = set()

    def is_permitted(self, guild_id: int) -> bool:
        """Whether the bot may read the guild's audit log."""
        return not self._lacks(guild_id, AUDIT)

    def is_unreadable(self, guild_id: int) -> bool:
        """Whether no entry of the guild can be known."""
        return not self._audited or self._lacks(guild_id, AUDIT)

    def is_behind(self, guild_id: int) -> bool:
        """Whether the guild's log is still to be read after a gap."""
        return guild_id in self.behind or guild_id in self.expected

    def is_unread(self, guild_id: int) -> bool:
        """Whether something from before may still be learnt of the guild."""
        return self.is_behind(guild_id) or self._timeline.is_silent(guild_id)

    def latest(self, guild_id: int, at: int) -> int:
        """Until when what is now received of a guild, and dated ``at``, may have happened."""
        return self._timeline.latest(guild_id, at)

    @property
    def held_up(self) -> int:
        """How long the machine has slept lately, ms."""
        return self._timeline.held_up

    def heard(self, now: int) -> int:
        """Up to when everything was received: nothing is decided for want of news in a silence."""
        return min(self._timeline.heard, now)

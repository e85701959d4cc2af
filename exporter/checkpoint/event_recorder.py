"""Records become entries here, and wait for their commit."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Final

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts.counting import Record
from exporter.events.records.snapshots import SnapshotDetail
from exporter.model import Entry

ARRIVAL: Final = "GUILD_MEMBER_ADD"

MAX_NEWCOMERS: Final = 100_000
"""Members who joined since the last activity snapshot, over all guilds; more are only not marked as new."""


class EventRecorder(Component):
    """Makes an entry of each record whose type is on, and hands it to ``offer``.

    ``newcomers`` are the members who joined since the last activity snapshot, by guild, with the time in ms;
    none unless a sink stores them (``details``).
    """

    name = "event_recorder"

    def __init__(
        self,
        emit: Emit,
        catalogue: Catalogue,
        offer: Callable[[Entry], None],
        details: Container[SnapshotDetail],
    ) -> None:
        super().__init__(emit)
        self._catalogue = catalogue
        self._offer = offer
        wanted = SnapshotDetail.NEWCOMERS in details
        self._marks_newcomers = wanted and MEMBER_ACTIVITY_SNAPSHOT in catalogue.events
        self._newcomers = 0
        self.newcomers: dict[int, dict[int, int]] = {}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Records."""
        return {Record: self.record}

    def record(self, record: Record) -> None:
        """Make an entry; one that amends fills in what an earlier one of the same key left open."""
        event = self._catalogue.events.get(record.type)
        if event is None:
            return
        if record.type == ARRIVAL and self._marks_newcomers and self._newcomers < MAX_NEWCOMERS:
            joined = self.newcomers.setdefault(record.guild_id, {})
            self._newcomers += record.person not in joined
            joined[record.person] = record.at
        self._offer(
            Entry(
                record.type,
                record.guild_id,
                record.at,
                record.key,
                event.priority,
                record.data,
                record.amends,
            )
        )

    def forget_newcomers(self, guild_id: int, until: int) -> None:
        """Forget the members of a guild who joined before a moment, in ms: a snapshot has named them."""
        joined = self.newcomers.get(guild_id, {})
        for user_id in [user_id for user_id, at in joined.items() if at < until]:
            del joined[user_id]
            self._newcomers -= 1
        if not joined:
            self.newcomers.pop(guild_id, None)

    def forget_guild(self, guild_id: int) -> None:
        """Forget the newcomers of a guild the bot was removed from."""
        self._newcomers -= len(self.newcomers.pop(guild_id, ()))

    def forget_people(self, people: Container[int]) -> None:
        """Forget newcomers who opted out."""
        for guild_id, joined in list(self.newcomers.items()):
            kept = {user_id: at for user_id, at in joined.items() if user_id not in people}
            self._newcomers -= len(joined) - len(kept)
            self.newcomers[guild_id] = kept

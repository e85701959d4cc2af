"""Where counts and records go: into the open windows, and as entries to be committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.aggregation.aggregate import Aggregate
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Record
from exporter.model import Entry, EntryData, Json, to_fields
from exporter.state.guild_cache import Directory
from exporter.tracking.levels.levels import Levels

ARRIVAL = "GUILD_MEMBER_ADD"


class Recorder:
    """The one way in which a stage makes something count; ``offer`` hands an entry on to be committed.

    ``newcomers`` are the members who joined since the last activity snapshot, by guild, with the time in ms.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        directory: Directory,
        aggregate: Aggregate,
        levels: Levels,
        offer: Callable[[Entry], object],
    ) -> None:
        self._catalogue = catalogue
        self._directory = directory
        self._aggregate = aggregate
        self._levels = levels
        self._offer = offer
        self._greets = MEMBER_ACTIVITY_SNAPSHOT in catalogue.events
        self.newcomers: dict[int, dict[int, int]] = {}

    def count(self, count: Count) -> None:
        """Add to the open windows, and to the experience of who did it."""
        if count.name:
            self._directory.name_person(count.user_id, count.name)
        self._aggregate.add(count)
        if count.series in self._levels.earners:
            self._earn(count)

    def _earn(self, count: Count) -> None:
        for earned in self._levels.take(count):
            if isinstance(earned, Count):
                self._aggregate.add(earned)
            else:
                self.record(earned)

    def record(self, record: Record) -> None:
        """Make an entry of its own."""
        self.write(record, False)

    def write(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - the second half of one callback
        """Make an entry; one that amends fills in what an earlier one of the same key left open."""
        event = self._catalogue.events.get(record.type)
        if event is None:
            return
        if record.type == ARRIVAL and self._greets:
            self.newcomers.setdefault(record.guild_id, {})[record.person] = record.at
        self._offer(
            Entry(record.type, record.guild_id, record.at, record.key, event.priority, _data(record), amends)
        )


def _data(record: Record) -> Mapping[str, Json]:
    """What an entry carries, while not every sink takes the typed form: the fields that say something."""
    data = record.data
    return to_fields(data) if isinstance(data, EntryData) else data

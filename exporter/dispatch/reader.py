"""Reads dispatches into facts, dates them, and counts those received, accepted and rejected.

A dispatch that cannot be read is not taken at all. Conservation: received = accepted + rejected, by type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from exporter.dispatch.rejections import Rejections
from exporter.events.catalogue import Catalogue
from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.facts.counting import Count
from exporter.events.facts.guilds import GuildDeleted, GuildUpserted
from exporter.events.reading import PayloadReader, ReadDispatch
from exporter.events.repeats import Repeats
from exporter.events.rest_request import ANSWERS
from exporter.events.spec import SHARD_STATE
from exporter.telemetry import Telemetry

OURS: Final = (SHARD_STATE, ANSWERS)
"""What the source itself says is no sign of life of a connection, and in no order with what comes by it."""

NEW_SESSION: Final = "READY"
FORGETTING: Final = frozenset({NEW_SESSION, "GUILD_CREATE", "GUILD_DELETE"})
"""What begins or ends a time in which dispatches are not received, of a shard or of a guild: what is received
behind it repeats nothing from before."""

MESSAGE: Final = "MESSAGE_CREATE"
"""Carries its own time, and comes when it is sent."""


class Dates(Protocol):
    """When dispatches happened, in ms since the epoch."""

    @property
    def replaying(self) -> bool:
        """Whether any shard is in a replay."""
        ...

    def date(self, shard: int, received_at: int) -> int:
        """When a dispatch received now happened."""
        ...

    def learn(self, shard: int, at: int) -> None:
        """Note that a dispatch carried its own time."""
        ...


class Timeline(Protocol):
    """Time in the dispatches of each shard."""

    @property
    def dates(self) -> Dates:
        """The dates of dispatches."""
        ...

    def pass_message(self, shard: int, sent_at: int, received_at: int) -> None:
        """Note a message, which comes in the order of Discord's time."""
        ...


_KnownDispatch: TypeAlias = tuple[bool, bool, tuple[str], ReadDispatch]
"""What of a kind of dispatch is prepared: whether it is one of ``OURS``, of ``FORGETTING``, the label it is
counted by, what reads it. A plain tuple, which is taken apart faster than a named one."""


class DispatchReader:
    """Reads dispatches by the readers of the catalogue.

    ``timeline`` has to be set before anything is read; its errors go to ``report``.
    """

    def __init__(
        self, catalogue: Catalogue, telemetry: Telemetry, report: Callable[[str, Exception], None]
    ) -> None:
        self._repeats = Repeats()
        self._known: dict[str, _KnownDispatch] = {
            name: (
                name.startswith(OURS),
                name in FORGETTING,
                (name,),
                PayloadReader(name, readers, self._repeats, catalogue.readers).read,
            )
            for name, readers in catalogue.readers.items()
        }
        self._report = report
        self._rejections = Rejections(telemetry)
        self._received = telemetry.received.values
        self._accepted = telemetry.accepted.values
        self._repeated = telemetry.repeated
        self.timeline: Timeline

    def read(  # noqa: C901 - every dispatch comes by here: each part on its own would cost a call
        self, name: str, body: bytes | msgspec.Raw, shard: int, received_at: int
    ) -> Sequence[Fact]:
        """The facts of one dispatch; none of one that is rejected. Never raises."""
        known = self._known.get(name)
        if known is None:
            if not name.startswith(OURS):
                self._note_unread(shard, received_at)
            return ()
        ours, forgets, label, read = known
        at = received_at
        if not ours:
            try:
                at = self.timeline.dates.date(shard, received_at)
            except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                self._report("shard_timeline", error)
        self._received[label] = self._received.get(label, 0) + 1
        try:
            # Everything is read before anything is handled: a dispatch counts whole or not at all.
            facts = read(body, at, shard, received_at)
            if forgets:
                self._forget(name, shard, facts or ())
            if facts is None:
                self._repeated.labels(name).inc()
                facts = ()
            elif name == MESSAGE:
                for fact in facts:
                    if type(fact) is Count:
                        self.timeline.pass_message(shard, fact.at, received_at)
            if at < received_at and not ours and self.timeline.dates.replaying:
                self._learn_time(shard, facts, at, received_at)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._rejections.reject(name, error)
            return ()
        self._accepted[label] = self._accepted.get(label, 0) + 1
        return facts

    def tick(self, wall: int) -> None:
        """Forget what is too long ago to be repeated."""
        self._repeats.tick(wall)

    def _note_unread(self, shard: int, received_at: int) -> None:
        """Note a dispatch that is not read: its shard is alive."""
        try:
            self.timeline.dates.date(shard, received_at)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._report("shard_timeline", error)

    def _forget(self, name: str, shard: int, facts: Iterable[Fact]) -> None:
        """Forget what can no longer be repeated."""
        if name == NEW_SESSION:
            self._repeats.forget_shard(shard)
        for fact in facts:
            if isinstance(fact, GuildUpserted | GuildDeleted):
                self._repeats.forget_guild(shard, fact.guild_id, whole=isinstance(fact, GuildUpserted))

    def _learn_time(self, shard: int, facts: Iterable[Fact], at: int, received_at: int) -> None:
        """Update the time of a shard in a replay from facts that carry their own."""
        for fact in facts:
            own = getattr(fact, "at", at)
            if at < own <= received_at:
                self.timeline.dates.learn(shard, own)

    def leave_out(self, rejected: ElementsRejected) -> None:
        """Count elements of a list that are left out of a dispatch."""
        self._rejections.leave_out(rejected)

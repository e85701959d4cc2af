"""Reads dispatches into facts, dates them, and counts those received, accepted and rejected.

A dispatch that cannot be read is not taken at all. Conservation: received = accepted + rejected, by type.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Fact
from exporter.events.rest_request import ANSWERS
from exporter.events.spec import SHARD_NEWS
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

OURS: Final = (SHARD_NEWS, ANSWERS)
"""What the source itself says is no sign of life of a connection, and in no order with what comes by it."""

MESSAGE: Final = "MESSAGE_CREATE"
"""Carries its own time, and comes when it is sent."""


_VALUES: Final = re.compile(
    r"(?<=Invalid value ).*(?= - at `)|(?<=enum value ).*(?= - at `)|['\"].*['\"]", re.DOTALL
)
"""What a message of msgspec quotes from a payload, which may be personal; a place is between backticks."""


class Timeline(Protocol):
    """Time in the dispatches of each shard, in ms since the epoch."""

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

    def pass_message(self, shard: int, sent_at: int, received_at: int) -> None:
        """Note a message, which comes in the order of Discord's time."""
        ...


class _Readers(NamedTuple):
    ours: bool
    readers: tuple[tuple[Callable[[bytes | msgspec.Raw], Any], Callable[[Any, int], Iterable[Fact]]], ...]


class DispatchReader:
    """Reads dispatches by the readers of the catalogue.

    ``timeline`` has to be set before anything is read; its errors go to ``report``.
    """

    def __init__(
        self, catalogue: Catalogue, telemetry: Telemetry, report: Callable[[str, Exception], None]
    ) -> None:
        self._known = {
            name: _Readers(
                name.startswith(OURS),
                tuple(
                    (msgspec.json.Decoder(reader.payload, strict=False).decode, reader.read)
                    for reader in readers
                ),
            )
            for name, readers in catalogue.readers.items()
        }
        self._report = report
        self._rejected = telemetry.rejected
        self._received = telemetry.received.values
        self._accepted = telemetry.accepted.values
        self._logged: set[str] = set()
        self.timeline: Timeline

    def read(self, name: str, body: bytes | msgspec.Raw, shard: int, received_at: int) -> Sequence[Fact]:
        """The facts of one dispatch; none of one that is rejected. Never raises."""
        known = self._known.get(name)
        ours = name.startswith(OURS) if known is None else known.ours
        at = received_at
        if not ours:
            try:
                at = self.timeline.date(shard, received_at)
            except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                self._report("shard_timeline", error)
        if known is None:
            return ()
        label = (name,)
        self._received[label] = self._received.get(label, 0) + 1
        try:
            # Everything is read before anything is handled: a dispatch counts whole or not at all.
            facts = [fact for decode, read in known.readers for fact in read(decode(body), at)]
            if name == MESSAGE:
                for fact in facts:
                    if type(fact) is Count:
                        self.timeline.pass_message(shard, fact.at, received_at)
            if at < received_at and not ours and self.timeline.replaying:
                self._learn_time(shard, facts, at, received_at)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._reject(name, error)
            return ()
        self._accepted[label] = self._accepted.get(label, 0) + 1
        return facts

    def _learn_time(self, shard: int, facts: Iterable[Fact], at: int, received_at: int) -> None:
        """Update the time of a shard in a replay from facts that carry their own."""
        for fact in facts:
            own = getattr(fact, "at", at)
            if at < own <= received_at:
                self.timeline.learn(shard, own)

    def _reject(self, name: str, error: Exception) -> None:
        """Count a dispatch that cannot be read by the reason, and log the place in it without its value."""
        reason = "defect"
        if isinstance(error, msgspec.ValidationError):
            reason = "shape"
        elif isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
            reason = "json"
        elif isinstance(error, RecursionError):
            reason = "depth"
        self._rejected.labels(name, reason).inc()
        if reason != "defect":
            log.warning(
                "a %s could not be read and is lost (%s): %s",
                *(name, reason, _VALUES.sub("…", str(error))),
                extra={"once_per": name},
            )
        elif name not in self._logged:
            self._logged.add(name)
            log.error("a %s could not be used; counted, not logged again", name, exc_info=error)

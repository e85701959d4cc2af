"""Dispatches come in here: decoded into what is needed, read into facts, each taken where it belongs.

``accept`` never raises and never waits: whatever is in a payload, it is counted as accepted or as rejected
with a reason. A dispatch is taken whole or, if part of it cannot be read, not at all. Conservation:
received = accepted + rejected, by type.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Fact
from exporter.events.rest_request import ANSWERS
from exporter.events.spec import SHARD_NEWS
from exporter.state.shard_timeline import Streams
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

OURS = (SHARD_NEWS, ANSWERS)
"""What the source itself says is no sign of life of a connection, and in no order with what comes by it."""

MESSAGE = "MESSAGE_CREATE"
"""Tells its own time, and comes when it is sent."""

Route = Callable[[Any], None]
"""Takes facts of the one type it is routed for."""


class Intake:
    """The readers of what is switched on, and the routes of what they read."""

    def __init__(
        self,
        catalogue: Catalogue,
        routes: Mapping[type, Route],
        telemetry: Telemetry,
        streams: Streams,
    ) -> None:
        self._readers = {
            dispatch: tuple(
                (msgspec.json.Decoder(reader.payload, strict=False).decode, reader.read) for reader in readers
            )
            for dispatch, readers in catalogue.readers.items()
        }
        self._routes = dict(routes)
        self._count: Route = routes[Count]
        self._received = telemetry.received.values
        self._accepted = telemetry.accepted.values
        self._rejected = telemetry.rejected
        self._streams = streams
        self._defects: set[str] = set()

    def accept(self, name: str, body: bytes | msgspec.Raw, shard: int, received_at: int) -> None:
        """Take one dispatch: its name, the JSON of its data, its shard, and when it was received in ms."""
        ours = name.startswith(OURS)
        at = received_at if ours else self._streams.date(shard, received_at)
        readers = self._readers.get(name)
        if readers is None:
            return
        label = (name,)
        self._received[label] = self._received.get(label, 0) + 1
        try:
            # Everything is read before anything is taken: a dispatch counts whole or not at all.
            facts = [fact for decode, read in readers for fact in read(decode(body), at)]
            if name == MESSAGE or (self._streams.replaying and not ours):
                self._tell_time(name, shard, facts, at, received_at)
            self._take(facts)
        except msgspec.ValidationError:
            self._rejected.labels(name, "shape").inc()
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._rejected.labels(name, "json").inc()
        except RecursionError:
            self._rejected.labels(name, "depth").inc()
        except Exception:
            self._rejected.labels(name, "defect").inc()
            if name not in self._defects:
                self._defects.add(name)
                log.exception("a %s could not be used; counted, not logged again", name)
        else:
            self._accepted[label] = self._accepted.get(label, 0) + 1

    def _tell_time(self, name: str, shard: int, facts: Iterable[Fact], at: int, received_at: int) -> None:
        """Learn what time it is in the stream from facts that did not take the time they were given."""
        for fact in facts:
            told = getattr(fact, "at", at)
            if name == MESSAGE and type(fact) is Count:
                self._streams.pass_message(shard, told, received_at)
            if at < told <= received_at:
                self._streams.learn(shard, told)

    def _take(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if type(fact) is Count:
                self._count(fact)
            else:
                self._routes[type(fact)](fact)

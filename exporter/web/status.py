"""The state of the program at one moment, for the page and ``/readyz``.

Built for each request from the state of the parts; nothing here is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.notation import counted


@dataclass(frozen=True, slots=True)
class ShardConnection:
    """One shard; ``latency`` is the heartbeat's round trip in seconds, None before the first."""

    shard: int
    connected: bool
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One destination.

    ``pending`` counts undelivered entries in the spool, ``oldest_age`` is the age of the oldest in seconds
    (None without any). ``last_error`` is why the last delivery failed, empty after a success.
    """

    name: str
    up: bool
    pending: int = 0
    oldest_age: float | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The durable queue; ``error`` is why commits fail now, empty while they succeed."""

    spooled: int = 0
    bytes: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class BlindFeature:
    """A feature that works only in part; ``missing`` names the permission or intent it lacks."""

    feature: str
    missing: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the program is not ready; ``part`` is one of ``discord``, ``sink`` and ``spool``."""

    part: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Status:
    """The whole state; ``started_at`` is in milliseconds since the epoch.

    ``failing`` are the components in which errors were isolated, with their number since the start;
    ``rest_problem`` is why Discord's REST API has not answered for minutes, empty if it does.
    """

    started_at: int
    connected: bool = False
    shards: tuple[ShardConnection, ...] = ()
    sinks: tuple[SinkStatus, ...] = ()
    spool: SpoolStatus = SpoolStatus()
    blind: tuple[BlindFeature, ...] = ()
    failing: Mapping[str, int] = field(default_factory=dict)
    rest_problem: str = ""
    pending: Mapping[str, int] = field(default_factory=dict)

    def degraded(self) -> list[str]:
        """What works only in part."""
        return [
            f"component {name} failing: {counted(errors, 'error')} since start"
            for name, errors in self.failing.items()
        ]

    def obstacles(self) -> tuple[Reason, ...]:
        """What keeps the program from being ready; empty when it is.

        A blind feature and a failing component are no obstacles: the rest of the program works, and a restart
        would not help.
        """
        found: list[Reason] = []
        if not self.connected:
            found.append(Reason("discord", "gateway", "not connected yet"))
        found.extend(
            Reason("discord", f"shard {shard.shard}", "not connected")
            for shard in self.shards
            if self.connected and not shard.connected
        )
        if self.rest_problem:
            found.append(Reason("discord", "REST API", self.rest_problem))
        found.extend(
            Reason("sink", sink.name, sink.last_error or "deliveries fail")
            for sink in self.sinks
            if not sink.up
        )
        if self.spool.error:
            found.append(Reason("spool", "spool", self.spool.error))
        return tuple(found)

"""Reads a running exporter over HTTP, as Prometheus and an administrator would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT: Final = aiohttp.ClientTimeout(total=50, connect=3)
"""Longer than the server's own time limit for a flush, so that the server answers first."""


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """The metrics of one scrape that the demo shows; each mapping is by event type, sink or shard."""

    text: str = ""
    received: Mapping[str, float] = field(default_factory=dict)
    sink_up: Mapping[str, float] = field(default_factory=dict)
    pending: Mapping[str, float] = field(default_factory=dict)
    delivered: Mapping[str, float] = field(default_factory=dict)
    connected: Mapping[str, float] = field(default_factory=dict)
    unspooled: float = 0.0
    spooled: float = 0.0

    @property
    def events(self) -> float:
        """Events received, over all types."""
        return sum(self.received.values())

    @property
    def is_connected(self) -> bool:
        """Whether every shard has a session."""
        return bool(self.connected) and all(self.connected.values())

    @property
    def settled(self) -> bool:
        """Whether no entry waits to be spooled or delivered."""
        return not self.unspooled and not any(self.pending.values())


_FIELDS: Final = {
    "discord_exporter_received_total": ("received", "type"),
    "discord_exporter_sink_up": ("sink_up", "sink"),
    "discord_exporter_pending_entries": ("pending", "sink"),
    "discord_exporter_delivered_total": ("delivered", "sink"),
    "discord_gateway_connected": ("connected", "shard"),
    "discord_exporter_unspooled_entries": ("unspooled", None),
    "discord_exporter_spooled_total": ("spooled", None),
}
"""Field and label of each sample that is read."""


async def scrape(base: str) -> MetricsReading:
    """Read ``/metrics`` once.

    Raises:
        aiohttp.ClientError, OSError, TimeoutError: no answer, or an unexpected status.
        ValueError: the answer is not in the Prometheus text format.
    """
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT) as session,
        session.get(f"{base}/metrics", headers={"Accept": "text/plain"}, raise_for_status=True) as answer,
    ):
        return read(await answer.text())


async def flush(base: str) -> None:
    """Ask the exporter to close open windows and store everything; raises like ``scrape``."""
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT) as session,
        session.post(f"{base}/-/flush", raise_for_status=True),
    ):
        return


def read(text: str) -> MetricsReading:
    """Parse an exposition in the Prometheus text format."""
    found: dict[str, Any] = {"text": text}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name, label = _FIELDS.get(sample.name, ("", None))
            if label:
                found.setdefault(name, {})[sample.labels.get(label, "")] = sample.value
            elif name:
                found[name] = sample.value
    return MetricsReading(**found)

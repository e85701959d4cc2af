"""The heartbeat's round trip is measured from the moment a heartbeat leaves."""

from __future__ import annotations

import json
from collections.abc import Callable

from exporter.clock import ManualClock
from exporter.discord.gateway.frame_reader import FrameReader
from exporter.telemetry import Telemetry, value


class Socket:
    """As much of a socket as heartbeats use."""

    heartbeat_sent: Callable[[], None]

    @property
    def numbered(self) -> Socket:
        return self

    def receive_with(self, receive: object, heartbeat_sent: Callable[[], None]) -> None:
        del receive
        self.heartbeat_sent = heartbeat_sent

    async def handle(self, message: str) -> None:
        del message


async def test_an_answer_is_measured_against_its_own_heartbeat_however_quick() -> None:
    socket, telemetry, clock = Socket(), Telemetry(), ManualClock()
    reader = FrameReader(socket, lambda *_: None, telemetry, clock, shard=2)  # type: ignore[arg-type] # see Socket
    acknowledged = json.dumps({"op": 11})
    for trip in (0.05, 0.002):
        clock.advance(41.25)
        socket.heartbeat_sent()
        clock.advance(trip)
        await reader.receive(acknowledged)
        assert abs(value(telemetry.gateway_latency, "2") - trip) < 1e-6


async def test_an_answer_to_nothing_says_nothing() -> None:
    socket, telemetry = Socket(), Telemetry()
    reader = FrameReader(socket, lambda *_: None, telemetry, ManualClock())  # type: ignore[arg-type] # see Socket
    await reader.receive(json.dumps({"op": 11}))
    assert not telemetry.gateway_latency.values

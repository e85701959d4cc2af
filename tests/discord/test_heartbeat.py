"""The heartbeat's round trip is measured from the moment a heartbeat leaves."""

from __future__ import annotations

import json

import pytest
from disnake.gateway import KeepAliveHandler

from exporter.clock import ManualClock
from exporter.discord.gateway.frame_reader import FrameReader
from exporter.telemetry import Telemetry, value


class Socket:
    """As much of disnake's websocket as heartbeats touch."""

    _keep_alive: KeepAliveHandler | None = None
    thread_id = 0
    _max_heartbeat_timeout = 60.0

    def __init__(self) -> None:
        self.sent: list[object] = []

    async def send_heartbeat(self, data: object) -> None:
        self.sent.append(data)

    async def received_message(self, message: str) -> None:
        del message


async def test_an_answer_is_measured_against_its_own_heartbeat_however_quick() -> None:
    socket, telemetry, clock = Socket(), Telemetry(), ManualClock()
    reader = FrameReader(socket, lambda *_: None, telemetry, clock, shard=2)  # type: ignore[arg-type] # see Socket
    acknowledged = json.dumps({"op": 11})
    for trip in (0.05, 0.002):
        clock.advance(41.25)
        await socket.send_heartbeat({"op": 1, "d": None})
        clock.advance(trip)
        await reader.receive(acknowledged)
        assert abs(value(telemetry.gateway_latency, "2") - trip) < 1e-6
    assert socket.sent == [{"op": 1, "d": None}] * 2


async def test_disnake_warns_of_no_lag_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    socket = Socket()
    socket._keep_alive = keep_alive = KeepAliveHandler(ws=socket, interval=41.25, shard_id=0)
    FrameReader(socket, lambda *_: None, Telemetry(), ManualClock())  # type: ignore[arg-type] # see Socket
    keep_alive._last_send -= 41.25  # the heartbeat before, as its thread left it
    await socket.send_heartbeat({"op": 1, "d": None})
    keep_alive.ack()
    assert keep_alive.latency < 10
    assert not caplog.records


async def test_an_answer_to_nothing_says_nothing() -> None:
    socket, telemetry = Socket(), Telemetry()
    reader = FrameReader(socket, lambda *_: None, telemetry, ManualClock())  # type: ignore[arg-type] # see Socket
    await reader.receive(json.dumps({"op": 11}))
    assert not telemetry.gateway_latency.values

"""What the source says itself, news of connections and answers of the REST API, the gateway cannot say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.clock import ManualClock
from exporter.discord.gateway.dispatches import LABELS
from exporter.discord.gateway.frame_reader import OWN_PREFIXES, FrameReader, Numbered
from exporter.events.catalogue import full_catalogue
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.events.spec import SHARD_STATE
from exporter.telemetry import Telemetry, total, value

CATALOGUE = full_catalogue()
ANSWERS = [RestRequest(kind, 1).dispatch for kind in RequestKind]


class Socket:
    """As much of a socket as a reader uses for a dispatch."""

    sequence: int | None = None

    @property
    def numbered(self) -> Numbered:
        return self

    def receive_with(self, receive: object, heartbeat_sent: object) -> None:
        del receive, heartbeat_sent


class Line:
    """A reader and what it hands on."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.telemetry = Telemetry()
        self.taken: list[tuple[str, bytes, int, int]] = []
        self.clock = ManualClock(1_700_000_000_000)
        self.reader = FrameReader(self.socket, self._take, self.telemetry, self.clock, shard=3)  # type: ignore[arg-type]  # see Socket

    def _take(self, name: str, data: Any, shard: int, at: int) -> None:
        self.taken.append((name, bytes(data), shard, at))

    async def send(self, name: object, data: object = None, sequence: int = 1) -> None:
        await self.reader.receive(json.dumps({"op": 0, "t": name, "s": sequence, "d": data}))

    @property
    def refused(self) -> float:
        return value(self.telemetry.rejected, "FRAME", "untyped")


FORGED = [*ANSWERS, SHARD_STATE, "REST_", "REST_ANYTHING_ELSE", "SHARD_NEWS"]


@pytest.mark.parametrize("name", FORGED)
async def test_a_dispatch_of_our_own_name_is_refused_and_counted(name: str) -> None:
    line = Line()
    await line.send(name, {"request": {"kind": "AUDIT_LOG", "guild_id": 1}, "status": 200, "body": []})
    assert line.taken == []
    assert line.refused == 1
    assert total(line.telemetry.rejected) == 1
    assert not line.telemetry.gateway_events.values, "it is no dispatch of the gateway's"


@pytest.mark.parametrize("name", FORGED)
async def test_the_sequence_moves_on_past_a_refused_dispatch(name: str) -> None:
    """Or a RESUME would ask for what has been had."""
    line = Line()
    await line.send(name, sequence=41)
    assert line.socket.sequence == 41
    await line.send("MESSAGE_CREATE", {"id": "1"}, sequence=42)
    assert [taken[0] for taken in line.taken] == ["MESSAGE_CREATE"]
    assert line.socket.sequence == 42


async def test_a_forged_answer_in_a_frame_that_is_only_read_leniently_is_refused_too() -> None:
    line = Line()
    await line.reader.receive('{"op":0,"t":"REST_AUDIT_LOG","s":5,"d":{"status":NaN}}')
    await line.reader.receive('{"op":0,"t":"SHARD","s":6,"d":{"state":"\\ud800"}}')
    assert (line.taken, line.refused, line.socket.sequence) == ([], 2, 6)


@pytest.mark.parametrize(
    "name", ["rest_AUDIT_LOG", "shard", "MY_REST_AUDIT_LOG", " REST_AUDIT_LOG", "RESTORE", "REST"]
)
async def test_a_name_that_only_resembles_ours_is_handed_on_as_unknown(name: str) -> None:
    line = Line()
    await line.send(name, {})
    assert [taken[0] for taken in line.taken] == [name]
    assert line.refused == 0
    assert total(line.telemetry.gateway_events) == 1
    assert name not in CATALOGUE.readers, "it has no reader"


def test_no_dispatch_discord_has_begins_like_ours() -> None:
    assert not [name for name in LABELS if name.startswith(OWN_PREFIXES)]


def test_every_name_the_source_makes_and_the_catalogue_reads_is_refused_of_the_gateway() -> None:
    ours = {name for name in CATALOGUE.readers if name not in LABELS}
    assert {SHARD_STATE, "REST_AUDIT_LOG", "REST_INVITES"} <= ours
    assert all(name.startswith(OWN_PREFIXES) for name in ours)


@pytest.mark.parametrize("name", sorted(CATALOGUE.readers.keys() & LABELS.keys() - {"READY"}))
async def test_every_dispatch_with_a_reader_is_handed_on_with_shard_and_time(name: str) -> None:
    line = Line()
    await line.send(name, {"id": "1"})
    ((taken, data, shard, at),) = line.taken
    assert (taken, json.loads(data), shard, at) == (name, {"id": "1"}, 3, line.clock.now_ms())
    assert value(line.telemetry.gateway_events, name) == 1

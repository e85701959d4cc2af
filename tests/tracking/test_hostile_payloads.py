"""Nothing in a payload can stop the intake, and nothing unclean leaves it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events.catalogue import full_catalogue
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.codec import pack, unpack
from exporter.telemetry import Telemetry, total, value
from tests.entry_data import fields_of
from tests.memory_spool import MemorySpool
from tests.scale import scaled
from tests.tracking.hostile import DEEP, HOLE, RAW, check, check_text, places, put

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gateway"
CATALOGUE = full_catalogue()
CASES = [
    (dispatch, case["d"])
    for dispatch in sorted(CATALOGUE.readers)
    for case in json.loads((FIXTURES / f"{dispatch}.json").read_text(encoding="utf-8"))["cases"]
]


@st.composite
def hostile(draw: st.DrawFn) -> tuple[str, bytes]:
    name, data = draw(st.sampled_from(CASES))
    for _ in range(draw(st.integers(0, 2))):
        where = list(places(data))
        if where:
            data = put(data, draw(st.sampled_from(where)), None)
    holes = []
    for _ in range(draw(st.integers(0, 3))):
        where = list(places(data))
        if not where:
            break
        holes.append(draw(st.sampled_from(RAW)))
        data = put(data, draw(st.sampled_from(where)), HOLE)
    text = json.dumps(data)
    for hole in holes:
        text = text.replace(json.dumps(HOLE), hole, 1)
    body = text.encode()
    if draw(st.integers(0, 20)) == 0:
        cut = draw(st.integers(0, len(body)))
        body = body[:cut] + draw(st.binary(max_size=4)) + body[cut + 1 :]
    return name, body


def make() -> tuple[Pipeline, MemorySpool, ManualClock, Telemetry]:
    sink, clock, telemetry = MemorySpool(), ManualClock(), Telemetry()
    pipeline = Pipeline(
        CATALOGUE, MetricsConfig(), BatchingConfig(), PrivacyConfig(), sink, clock, telemetry, channels=True
    )
    return pipeline, sink, clock, telemetry


async def play(payloads: Sequence[tuple[str, bytes]]) -> Telemetry:
    pipeline, sink, clock, telemetry = make()
    await pipeline.start()
    for name, body in payloads:
        pipeline.accept(name, body, 0, clock.now_ms())
        clock.advance(1)
        await pipeline.tick()
    clock.advance(400)
    await pipeline.tick()
    assert await pipeline.stop()
    assert await pipeline.flush()
    for entry in sink.entries:
        json.dumps(msgspec.to_builtins(entry), allow_nan=False).encode()
        packed = pack(entry, 2**20)
        assert unpack(packed.body, packed.crc) == entry
        check_text(entry.key)
        check(fields_of(entry))
    for kind, received in telemetry.received.values.items():
        rejected = sum(n for (name, _), n in telemetry.rejected.values.items() if (name,) == kind)
        assert received == value(telemetry.accepted, *kind) + rejected
    return telemetry


@settings(
    max_examples=scaled(200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(hostile(), min_size=1, max_size=6))
def test_no_payload_stops_the_stage_or_leaves_it_unclean(payloads: list[tuple[str, bytes]]) -> None:
    telemetry = asyncio.run(play(payloads))
    assert total(telemetry.received) == len(payloads)
    defects = {name for name, reason in telemetry.rejected.values if reason == "defect"}
    assert not defects, "what is wrong with a payload is foreseen, not caught as a defect of ours"


@pytest.mark.parametrize("name", sorted(CATALOGUE.readers))
async def test_a_value_that_does_not_belong_is_survived_in_every_field(name: str) -> None:
    data = next(data for case, data in CASES if case == name)
    fields = [put(data, (key,), HOLE) for key in data if key not in {"content", "_trace", "nonce"}]
    templates = [json.dumps(field) for field in (*fields, HOLE)]
    pipeline, _sink, clock, telemetry = make()
    for raw in RAW:
        for template in templates:
            body = template.replace(json.dumps(HOLE), raw, 1).encode()
            pipeline.accept(name, body, 0, clock.now_ms())
        assert not [labels for labels in telemetry.rejected.values if labels[1] == "defect"], raw[:100]
    assert total(telemetry.received) == len(RAW) * len(templates)
    assert total(telemetry.received) == total(telemetry.accepted) + total(telemetry.rejected)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "json"),
        (b"", "json"),
        (b"\xff\xfe", "json"),
        (b'{"id":"1","channel_id":"2","author":{"id":"3","username":"\xff"}}', "json"),
        (b'{"id":"1","channel_id":"2","author":{"id":"3","username":"\\ud800"}}', "json"),
        (b"[]", "shape"),
        (b'{"id":"1"}', "shape"),
        (b'{"id":"1","channel_id":"2","guild_id":"9223372036854775808","author":{"id":"3"}}', "shape"),
    ],
)
async def test_a_rejected_payload_is_counted_with_its_reason(body: bytes, reason: str) -> None:
    pipeline, _sink, clock, telemetry = make()
    pipeline.accept("MESSAGE_CREATE", body, 0, clock.now_ms())
    assert telemetry.rejected.values == {("MESSAGE_CREATE", reason): 1}
    assert value(telemetry.received, "MESSAGE_CREATE") == 1
    assert value(telemetry.accepted, "MESSAGE_CREATE") == 0


async def test_nesting_too_deep_is_counted_as_such() -> None:
    pipeline, _sink, clock, telemetry = make()
    body = b'{"guild_id":"1","id":"2","action_type":1,"options":{"a":' + DEEP.encode() + b"}}"
    pipeline.accept("GUILD_AUDIT_LOG_ENTRY_CREATE", body, 0, clock.now_ms())
    assert telemetry.rejected.values == {("GUILD_AUDIT_LOG_ENTRY_CREATE", "depth"): 1}


async def test_what_is_switched_off_is_not_even_counted() -> None:
    pipeline, _sink, clock, telemetry = make()
    pipeline.accept("TYPING_START", b"{}", 0, clock.now_ms())
    assert total(telemetry.received) == 0


async def test_a_defect_of_ours_costs_one_event_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, _sink, clock, telemetry = make()
    name, data = next(case for case in CASES if case[0] == "MESSAGE_CREATE")

    def fail(*_: object) -> None:
        message = "broken"
        raise ArithmeticError(message)

    monkeypatch.setattr(pipeline.timeline, "pass_message", fail)
    for number in range(3):
        another = data | {"id": str(int(data["id"]) + number)}
        pipeline.accept(name, json.dumps(another).encode(), 0, clock.now_ms())
    assert telemetry.rejected.values == {("MESSAGE_CREATE", "defect"): 3}
    assert len(caplog.records) == 1

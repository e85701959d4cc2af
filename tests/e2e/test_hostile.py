"""Whatever comes through the socket, the process lives, refusals are counted, and the stores stay clean."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from exporter.discord.gateway.dispatches import LABELS
from exporter.events.catalogue import full_catalogue
from tests.e2e.programs import until
from tests.scale import scaled

pytestmark = pytest.mark.timeout(120)

RECORDED = sorted((Path(__file__).parents[1] / "fixtures" / "gateway").glob("*.json"))
FIXTURES = [path for path in RECORDED if path.stem in LABELS and path.stem not in {"READY", "RESUMED"}]
"""What can come from the gateway, but for what begins a session: the source itself lives by that."""

UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

BODIES = {
    "cut off": b'{"id": "1',
    "not an object": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "lone surrogate": rb'{"guild_id":"1","user":{"id":"2","username":"\ud800"}}',
    "deep nesting": b'{"guild_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge text": b'{"guild_id":"1","user":{"id":"2","username":"' + b"x" * 4_000_000 + b'"}}',
    "control characters": b'{"guild_id":"1","user":{"id":"2","username":"a\\u0000b\\nc\\u202ed\\u0085"}}',
    "infinite number": b'{"guild_id":1e999,"user":{"id":"2"}}',
    "huge id": b'{"guild_id":"99999999999999999999999999","user":{"id":"2"}}',
    "negative id": b'{"guild_id":"-1","user":{"id":"-2"}}',
    "wrong types": b'{"guild_id":{},"user":[],"channel_id":true,"id":1.5,"author":"me","emoji":7}',
    "nulls": b'{"guild_id":null,"user":null,"channel_id":null,"id":null,"author":null,"emoji":null}',
}

FRAMES = (
    b"not json",
    b"[]",
    b"null",
    b'{"op":"zero","t":1,"s":"x","d":{}}',
    b'{"op":0,"t":"MESSAGE_CREATE","s":null,"d":null}',
    b'{"op":99,"d":{}}',
    b'{"op":0,"s":5}',
)


def scalars() -> SearchStrategy[object]:
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.just({}),
        st.just([]),
    )


def mutate(value: object, draw) -> object:
    """The payload with something missing, added or replaced in a few places."""
    if isinstance(value, dict):
        kept = {key: mutate(item, draw) for key, item in value.items() if draw(st.integers(0, 19))}
        if not draw(st.integers(0, 9)):
            kept["surprise"] = draw(scalars())
        return kept
    return value if draw(st.integers(0, 14)) else draw(scalars())


EVERYTHING = {"events": dict.fromkeys(full_catalogue().events, True)}
"""What is off by default reads payloads too."""


async def test_hostile_payloads_through_the_socket(simulation, exporter):
    await simulation.start("--rate", "20", "--seed", "9")
    exporter.api_url = simulation.url
    exporter.settings = EVERYTHING
    await exporter.start()
    kinds = [fixture.stem for fixture in FIXTURES]
    assert len(kinds) > 15
    sent = 0
    for kind in kinds:
        for body in BODIES.values():
            await simulation.control("inject", body, type=kind)
            sent += 1
    for frame in FRAMES:
        await simulation.control("inject-frame", frame)

    async def all_seen() -> bool:
        metrics = await exporter.metrics()
        rejected = metrics.by("discord_exporter_rejected_total", "type")
        return all(rejected.get(kind, 0) > 0 for kind in kinds if kind != "GUILD_CREATE")

    await until(all_seen, "every type to have rejections")
    metrics = await exporter.metrics()
    reasons = metrics.by("discord_exporter_rejected_total", "reason")
    assert {"shape", "json"} <= reasons.keys()
    assert "defect" not in reasons
    await settle(exporter)
    assert_clean(exporter)


@pytest.mark.parametrize("seed", range(3))
async def test_mutated_recorded_payloads_through_the_socket(simulation, exporter, seed):
    cases: list[tuple[str, object]] = []
    for fixture in FIXTURES:
        cases += [(fixture.stem, case["d"]) for case in json.loads(fixture.read_text())["cases"]]
    payloads: list[tuple[str, bytes]] = []

    @hypothesis.seed(seed)
    @settings(max_examples=scaled(150), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def collect(data) -> None:
        kind, body = data.draw(st.sampled_from(cases))
        payloads.append((kind, json.dumps(mutate(body, data.draw)).encode()))

    collect()
    await simulation.start("--rate", "20", "--seed", str(seed))
    exporter.api_url = simulation.url
    exporter.settings = EVERYTHING
    await exporter.start()
    for kind, body in payloads:
        await simulation.control("inject", body, type=kind)
    await settle(exporter)
    metrics = await exporter.metrics()
    assert "defect" not in metrics.by("discord_exporter_rejected_total", "reason")
    assert_clean(exporter)


async def settle(exporter) -> None:
    """Everything sent is in the stores, and the accounting is right."""
    before = -1.0

    async def quiet() -> bool:
        nonlocal before
        previous, before = before, (await exporter.metrics()).total("discord_exporter_rejected_total")
        return previous == before

    await until(quiet, "the last payload")
    await exporter.flush()
    assert exporter.process.returncode is None
    metrics = await exporter.metrics()
    received = metrics.total("discord_exporter_received_total")
    accepted = metrics.total("discord_exporter_accepted_total")
    rejected = metrics.total("discord_exporter_rejected_total") - metrics.total(
        "discord_exporter_rejected_total", type="FRAME"
    )
    assert received == accepted + rejected
    assert metrics.total("discord_exporter_dead_total") == 0


def assert_clean(exporter) -> None:
    """No text in any table holds what could break a line or disguise one."""
    with sqlite3.connect(exporter.database) as log:
        tables = [name for (name,) in log.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in log.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    assert not (isinstance(value, str) and UNCLEAN.search(value)), (table, value)

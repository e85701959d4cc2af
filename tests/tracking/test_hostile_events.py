"""Whatever stands in the payloads an event comes from, nothing breaks and every store can take the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from exporter import pipeline
from exporter.sinks.influx.line_protocol import Encoder
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from tests.entry_data import fields_of
from tests.goldens.script import Step
from tests.goldens.scripts import script_of
from tests.goldens.stage import CATALOGUE, RECORDED_AT, PackedSpool, Stage
from tests.tracking.hostile import HOLE, RAW, check, check_text, places, put


def spoilt(step: Step) -> Iterator[bytes]:
    """The payload with every value that does not belong in every place of it."""
    for place in places(step.data):
        template = json.dumps(put(step.data, place, HOLE))
        for raw in RAW:
            yield template.replace(json.dumps(HOLE), raw, 1).encode()


@pytest.mark.parametrize("kind", CATALOGUE.events)
async def test_an_event_reported_in_hostile_payloads_breaks_no_stage_and_no_store(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock is held and no request is answered: what is undecided when the flush begins remains so.
    monkeypatch.setattr(pipeline, "UNDECIDED_SECONDS", 0)
    script = script_of(kind)
    stage = Stage(kind, script)
    await stage.begin(script)
    for step in script.steps:
        await stage.perform(step)
        for body in spoilt(step):
            stage.feed(step.dispatch, body)
        await stage.pass_time(1)
    await stage.pass_time(400)
    await stage.flush()
    assert not {labels for labels in stage.telemetry.rejected.values if labels[1] == "defect"}
    assert stage.rows
    for row in stage.rows:
        check_text(row.entry.key)
        check(fields_of(row.entry))
    assert not Encoder(CATALOGUE).encode(PackedSpool.source, stage.rows).rejected
    plan_batch(
        stage.rows, Rules.of(CATALOGUE, store_snapshots=True), RECORDED_AT
    )  # refuses what does not fit

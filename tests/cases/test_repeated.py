"""Discord delivers a dispatch zero to several times: a repeated one changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.pipeline import Pipeline
from tests.site import CATALOGUE, FIXTURES, Site

CASES = [
    pytest.param(path.stem, case["d"], id=f"{path.stem}: {case['name']}")
    for path in sorted(FIXTURES.glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    if not path.stem.startswith(("REST_", "SHARD"))
]


async def _outcome(site: Site, dispatch: str, data: Any, times: int) -> dict[str, Any]:
    site.switches = dict.fromkeys(CATALOGUE.events, True)
    pipeline: Pipeline = await site.start()
    ready = json.loads((FIXTURES / "READY.json").read_text(encoding="utf-8"))["cases"][1]["d"]
    whole = json.loads((FIXTURES / "GUILD_CREATE.json").read_text(encoding="utf-8"))["cases"][0]["d"]
    site.feed(pipeline, "READY", ready)
    site.feed(pipeline, "GUILD_CREATE", whole)
    for _ in range(times):
        site.feed(pipeline, dispatch, data)
        site.clock.advance(0.4)
    site.clock.advance(0.4 * (2 - times))
    for _ in range(40):
        site.clock.advance(1)
        await pipeline.tick()
    pipeline.refresh()
    await pipeline.flush()
    totals = {
        (measure, value): dict(pipeline.totals(measure, value))
        for measure, series in CATALOGUE.measures.items()
        for value in series.values or ("",)
        if "seconds" not in measure and "time" not in measure
    }
    gauges = {gauge: dict(pipeline.gauges(gauge)) for gauge in CATALOGUE.gauges}
    entries = sorted(
        (entry.type, entry.key, entry.amends)
        for entry in await site.entries()
        # A guild that is received whole again is described again; no store counts that.
        if not entry.type.endswith("_SNAPSHOT") and entry.type != "GUILD_SYNC"
    )
    return {"totals": totals, "gauges": gauges, "entries": entries}


@pytest.mark.parametrize(("dispatch", "data"), CASES)
async def test_a_repeated_dispatch_changes_nothing(tmp_path: Path, dispatch: str, data: Any) -> None:
    found = []
    for times in (1, 2):
        site = Site(tmp_path / str(times))
        found.append(await _outcome(site, dispatch, data, times))
        await site.close()
    once, twice = found
    assert twice["totals"] == once["totals"]
    assert twice["gauges"] == once["gauges"]
    assert twice["entries"] == once["entries"]

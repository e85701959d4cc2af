"""What happens in unusual hours is recorded as it was: by whom, to whom, why, how many, and once.

``make scenarios`` plays each for a minute.
"""

from __future__ import annotations

import pytest

from exporter.cli.simulate import SCENARIO_NAMES
from tests.e2e.programs import assert_conserved
from tests.scale import SCALE, scaled

SECONDS = scaled(6)
ELSEWHERE = {"outage": "test_guilds", "thread-heavy": "test_structure", "voice-evening": "test_voice"}
"""Scenarios that have a test of their own; here they are played only at length."""

PLAYED = [name for name in SCENARIO_NAMES if SCALE > 1 or name not in ELSEWHERE]
OFF_BY_DEFAULT = ("ROLE", "CHANNEL", "THREAD", "EMOJI", "STICKER")

pytestmark = pytest.mark.timeout(180 + 5 * SECONDS)


@pytest.mark.parametrize("scenario", PLAYED)
async def test_a_scenario_is_recorded_as_it_was(simulation, exporter, scenario):
    await simulation.start(
        "--scenario", scenario, "--rate", "200", "--duration", f"{SECONDS}s", "--seed", "21"
    )
    exporter.api_url = simulation.url
    if scenario == "thread-heavy":
        types = [f"{part}_{what}" for part in OFF_BY_DEFAULT for what in ("CREATE", "UPDATE", "DELETE")]
        exporter.settings = {"events": dict.fromkeys(types, True)}
    await exporter.start()
    await simulation.over()
    lines = (await exporter.verify(simulation.ledger))["lines"]
    assert sum(line["ledger"] for line in lines if line["quantity"].endswith(" rows")) > 20
    assert_conserved(await exporter.metrics())

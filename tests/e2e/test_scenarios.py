"""What moderators do in unusual hours is told as it was: by whom, to whom, why, and once."""

from __future__ import annotations

import pytest

from tests.e2e.programs import assert_conserved

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("scenario", ["moderator-spree", "late-audit", "raid"])
async def test_every_action_of_a_scenario_is_one_row(simulation, exporter, scenario):
    await simulation.start("--scenario", scenario, "--rate", "200", "--duration", "8s", "--seed", "21")
    exporter.api_url = simulation.url
    await exporter.start()
    await simulation.over()
    lines = (await exporter.verify(simulation.ledger))["lines"]
    assert sum(line["ledger"] for line in lines if line["quantity"].endswith(" rows")) > 20
    assert_conserved(await exporter.metrics())

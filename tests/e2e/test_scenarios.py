"""What moderators do in unusual hours is told as it was: by whom, to whom, why, and once."""

from __future__ import annotations

import json

import pytest

from tests.e2e.programs import assert_conserved

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("scenario", ["moderator-spree", "late-audit", "raid"])
async def test_every_action_of_a_scenario_is_one_row(simulation, exporter, scenario):
    await simulation.start("--scenario", scenario, "--rate", "200", "--duration", "8s", "--seed", "21")
    exporter.api_url = simulation.url
    await exporter.start()
    await simulation.over()
    _, out, err = await exporter.run_command("verify", "--ledger", str(simulation.ledger), "--format", "json")
    lines = json.loads(out)["lines"]
    rows = {line["quantity"]: line for line in lines if line["quantity"].endswith(" rows")}
    assert sum(line["ledger"] for line in rows.values()) > 20, err
    # By which invite somebody came is read from an API that is gone by now, so it is tested apart.
    wrong = [line["differences"] for line in lines if not line["ok"] and "invite" not in line["quantity"]]
    assert wrong == []
    assert_conserved(await exporter.metrics())

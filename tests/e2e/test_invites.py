"""Who brought whom, from the socket to the tables: a join's row and its invite's name the same two people."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.e2e.programs import Exporter, Simulation

pytestmark = pytest.mark.timeout(180)


async def test_a_join_and_its_invite_are_linked_in_every_table(
    simulation: Simulation, exporter: Exporter
) -> None:
    await simulation.start("--scenario", "invite-storm", "--rate", "60", "--duration", "12s", "--seed", "3")
    exporter.api_url = simulation.url
    await exporter.start()
    await simulation.over()
    _, out, _ = await exporter.run_command("verify", "--ledger", str(simulation.ledger), "--format", "json")
    lines = {line["quantity"]: line for line in json.loads(out)["lines"]}
    for quantity in ("invite rows", "exact invite rows"):
        assert lines[quantity]["ok"], lines[quantity]["differences"]
    assert lines["invite rows"]["ledger"] > 50
    assert (await exporter.terminate()) == 0
    with sqlite3.connect(exporter.database) as tables:
        exact = tables.execute(
            "SELECT t.invite_code, t.inviter_id, e.invite_code, e.inviter_id, i.inviter_id, i.uses > 0"
            " FROM invite_tracking t"
            " JOIN member_events e ON e.event = 'join' AND e.guild_id = t.guild_id"
            "  AND e.user_id = t.invitee_id AND e.at = t.at"
            " JOIN invites i ON i.guild_id = t.guild_id AND i.code = t.invite_code"
            " WHERE t.confidence = 'exact' AND t.method = 'invite' AND i.deleted_at IS NULL"
        ).fetchall()
        unlinked = tables.execute(
            "SELECT count(*) FROM invite_tracking t JOIN member_events e ON e.event = 'join'"
            "  AND e.guild_id = t.guild_id AND e.user_id = t.invitee_id AND e.at = t.at"
            " WHERE t.confidence IN ('ambiguous', 'unknown') AND e.invite_code IS NOT NULL"
        ).fetchone()
    assert exact
    for code, inviter, joined_by, brought_by, maker, used in exact:
        assert (joined_by, brought_by) == (code, inviter)
        assert inviter
        assert maker == inviter
        assert used
    assert unlinked == (0,)

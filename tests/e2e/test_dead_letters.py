"""Entries that a store refuses for good are seen, and replayed once the store is mended."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

pytestmark = pytest.mark.timeout(120)

REFUSE_BANS = """
CREATE TRIGGER refuse BEFORE INSERT ON moderation_logs WHEN NEW.action = 'ban'
BEGIN SELECT RAISE(ABORT, 'no bans'); END
"""


def execute(exporter, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(exporter.database)) as connection, connection:
        return connection.execute(statement).fetchall()


async def test_a_row_refused_for_good_is_listed_replayed_and_stored_exactly_once(simulation, exporter):
    await simulation.start("--rate", "200", "--duration", "6s", "--seed", "21")
    exporter.api_url = simulation.url
    exporter.configure()
    assert (await exporter.run_command("migrate"))[0] == 0
    execute(exporter, REFUSE_BANS)
    await exporter.start()
    await simulation.over()
    await exporter.flush()

    code, out, err = await exporter.run_command("spool dead list", "--format", "json")
    assert code == 0, err
    dead = json.loads(out)["dead_letters"]
    assert {(letter["type"], letter["sink"], letter["reason"]) for letter in dead} == {
        ("GUILD_BAN_ADD", "sql", "constraint")
    }
    assert len(dead) == (await exporter.metrics()).total("discord_exporter_dead_total", sink="sql")
    announced = [
        json.loads(line)
        for line in exporter.log.read_text().splitlines()
        if "refused an entry of type GUILD_BAN_ADD for good (constraint)" in line
    ]
    assert [line["level"] for line in announced] == ["warning"]
    assert execute(exporter, "SELECT count(*) FROM moderation_logs WHERE action = 'ban'") == [(0,)]

    code, _, err = await exporter.run_command("spool dead replay", "--yes")
    assert code == 74
    assert "stop the exporter first" in err
    assert await exporter.terminate() == 0

    execute(exporter, "DROP TRIGGER refuse")
    code, out, err = await exporter.run_command("spool dead replay", "--yes", "--format", "json")
    assert code == 0, err
    assert json.loads(out) == {"matched": len(dead), "replayed": len(dead), "left": 0}
    await exporter.start(ready=False)
    await exporter.is_alive()
    await exporter.flush()
    bans = execute(
        exporter, "SELECT event_key, count(*) FROM moderation_logs WHERE action = 'ban' GROUP BY 1"
    )
    assert bans
    assert {count for _, count in bans} == {1}
    await exporter.verify(simulation.ledger, "--stores", "sql")
    _, out, _ = await exporter.run_command("spool dead list", "--format", "json")
    assert json.loads(out)["total"] == 0

"""Guilds as they truly are: changes field by field, outages without a trace, counts that come right again."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.e2e.programs import until

pytestmark = pytest.mark.timeout(120)


def ledger_lines(simulation, kind: str) -> list[dict[str, object]]:
    whole, _, _ = simulation.ledger.read_text().rpartition("\n")  # the last line may still be written
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if line["type"] == kind]


def rows(exporter, kind: str) -> list[tuple[int, dict[str, object]]]:
    """Guild and details of the rows of a type, in the order of time."""
    with sqlite3.connect(exporter.database) as log:
        query = "SELECT guild_id, details FROM guild_events WHERE type = ? ORDER BY guild_id, at, id"
        return [(guild, json.loads(details)) for guild, details in log.execute(query, (kind,))]


def as_written(changes: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Changes as the exporter writes them: ids as numbers."""
    return {
        name: {side: int(str(value)) for side, value in sides.items()} if name == "owner_id" else sides
        for name, sides in changes.items()
    }


async def test_guilds_that_fail_and_change_leave_exactly_their_changes(simulation, exporter):
    await simulation.start("--scenario", "outage", "--rate", "400", "--duration", "15s", "--seed", "61")
    exporter.api_url = simulation.url
    await exporter.start()
    members: set[float] = set()

    async def over() -> bool:
        metrics = await exporter.metrics()
        members.update(metrics.by("discord_guild_members", "guild_id").values())
        return bool(ledger_lines(simulation, "END"))

    await until(over, "the end of the traffic")
    assert len(ledger_lines(simulation, "OUTAGE")) > 20
    assert 0 not in members
    await exporter.verify(simulation.ledger)
    updates = ledger_lines(simulation, "GUILD_UPDATE")
    assert len(updates) >= 3
    expected = sorted(
        (int(str(line["guild_id"])), line["n"], as_written(line["changes"])) for line in updates
    )
    found = rows(exporter, "GUILD_UPDATE")
    assert [(guild, details["changes"]) for guild, details in found] == [
        (guild, changes) for guild, _, changes in expected
    ]
    for kind in ("GUILD_DELETE", "GUILD_CREATE"):
        assert len(rows(exporter, kind)) == len(ledger_lines(simulation, kind))


async def test_a_member_count_led_astray_comes_right_by_asking(simulation, exporter):
    await simulation.start("--rate", "0", "--guilds", "2")
    exporter.api_url = simulation.url
    exporter.settings = {"metrics": {"member_count_interval": "1s"}}
    await exporter.start()
    true = (await exporter.metrics()).by("discord_guild_members", "guild_id")
    guild_id = next(iter(true))
    # As if the joins of these three had been missed.
    for user_id in ("5", "6", "7"):
        gone = json.dumps({"guild_id": guild_id, "user": {"id": user_id, "username": "unknown"}}).encode()
        await simulation.control("inject", gone, type="GUILD_MEMBER_REMOVE", guild=guild_id)

    async def corrected() -> bool:
        return (await exporter.metrics()).total("discord_exporter_member_count_drift_total") == 3

    await until(corrected, "the correction")
    metrics = await exporter.metrics()
    assert metrics.by("discord_guild_members", "guild_id") == true
    assert metrics.total("discord_exporter_member_count_corrections_total") == 1

    async def asked() -> bool:
        return set((await exporter.metrics()).by("discord_guild_online", "guild_id")) == set(true)

    await until(asked, "how many are online")

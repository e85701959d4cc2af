"""Who made, changed or deleted an object of a guild is recorded as it was, and only where it is asked for."""

from __future__ import annotations

import json
import sqlite3
from functools import partial

import pytest

from exporter.events.catalogue import full_catalogue
from tests.e2e.programs import assert_conserved, until

pytestmark = pytest.mark.timeout(300)

TYPES = sorted(spec.type for spec in full_catalogue().events.values() if spec.family == "structure")


def rows_of(exporter) -> list[tuple[str, int | None]]:
    with sqlite3.connect(exporter.database) as connection:
        found = connection.execute("SELECT type, actor_id FROM guild_events").fetchall()
    connection.close()
    return [(kind, actor) for kind, actor in found if kind in TYPES]


def count_changes(ledger) -> int:
    return sum(
        json.loads(line)["type"] in TYPES for line in ledger.read_text().splitlines(keepends=True)[:-1]
    )


async def at_least(count, wanted: int) -> bool:
    return count() >= wanted


async def test_every_change_is_one_row_with_its_actor_and_what_changed(simulation, exporter):
    await simulation.start("--scenario", "thread-heavy", "--rate", "200", "--duration", "8s", "--seed", "22")
    exporter.api_url = simulation.url
    exporter.settings = {"events": dict.fromkeys((*TYPES, "PRESENCE_UPDATE"), True)}
    await exporter.start()
    await simulation.over()
    verified = await exporter.verify(simulation.ledger)
    rows = {line["quantity"].removesuffix(" rows"): line for line in verified["lines"]}
    assert {kind: rows[kind]["ledger"] for kind in TYPES if not rows[kind]["ledger"]} == {}
    kept = rows_of(exporter)
    assert sum(actor is not None for _, actor in kept) > 20
    metrics = await exporter.metrics()
    assert metrics.total("discord_structure_changes_total") == len(kept)
    assert metrics.total("discord_presence_updates_total") > 20
    assert_conserved(metrics)


async def test_what_was_done_while_the_program_was_dead_is_in_the_log_and_marked(simulation, exporter):
    await simulation.start("--scenario", "thread-heavy", "--rate", "200", "--duration", "12s", "--seed", "23")
    exporter.api_url = simulation.url
    exporter.settings = {"events": dict.fromkeys(TYPES, True)}
    await exporter.start()
    done = partial(count_changes, simulation.ledger)
    await until(lambda: at_least(done, 60), "changes")
    await exporter.stop()  # as kill -9 would
    before = done()
    await until(lambda: at_least(done, before + 60), "changes during the absence")
    await exporter.start()
    await simulation.over()
    _, out, err = await exporter.run_command("verify", "--ledger", str(simulation.ledger), "--format", "json")
    rows = {line["quantity"].removesuffix(" rows"): line for line in json.loads(out)["lines"]}
    assert [rows[kind]["differences"] for kind in TYPES if kind in rows and not rows[kind]["ok"]] == [], err
    with sqlite3.connect(exporter.database) as connection:
        found = connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT audit_entry_id), COUNT(actor_id) "
            "FROM guild_events WHERE recovered"
        ).fetchone()
    connection.close()
    assert found[0] == found[1] == found[2] >= 40


async def test_by_default_nothing_of_it_is_kept_or_asked_for(simulation, exporter):
    await simulation.start("--scenario", "thread-heavy", "--rate", "200", "--duration", "4s", "--seed", "22")
    exporter.api_url = simulation.url
    await exporter.start()
    await simulation.over()
    await exporter.flush()
    metrics = await exporter.metrics()
    assert rows_of(exporter) == []
    assert "discord_structure_changes" not in metrics.text
    assert "discord_presence_updates" not in metrics.text
    seen = metrics.by("discord_gateway_events_total", "type")
    assert not {"PRESENCE_UPDATE", "GUILD_EMOJIS_UPDATE", "GUILD_STICKERS_UPDATE"} & seen.keys()

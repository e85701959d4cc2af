"""From the gateway to every store, over real sockets, against the simulator's ledger."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from tests.e2e.programs import assert_conserved, until

pytestmark = pytest.mark.timeout(240)


async def start_both(simulation, exporter, *options: str, **settings: object) -> None:
    await simulation.start(*options)
    exporter.api_url = simulation.url
    exporter.settings |= settings
    await exporter.start()


async def test_ledger_metrics_and_sql_agree_number_by_number(simulation, exporter):
    await start_both(
        simulation, exporter, "--rate", "200", "--duration", "12s", "--guilds", "6", "--seed", "3"
    )
    await simulation.over()
    await exporter.verify(simulation.ledger)
    metrics = await exporter.metrics()
    assert metrics.total("discord_messages_total") > 500
    assert_conserved(metrics)


async def test_nothing_is_lost_over_dropped_silent_and_invalidated_connections(simulation, exporter):
    await start_both(
        simulation, exporter, "--rate", "500", "--duration", "25s", "--heartbeat", "1s", "--seed", "4"
    )

    async def resumed(times: int) -> None:
        async def often_enough() -> bool:
            metrics = await exporter.metrics()
            return metrics.total("discord_gateway_resumes_total") >= times

        await until(often_enough, f"{times} resumes")

    await simulation.control("drop")
    await resumed(1)
    await simulation.control("half-open")
    await resumed(2)
    await simulation.control("reconnect")
    await resumed(3)
    await simulation.control("invalidate", resumable="true")
    await resumed(4)
    await simulation.control("invalidate", resumable="false")

    async def identified_again() -> bool:
        metrics = await exporter.metrics()
        return metrics.total("discord_gateway_identifies_total") >= 2

    await until(identified_again, "a second identify")
    await simulation.over()
    await exporter.verify(simulation.ledger)
    assert_conserved(await exporter.metrics())


async def test_several_shards_share_the_guilds(simulation, exporter):
    await start_both(
        simulation, exporter, "--rate", "200", "--duration", "8s", "--guilds", "12", "--shards", "3"
    )
    await simulation.over()
    await exporter.verify(simulation.ledger)
    metrics = await exporter.metrics()
    assert metrics.by("discord_gateway_connected", "shard") == {"0": 1, "1": 1, "2": 1}


async def test_sigterm_under_load_loses_nothing_and_ends_in_time(simulation, exporter):
    await start_both(simulation, exporter, "--rate", "500", "--seed", "5")

    async def busy() -> bool:
        return (await exporter.metrics()).total("discord_messages_total") > 1000

    await until(busy, "traffic")
    before = await exporter.metrics()
    assert await exporter.terminate() == 0
    # What had been shown before the stop must be in the log after the next process has delivered the rest.
    exporter.port = 0
    await exporter.start()
    await exporter.flush()
    with sqlite3.connect(exporter.database) as log:
        (messages,) = log.execute("SELECT sum(messages) FROM guild_daily").fetchone()
        (bans,) = log.execute("SELECT count(*) FROM moderation_logs WHERE action = 'ban'").fetchone()
    assert messages >= before.total("discord_messages_total", author="human")
    assert bans >= before.total("discord_moderation_actions_total", action="ban")


async def test_a_stop_leaves_exactly_what_the_ledger_says_was_seen(simulation, exporter):
    """The session ends with the process, so the simulator knows to the frame what was seen."""
    await start_both(simulation, exporter, "--rate", "300", "--duration", "10s", "--seed", "6")
    await asyncio.sleep(5)  # any moment under load will do; there is nothing to await
    assert await exporter.terminate() == 0
    exporter.port = 0
    await exporter.start()
    await simulation.over()
    await exporter.verify(simulation.ledger, "--stores", "sql")

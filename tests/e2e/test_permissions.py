"""A permission taken away costs what it is for and nothing else, and what that is is reported."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from discord_simulator.vocabulary import PERMISSIONS
from exporter.events.catalogue import full_catalogue
from exporter.events.permissions import SEES_BANS, name_together
from tests.e2e.programs import assert_conserved, until

pytestmark = pytest.mark.timeout(180)

CATALOGUE = full_catalogue().switched({})
LOST = {
    name: {
        event.type: event.blind_without[name]
        for event in CATALOGUE.events.values()
        if name in event.blind_without
    }
    for name in sorted(PERMISSIONS)
}
"""By permission the simulator can take away: what each event type loses by it."""
USED = {name: lost for name, lost in LOST.items() if lost and name != "view_channel"}
"""Everybody's role lets the bot see channels; only a channel itself denies it, and no dispatch says so."""
SECONDS = 3
"""How long each permission is away, under load."""


async def page(exporter) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{exporter.address}/") as answer:
        assert answer.status == 200
        return await answer.text()


async def unattributed(exporter) -> dict[tuple[str, str], float]:
    metrics = await exporter.metrics()
    return {
        (sample.labels["feature"], sample.labels["missing"]): sample.value
        for sample in metrics.samples
        if sample.name == "discord_exporter_blind" and sample.value
    }


def test_the_simulator_can_take_away_what_matters_most():
    assert {"view_audit_log", "manage_guild", "manage_channels"} <= USED.keys()


async def test_permission_by_permission_what_is_lost_is_named_and_nothing_else_is_lost(simulation, exporter):
    await simulation.start("--rate", "200", "--guilds", "4", "--seed", "41")
    exporter.api_url = simulation.url
    await exporter.start()
    assert await unattributed(exporter) == {}
    for name, lost in USED.items():
        await simulation.control("permission", name=name, granted="false")

        async def named(name: str = name, lost: dict[str, str] = lost) -> bool:
            return set(await unattributed(exporter)) == {(feature, name) for feature in lost}

        await until(named, f"the loss of {name} on /metrics")
        text = await page(exporter)
        code, checked, err = await exporter.run_command("check", "--online")
        assert code == 0, err
        for feature, loss in lost.items():
            assert feature in text
            assert name in text
            assert loss in text
            assert f"{name}: {loss} (" in checked
        assert f"lacks {name}" in checked
        await asyncio.sleep(SECONDS)  # under load without it; there is nothing to await
        await simulation.control("permission", name=name, granted="true")

        async def restored() -> bool:
            return await unattributed(exporter) == {}

        await until(restored, f"the return of {name}")
        assert "Blind spots" not in await page(exporter)
    for name in SEES_BANS:
        await simulation.control("permission", name=name, granted="false")

    async def bans_unseen() -> bool:
        missing = {missing for kind, missing in await unattributed(exporter) if kind == "GUILD_BAN_ADD"}
        return missing == {"view_audit_log", name_together(SEES_BANS)}

    await until(bans_unseen, "the loss of bans on /metrics")
    _, checked, _ = await exporter.run_command("check", "--online")
    assert f"{name_together(SEES_BANS)}: all of it" in checked
    assert "lacks view_audit_log, ban_members" in checked
    await simulation.control("stop")
    await simulation.over()
    await exporter.verify(simulation.ledger)
    assert exporter.process.returncode is None
    assert_conserved(await exporter.metrics())

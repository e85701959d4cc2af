"""Time in voice is recorded to the second by channel, member and state, whatever happens to the program."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from tests.e2e.programs import until

pytestmark = pytest.mark.timeout(180)

OPTIONS = ("--scenario", "voice-evening", "--rate", "100", "--guilds", "6")


async def start_both(simulation, exporter, *options: str) -> None:
    await simulation.start(*OPTIONS, *options)
    exporter.api_url = simulation.url
    # Edges of windows come often and fall anywhere in a session.
    exporter.settings |= {
        "metrics": {"snapshot_interval": 7, "member_activity_interval": 14},
        "sinks": {"sql": {"store_snapshots": True}},
    }
    await exporter.start()


async def voice_seconds_reach(exporter, seconds: float) -> None:
    """Return once so many seconds of voice have been shown."""

    async def enough() -> bool:
        return (await exporter.metrics()).total("discord_voice_seconds_total") > seconds

    await until(enough, f"{seconds} s of voice")


def of_voice(verdict) -> dict[tuple[str, str], dict[str, object]]:
    """The lines about voice, which must be there; nothing of them may differ."""
    lines = {
        (line["quantity"], line["scope"]): line
        for line in verdict["lines"]
        if line["quantity"].startswith(("voice_", "afk_voice_"))
    }
    for scope in ("guild", "channel", "member"):
        assert lines["voice_seconds", scope]["ledger"] > 100
    for state in ("active", "alone", "muted"):
        assert lines[f"voice_seconds: {state}", "member"]["ledger"] > 10
    assert [line["differences"] for line in lines.values() if not line["ok"]] == []
    return lines


async def test_every_second_of_an_evening_is_recorded(simulation, exporter):
    await start_both(simulation, exporter, "--duration", "20s", "--seed", "31")
    await simulation.over()
    lines = of_voice(await exporter.verify(simulation.ledger))
    assert {"/metrics", "sql"} <= lines["voice_seconds: muted", "guild"]["stores"].keys()


async def test_a_kill_and_a_restart_take_no_second_from_who_stayed(simulation, exporter):
    await start_both(simulation, exporter, "--duration", "45s", "--seed", "32")
    await voice_seconds_reach(exporter, 60)
    await asyncio.sleep(3)  # any moment under load will do; there is nothing to await
    exporter.process.send_signal(signal.SIGKILL)
    await exporter.process.wait()
    exporter.port = 0
    await exporter.start()
    await voice_seconds_reach(exporter, 60)
    assert await exporter.terminate() == 0
    exporter.port = 0
    await exporter.start()
    await simulation.over()
    # The kill takes the last seconds of what cannot be seen again, such as messages.
    _, out, _ = await exporter.run_command(
        "verify", "--ledger", str(simulation.ledger), "--format", "json", "--stores", "sql"
    )
    of_voice(json.loads(out))

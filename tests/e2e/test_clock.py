"""A machine whose clock is wrong: every number is right all the same, since Discord's time is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.programs import until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))

pytestmark = [
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed (apt install faketime)"),
    pytest.mark.timeout(180),
]


def set_clock(offset: Path, seconds: int) -> None:
    """Set the clock of the programs that read it from this file, as an administrator would."""
    part = offset.with_suffix(".part")
    part.write_text(f"{seconds:+d}\n")
    part.replace(offset)


@pytest.mark.parametrize(("skew", "step"), [(-15, -15), (0, 61), (3_600, -3_600)])
async def test_reasons_and_time_in_voice_are_right_with_a_wrong_clock(
    simulation, exporter, tmp_path, skew, step
):
    offset = tmp_path / "offset"
    set_clock(offset, skew)
    exporter.environ |= {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        # To read the file at every look at the clock would keep a core busy.
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    await simulation.start("--rate", "100", "--guilds", "3", "--seed", "5")
    exporter.api_url = simulation.url
    await exporter.start()

    async def counted(amount: int) -> bool:
        return (await exporter.metrics()).total("discord_messages_total") >= amount

    await until(lambda: counted(100), "the first messages")
    set_clock(offset, step)
    await until(lambda: counted(400), "messages after the clock was set")
    await simulation.control("stop")
    await simulation.over()
    await exporter.flush()
    await exporter.verify(simulation.ledger, "--stores", "metrics,sql")
    shown = (await exporter.metrics()).total("discord_exporter_clock_offset_seconds")
    assert abs(shown + skew) <= 2 or abs(shown + step) <= 2

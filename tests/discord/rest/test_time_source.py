"""What an answer's date does to the clock, the gauge and the log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from exporter.clock import DiscordClock, ManualClock
from exporter.discord.rest.time_source import TimeSource
from exporter.telemetry import Telemetry, value


class Machine:
    def __init__(self, skew: float) -> None:
        self.clock = ManualClock(1_700_000_000_000 + round(skew * 1000))
        self.skew = skew
        self.telemetry = Telemetry()
        self.discord = DiscordClock(self.clock)
        self.source = TimeSource(self.discord, self.telemetry)

    def answer(self) -> None:
        true = 1_700_000_000 + self.clock.monotonic()
        self.source.take(
            format_datetime(datetime.fromtimestamp(int(true), UTC), usegmt=True), self.source.now()
        )


@pytest.mark.parametrize(("skew", "words"), [(61.0, "60.5 s ahead of"), (-15.0, "15.5 s behind")])
def test_a_wrong_clock_is_corrected_exported_and_said_once(
    skew: float, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(skew)
    machine.answer()
    assert machine.source.is_rough
    for _ in range(3):
        machine.answer()
        machine.clock.advance(60)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 1
    assert words in lines[0]
    assert abs(value(machine.telemetry.clock_offset) + skew) <= 1
    machine.clock.step(-skew)
    with caplog.at_level(logging.INFO):
        machine.answer()
    assert "agrees with Discord's again" in caplog.text
    machine.clock.step(30)
    machine.answer()
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


def test_without_any_date_the_machine_is_believed_once_dispatches_are_dated() -> None:
    machine = Machine(5.0)
    assert not machine.discord.is_known
    machine.source.settle()
    assert machine.discord.is_known


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Mon, 99 Xyz 2023 00:00:00 GMT", "\x00", "9" * 5_000]
)
def test_a_date_that_cannot_be_read_says_nothing(date: str | None) -> None:
    machine = Machine(0.0)
    machine.source.take(date, machine.source.now())
    assert machine.discord.offset == 0

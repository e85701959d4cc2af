"""Entries from before an opt-out are withheld from sinks, and hold nothing up."""

from __future__ import annotations

import pytest

from exporter.telemetry import value


@pytest.mark.parametrize("withheld", [(0, 1), (3, 4), (8, 9), tuple(range(10)), ()])
async def test_what_is_withheld_is_passed_and_counted(world, far_end, withheld):
    world.screen = lambda entry: None if entry.data["n"] in withheld else entry
    sink = far_end("x")
    keys = await world.append(10)
    runner = await world.run(sink)
    assert await runner.drain(20)
    assert sink.keys == [key for number, key in enumerate(keys) if number not in withheld]
    assert value(world.telemetry.withheld, "x") == len(withheld)
    assert (await world.spool.stats()).sinks["x"].pending == 0


async def test_what_remains_of_an_entry_is_delivered_at_its_place(world, far_end):
    def hide(entry):
        return type(entry)(
            entry.type, entry.guild_id, entry.at, f"hidden {entry.key}", entry.priority, entry.data
        )

    world.screen = hide
    sink = far_end("x")
    keys = await world.append(3)
    runner = await world.run(sink)
    assert await runner.drain(20)
    assert sink.keys == [f"hidden {key}" for key in keys]

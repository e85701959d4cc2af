"""Entries from before an opt-out are withheld from sinks, and hold nothing up."""

from __future__ import annotations

from functools import partial

import pytest

from exporter.events.records.occurrences import ModerationRecord
from exporter.model import Entry, Outcome, Priority, Verdict
from exporter.screen.entries import without
from exporter.telemetry import value
from tests.spool.letters import dead_letters

OUT, OTHER = 80351110224678912, 53908099506183680
NAME = "nelly-who-left"


def ban(number: int, moderator_id: int = OUT, name: str = NAME) -> Entry:
    data = ModerationRecord(target_user_id=number, moderator_id=moderator_id, moderator_username=name)
    return Entry("GUILD_BAN_ADD", 1, 1, f"ban:{number}", Priority.SLOW, data)


def reject_all(batch):
    return Verdict(Outcome.STORED, tuple((row.position, "bad") for row in batch.rows))


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


@pytest.mark.parametrize("splits", [False, True])
async def test_a_dead_letter_is_without_people_who_opted_out(world, far_end, splits):
    world.screen = partial(without, people={OUT})
    sink = far_end("x", (lambda _: Verdict(Outcome.PARTIAL_FAILURE)) if splits else reject_all)
    await world.spool.append([ban(1), ban(2, OTHER, "mason"), ban(OUT), ban(3)])
    runner = await world.run(sink)
    assert await runner.drain(20)
    letters = dead_letters(world.spool)
    assert [letter.entry for letter in letters] == [
        without(ban(1), {OUT}),
        ban(2, OTHER, "mason"),
        without(ban(3), {OUT}),
    ]
    assert [letter.key for letter in letters] == ["ban:1", "ban:2", "ban:3"]
    for (body,) in await world.spool._read(lambda each: each.execute("SELECT body FROM dead").fetchall()):
        assert NAME.encode() not in body
        assert OUT.to_bytes(8, "big") not in body
    tally = (await world.spool.stats()).sinks["x"]
    assert (tally.dead, tally.delivered, tally.pending) == (3, 1, 0)
    assert value(world.telemetry.withheld, "x") == 1


async def test_a_dead_letter_without_people_who_opted_out_is_replayed(world, far_end):
    world.screen = partial(without, people={OUT})
    sink = far_end("x", reject_all)
    await world.spool.append([ban(1)])
    runner = await world.run(sink)
    assert await runner.drain(20)
    sink.respond = lambda _: Verdict(Outcome.STORED)
    (letter,) = dead_letters(world.spool)
    assert await world.spool.replay([letter.id]) == 1
    assert await runner.drain(20)
    assert [row.entry for row in sink.batches[-1].rows] == [without(ban(1), {OUT})]
    assert dead_letters(world.spool) == []


async def test_an_entry_that_the_screen_does_not_change_is_kept_byte_for_byte(world, far_end):
    world.screen = partial(without, people={OUT})
    await world.spool.append([ban(2, OTHER, "mason")])
    before = await world.spool._read(lambda each: each.execute("SELECT crc, body FROM slow").fetchall())
    runner = await world.run(far_end("x", reject_all))
    assert await runner.drain(20)
    after = await world.spool._read(lambda each: each.execute("SELECT crc, body FROM dead").fetchall())
    assert after == before


async def test_a_withheld_row_is_no_dead_letter_whatever_a_sink_refuses(world, far_end):
    def reject_the_span(batch):
        first, last = batch.rows[0].position, batch.rows[-1].position
        return Verdict(Outcome.STORED, tuple((position, "bad") for position in range(first, last + 1)))

    world.screen = partial(without, people={OUT})
    await world.spool.append([ban(1), ban(OUT), ban(3)])
    runner = await world.run(far_end("x", reject_the_span))
    assert await runner.drain(20)
    assert [letter.key for letter in dead_letters(world.spool)] == ["ban:1", "ban:3"]

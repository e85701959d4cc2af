from __future__ import annotations

import logging

import pytest

from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.dead_letters import DeadLetterFilter
from tests.spool.letters import dead_letters
from tests.spool.maintenance import tidy


async def reject(spool, sink="sql", reason="bad", lane=Priority.SLOW):
    """Pass everything that waits, as dead."""
    batch = await spool.read(sink, lane, max_rows=10**6, max_bytes=10**9)
    dead = [(row.position, reason) for row in batch.rows]
    await spool.advance(sink, lane, batch.rows[-1].position, dead=dead)


async def damage(spool, *positions):
    def flip(connection):
        for position in positions:
            connection.execute("UPDATE slow SET crc = crc + 1 WHERE position = ?", (position,))

    await spool._writer.submit(flip)


async def test_dead_letters_hold_what_was_refused_by_whom_and_why(open_spool, make_entry, clock):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await reject(spool, reason="too old")
    (letter,) = dead_letters(spool)
    assert letter.entry == make_entry(1)
    assert (letter.sink, letter.lane, letter.reason) == ("sql", Priority.SLOW, "too old")
    assert (letter.type, letter.guild_id, letter.key) == ("MESSAGE_DELETE", 123_456_789_012_345_678, "key:1")
    assert letter.dead_at == clock.now_ms()


async def test_dead_letters_are_listed_by_sink_oldest_first(open_spool, make_entry):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(5)])
    await reject(spool, "sql")
    await reject(spool, "influx")
    chosen = DeadLetterFilter(sinks=("influx",))
    assert [letter.key for letter in dead_letters(spool, chosen)] == [f"key:{number}" for number in range(5)]
    assert dead_letters(spool, chosen, limit=3) == dead_letters(spool, chosen)[:3]
    assert len(dead_letters(spool)) == 10


async def test_a_replayed_letter_comes_again_for_its_sink_alone(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(1), make_entry(2)])
    before = spool.tip(Priority.SLOW)
    await reject(spool, "sql")
    await drain(spool, "influx")
    letters = dead_letters(spool)
    assert await spool.replay([letter.id for letter in letters]) == 2
    batch = await spool.read("sql", Priority.SLOW, max_rows=10, max_bytes=10**6)
    assert [row.entry for row in batch.rows] == [make_entry(1), make_entry(2)]
    assert batch.rows[0].position > before
    assert await spool.read("influx", Priority.SLOW, max_rows=10, max_bytes=10**6) is None
    tally = await check_accounts(spool)
    assert (tally.sinks["sql"].dead, tally.sinks["sql"].pending, tally.sinks["sql"].spooled) == (2, 2, 4)
    assert tally.sinks["influx"].spooled == 2
    assert dead_letters(spool) == []
    await drain(spool, "sql")
    assert (await check_accounts(spool)).sinks["sql"].delivered == 2


async def test_a_replay_wakes_the_runner(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await reject(spool)
    tip = spool.tip(Priority.SLOW)
    (letter,) = dead_letters(spool)
    await spool.replay([letter.id])
    await spool.wait(Priority.SLOW, tip)


async def test_replaying_twice_or_what_is_not_there_does_nothing(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await reject(spool)
    (letter,) = dead_letters(spool)
    assert await spool.replay([letter.id, letter.id]) == 1
    assert await spool.replay([letter.id, 999]) == 0


async def test_a_letter_of_a_sink_no_longer_configured_stays(open_spool, make_entry):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(1)])
    await reject(spool, "influx")
    await spool.register(("sql",))
    (letter,) = dead_letters(spool)
    assert await spool.replay([letter.id]) == 0
    assert dead_letters(spool) == [letter]


async def test_the_oldest_letters_go_beyond_the_number_kept(open_spool, make_entry):
    spool = await open_spool(SpoolConfig(reserve=0, dead_max_rows=3))
    await spool.append([make_entry(number) for number in range(5)])
    await reject(spool)
    assert [letter.key for letter in dead_letters(spool)] == ["key:2", "key:3", "key:4"]
    assert (await spool.stats()).sinks["sql"].dead == 5


async def test_the_oldest_letters_go_beyond_the_bytes_kept(open_spool, make_entry):
    spool = await open_spool(SpoolConfig(reserve=0, dead_max_bytes=2_500))
    await spool.append([make_entry(number, padding=1_000) for number in range(5)])
    await reject(spool)
    assert [letter.key for letter in dead_letters(spool)] == ["key:3", "key:4"]


async def test_letters_go_when_they_are_too_old(open_spool, make_entry, clock):
    spool = await open_spool(SpoolConfig(reserve=0, dead_max_age=100))
    await spool.append([make_entry(1)])
    await reject(spool)
    clock.advance(99)
    await tidy(spool)
    assert len(dead_letters(spool)) == 1
    clock.advance(2)
    await tidy(spool)
    assert dead_letters(spool) == []


async def test_no_letter_goes_for_its_age_while_the_time_is_not_known(
    open_spool, make_entry, clock, monkeypatch
):
    spool = await open_spool(SpoolConfig(reserve=0, dead_max_age=100))
    await spool.append([make_entry(1)])
    await reject(spool)
    monkeypatch.setattr(type(clock), "is_known", False)
    clock.advance(1_000_000)
    await tidy(spool)
    assert len(dead_letters(spool)) == 1


async def test_a_damaged_row_is_dead_for_every_sink_that_has_not_passed_it(
    open_spool, make_entry, drain, check_accounts, caplog
):
    spool = await open_spool(sinks=("ahead", "sql", "influx"))
    await spool.append([make_entry(number) for number in range(5)])
    await drain(spool, "ahead")
    batch = await spool.read("sql", Priority.SLOW, max_rows=5, max_bytes=10**6)
    await damage(spool, batch.rows[2].position)
    with caplog.at_level(logging.ERROR):
        assert [entry.key for entry in await drain(spool, "sql")] == ["key:0", "key:1", "key:3", "key:4"]
    assert "1 damaged slow entries" in caplog.text
    tally = await check_accounts(spool)
    assert {name: sink.dead for name, sink in tally.sinks.items()} == {"ahead": 0, "sql": 1, "influx": 1}
    assert [(letter.sink, letter.reason, letter.entry) for letter in dead_letters(spool)] == [
        ("influx", "damaged", None),
        ("sql", "damaged", None),
    ]
    assert len(await drain(spool, "influx")) == 4


async def test_an_entry_that_is_not_as_its_type_declares_is_dead_for_every_sink_and_holds_up_nothing(
    open_spool, make_entry, drain, check_accounts, caplog
):
    spool = await open_spool(sinks=("sql", "influx"))
    bad = Entry("GUILD_BAN_ADD", 1, 1, "bad", Priority.SLOW, {"moderator_id": "seven"})
    await spool.append([make_entry(0), bad, make_entry(2)])
    with caplog.at_level(logging.ERROR):
        assert [entry.key for entry in await drain(spool, "sql")] == ["key:0", "key:2"]
    assert "1 malformed slow entries" in caplog.text
    assert "seven" not in caplog.text
    letters = dead_letters(spool)
    assert [(letter.sink, letter.reason, letter.key, letter.entry) for letter in letters] == [
        ("influx", "malformed", "bad", None),
        ("sql", "malformed", "bad", None),
    ]
    assert await spool.replay([letter.id for letter in letters]) == 0
    await check_accounts(spool)


@pytest.mark.parametrize("damage", ["body = 'text'", "body = 12", "body = x''", "crc = 'text,'", "crc = 1.5"])
async def test_a_row_with_a_column_of_another_kind_is_dead_and_holds_up_nothing(
    open_spool, make_entry, drain, check_accounts, damage
):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(5)])
    spool._connection.execute(f"UPDATE slow SET {damage} WHERE key = 'key:2'")
    assert [entry.key for entry in await drain(spool)] == ["key:0", "key:1", "key:3", "key:4"]
    assert [letter.reason for letter in dead_letters(spool)] == ["damaged"]
    await check_accounts(spool)


async def test_a_page_of_nothing_but_damaged_rows_is_stepped_over(open_spool, make_entry, check_accounts):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(6)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=6, max_bytes=10**6)
    await damage(spool, *(row.position for row in batch.rows[:3]))
    page = await spool.read("sql", Priority.SLOW, max_rows=3, max_bytes=10**6)
    assert [row.entry.key for row in page.rows] == ["key:3", "key:4", "key:5"]
    await check_accounts(spool)


async def test_a_damaged_letter_cannot_be_replayed(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1), make_entry(2)])
    await damage(spool, spool.tip(Priority.SLOW))
    await spool.read("sql", Priority.SLOW, max_rows=6, max_bytes=10**6)
    (letter,) = dead_letters(spool)
    assert await spool.replay([letter.id]) == 0

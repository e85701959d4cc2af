from __future__ import annotations

import pytest

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool import commit
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import NumberedBody, StateRow
from exporter.telemetry import value
from tests.spool.maintenance import tidy
from tests.spool.state_pages import HAS_DBSTAT, noted_and_found

MIB = 1024**2


async def alter(spool, sql, *values):
    await spool._writer.submit(lambda connection: connection.execute(sql, values))


async def test_state_is_written_changed_and_deleted_by_key(open_spool):
    spool = await open_spool()
    await spool.append([], state=[StateRow("a/x", b"1", b"one"), StateRow("a/x", b"2", b"two")])
    await spool.append(
        [],
        state=[StateRow("a/x", b"1", None), StateRow("a/x", b"2", b""), StateRow("a/y", b"1", b"other")],
    )
    assert await spool.state() == [StateRow("a/x", b"2", b""), StateRow("a/y", b"1", b"other")]


async def test_the_last_change_of_a_key_counts(open_spool):
    spool = await open_spool()
    await spool.append([], state=[StateRow("a", b"1", b"one"), StateRow("a", b"1", None)])
    assert await spool.state() == []
    await spool.append([], state=[StateRow("a", b"1", None), StateRow("a", b"1", b"two")])
    assert await spool.state() == [StateRow("a", b"1", b"two")]


async def test_state_is_read_by_the_beginning_of_the_table(open_spool):
    spool = await open_spool()
    rows = [StateRow(table, b"", b"v") for table in ("voice/a", "voice/b", "voice2/a", "x/voice/")]
    await spool.append([], state=rows)
    assert await spool.state("voice/") == rows[:2]
    assert await spool.state("voice") == rows[:3]
    assert await spool.state("nothing") == []


async def test_state_of_every_number_and_size_comes_back(open_spool, monkeypatch):
    monkeypatch.setattr(commit, "READ_ROWS", 7)
    monkeypatch.setattr(commit, "READ_BYTES", 100_000)
    spool = await open_spool()
    rows = [
        StateRow(f"t{number % 3}", number.to_bytes(2, "big"), bytes([number % 256]) * (number * 37 % 3_000))
        for number in range(500)
    ]
    await spool.append([], state=rows)
    assert await spool.state() == sorted(rows)


async def test_increments_are_numbered_and_come_back_in_order(open_spool, make_entry):
    spool = await open_spool()
    first, second = await spool.append([], increments=[b"one", b"two"])
    (third,) = await spool.append([make_entry(1)], increments=[b"three"])
    assert 0 < first < second < third
    assert await spool.increments() == [
        NumberedBody(first, b"one"),
        NumberedBody(second, b"two"),
        NumberedBody(third, b"three"),
    ]


async def test_forget_removes_increments_up_to_a_number_with_the_same_commit(open_spool, make_entry):
    spool = await open_spool()
    numbers = await spool.append([], increments=[b"0", b"1", b"2"])
    (last,) = await spool.append([make_entry(1)], increments=[b"new"], forget=numbers[1])
    assert await spool.increments() == [NumberedBody(numbers[2], b"2"), NumberedBody(last, b"new")]
    assert await spool.append([], forget=last) == ()
    assert await spool.increments() == []


async def test_an_empty_increment_is_one(open_spool):
    spool = await open_spool()
    (number,) = await spool.append([], increments=[b""])
    assert await spool.increments() == [NumberedBody(number, b"")]


async def test_numbers_of_increments_are_not_used_again_after_a_restart(open_spool):
    spool = await open_spool()
    (number,) = await spool.append([], increments=[b"one"])
    await spool.append([], forget=number)
    await spool.close()
    again = await open_spool()
    assert (await again.append([], increments=[b"two"]))[0] > number


async def test_the_journal_comes_back_in_order_until_a_commit_drops_it(open_spool, make_entry, leave_journal):
    spool = await open_spool()
    await leave_journal(spool, b"one", b"", b"three")
    assert await spool.journal() == [NumberedBody(1, b"one"), NumberedBody(2, b""), NumberedBody(3, b"three")]
    await spool.append([make_entry(1)], increments=[b"new"], forget=10**6)
    assert len(await spool.journal()) == 3
    (number,) = await spool.append([make_entry(1)], increments=[b"newer"], forget_journal=True)
    assert await spool.journal() == []
    assert [increment.body for increment in await spool.increments()] == [b"new", b"newer"]
    assert number == 2


@pytest.mark.parametrize("lane", Priority)
async def test_entries_and_state_are_committed_together_or_not_at_all(
    open_spool, make_entry, check_accounts, monkeypatch, lane, leave_journal
):
    spool = await open_spool()
    await leave_journal(spool, b"old")
    (number,) = await spool.append([], state=[StateRow("a", b"1", b"before")], increments=[b"before"])
    before = await spool.stats()
    original = commit.append_rows

    def fail(*arguments):
        # Last of all in the transaction: everything else has been written.
        original(*arguments)
        raise SpoolError("on purpose")

    monkeypatch.setattr(commit, "append_rows", fail)
    changes = {
        "state": [StateRow("a", b"1", None), StateRow("a", b"2", bytes(100_000))],
        "increments": [b"after"],
        "forget": number,
        "forget_journal": True,
    }
    with pytest.raises(SpoolError, match="on purpose"):
        await spool.append([make_entry(1, lane)], **changes)
    assert await spool.state() == [StateRow("a", b"1", b"before")]
    assert [increment.body for increment in await spool.increments()] == [b"before"]
    assert [part.body for part in await spool.journal()] == [b"old"]
    after = await check_accounts(spool)
    assert (after.spooled, after.limit, after.sinks) == (before.spooled, before.limit, before.sinks)
    monkeypatch.undo()
    await spool.append([make_entry(1, lane)], **changes)
    assert await spool.state() == [StateRow("a", b"2", bytes(100_000))]
    assert [increment.body for increment in await spool.increments()] == [b"after"]
    assert await spool.journal() == []
    assert (await check_accounts(spool)).sinks["sql"].pending == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE state SET value = 'text' WHERE key = x'3130'",
        "UPDATE state SET value = x'00' || value WHERE key = x'3130'",
        "UPDATE state SET value = 12 WHERE key = x'3130'",
        "UPDATE state SET crc = crc + 1 WHERE key = x'3130'",
        "UPDATE state SET crc = 'text,' WHERE key = x'3130'",
        "UPDATE state SET key = x'313000' WHERE key = x'3130'",
        "UPDATE state SET key = 'text' WHERE key = x'3130'",
        "UPDATE state SET name = 'c' WHERE key = x'3130'",
        "UPDATE state SET name = CAST(x'ff' AS TEXT) WHERE key = x'3130'",
    ],
)
async def test_a_damaged_row_of_state_is_left_out_and_counted(open_spool, telemetry, caplog, damage):
    spool = await open_spool()
    rows = [StateRow("a", str(number).encode(), bytes(number)) for number in range(30)]
    await spool.append([], state=rows)
    await alter(spool, damage)
    assert await spool.state() == sorted(row for row in rows if row.key != b"10")
    assert value(telemetry.damaged_state) == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "spool: 1 rows of saved state are damaged and left out"
    ]


@pytest.mark.parametrize("table", ["increments", "journal"])
async def test_a_damaged_increment_or_part_is_left_out_and_counted(
    open_spool, telemetry, caplog, leave_journal, table
):
    spool = await open_spool()
    await spool.append([], increments=[b"one", b"two"])
    await leave_journal(spool, b"one", b"two")
    await alter(spool, f"UPDATE {table} SET body = 'x' || body WHERE number = 1")
    read = {"increments": spool.increments, "journal": spool.journal}[table]
    assert [kept.body for kept in await read()] == [b"two"]
    assert value(telemetry.damaged_state) == 1
    assert "1 " in caplog.text
    assert "damaged and left out" in caplog.text


@pytest.mark.parametrize("lane", Priority)
async def test_state_is_committed_with_more_entries_than_the_spool_has_space_for(
    open_spool, make_entry, check_accounts, lane
):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    huge = [make_entry(number, lane, padding=10_000) for number in range(300)]
    await spool.append(huge, state=[StateRow("a", b"1", b"one")], increments=[b"one"])
    assert await spool.state() == [StateRow("a", b"1", b"one")]
    assert [increment.body for increment in await spool.increments()] == [b"one"]
    stats = (await check_accounts(spool)).sinks["sql"]
    assert stats.evicted + stats.pending == 300
    assert stats.evicted > 200


async def test_an_append_that_finds_no_space_on_the_volume_leaves_the_state_as_it_was(open_spool, make_entry):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    spool._connection.execute("PRAGMA max_page_count = 1")
    rows = [make_entry(number, padding=900) for number in range(300)]
    with pytest.raises(SpoolError, match="database or disk is full"):
        await spool.append(rows, state=[StateRow("a", b"1", b"one")], increments=[b"one"])
    assert await spool.state() == []
    assert await spool.increments() == []


@pytest.mark.skipif(not HAS_DBSTAT, reason="this SQLite cannot list its pages")
async def test_the_pages_of_state_are_counted_right_while_the_file_grows_and_shrinks(open_spool, make_entry):
    spool = await open_spool()

    async def check():
        noted, found = await spool._writer.submit(noted_and_found)
        assert noted == found
        return found

    # Beyond the 819 pages whose pointers one page of auto_vacuum holds.
    rows = [StateRow("t", b"%06d" % number, bytes(3_500)) for number in range(2_500)]
    for _ in range(2):
        await spool.append([make_entry(1)], state=rows, increments=[bytes(MIB)])
        assert await check() > 2_500
        (*_, last) = await spool.increments()
        await spool.append([], state=[row._replace(value=None) for row in rows], forget=last.number)
        assert await check() == 0
        for _ in range(5):
            await tidy(spool)
        assert await check() == 0


async def test_a_probe_writes_a_page_and_keeps_nothing(open_spool):
    spool = await open_spool()
    before = await spool.stats()
    written = spool._connection.total_changes
    await spool.probe()
    assert spool._connection.total_changes == written + 1
    after = await spool.stats()
    assert (after.spooled, after.limit, after.sinks) == (before.spooled, before.limit, before.sinks)
    assert await spool.state() == []

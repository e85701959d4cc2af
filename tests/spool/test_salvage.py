"""Whatever happens to the file, the spool opens, keeps what was damaged, and its accounting adds up."""

from __future__ import annotations

import random
import sqlite3

import pytest

from exporter.errors import SchemaError
from exporter.model import Priority
from exporter.spool.directory import KEPT, SpoolDirectory
from exporter.spool.ports import StateRow
from exporter.spool.salvage import inspect
from exporter.telemetry import value
from tests.spool.letters import dead_letters

TRIALS = 40


def state_row(number):
    return StateRow("t", b"%04d" % number, b"%d" % number * 20)


@pytest.fixture
def make_spool(open_spool, make_entry, leave_journal, tmp_path):
    """A spool with rows in all lanes, a cursor in the middle, dead letters and state; its files."""

    async def make(*, clean):
        spool = await open_spool(sinks=("sql", "influx"))
        for number in range(0, 600, 20):
            rows = [make_entry(number + i, Priority((number + i) % 3), padding=100) for i in range(20)]
            await spool.append(rows, state=[state_row(number)], increments=[b"%d" % number])
        await leave_journal(spool, b"part")
        batch = await spool.read("sql", Priority.SLOW, max_rows=50, max_bytes=10**6)
        dead = [(batch.rows[0].position, "bad")]
        await spool.advance("sql", Priority.SLOW, batch.rows[-1].position, dead=dead)
        directory = tmp_path / "spool"
        if clean:
            await spool.close()
        content = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "spool.lock"}
        await spool.close()
        return content

    return make


def hurt(rng, content):
    """Flip, zero, overwrite or cut a few places of one file."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        if not data:
            break
        start = rng.randrange(len(data)) if rng.random() < 0.8 else rng.randrange(min(200, len(data)))
        length = rng.choice([1, 1, 8, 100, 4096, 20_000])
        kind = rng.choice(["flip", "zero", "noise", "cut"])
        if kind == "flip":
            data[start] ^= 1 << rng.randrange(8)
        elif kind == "cut" and rng.random() < 0.5:
            del data[start:]
        elif kind == "zero":
            end = min(start + length, len(data))
            data[start:end] = bytes(end - start)
        else:
            end = min(start + length, len(data))
            data[start:end] = rng.randbytes(end - start)
    return bytes(data)


@pytest.mark.parametrize("seed", range(TRIALS))
async def test_a_spool_damaged_at_random_opens_and_goes_on(
    open_spool, make_spool, make_entry, tmp_path, drain, check_accounts, seed
):
    rng = random.Random(seed)
    content = await make_spool(clean=seed % 2 == 0)
    directory = tmp_path / "spool"
    for path in directory.iterdir():
        path.unlink()
    victim = rng.choice(sorted(name for name in content if name != "spool.reserve"))
    for name, data in content.items():
        (directory / name).write_bytes(hurt(rng, data) if name == victim else data)
    original = (directory / "spool.db").read_bytes()

    spool = await open_spool(sinks=("sql", "influx"))
    for kept in SpoolDirectory(directory).damaged():
        assert kept.read_bytes() == original
    assert set(await spool.state()) <= {state_row(number) for number in range(0, 600, 20)}
    assert {increment.body for increment in await spool.increments()} <= {
        b"%d" % number for number in range(0, 600, 20)
    }
    assert {part.body for part in await spool.journal()} <= {b"part"}
    dead_letters(spool)
    await check_accounts(spool)
    valid = {make_entry(number, Priority(number % 3), padding=100).key for number in range(600)}
    for sink in ("sql", "influx"):
        assert {entry.key for entry in await drain(spool, sink)} <= valid
    await spool.append([make_entry(1_000)])
    assert [entry.key for entry in await drain(spool, "sql")] == ["key:1000"]
    tally = await check_accounts(spool)
    assert tally.sinks["sql"].pending == 0


async def test_intact_rows_around_a_damaged_place_are_saved_and_the_lost_ones_counted(
    open_spool, make_spool, tmp_path, drain, check_accounts, caplog
):
    content = await make_spool(clean=True)
    directory = tmp_path / "spool"
    data = bytearray(content["spool.db"])
    page = next(at for at in range(4096, len(data), 4096) if b"key:300" in data[at : at + 4096])
    data[page : page + 4096] = bytes(4096)
    (directory / "spool.db").write_bytes(data)
    spool = await open_spool(sinks=("sql", "influx"))
    tally = await check_accounts(spool)
    lost = tally.sinks["influx"].evicted
    assert 0 < lost < 60
    entries = await drain(spool, "influx")
    assert len(entries) == 600 - lost
    assert tally.spooled == 600
    assert "is damaged" in caplog.text
    assert "each sink goes on where it was" in caplog.text
    assert f"{lost} " in caplog.text
    assert "are lost, counted as evicted" in caplog.text
    (kept,) = SpoolDirectory(directory).damaged()
    assert kept.read_bytes() == bytes(data)
    assert tally.sinks["sql"].delivered == 49
    assert await spool.state() == [state_row(number) for number in range(0, 600, 20)]
    assert [increment.body for increment in await spool.increments()] == [
        b"%d" % number for number in range(0, 600, 20)
    ]
    assert [part.body for part in await spool.journal()] == [b"part"]
    assert "and 61 rows of state were saved" in caplog.text


async def test_a_rebuilt_spool_keeps_its_name_and_uses_no_position_again(
    open_spool, make_spool, make_entry, tmp_path
):
    content = await make_spool(clean=True)
    directory = tmp_path / "spool"
    connection = sqlite3.connect(f"file:{directory}/spool.db?immutable=1", uri=True)
    (source,) = connection.execute("SELECT value FROM meta WHERE name = 'source'").fetchone()
    (last,) = connection.execute("SELECT position FROM books").fetchone()
    connection.close()
    data = bytearray(content["spool.db"])
    page = next(at for at in range(4096, len(data), 4096) if b"key:599" in data[at : at + 4096])
    data[page : page + 4096] = bytes(4096)
    (directory / "spool.db").write_bytes(data)
    spool = await open_spool(sinks=("sql", "influx"))
    assert spool.source == source
    await spool.append([make_entry(1_000)])
    assert spool.tip(Priority.SLOW) > last


async def test_a_spool_whose_accounting_is_lost_gets_a_new_name(open_spool, make_entry, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    old = spool.source
    await spool.close()
    connection = sqlite3.connect(tmp_path / "spool" / "spool.db")
    connection.execute("DROP TABLE books")
    connection.commit()
    connection.close()
    (tmp_path / "spool" / "spool.accounts").unlink()
    again = await open_spool()
    assert again.source != old
    assert (await again.stats()).sinks["sql"].pending == 1


@pytest.mark.parametrize("content", [b"", b"x", b"no database at all" * 1_000, bytes(8192)])
async def test_a_file_that_is_no_database_is_set_aside(open_spool, make_entry, tmp_path, content):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "spool.db").write_bytes(content)
    spool = await open_spool()
    await spool.append([make_entry(1)])
    assert (await spool.stats()).spooled == 1


async def test_only_the_last_damaged_files_are_kept(open_spool, make_entry, tmp_path, clock):
    directory = tmp_path / "spool"
    for number in range(KEPT + 2):
        spool = await open_spool()
        await spool.append([make_entry(number)])
        await spool.close()
        (directory / "spool.db").write_bytes(b"damage %d" % number * 1_000)
        clock.advance(1 if number % 2 else 0)
        await (await open_spool()).close()
    kept = SpoolDirectory(directory).damaged()
    assert len(kept) == KEPT
    assert {path.read_bytes()[:8] for path in kept} == {b"damage 2", b"damage 3", b"damage 4"}


async def test_a_version_number_that_is_damaged_is_not_taken_for_a_newer_one(
    open_spool, make_entry, tmp_path, drain
):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    database = tmp_path / "spool" / "spool.db"
    data = bytearray(database.read_bytes())
    data[60] ^= 0x40
    database.write_bytes(data)
    again = await open_spool()
    assert len(await drain(again)) == 1


async def test_looking_at_a_file_changes_nothing(open_spool, make_entry, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    database = tmp_path / "spool" / "spool.db"
    before = database.read_bytes()
    inspect(database)
    assert database.read_bytes() == before
    assert issubclass(SchemaError, Exception)


async def test_state_is_taken_over_up_to_a_damaged_place_from_both_ends(open_spool, tmp_path, telemetry):
    spool = await open_spool()
    rows = [StateRow("t", b"%06d" % number, b"value" * 20) for number in range(3_000)]
    await spool.append([], state=rows)
    before = await spool.stats()
    await spool.close()
    database = tmp_path / "spool" / "spool.db"
    data = bytearray(database.read_bytes())
    page = next(at for at in range(4096, len(data), 4096) if b"001500" in data[at : at + 4096])
    data[page : page + 4096] = bytes(4096)
    database.write_bytes(data)
    again = await open_spool()
    left = await again.state()
    assert set(left) < set(rows)
    assert len(left) > 2_900
    assert left[0] == rows[0]
    assert left[-1] == rows[-1]
    assert value(telemetry.damaged_state) == 0, "what is taken over is sound"
    taken = (await again.stats()).limit - again._config.max_bytes
    assert taken > (before.limit - again._config.max_bytes) / 2

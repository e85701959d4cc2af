"""A file that SQLite finds sound opens also where its schema or its numbers are not those of the spool."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from exporter.errors import SchemaError
from exporter.model import Priority
from exporter.spool import schema
from exporter.spool.directory import SpoolDirectory
from exporter.spool.ports import StateRow
from exporter.spool.salvage import inspect
from exporter.telemetry import value
from tests.spool import version_1
from tests.spool.letters import dead_letters

ROWS = 9
STATE = [StateRow("t", b"%d" % number, b"value") for number in range(3)]
INCREMENTS = [b"one", b"two", b"three"]
SCHEMA_CHANGES = {
    "DROP TABLE state": "the table state is missing",
    "DROP TABLE critical": "the table critical is missing",
    "DROP TABLE dead": "the table dead is missing",
    "DROP TABLE increments": "the table increments is missing",
    "DROP TABLE journal": "the table journal is missing",
    "DROP TABLE state; DROP TABLE dead": "the table dead is missing, the table state is missing",
    "ALTER TABLE state RENAME COLUMN value TO content": "the table state is altered",
    "ALTER TABLE slow ADD COLUMN more INTEGER NOT NULL DEFAULT 1": "the table slow is altered",
    "ALTER TABLE important RENAME TO other": "the table important is missing, the table other is foreign",
    "CREATE TRIGGER stop BEFORE INSERT ON slow BEGIN SELECT RAISE(ABORT, 'no'); END": (
        "the trigger stop is foreign"
    ),
    "CREATE VIEW seen AS SELECT * FROM slow": "the view seen is foreign",
    "CREATE UNIQUE INDEX one ON slow (key)": "the index one is foreign",
    "CREATE TABLE copied AS SELECT * FROM dead; DROP TABLE dead; ALTER TABLE copied RENAME TO dead": (
        "the table dead is altered"
    ),
}
"""What is done to the schema, and what the log says of it."""


@pytest.fixture
def make_file(open_spool, make_entry):
    """A spool that was closed, with rows in every table: three unsent entries and a dead letter a lane."""

    async def make() -> str:
        spool = await open_spool()
        await spool.append(
            [make_entry(number, Priority(number % 3)) for number in range(ROWS + 3)], state=STATE
        )
        for body in INCREMENTS:
            await spool.append([], increments=[body])
        for lane in Priority:
            batch = await spool.read("sql", lane, max_rows=1, max_bytes=10**6)
            dead = [(batch.rows[0].position, "bad")]
            await spool.advance("sql", lane, batch.rows[0].position, dead=dead)
        await spool.close()
        return spool.source

    return make


@pytest.fixture
def execute(tmp_path):
    """Run statements on the file of the spool, which is closed."""

    def run(statements):
        with closing(sqlite3.connect(tmp_path / "spool" / "spool.db")) as connection:
            connection.executescript(statements)

    return run


@pytest.fixture
def check_use(make_entry, check_accounts):
    """Every table can be written."""

    async def check(spool):
        entries = [make_entry(number + 1_000, lane) for number, lane in enumerate(Priority)]
        rows = [StateRow("t", b"new", b"value")]
        (number,) = await spool.append(entries, state=rows, increments=[b"new"])
        assert rows[0] in await spool.state()
        assert (number, b"new") in await spool.increments()
        for entry in entries:
            (*_, last) = (await spool.read("sql", entry.priority, max_rows=100, max_bytes=10**6)).rows
            assert last.entry == entry
            await spool.advance("sql", entry.priority, last.position, dead=[(last.position, "bad")])
        assert {entry.key for entry in entries} <= {letter.key for letter in dead_letters(spool)}
        await check_accounts(spool)

    return check


@pytest.mark.parametrize("statements", SCHEMA_CHANGES)
async def test_a_schema_that_is_not_the_declared_one_is_rebuilt(
    open_spool, make_file, execute, tmp_path, caplog, check_accounts, check_use, statements
):
    source = await make_file()
    execute(statements)
    spool = await open_spool()
    assert f"is damaged ({SCHEMA_CHANGES[statements]})" in caplog.text
    assert len(SpoolDirectory(tmp_path / "spool").damaged()) == 1
    assert spool.source == source
    stats = (await check_accounts(spool)).sinks["sql"]
    assert (stats.spooled, stats.dead, stats.evicted + stats.pending) == (ROWS + 3, 3, ROWS)
    await check_use(spool)
    await spool.close()
    inspect(tmp_path / "spool" / "spool.db")


@pytest.mark.parametrize(
    ("statements", "state", "increments", "pending", "letters"),
    [
        ("DROP TABLE state", 0, 3, 9, 3),
        ("DROP TABLE increments", 3, 0, 9, 3),
        ("DROP TABLE critical", 3, 3, 6, 3),
        ("DROP TABLE dead", 3, 3, 9, 0),
        ("CREATE TRIGGER stop BEFORE DELETE ON slow BEGIN SELECT RAISE(ABORT, 'no'); END", 3, 3, 9, 3),
        ("ALTER TABLE dead ADD COLUMN more INTEGER", 3, 3, 9, 3),
        ("ALTER TABLE slow DROP COLUMN only_for; ALTER TABLE critical DROP COLUMN committed_at", 3, 3, 9, 3),
    ],
)
async def test_all_else_of_a_file_that_lacks_a_table_is_kept_and_what_is_lost_is_counted(
    open_spool, make_file, execute, telemetry, statements, state, increments, pending, letters
):
    await make_file()
    execute(statements)
    spool = await open_spool()
    assert await spool.state() == STATE[:state]
    assert [increment.body for increment in await spool.increments()] == INCREMENTS[:increments]
    assert value(telemetry.damaged_state) == 3 - increments
    stats = (await spool.stats()).sinks["sql"]
    assert (stats.pending, stats.evicted) == (pending, ROWS - pending)
    assert len(dead_letters(spool)) == letters


async def test_a_file_of_version_1_that_lacks_a_table_is_rebuilt(
    open_spool, tmp_path, execute, caplog, check_accounts
):
    version_1.write(tmp_path / "spool", clean=True)
    execute("DROP TABLE dead")
    spool = await open_spool(sinks=("sql", "influx"))
    assert "is damaged (the table dead is missing)" in caplog.text
    assert (await check_accounts(spool)).sinks["influx"].pending == 3 * version_1.PER_LANE
    assert [part.body for part in await spool.journal()] == list(version_1.JOURNAL)


async def test_statistics_of_the_query_planner_are_no_damage(open_spool, make_file, execute, tmp_path):
    await make_file()
    execute("ANALYZE; VACUUM")
    await (await open_spool()).close()
    assert not SpoolDirectory(tmp_path / "spool").damaged()


@pytest.mark.parametrize("clean", [True, False])
async def test_the_schema_of_version_1_is_no_damage(open_spool, tmp_path, clean):
    version_1.write(tmp_path / "spool", clean=clean)
    await (await open_spool()).close()
    assert not SpoolDirectory(tmp_path / "spool").damaged()


async def test_a_newer_version_without_a_table_is_still_refused(open_spool, make_file, monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("DROP TABLE journal",)))
    await make_file()
    monkeypatch.undo()
    with pytest.raises(SchemaError, match="this program knows 2"):
        await open_spool()
    assert not SpoolDirectory(tmp_path / "spool").damaged()


LARGEST = 2**63 - 1
SET_NUMBER = "UPDATE increments SET number = {number} WHERE number = (SELECT {end}(number) FROM increments)"
NUMBERS = {
    "increment": SET_NUMBER.replace("{number}", str(LARGEST)),
    "negative increment": SET_NUMBER.replace("{number}", "-9"),
    "dead letter": f"UPDATE dead SET id = {LARGEST} WHERE id = (SELECT {{end}}(id) FROM dead)",
    "entry": f"UPDATE slow SET position = {LARGEST} WHERE position = (SELECT {{end}}(position) FROM slow)",
    "entry behind the last": (
        "UPDATE slow SET position = 2 * position + 1000 WHERE position = (SELECT {end}(position) FROM slow)"
    ),
    "sequences": f"UPDATE sqlite_sequence SET seq = {LARGEST}",
    "sequence of increments": f"UPDATE sqlite_sequence SET seq = {LARGEST} WHERE name = 'increments'",
}
"""A number that leaves none to give out, or a position that will be given out again."""


@pytest.mark.parametrize("end", ["min", "max"])
@pytest.mark.parametrize("what", NUMBERS)
@pytest.mark.parametrize("has_copy", [True, False])
async def test_a_file_without_numbers_to_give_out_is_rebuilt_whole(
    open_spool, make_file, execute, tmp_path, check_accounts, check_use, telemetry, what, end, has_copy
):
    source = await make_file()
    execute(NUMBERS[what].replace("{end}", end))
    if not has_copy:
        (tmp_path / "spool" / "spool.accounts").unlink()
    spool = await open_spool()
    assert len(SpoolDirectory(tmp_path / "spool").damaged()) == 1
    assert spool.source == source
    assert await spool.state() == STATE
    assert {increment.body for increment in await spool.increments()} == set(INCREMENTS)
    assert value(telemetry.damaged_state) == 0
    assert sorted(letter.key for letter in dead_letters(spool)) == ["key:0", "key:1", "key:2"]
    stats = (await check_accounts(spool)).sinks["sql"]
    assert (stats.spooled, stats.dead, stats.pending) == (ROWS + 3, 3, ROWS)
    await check_use(spool)
    await spool.close()
    inspect(tmp_path / "spool" / "spool.db")
    again = await open_spool()
    await check_use(again)
    assert len(SpoolDirectory(tmp_path / "spool").damaged()) == 1


async def test_an_increment_with_another_number_gets_its_own_again(open_spool, make_file, execute):
    await make_file()
    execute(f"UPDATE increments SET number = {LARGEST} WHERE number = 2")
    spool = await open_spool()
    assert [tuple(increment) for increment in await spool.increments()] == list(enumerate(INCREMENTS, 1))


async def test_a_copy_of_damaged_numbers_is_not_taken(open_spool, make_file, execute, check_use, make_entry):
    await make_file()
    spool = await open_spool()
    execute(NUMBERS["sequences"])
    for number in range(3):
        await spool.append([make_entry(number + 2_000)])
    await spool.close()
    again = await open_spool()
    assert again.source == spool.source
    assert [increment.body for increment in await again.increments()] == INCREMENTS
    await check_use(again)

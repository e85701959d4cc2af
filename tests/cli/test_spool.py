"""``spool`` on a real spool: what is listed, replayed and discarded, and what is printed where."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.errors import SpoolError
from exporter.events.records.occurrences import ModerationRecord
from exporter.model import Entry, Priority
from exporter.spool.config import SPOOL_DIRECTORY, SpoolConfig
from exporter.spool.directory import SpoolDirectory
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from tests.cli.conftest import ROOT
from tests.spool import version_1

SECRET_NAME = "a-name-of-a-member"
SINKS = ("sql", "influxdb")
Use = Callable[[Spool], Awaitable[object]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the commands look without a configuration."""
    return tmp_path / "data" / SPOOL_DIRECTORY


@pytest.fixture
def use(path: Path):
    """Open the spool as the exporter does, use it and close it."""

    def run(work: Use, sinks: tuple[str, ...] = SINKS) -> object:
        async def use_() -> object:
            path.parent.mkdir(exist_ok=True)
            spool = await Spool.open(path, SpoolConfig(), SystemClock(), Telemetry())
            try:
                await spool.register(sinks)
                return await work(spool)
            finally:
                await spool.close()

        return asyncio.run(use_())

    return run


def ban(number: int) -> Entry:
    data = ModerationRecord(target_user_id=number, target_username=SECRET_NAME)
    return Entry("GUILD_BAN_ADD", 77, 1_700_000_000_000 + number, f"ban:{number}", Priority.CRITICAL, data)


def message(number: int) -> Entry:
    return Entry("MESSAGE_DELETE", 77, 1_700_000_000_000 + number, f"message:{number}", Priority.SLOW, {})


async def refuse(spool: Spool, sink: str, reason: str) -> None:
    """Pass everything that waits for a sink, as dead."""
    for lane in Priority:
        batch = await spool.read(sink, lane, max_rows=10**6, max_bytes=10**9)
        if batch is not None:
            dead = [(row.position, reason) for row in batch.rows]
            await spool.advance(sink, lane, batch.rows[-1].position, dead=dead)


async def delivered(spool: Spool, sink: str) -> list[str]:
    """The keys of what waits for a sink."""
    batches = [await spool.read(sink, lane, max_rows=10**6, max_bytes=10**9) for lane in Priority]
    return [row.entry.key for batch in batches if batch is not None for row in batch.rows]


@pytest.fixture
def refused(use) -> None:
    """Three bans and two messages, refused by ``sql``; the first ban by ``influxdb`` also."""

    async def fill(spool: Spool) -> None:
        await spool.append([ban(1)])
        await refuse(spool, "influxdb", "partial")
        await spool.append([ban(2), ban(3), message(4), message(5)])
        await refuse(spool, "sql", "constraint")

    use(fill)


def listed(call, *options: str) -> list[tuple[str, str]]:
    answer = call("spool", "dead", "list", "--format", "json", *options)
    assert answer.code == 0, answer.err
    return [(letter["sink"], letter["type"]) for letter in answer.json["dead_letters"]]


def ids(call, *options: str) -> list[int]:
    answer = call("spool", "dead", "list", "--format", "json", *options)
    return [letter["id"] for letter in answer.json["dead_letters"]]


def test_help_explains_every_command_and_option(call):
    assert {"status", "dead"} <= set(call("spool", "--help").out.split())
    assert {"list", "show", "export", "replay", "discard"} <= set(call("spool", "dead", "--help").out.split())
    for command in ("replay", "discard"):
        words = call("spool", "dead", command, "--help").out
        for option in ("--id", "--type", "--sink", "--older-than", "--limit", "--dry-run", "--yes"):
            assert option in words


@pytest.mark.parametrize("command", [("status",), ("dead", "list"), ("dead", "replay", "--yes")])
def test_without_a_spool_every_command_says_so_and_makes_none(call, path, command):
    answer = call("spool", *command)
    assert answer.code == SpoolError.exit_code
    assert answer.err.startswith("error: there is no spool in data/spool")
    assert not path.exists()


@pytest.mark.usefixtures("refused")
def test_status_has_the_accounts_and_the_dead_letters_of_each_sink(call):
    found = call("spool", "status", "--format", "json").json
    assert found["closed"] is True
    assert found["spooled"] == 5
    sql, influxdb = found["sinks"]["sql"], found["sinks"]["influxdb"]
    assert (sql["spooled"], sql["dead"], sql["pending"], sql["dead_letters"]) == (5, 5, 0, 5)
    assert (influxdb["spooled"], influxdb["dead"], influxdb["pending"]) == (5, 1, 4)
    assert influxdb["oldest_pending_at"] > 1_700_000_000_000
    text = call("spool", "status").out
    assert "closed" in text
    assert [line.split()[:6] for line in text.splitlines()[-2:]] == [
        ["influxdb", "4", "0", "0", "1", "1"],
        ["sql", "0", "0", "0", "5", "5"],
    ]


@pytest.mark.usefixtures("refused")
def test_the_filters_choose_and_all_have_to_hold(call):
    everything = [("influxdb", "GUILD_BAN_ADD"), *[("sql", "GUILD_BAN_ADD")] * 3]
    everything += [("sql", "MESSAGE_DELETE")] * 2
    assert listed(call) == everything
    assert listed(call, "--sink", "influxdb") == everything[:1]
    assert listed(call, "--type", "MESSAGE_DELETE") == everything[4:]
    assert listed(call, "--type", "MESSAGE_DELETE", "--type", "GUILD_BAN_ADD") == everything
    assert listed(call, "--type", "MESSAGE_DELETE", "--sink", "influxdb") == []
    assert listed(call, "--limit", "2") == everything[:2]
    first, second, *_ = ids(call)
    assert listed(call, "--id", str(second), "--id", str(first)) == everything[:2]
    assert listed(call, "--older-than", "1h") == []
    assert listed(call, "--older-than", "0s") == everything


@pytest.mark.usefixtures("refused")
def test_a_list_says_how_many_more_there_are(call):
    answer = call("spool", "dead", "list", "--limit", "2")
    assert len(answer.out.splitlines()) == 4
    assert answer.out.splitlines()[-1] == "2 of 6 dead letters; --limit shows more"
    assert call("spool", "dead", "list", "--limit", "2", "--format", "json").json["total"] == 6


@pytest.mark.usefixtures("refused")
def test_only_show_and_export_print_what_an_entry_says(call, tmp_path):
    number = str(ids(call)[0])
    (tmp_path / "debug.yaml").write_text("log: {level: debug}")
    for command in (
        ("status",),
        ("dead", "list"),
        ("dead", "list", "--format", "json"),
        ("dead", "replay", "--dry-run"),
        ("dead", "replay", "--yes", "--id", number),
    ):
        answer = call("spool", *command, "--config", "debug.yaml")
        assert answer.code == 0, answer.err
        assert SECRET_NAME not in answer.all
        assert "ban:" not in answer.all
    number = str(ids(call)[0])
    assert SECRET_NAME in call("spool", "dead", "show", number).out
    assert (
        call("spool", "dead", "show", number, "--format", "json").json["data"]["target_username"]
        == SECRET_NAME
    )
    output = tmp_path / "dead.jsonl"
    answer = call("spool", "dead", "export", "--output", str(output), "--sink", "sql")
    assert answer.all == "5 dead letters exported\n"
    exported = [json.loads(line) for line in output.read_text().splitlines()]
    assert [each["key"] for each in exported] == ["ban:1", "ban:2", "ban:3", "message:4", "message:5"]
    assert exported[0]["data"]["target_user_id"] == 1
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


@pytest.mark.usefixtures("refused")
def test_an_export_goes_to_standard_output_or_to_a_new_file_only(call, tmp_path):
    assert len(call("spool", "dead", "export").out.splitlines()) == 6
    taken = tmp_path / "taken"
    taken.write_text("precious")
    answer = call("spool", "dead", "export", "--output", str(taken))
    assert answer.code == 1
    assert "taken cannot be written" in answer.err
    assert taken.read_text() == "precious"


@pytest.mark.usefixtures("refused")
def test_showing_what_is_not_there_is_an_error(call):
    answer = call("spool", "dead", "show", "999")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: there is no dead letter 999; ")


@pytest.mark.usefixtures("refused")
def test_a_dry_run_changes_nothing(call):
    before = ids(call)
    for command in ("replay", "discard"):
        answer = call("spool", "dead", command, "--dry-run", "--sink", "sql")
        assert answer.code == 0
        assert answer.err.startswith("5 dead letters would be ")
    assert ids(call) == before


@pytest.mark.usefixtures("refused")
def test_without_a_terminal_nothing_is_changed_unless_yes_is_given(call):
    before = ids(call)
    for command in ("replay", "discard"):
        answer = call("spool", "dead", command)
        assert answer.code == 2
        assert "--yes" in answer.err
    assert ids(call) == before


@pytest.mark.parametrize(("typed", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 6), (b"\n", 1, 6)])
@pytest.mark.usefixtures("refused")
def test_on_a_terminal_it_asks(call, tmp_path, typed, code, left):
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "spool", "dead", "discard"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code
    assert "Discard 6 dead letters? [y/N]" in done.stderr
    assert len(ids(call)) == left


@pytest.mark.usefixtures("refused")
def test_what_is_replayed_waits_for_the_sink_that_refused_it_alone(call, use):
    answer = call("spool", "dead", "replay", "--sink", "sql", "--type", "GUILD_BAN_ADD", "--yes")
    assert answer.code == 0, answer.err
    assert answer.out == "3 dead letters replayed: delivered after the next start of the exporter.\n"
    assert use(lambda spool: delivered(spool, "sql")) == ["ban:1", "ban:2", "ban:3"]
    assert use(lambda spool: delivered(spool, "influxdb")) == ["ban:2", "ban:3", "message:4", "message:5"]
    assert listed(call) == [("influxdb", "GUILD_BAN_ADD"), *[("sql", "MESSAGE_DELETE")] * 2]


@pytest.mark.usefixtures("refused")
def test_what_is_discarded_is_gone_and_stays_counted(call, use):
    answer = call("spool", "dead", "discard", "--type", "MESSAGE_DELETE", "--yes", "--format", "json")
    assert answer.json == {"matched": 2, "discarded": 2, "left": 0}
    assert len(ids(call)) == 4
    assert call("spool", "status", "--format", "json").json["sinks"]["sql"]["dead"] == 5
    assert use(lambda spool: delivered(spool, "sql")) == []


@pytest.mark.usefixtures("refused")
def test_nothing_to_do_is_no_error(call):
    answer = call("spool", "dead", "replay", "--type", "NO_SUCH_TYPE")
    assert (answer.code, answer.out) == (0, "No dead letter matches.\n")


@pytest.mark.usefixtures("refused")
def test_what_cannot_be_replayed_stays_and_is_an_error(call, use, path):
    number = ids(call, "--sink", "sql")[0]

    async def nothing(_spool: Spool) -> None:
        pass

    use(nothing, sinks=("sql",))
    with sqlite3.connect(path / "spool.db") as connection:
        connection.execute("UPDATE dead SET crc = crc + 1 WHERE id = ?", (number,))
    connection.close()
    answer = call("spool", "dead", "replay", "--yes")
    assert answer.code == 1
    assert answer.out.startswith("4 dead letters replayed")
    assert answer.err.startswith("error: 2 dead letters could not be replayed")
    assert listed(call) == [("influxdb", "GUILD_BAN_ADD"), ("sql", "GUILD_BAN_ADD")]
    assert "cannot be read" in call("spool", "dead", "show", str(number)).out


@pytest.mark.usefixtures("refused")
def test_of_an_entry_that_cannot_be_read_nothing_is_printed_that_may_name_a_member(call, path):
    number = ids(call, "--sink", "influxdb")[0]
    with sqlite3.connect(path / "spool.db") as connection:
        connection.execute("UPDATE dead SET crc = crc + 1, key = '80351110224678912' WHERE id = ?", (number,))
    connection.close()
    shown = call("spool", "dead", "show", str(number), "--format", "json")
    assert (shown.json["readable"], shown.json["key"], shown.json["data"]) == (False, None, None)
    texts = call("spool", "dead", "show", str(number)).out + call("spool", "dead", "export").out
    assert "80351110224678912" not in texts
    assert SECRET_NAME not in call("spool", "dead", "show", str(number)).out


def test_many_are_changed_in_portions_with_progress(call, use):
    async def fill(spool: Spool) -> None:
        await spool.append([message(number) for number in range(1_200)])
        await refuse(spool, "sql", "data")

    use(fill)
    answer = call("spool", "dead", "replay", "--yes")
    assert answer.code == 0, answer.err
    assert answer.err.splitlines() == [
        "500 of 1,200 dead letters replayed",
        "1,000 of 1,200 dead letters replayed",
        "1,200 of 1,200 dead letters replayed",
    ]
    assert len(use(lambda spool: delivered(spool, "sql"))) == 1_200


@pytest.mark.usefixtures("refused")
def test_reading_goes_beside_a_running_exporter_and_writing_does_not(call, path):
    directory = SpoolDirectory(path)

    async def beside() -> None:
        spool = await Spool.open(path, SpoolConfig(), SystemClock(), Telemetry())
        await spool.register(SINKS)
        await spool.append([ban(6)])
        try:
            await asyncio.to_thread(check)
            await spool.append([ban(7)])
        finally:
            await spool.close()

    def check() -> None:
        found = call("spool", "status", "--format", "json").json
        assert (found["closed"], found["sinks"]["sql"]["pending"]) == (False, 1)
        assert len(ids(call)) == 6
        assert call("spool", "dead", "show", "1").code == 0
        assert len(call("spool", "dead", "export").out.splitlines()) == 6
        assert call("spool", "dead", "replay", "--dry-run").code == 0
        for command in ("replay", "discard"):
            for options in (("--yes",), ()):  # said before the question, not after it
                answer = call("spool", "dead", command, *options)
                assert answer.code == SpoolError.exit_code
                assert "stop the exporter first" in answer.err
        assert len(ids(call)) == 6

    asyncio.run(beside())
    directory.claim()
    directory.release()


def test_a_spool_of_the_first_version_can_be_read_before_its_upgrade(call, path):
    path.parent.mkdir()
    version_1.write(path, clean=True)
    assert call("spool", "status", "--format", "json").json["sinks"]["sql"]["dead"] == 3
    assert listed(call) == [("sql", "MESSAGE_DELETE")] * 3
    assert call("spool", "dead", "replay", "--yes").code == 0
    assert call("spool", "status", "--format", "json").json["sinks"]["sql"]["dead_letters"] == 0


def test_a_spool_of_a_newer_version_is_refused(call, use, path):
    use(lambda spool: spool.append([ban(1)]))
    with sqlite3.connect(path / "spool.db") as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    answer = call("spool", "dead", "list")
    assert answer.code == 78
    assert "schema 99" in answer.err


def test_a_damaged_file_is_reported_without_a_traceback(call, path):
    path.mkdir(parents=True)
    (path / "spool.db").write_bytes(b"no database at all" * 1_000)
    answer = call("spool", "status")
    assert answer.code == SpoolError.exit_code
    assert "restart the exporter" in answer.err
    assert "Traceback" not in answer.err

"""Others on the machine neither read the exporter's files nor choose where they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from exporter.app import Application
from exporter.clock import SystemClock
from exporter.config.load import parse_config
from exporter.config.yaml_source import read_yaml
from exporter.discord.gateway.identify_budget import IdentifyLedger
from exporter.errors import ConfigError, SpoolError
from exporter.events.catalogue import full_catalogue
from exporter.private_files import refuse_link, restrict_umask, warn_if_shared
from exporter.sinks.spec import MigrateOptions, SinkContext
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.declaration import SINK
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("given", "mode"), [(0o022, 0o600), (0o000, 0o600), (0o002, 0o600), (0o027, 0o640), (0o077, 0o600)]
)
def test_new_files_are_the_owners_or_of_the_group_that_was_chosen(tmp_path, given, mode):
    os.umask(given)
    restrict_umask()
    (tmp_path / "file").write_text("")
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o700, ""),
        (0o750, ""),
        (0o770, ""),
        (0o755, "can be read by every user"),
        (0o777, "can be read and written by every user"),
        (0o733, "can be written by every user"),
    ],
)
def test_a_directory_that_others_can_reach_is_warned_of(tmp_path, caplog, mode, expected):
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(mode)
    warn_if_shared(directory)
    assert expected in caplog.text
    assert bool(caplog.text) == bool(expected)


def test_a_link_is_refused_and_named(tmp_path):
    refuse_link(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    refuse_link(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(ConfigError, match=f"{tmp_path}/link is a symbolic link to {tmp_path}/file"):
        refuse_link(tmp_path / "link")


@pytest.mark.parametrize(
    "name", ["spool.lock", "spool.db", "spool.db-wal", "spool.reserve", "spool.accounts", "spool.db.new"]
)
async def test_a_link_in_the_spool_is_refused_before_anything_is_written(tmp_path, name):
    target = tmp_path / "target"
    target.write_text("theirs")
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / name).symlink_to(target)
    with pytest.raises(SpoolError, match=f"{name} is a symbolic link"):
        await Spool.open(spool, SpoolConfig(), SystemClock(), Telemetry())
    assert target.read_text() == "theirs"
    assert [path.name for path in spool.iterdir()] == [name]


@pytest.mark.parametrize("exists", [True, False])
async def test_a_link_in_the_place_of_the_spool_is_refused_before_anything_is_written(tmp_path, *, exists):
    target = tmp_path / "target"
    if exists:
        target.mkdir(mode=0o755)
    (tmp_path / "spool").symlink_to(target)
    with pytest.raises(SpoolError, match=f"{tmp_path}/spool is a symbolic link to {target}: remove it"):
        await Spool.open(tmp_path / "spool", SpoolConfig(), SystemClock(), Telemetry())
    assert target.exists() is exists
    if exists:
        assert target.stat().st_mode & 0o777 == 0o755
        assert not list(target.iterdir())


async def test_data_dir_may_be_a_link(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "target")
    spool = await Spool.open(tmp_path / "data" / "spool", SpoolConfig(reserve=0), SystemClock(), Telemetry())
    await spool.close()
    assert (tmp_path / "target" / "spool" / "spool.db").exists()


def test_a_link_in_the_place_of_the_sql_log_is_refused(tmp_path):
    (tmp_path / "discord.db").symlink_to(tmp_path / "target")
    section = SqlConfig(dsn=f"sqlite:///{tmp_path}/discord.db")
    with pytest.raises(ConfigError, match=r"discord\.db is a symbolic link"):
        SINK.make(section, SinkContext(SystemClock(), full_catalogue()))
    with pytest.raises(ConfigError, match=r"discord\.db is a symbolic link"):
        SINK.migrate(section, MigrateOptions(full_catalogue()))
    assert not (tmp_path / "target").exists()


def test_a_command_makes_files_that_only_their_owner_reads(tmp_path):
    (tmp_path / "config.yaml").write_text(f"data_dir: {tmp_path}\n")
    command = [sys.executable, "-m", "exporter", "migrate", "--config", str(tmp_path / "config.yaml")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert (tmp_path / "discord.db").stat().st_mode & 0o777 == 0o600


async def test_a_start_warns_of_a_shared_directory_and_refuses_a_link_in_it(tmp_path, caplog):
    tmp_path.chmod(0o755)
    (tmp_path / "identifies.json").symlink_to(tmp_path / "target")
    config = parse_config(read_yaml(f"data_dir: {tmp_path}\n", "config.yaml"), {"DISCORD_TOKEN": "any"})
    with pytest.raises(ConfigError, match=r"identifies\.json is a symbolic link"):
        await Application(config).start()
    assert "can be read by every user" in caplog.text


def test_the_record_of_identifies_is_the_owners_and_not_written_through_a_link(tmp_path):
    ledger = IdentifyLedger(tmp_path / "identifies.json", 1)
    ledger.add(1)
    assert (tmp_path / "identifies.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "identifies.json").unlink()
    target = tmp_path / "target"
    target.write_text("theirs")
    (tmp_path / "identifies.tmp").symlink_to(target)
    ledger.add(2)
    assert target.read_text() == "theirs"

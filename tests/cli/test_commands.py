"""Commands as processes: exit codes, what they print, what they never print."""

from __future__ import annotations

import base64
import json
import socket
import sqlite3
import subprocess
import sys

import pytest

from exporter.cli.app import COMMANDS, GROUPS
from exporter.cli.preflight_report import PermissionLoss, PreflightReport, write_text
from exporter.discord.preflight import BlindGuild, OnlineReport
from exporter.discord.rest.client import SessionStartLimit
from exporter.events.catalogue import full_catalogue
from exporter.events.permissions import permission_mask

BOT = 123456789012345678
CANARY = base64.b64encode(str(BOT).encode()).decode() + ".GcAnRy." + "canary" * 6 + "xy"
WRONG = """\
discord: {tokn: x}
metrics: {snapshot_interval: often}
sinks: {influxdb: {url: '${NO_SUCH_VARIABLE}', gzip: perhaps}}
track: {voice: false}
events: {VOICE_CHANNEL_JOIN: true}
"""
OPTIONS = {
    "run": {"--config"},
    "demo": {"--duration", "--guilds", "--rate", "--seed", "--data-dir", "--port"},
    "check": {"--config", "--online", "--format"},
    "events": {"--format"},
    "migrate": {"--config", "--reader-role"},
    "simulate": {"--port", "--guilds", "--members", "--rate", "--seed", "--ledger", "--duration"},
    "verify": {"--ledger", "--config", "--format", "--stores"},
}


def test_help_lists_every_command(call):
    answer = call("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert f" {command.__name__} " in answer.out
    for group in GROUPS:
        assert f" {group} " in answer.out


@pytest.mark.parametrize("command", OPTIONS)
def test_each_command_has_its_options_and_explains_them(call, command):
    answer = call(command, "--help")
    assert answer.code == 0
    for option in OPTIONS[command]:
        assert option in answer.out


def test_help_loads_none_of_the_heavy_parts():
    code = (
        "import sys, exporter.cli.app; "
        "print([m for m in ('disnake', 'sqlalchemy', 'pydantic', 'aiohttp', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_printed(call):
    answer = call("--version")
    assert answer.code == 0
    assert answer.out.startswith("discord-exporter ")


def test_an_unknown_command_or_option_is_a_usage_error(call):
    for arguments in (("rum",), ("run", "--confg", "x"), ("simulate", "--duration", "soon"), ("verify",)):
        answer = call(*arguments)
        assert answer.code == 2
        assert "Traceback" not in answer.all


@pytest.mark.parametrize("command", ["run", "check", "migrate"])
def test_every_error_of_a_configuration_is_reported_with_exit_78(call, tmp_path, command):
    (tmp_path / "config.yaml").write_text(WRONG)
    answer = call(command, "--config", "config.yaml", DISCORD_TOKEN=CANARY)
    assert answer.code == 78
    assert answer.out == ""
    reported = answer.err.splitlines()
    assert [line.split()[2].rstrip(":") for line in reported] == [
        "discord.tokn",
        "metrics.snapshot_interval",
        "sinks.influxdb.gzip",
        "sinks.influxdb.url",
        "events.VOICE_CHANNEL_JOIN",
    ]
    assert all(line.startswith("error: config.yaml:") and "; " in line for line in reported)


def test_run_without_a_token_says_how_to_give_one(call):
    answer = call("run")
    assert answer.code == 78
    assert len(answer.err.splitlines()) == 1
    assert "DISCORD_TOKEN" in answer.err


def test_a_missing_configuration_is_reported(call):
    answer = call("run", "--config", "absent.yaml")
    assert answer.code == 78
    assert answer.err == "error: absent.yaml: there is no such file; name another file with --config\n"


def test_an_address_in_use_ends_the_run_with_one_line(call, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "config.yaml").write_text(f"web: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}")
        answer = call("run", DISCORD_TOKEN=CANARY)
    assert answer.code == 78
    assert "Traceback" not in answer.err
    assert "web.listen: cannot listen on" in answer.err.splitlines()[-1]


def test_a_data_directory_that_cannot_be_used_ends_the_run_with_one_line(call, tmp_path):
    (tmp_path / "data").write_text("a file")
    (tmp_path / "config.yaml").write_text("web: {listen: '127.0.0.1:0'}")
    answer = call("run", DISCORD_TOKEN=CANARY)
    assert answer.code == 74
    assert answer.err.splitlines()[-1].startswith("error: data_dir data cannot be used")
    assert "Traceback" not in answer.err


def test_a_real_process_ends_with_the_same_code_and_words(call, spawn, tmp_path):
    (tmp_path / "config.yaml").write_text(WRONG)
    for arguments in (("run",), ("events", "--format", "json"), ("check", "--format", "text")):
        assert spawn(*arguments, DISCORD_TOKEN=CANARY) == call(*arguments, DISCORD_TOKEN=CANARY)


def test_events_lists_the_catalogue(call):
    catalogue = full_catalogue()
    listed = json.loads(call("events", "--format", "json").out)
    assert [event["type"] for event in listed] == list(catalogue.events)
    message = next(event for event in listed if event["type"] == "MESSAGE_CREATE")
    assert message["prometheus"] == ["discord_messages_total"]
    assert message["influxdb"] == ["discord_messages.messages"]
    assert message["sql"] == ["guild_daily", "channel_daily", "member_daily"]
    assert message["intents"] == ["guild_messages"]
    text = call("events").out
    for kind in catalogue.events:
        assert f"\n{kind} " in text


def test_schema_prints_json(call):
    assert call("schema").json["title"] == "discord-exporter configuration"


def test_check_tells_intents_permissions_invite_and_stores(call):
    answer = call("check", "--format", "json", DISCORD_TOKEN=CANARY)
    assert answer.code == 0
    found = answer.json
    catalogue = full_catalogue().switched({})
    assert found["ok"] is True
    assert {each["name"] for each in found["intents"]} == catalogue.intents.keys()
    assert found["permission_integer"] == permission_mask(catalogue.permissions)
    assert f"client_id={BOT}" in found["invite"]
    assert f"permissions={found['permission_integer']}" in found["invite"]
    assert [sink["name"] for sink in found["sinks"]] == ["sql"]
    assert {spot["permission"] for spot in found["blind"]} >= {"view_audit_log", "view_channel"}
    text = call("check", DISCORD_TOKEN=CANARY)
    assert text.code == 0
    assert "Server Members Intent" in text.out
    assert text.out.endswith("\nok\n")


def test_check_changes_nothing_on_disk(call, tmp_path):
    call("check", DISCORD_TOKEN=CANARY)
    assert list(tmp_path.iterdir()) == []


def test_check_follows_the_switches(call, tmp_path):
    (tmp_path / "config.yaml").write_text("track: {voice: false, moderation: false}")
    found = call("check", "--format", "json", DISCORD_TOKEN=CANARY).json
    assert not {"guild_voice_states", "guild_moderation"} & {each["name"] for each in found["intents"]}
    assert "VOICE_CHANNEL_JOIN" in found["off"]


def test_check_without_a_token_or_a_store_fails_and_says_why(call):
    answer = call("check")
    assert answer.code == 1
    assert "discord.token: is not set" in answer.out
    assert "YOUR_APPLICATION_ID" in answer.out
    answer = call("check", DISCORD_TOKEN=CANARY, INFLUXDB_URL="http://127.0.0.1:9")
    assert answer.code == 1
    assert "influxdb: FAILS" in answer.out


def test_check_counts_people_who_opted_out_and_never_names_them(call, tmp_path):
    (tmp_path / "config.yaml").write_text("privacy: {opt_out: [111111111111111111, 222222222222222222]}")
    for form in ("text", "json"):
        answer = call("check", "--format", form, DISCORD_TOKEN=CANARY)
        assert "1111111111" not in answer.all
        assert "2 members" in answer.out


def test_migrate_makes_the_tables_and_is_harmless_again(call, tmp_path):
    first, second = call("migrate"), call("migrate")
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    with sqlite3.connect(tmp_path / "data" / "discord.db") as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert {"moderation_logs", "member_daily", "guild_daily"} <= names


def test_migrate_tells_that_sqlite_has_no_roles(call):
    answer = call("migrate", "--reader-role", "grafana")
    assert answer.code == 78
    assert answer.err == "error: SQLite has no roles: let the reader open the file with `mode=ro`\n"


def test_migrate_tells_a_view_that_stands_in_the_way(call, tmp_path):
    assert call("migrate").code == 0
    with sqlite3.connect(tmp_path / "data" / "discord.db") as database:
        database.execute("DROP VIEW v_guilds")
        database.execute("CREATE VIEW v_guilds AS SELECT 'made by hand' AS note")
    database.close()
    answer = call("migrate")
    assert answer.code == 1
    assert "1 views differ" in answer.err
    assert "v_guilds already exists" in answer.err


def test_migrate_tells_a_database_it_cannot_reach_without_the_password(call):
    answer = call("migrate", DISCORD_EXPORTER_DSN="postgresql://app:canary-password@127.0.0.1:9/none")
    assert answer.code == 1
    assert "cannot migrate postgresql" in answer.err
    assert "canary-password" not in answer.all
    assert "Traceback" not in answer.err


def test_a_simulator_that_cannot_start_is_one_line(call):
    answer = call("simulate", "--port", "0", "--duration", "1s", "--ledger", "absent/ledger")
    assert answer.code == 1
    assert answer.err.startswith("error: cannot write the ledger absent/ledger (")
    assert len(answer.err.splitlines()) == 1


def test_verify_needs_a_ledger_it_can_read(call, tmp_path):
    (tmp_path / "wrong").write_text("no ledger\n")
    for name in ("absent", "wrong"):
        answer = call("verify", "--ledger", name)
        assert answer.code == 1
        assert "Traceback" not in answer.err
        assert answer.err.startswith("error: ")


def test_verify_knows_its_stores(call, tmp_path):
    (tmp_path / "ledger").write_text("")
    answer = call("verify", "--ledger", "ledger", "--stores", "metrix")
    assert answer.code == 78
    assert "did you mean metrics?" in answer.err


def test_verify_takes_a_store_that_cannot_be_read_for_a_difference(call, tmp_path):
    (tmp_path / "config.yaml").write_text("web: {listen: '127.0.0.1:9'}")
    call("migrate")
    (tmp_path / "ledger").write_text(
        '{"n":1,"at":1,"type":"HEADER","format":1}\n{"n":2,"at":2,"type":"END"}\n'
    )
    answer = call("verify", "--ledger", "ledger")
    assert answer.code == 1
    assert "metrics cannot be read" in answer.err
    alone = call("verify", "--ledger", "ledger", "--stores", "sql", "--format", "json")
    assert alone.code == 0, alone.all
    assert alone.json["ok"] is True


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (("--help",), ""),
        (("run", "--help"), ""),
        (("check",), "log: {level: debug}"),
        (("check", "--format", "json"), "log: {level: debug}"),
        (("check", "--online"), "discord: {api_url: 'http://127.0.0.1:9'}"),
        (("migrate",), ""),
        (("run",), "data_dir: /proc/nowhere"),
        (("run",), "discord: {token: %s}"),
        (("run",), "discord: {api_url: %s}"),
        (("run",), "discord: {api_url: '${DISCORD_TOKEN}'}"),
        (("run",), "data_dir: {a: '${DISCORD_TOKEN}'}"),
        (("run",), "web: {listen: '${DISCORD_TOKEN}'}"),
        (("run",), "%s: 1"),
        (("run",), "x: [%s"),
    ],
)
def test_the_token_is_in_no_output(call, tmp_path, arguments, config):
    if config:
        (tmp_path / "config.yaml").write_text(config.replace("%s", CANARY))
    answer = call(*arguments, DISCORD_TOKEN=CANARY)
    for part in (CANARY, CANARY.rpartition(".")[2]):
        assert part not in answer.all
    assert answer.code in (0, 1, 74, 78), answer.all


def test_an_unforeseen_error_is_reported_with_its_place_and_without_secrets(tmp_path):
    code = (
        "import exporter.__main__ as m, os\n"
        "def broken(): raise RuntimeError('cannot use ' + os.environ['DISCORD_TOKEN'])\n"
        "m.app = broken\nm.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"DISCORD_TOKEN": "any-shape-at-all"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "RuntimeError: cannot use [redacted]" in done.stderr
    assert "any-shape-at-all" not in done.stderr


def test_an_error_for_people_is_reported_without_secrets():
    code = (
        "import exporter.__main__ as m, os\nfrom exporter.errors import SpoolError\n"
        "def broken(): raise SpoolError('no space for ' + os.environ['DISCORD_TOKEN'])\n"
        "m.app = broken\nm.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DISCORD_TOKEN": "any-shape-at-all"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (74, "error: no space for [redacted]\n")


def test_an_error_for_people_inside_a_group_is_found():
    code = (
        "import exporter.__main__ as m\nfrom exporter.errors import CredentialsError\n"
        "def broken(): raise ExceptionGroup('x', [ValueError(), CredentialsError('the token is wrong')])\n"
        "m.app = broken\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (78, "error: the token is wrong\n")


def test_the_online_check_counts_the_guilds_where_a_feature_is_blind():
    limit = SessionStartLimit(1000, 1000, 0)
    blind = (BlindGuild(1, "Place", ("view_audit_log",)),)
    report = OnlineReport(1, "x", 2, (), (), "ws://", 1, limit, 3, blind)
    spots = (
        PermissionLoss("view_audit_log", ("GUILD_BAN_ADD",), "who"),
        PermissionLoss("connect", ("X",), "all"),
        PermissionLoss("view_audit_log and connect", ("Y",), "it", ("view_audit_log", "connect")),
    )
    report = PreflightReport((), (), (), 0, (), 0, "", spots, (), {}, online=report)
    text = write_text(report)
    assert "view_audit_log: who (GUILD_BAN_ADD); missing in 1 of 3 guilds\n" in text
    assert "connect: all (X); granted everywhere\n" in text
    assert "view_audit_log and connect: it (Y); one of them is granted everywhere\n" in text

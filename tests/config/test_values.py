"""Where values come from: file, references, secret files and the environment."""

from __future__ import annotations

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.load import load_config, parse_config, require_token
from exporter.config.model import Config, config_type
from exporter.config.yaml_source import read_yaml
from exporter.errors import ConfigError
from exporter.events.catalogue import full_catalogue

TOKEN = "a-secret-token-of-some-length"


def parse(text: str, base: pathlib.Path = pathlib.Path(), **environ: str) -> Config:
    return parse_config(read_yaml(text, "config.yaml"), environ, base=base)


def token_of(config: Config) -> str | None:
    return config.discord.token.get_secret_value() if config.discord.token else None


def test_without_a_file_the_token_alone_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {"DISCORD_TOKEN": TOKEN})
    assert require_token(config) == TOKEN
    assert config.web.listen == "127.0.0.1:9464"
    assert config.sinks.sql.url.database == "data/discord.db"
    assert config.sinks.prometheus.enabled
    assert not config.sinks.influxdb.active


def test_a_file_named_but_absent_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file; name another file with --config"):
        load_config(tmp_path / "none.yaml", {})


def test_a_file_that_is_no_text_or_no_file_is_an_error(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("binary", "."):
        with pytest.raises(ConfigError):
            load_config(tmp_path / name, {})


def test_config_yaml_here_is_read_without_being_named(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("log: {level: error}")
    monkeypatch.chdir(tmp_path)
    assert load_config(None, {}).log.level == "error"


@pytest.mark.parametrize(
    "text",
    [
        "discord: {token: '${T}'}",
        "discord: {token: '${T:-}'}",
        "discord:\n  token: ${T}",
        "common: &c ${T}\ndiscord: {token: *c}".replace("common", "data_dir"),
    ],
)
def test_a_reference_is_replaced(text):
    assert token_of(parse(text, T=TOKEN)) == TOKEN


def test_a_reference_without_value_leaves_the_default():
    config = parse("log: {level: '${LEVEL:-}'}\ndata_dir: ${DIR:-elsewhere}")
    assert config.log.level == "info"
    assert config.data_dir == pathlib.Path("elsewhere")


def test_a_reference_may_stand_for_a_number_a_switch_and_a_duration():
    config = parse(
        "metrics: {max_top_members: '${N}', snapshot_interval: '${D}'}\ndiscord: {compress: '${B}'}",
        N="7",
        B="false",
        D="30s",
    )
    assert config.metrics.max_top_members == 7
    assert config.metrics.snapshot_interval == 30
    assert config.discord.compress is False


def test_a_doubled_dollar_is_a_dollar():
    assert parse("data_dir: a$${b}c").data_dir == pathlib.Path("a${b}c")


@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
def test_a_value_from_the_environment_stays_one_text_whatever_it_holds(value):
    assert str(parse("data_dir: ${V}", V="x" + value).data_dir) == str(pathlib.Path("x" + value))


def test_a_value_with_yaml_in_it_makes_no_settings():
    config = parse("data_dir: ${V}", V="x\nlog: {level: debug}")
    assert config.log.level == "info"


@pytest.mark.parametrize(
    ("path", "variable"),
    [
        ("discord: {token: %s}", "DISCORD_TOKEN"),
        ("sinks: {sql: {dsn: %s}}", "DISCORD_EXPORTER_DSN"),
        ("sinks: {influxdb: {token: %s}}", "INFLUXDB_TOKEN"),
    ],
)
@pytest.mark.parametrize("secret", ["hunter2-hunter2", "${V:-hunter2-hunter2}", "x${V}", "12345678"])
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(path, variable, secret):
    with pytest.raises(ConfigError) as raised:
        parse(path % f"'{secret}'", V="value-of-v")
    message = str(raised.value)
    assert "is a secret written into the file" in message
    assert f"environment variable {variable}" in message
    for shown in ("hunter2", "value-of-v", "12345678"):
        assert shown not in message


def test_a_secret_file_is_read_without_the_line_end_and_relative_to_the_configuration(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "config.yaml").write_text("discord: {token_file: token}")
    assert token_of(load_config(tmp_path / "config.yaml", {})) == TOKEN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("discord: {token_file: absent}", "cannot read absent (No such file or directory)"),
        ("discord: {token_file: empty}", "empty is empty"),
        ("discord: {token_file: binary}", "(not text)"),
        ("discord: {token_file: [a]}", "must be the name of a file"),
        ("discord: {token_file: good, token: '${T}'}", "is given together with token"),
        ("data_dir_file: good", "is unknown"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_reported(tmp_path, text, message):
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "good").write_text(TOKEN)
    with pytest.raises(ConfigError) as raised:
        parse(text, tmp_path, T="other")
    assert message in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_the_file_wins_over_the_environments_shortcuts():
    config = parse(
        "discord: {token: '${MINE}'}\nsinks: {influxdb: {url: 'http://mine:1'}}",
        MINE="mine-mine-mine",
        DISCORD_TOKEN="not-this-one",
        INFLUXDB_URL="http://not-this:1",
    )
    assert token_of(config) == "mine-mine-mine"
    assert config.sinks.influxdb.url == "http://mine:1"


def test_shortcuts_reach_every_setting_they_are_for():
    config = parse(
        "",
        DISCORD_TOKEN=TOKEN,
        DISCORD_EXPORTER_DSN="postgresql://u:p@h/d",
        INFLUXDB_URL="http://influx:8086",
        INFLUXDB_TOKEN="influx-token",
        INFLUXDB_ORG="org",
    )
    influx = config.sinks.influxdb
    assert (influx.url, influx.org, influx.token.get_secret_value()) == (
        "http://influx:8086",
        "org",
        "influx-token",
    )
    assert influx.active
    assert config.sinks.sql.url.host == "h"


def test_an_empty_section_is_the_default_section():
    assert parse("discord:\nevents:\nsinks:\n  sql:\nlog:\n") == parse("")


def test_the_sqlite_log_lies_in_the_data_directory_unless_a_dsn_says_otherwise(tmp_path):
    assert parse("data_dir: /srv/x").sinks.sql.url.database == "/srv/x/discord.db"
    made = config_type(full_catalogue())
    assert made(data_dir=tmp_path).sinks.sql.url.database == f"{tmp_path}/discord.db"
    assert made(data_dir=tmp_path, sinks=made().sinks).sinks.sql.url.database == f"{tmp_path}/discord.db"
    named = parse("data_dir: /srv/x\nsinks: {sql: {dsn: '${D}'}}", D="sqlite:///other.db")
    assert named.sinks.sql.url.database == "other.db"


def test_a_missing_token_is_reported_with_both_ways_to_give_it():
    for environ in ({}, {"DISCORD_TOKEN": "  "}):
        with pytest.raises(ConfigError, match="DISCORD_TOKEN") as raised:
            require_token(parse("", **environ))
        assert "discord.token_file" in str(raised.value)
        assert raised.value.exit_code == 78


def test_secrets_are_registered_with_the_redactor_and_print_nowhere():
    config = parse("", DISCORD_TOKEN=TOKEN, DISCORD_EXPORTER_DSN="postgresql://u:p%40ss@h/d")
    assert {TOKEN, "p%40ss", "p@ss"} <= set(config.secrets())
    for shown in (repr(config), str(config), config.model_dump_json()):
        assert TOKEN not in shown
        assert "p%40ss" not in shown


@pytest.mark.parametrize("end", ["\n", "\r\n", "  "])
def test_a_secret_of_the_environment_is_read_without_what_an_editor_puts_behind_it(end):
    variables = {"DISCORD_TOKEN": TOKEN + end, "INFLUXDB_TOKEN": "influx-token" + end}
    config = parse("sinks: {influxdb: {url: 'http://i:8086', token: '${INFLUXDB_TOKEN}'}}", **variables)
    assert config.discord.token.get_secret_value() == TOKEN
    assert config.sinks.influxdb.token.get_secret_value() == "influx-token"
    shortcut = parse("", **variables)
    assert shortcut.sinks.influxdb.token.get_secret_value() == "influx-token"


@pytest.mark.parametrize("password", ["p/ssword", "p#ssword", "p[ssword", "p]ssw:rd"])
def test_a_password_with_marks_of_an_address_in_it_is_a_secret_like_any_other(password):
    config = parse("", DISCORD_EXPORTER_DSN=f"postgresql://u:{password}@h/d")
    assert config.sinks.sql.url.password == password
    assert password in config.secrets()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:9464", "localhost:1"])
def test_loopback_needs_no_more_words(listen):
    assert parse(f"web: {{listen: '{listen}'}}").web.listen == listen


def test_an_open_address_needs_to_be_called_insecure():
    assert parse("web: {insecure: true, listen: ':9464'}").web.address == ("0.0.0.0", 9464)


def test_every_switch_of_track_turns_its_whole_family_off():
    catalogue = full_catalogue()
    for switch in ("messages", "voice", "reactions", "moderation"):
        chosen = parse(f"track: {{{switch}: false}}").chosen(catalogue)
        off = {kind for kind, spec in catalogue.events.items() if spec.family == switch}
        assert off
        assert chosen.events.keys() == catalogue.switched({}).events.keys() - off


def test_members_in_detail_are_one_event():
    catalogue = full_catalogue()
    chosen = parse("track: {detailed_members: false}").chosen(catalogue)
    assert catalogue.switched({}).events.keys() - chosen.events.keys() == {"MEMBER_ACTIVITY_SNAPSHOT"}


def test_each_event_can_be_switched_and_its_intent_goes_with_its_family():
    catalogue = full_catalogue()
    for kind in catalogue.events:
        assert kind not in parse(f"events: {{{kind}: false}}").chosen(catalogue).events
    assert "guild_voice_states" in parse("").chosen(catalogue).intents
    assert "guild_voice_states" not in parse("track: {voice: false}").chosen(catalogue).intents


def test_the_default_asks_for_no_content_and_no_presence():
    wanted = parse("").chosen(full_catalogue()).intents
    assert not {"message_content", "guild_presences"} & wanted.keys()

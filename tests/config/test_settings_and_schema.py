"""What is derived from the sections: list of settings, JSON Schema, config.yaml, switches of a new event."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from exporter.config.fields import settings
from exporter.config.load import parse_config
from exporter.config.model import Config, config_type
from exporter.config.problems import dotted
from exporter.config.schema import config_schema, write_schema
from exporter.config.yaml_source import YamlSource, read_yaml
from exporter.errors import ConfigError
from exporter.events.catalogue import Catalogue, families, full_catalogue
from exporter.events.spec import EventSpec, Family
from exporter.model import Priority
from exporter.notation import format_duration, format_size, parse_duration, parse_size

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "config.yaml").read_text()
SECRETS = {"discord.token", "sinks.sql.dsn", "sinks.influxdb.token"}


def uncommented() -> str:
    """config.yaml with every setting that is left at its default in force."""
    return re.sub(r"(?m)^(\s*)#(?=\w+:)", r"\1", TEXT)


def test_the_file_in_the_repository_means_exactly_the_defaults():
    assert parse_config(read_yaml(TEXT, "config.yaml"), {}) == parse_config(YamlSource(""), {})


def test_every_setting_occurs_in_the_file_in_the_repository():
    document = read_yaml(uncommented(), "config.yaml")
    assert not document.flaws
    for setting in settings(config_type(full_catalogue())):
        if "<type>" not in setting.path:
            assert setting.path in document.lines, dotted(setting.path)


def test_what_stands_commented_out_in_the_file_is_the_default_too():
    given = parse_config(read_yaml(uncommented(), "config.yaml"), {})
    default = parse_config(YamlSource(""), {})
    for section in Config.model_fields:
        mine, theirs = getattr(given, section), getattr(default, section)
        if section == "discord":  # its one optional setting stands there with an example
            mine = mine.model_copy(update={"heartbeat_timeout": None})
        assert mine == theirs, section


def test_the_file_in_the_repository_takes_each_secret_from_a_file_named_in_the_environment(tmp_path):
    (tmp_path / "secret").write_text("postgresql://user:secret@host/name")
    variables = ("DISCORD_TOKEN_FILE", "INFLUXDB_TOKEN_FILE", "DISCORD_EXPORTER_DSN_FILE")
    environ = dict.fromkeys(variables, str(tmp_path / "secret"))
    config = parse_config(read_yaml(TEXT, "config.yaml"), environ)
    for secret in (config.discord.token, config.sinks.influxdb.token, config.sinks.sql.dsn):
        assert secret is not None
        assert secret.get_secret_value() == "postgresql://user:secret@host/name"


def test_every_setting_has_words_and_a_kind():
    for setting in settings(config_type(full_catalogue())):
        assert setting.help, dotted(setting.path)
        assert setting.kind != "value", dotted(setting.path)


def test_secrets_are_known_as_such():
    found = {dotted(each.path) for each in settings(config_type(full_catalogue())) if each.kind == "secret"}
    assert found == SECRETS


def test_defaults_are_written_so_that_they_read_back():
    for setting in settings(config_type(full_catalogue())):
        if setting.kind == "duration" and setting.default:
            assert format_duration(parse_duration(setting.default)) == setting.default
        if setting.kind == "size":
            assert format_size(parse_size(setting.default)) == setting.default


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.25, "250ms"), (1.5, "1500ms"), (60, "1m"), (90, "90s"), (86400, "1d")]
)
def test_durations_are_written_in_their_largest_exact_unit(seconds, text):
    assert format_duration(seconds) == text


def test_sections_hold_their_own_defaults_not_those_of_their_class():
    found = {dotted(each.path): each.default for each in settings(config_type(full_catalogue()))}
    assert found["batching.critical.max_size"] == "1"
    assert found["batching.slow.max_wait"] == "10s"
    assert found["data_dir"] == "data"


def test_the_schema_knows_every_setting_and_refuses_unknown_ones():
    schema = config_schema()
    sections = [schema, *schema["$defs"].values()]
    assert all(
        section.get("additionalProperties") is False for section in sections if "properties" in section
    )
    named = {name for section in sections for name in section.get("properties", {})}
    for setting in settings(config_type(full_catalogue())):
        assert setting.path[-1] in named


def test_the_schema_takes_secrets_by_reference_or_file_only():
    discord = config_schema()["$defs"]["DiscordConfig"]["properties"]
    assert {part.get("type") for part in discord["token"]["anyOf"]} == {"string", "null"}
    pattern = next(part["pattern"] for part in discord["token"]["anyOf"] if "pattern" in part)
    assert re.search(pattern, "${DISCORD_TOKEN}")
    assert not re.search(pattern, "a-literal-token")
    assert discord["token_file"]["type"] == "string"


def test_the_schema_is_written_the_same_every_time():
    assert write_schema() == write_schema()
    assert json.loads(write_schema()) == config_schema()


def throw_away() -> Catalogue:
    spec = EventSpec(
        type="TEAPOT_BOILED",
        help="Water boiled.",
        priority=Priority.SLOW,
        intents=("guilds",),
        default=False,
    )
    return Catalogue((*families(), Family("kitchen", "Tea.", (spec,))))


def test_a_new_event_has_a_switch_a_schema_entry_and_suggestions_at_once():
    catalogue = throw_away()
    on = parse_config(read_yaml("events: {TEAPOT_BOILED: true}", ""), {}, catalogue=catalogue)
    assert "TEAPOT_BOILED" in on.chosen(catalogue).events
    assert (
        "TEAPOT_BOILED" not in parse_config(YamlSource(""), {}, catalogue=catalogue).chosen(catalogue).events
    )
    properties = config_schema(catalogue)["$defs"]["EventsConfig"]["properties"]
    assert properties["TEAPOT_BOILED"]["description"] == "Water boiled."
    with pytest.raises(ConfigError, match="did you mean TEAPOT_BOILED"):
        parse_config(read_yaml("events: {TEAPOT_BOILD: true}", ""), {}, catalogue=catalogue)


def test_the_same_types_make_the_same_class():
    assert config_type(full_catalogue()) is config_type(full_catalogue())
    assert config_type(full_catalogue()) is not config_type(throw_away())

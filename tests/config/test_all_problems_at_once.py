"""A wrong file is answered with every problem, each on one line with its place and what to do."""

from __future__ import annotations

import pytest

from exporter.config.load import parse_config
from exporter.config.yaml_source import read_yaml
from exporter.errors import ConfigError

WRONG = """\
discord:
  tokn: ${DISCORD_TOKEN}
  shards: many
metrics:
  snapshot_interval: 10 parsecs
sinks:
  influxdb:
    url: ${NO_SUCH_VARIABLE}
    gzip: perhaps
track: {voice: false, mesages: true, detailed_members: false}
events:
  VOICE_CHANNEL_JOIN: true
  MESSAGE_CRATE: false
  MESSAGE_CREATE: maybe
  MEMBER_ACTIVITY_SNAPSHOT: true
batching:
  types:
    GUILD_BAN_AD: {max_size: 3}
    GUILD_BAN_ADD: {max_size: -1, max_wat: 3}
spool:
  max_bytes: 5 loaves
web: {listen: 0.0.0.0:80}
privacy: {opt_out: [a]}
log: verbose
log: {level: info}
42: true
"""

PROBLEMS = """\
config.yaml:2 discord.tokn: is unknown; did you mean token?
config.yaml:3 discord.shards: is 'many'; write auto or number; the default is auto
config.yaml:5 metrics.snapshot_interval: '10 parsecs' is not a duration; \
write for instance 500ms, 10s, 5m, 12h or 90d
config.yaml:8 sinks.influxdb.url: the environment has no variable NO_SUCH_VARIABLE; \
set it, or write ${NO_SUCH_VARIABLE:-default}
config.yaml:9 sinks.influxdb.gzip: is 'perhaps'; write true or false; the default is true
config.yaml:10 track.mesages: is unknown; did you mean messages?
config.yaml:12 events.VOICE_CHANNEL_JOIN: is on, but track.voice is off; \
remove one: set track.voice: true, or events.VOICE_CHANNEL_JOIN: false
config.yaml:13 events.MESSAGE_CRATE: is unknown; did you mean MESSAGE_CREATE?
config.yaml:14 events.MESSAGE_CREATE: is 'maybe'; write true or false; the default is true
config.yaml:15 events.MEMBER_ACTIVITY_SNAPSHOT: is on, but track.detailed_members is off; \
remove one: set track.detailed_members: true, or events.MEMBER_ACTIVITY_SNAPSHOT: false
config.yaml:18 batching.types.GUILD_BAN_AD: is no event type; did you mean GUILD_BAN_ADD?
config.yaml:19 batching.types.GUILD_BAN_ADD.max_size: is -1; \
write a value greater than or equal to 1; the default is 1
config.yaml:19 batching.types.GUILD_BAN_ADD.max_wat: is unknown; did you mean max_wait?
config.yaml:21 spool.max_bytes: '5 loaves' is not a size; write for instance 64KiB, 512MiB or 2GiB
config.yaml:22 web.listen: '0.0.0.0:80' can be reached by other machines and has neither login nor TLS; \
listen on 127.0.0.1, or set web.insecure: true if a firewall or proxy guards it
config.yaml:23 privacy.opt_out[0]: is 'a'; write a number
config.yaml:24 log: is 'verbose', but holds settings; write them below log, indented
config.yaml:25 log: is given twice, first on line 24
config.yaml:26 42: is unknown; known are batching, data_dir, delivery, discord, events, levels, log, \
metrics, privacy, sinks, spool, track, web"""


def problems_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(read_yaml(text, "config.yaml"), environ)
    assert raised.value.exit_code == 78
    return list(raised.value.problems)


def test_every_problem_of_a_wrong_file_is_reported_in_one_run():
    assert problems_of(WRONG, DISCORD_TOKEN="x") == PROBLEMS.split("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "config.yaml:1: is not valid YAML"),
        ("- 1\n- 2", "config.yaml:1: must consist of sections"),
        ("just words", "config.yaml:1: must consist of sections"),
        ("a: &a [*a]", "is not valid YAML"),
        ("? [1, 2]\n: 3", "has a key that is not text"),
        ("a: b\n--- \nc: d", "is not valid YAML"),
        ("sinks: !!python/object/apply:os.system [ls]", "is a list, but holds settings"),
    ],
)
def test_what_is_no_configuration_at_all_is_reported_without_a_traceback(text, expected):
    assert any(expected in problem for problem in problems_of(text)), problems_of(text)


def test_aliases_that_would_expand_without_end_are_refused():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8)
    )
    assert any("expand without end" in problem for problem in problems_of(bomb))


def test_a_file_far_too_large_is_refused_unread():
    assert "is it the right file?" in problems_of("#" * 1_000_001)[0]


def test_a_rule_over_a_section_is_reported_once_its_parts_are_right():
    (problem,) = problems_of("metrics: {snapshot_interval: 60s, member_activity_interval: 90s}")
    assert problem.startswith("config.yaml:1 metrics: member_activity_interval must be a multiple")


def test_a_problem_with_a_value_from_the_environment_names_the_variable_and_not_the_value():
    (problem,) = problems_of("", INFLUXDB_URL="ftp://wrong.example")
    assert problem.startswith("INFLUXDB_URL sinks.influxdb.url: '${INFLUXDB_URL}' is not an address")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("web: {listen: localhost}", "write for instance 127.0.0.1:9464"),
        ("web: {listen: '127.0.0.1:70000'}", "write for instance 127.0.0.1:9464"),
        ("web: {listen: ':9464'}", "set web.insecure: true"),
        ("web: {listen: '[::]:9464'}", "set web.insecure: true"),
        ("data_dir: 7", "write path; the default is data"),
        ("discord: {cluster: {index: 2, count: 2}}", "processes are numbered from 0"),
    ],
)
def test_each_problem_says_what_to_do(text, advice):
    (problem,) = problems_of(text)
    assert advice in problem

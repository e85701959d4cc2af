"""What `check` finds out from a configuration, and how it tells people and programs."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import pytest

from exporter.cli import preflight_report as module
from exporter.cli.preflight_report import (
    IntentNeed,
    PermissionLoss,
    PreflightReport,
    SinkProbeResult,
    examine,
    write_text,
)
from exporter.config.load import parse_config
from exporter.config.model import Config
from exporter.config.yaml_source import YamlSource
from exporter.discord.preflight import BlindGuild, OnlineReport
from exporter.discord.rest.client import SessionStartLimit
from exporter.errors import ExporterError
from exporter.events.catalogue import full_catalogue
from exporter.sinks.base import Probe

BOT = 123456789012345678
EMPTY = PreflightReport((), (), (), 0, (), 0, "https://invite", (), (), {})


def token(head: bytes) -> str:
    return base64.urlsafe_b64encode(head).decode().rstrip("=") + ".GcAnRy." + "x" * 38


def configured(given: str | None = None, **data: object) -> Config:
    quiet = {"sinks": {"sql": {"enabled": False}}}
    return parse_config(YamlSource("test", quiet | data), {} if given is None else {"DISCORD_TOKEN": given})


class Far:
    """A destination that answers, hangs or breaks, and remembers whether it was closed."""

    def __init__(self, name: str, answer: Probe | Exception | None) -> None:
        self.name = name
        self.answer = answer
        self.closed = False

    async def probe(self) -> Probe:
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def sinks(monkeypatch):
    """Puts destinations in the place of the configured ones."""

    def put(*far: Far) -> None:
        monkeypatch.setattr(module, "make_sinks", lambda _config, _clock: far)

    return put


@pytest.mark.parametrize(
    ("given", "application"),
    [
        (token(str(BOT).encode()), BOT),
        (token(b"12345678901234567890"), 12345678901234567890),
        (token(b"12345678901234"), None),
        (token(b"no id in here"), None),
        (token("١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦".encode()), None),
        ("not base64!.x.y", None),
        ("word", None),
        ("é.x.y", None),
    ],
)
async def test_the_invite_names_the_application_where_the_token_tells_it(given, application):
    found = await examine(configured(given))
    wanted = f"client_id={application or 'YOUR_APPLICATION_ID'}&"
    assert wanted in found.invite
    assert "client_id=0" not in found.invite
    assert given not in write_text(found)


async def test_every_event_is_either_on_or_off():
    found = await examine(configured(token(b"1" * 18), track={"voice": False}))
    assert sorted(found.on + found.off) == sorted(full_catalogue().events)
    assert {kind for kind in found.off if kind.startswith("VOICE")}
    assert not {kind for kind in found.on if kind.startswith("VOICE")}


async def test_only_privileged_intents_have_a_caption_in_the_portal():
    found = await examine(configured(token(b"1" * 18)))
    captions = {need.name: need.privileged for need in found.intents}
    assert captions["guild_members"]
    assert not captions["guilds"]
    assert not captions["guild_messages"]
    by_name = {need.name: need.events for need in found.intents}
    assert "MESSAGE_CREATE" in by_name["guild_messages"]


async def test_bans_are_seen_with_either_of_two_permissions_and_the_invite_asks_for_the_weaker():
    found = await examine(configured(token(b"1" * 18)))
    losses = {spot.permission: spot for spot in found.blind if "GUILD_BAN_ADD" in spot.events}
    assert losses.keys() == {"view_audit_log", "ban_members and view_audit_log"}
    both = losses["ban_members and view_audit_log"]
    assert both.together == ("ban_members", "view_audit_log")
    assert "Discord does not send it" in both.lost
    assert "view_audit_log" in found.permissions
    assert "ban_members" not in found.permissions


async def test_what_is_lost_without_a_permission_is_reported_once_with_all_it_concerns():
    found = await examine(configured(token(b"1" * 18)))
    places = [(spot.permission, spot.lost) for spot in found.blind]
    assert len(places) == len(set(places))
    declared = {
        (" and ".join(permissions), lost, event.type)
        for event in full_catalogue().events.values()
        if event.type in found.on
        for permissions, lost in event.losses.items()
    }
    assert {(s.permission, s.lost, kind) for s in found.blind for kind in s.events} == declared


async def test_without_a_token_discord_is_not_asked_and_everything_else_is_found():
    found = await examine(configured(), online=True)
    assert found.online is None
    assert len(found.problems) == 1
    assert "DISCORD_TOKEN" in found.problems[0]
    assert found.intents
    assert not found.ok


@pytest.mark.parametrize("good", [True, False])
async def test_each_destination_answers_for_itself_and_is_closed(sinks, good):
    first, second = Far("sql", Probe(ok=True, detail="version 3")), Far("influxdb", Probe(good, "says so"))
    sinks(first, second)
    found = await examine(configured(token(b"1" * 18)))
    assert found.sinks == (
        SinkProbeResult("sql", True, "version 3"),
        SinkProbeResult("influxdb", good, "says so"),
    )
    assert found.ok is good
    assert first.closed
    assert second.closed


async def test_a_destination_that_hangs_fails_after_a_while_and_is_closed(sinks, monkeypatch):
    monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.01)
    hanging, prompt = Far("influxdb", None), Far("sql", Probe(ok=True, detail="fine"))
    sinks(hanging, prompt)
    found = await examine(configured(token(b"1" * 18)))
    assert [answer.ok for answer in found.sinks] == [False, True]
    assert "does not answer within" in found.sinks[0].detail
    assert hanging.closed


async def test_a_destination_that_raises_fails_and_is_closed(sinks):
    defective = Far("jsonlines", ZeroDivisionError("no"))
    sinks(defective)
    found = await examine(configured(token(b"1" * 18)))
    assert [(answer.name, answer.ok) for answer in found.sinks] == [("jsonlines", False)]
    assert "raised ZeroDivisionError: no" in found.sinks[0].detail
    assert defective.closed


async def test_a_destination_that_breaks_is_closed_before_the_error_goes_on(sinks):
    broken = Far("sql", ExporterError("broken"))
    sinks(broken)
    with pytest.raises(ExporterError, match="broken"):
        await examine(configured(token(b"1" * 18)))
    assert broken.closed


async def test_settings_show_what_is_not_default_and_no_secret():
    secret = token(b"1" * 18)
    config = configured(
        secret, privacy={"opt_out": [333333333333333333]}, metrics={"snapshot_interval": "30s"}
    )
    found = await examine(config)
    assert found.settings["metrics"] == {"snapshot_interval": 30.0}
    assert found.settings["privacy"] == {"opt_out": "1 member"}
    text = write_text(found)
    assert "           metrics.snapshot_interval: 30.0\n" in text
    assert "           discord.token: **********\n" in text
    for written in (text, json.dumps(found.as_json())):
        assert secret not in written
        assert "333333333333333333" not in written


def report(blind: int, **change: object) -> OnlineReport:
    guilds = tuple(
        BlindGuild(900719925474099300 + each, f"guild {each}", ("connect",)) for each in range(blind)
    )
    limit = SessionStartLimit(1000, 7, 0)
    made = OnlineReport(BOT, "Observer", BOT + 1, (), (), "ws://", 2, limit, 50, guilds)
    return replace(made, **change)


def test_ids_are_text_for_programs_and_counts_stay_numbers():
    found = replace(EMPTY, online=report(1), permission_integer=8).as_json()
    assert found["online"]["bot_id"] == str(BOT)
    assert found["online"]["application_id"] == str(BOT + 1)
    assert found["online"]["blind"][0]["id"] == "900719925474099300"
    assert found["online"]["guilds"] == 50
    assert found["online"]["session_start_limit"]["remaining"] == 7
    assert found["permission_integer"] == 8
    assert json.loads(json.dumps(found))["online"]["blind"][0]["missing"] == ["connect"]


@pytest.mark.parametrize(
    ("report", "ok"),
    [
        (EMPTY, True),
        (replace(EMPTY, problems=("no token",)), False),
        (replace(EMPTY, sinks=(SinkProbeResult("sql", True, ""),)), True),
        (
            replace(EMPTY, sinks=(SinkProbeResult("sql", True, ""), SinkProbeResult("influxdb", False, ""))),
            False,
        ),
        (replace(EMPTY, blind=(PermissionLoss("connect", ("X",), "all"),), online=report(3)), True),
    ],
)
def test_the_last_line_and_the_answer_for_programs_are_the_same_verdict(report, ok):
    assert report.ok is ok
    assert report.as_json()["ok"] is ok
    assert write_text(report).splitlines()[-1] == ("ok" if ok else "not ok")


@pytest.mark.parametrize(
    ("blind", "named", "rest"), [(0, 0, ""), (20, 20, ""), (23, 20, "and 3 more guilds")]
)
def test_as_many_guilds_are_named_as_fit_on_a_screen(blind, named, rest):
    text = write_text(replace(EMPTY, online=report(blind)))
    assert text.count(" lacks connect\n") == named
    assert ("more guilds" in text) is bool(rest)
    assert rest in text
    assert "discord    Observer (123456789012345678), 50 guilds, 2 shards\n" in text
    assert "           7 of 1000 sessions left today\n" in text


def test_a_guild_cannot_forge_a_line_with_its_name():
    guild = BlindGuild(1, "x\nok\u202e\x1b[2J", ("connect",))
    text = write_text(replace(EMPTY, problems=("p",), online=replace(report(0), blind=(guild,))))
    assert "\nok" not in text
    assert not {"\u202e", "\x1b"} & set(text)


def test_problems_stand_on_lines_of_their_own_before_the_verdict():
    lines = write_text(replace(EMPTY, problems=("first", "second"))).splitlines()
    assert lines[-3:] == ["problem    first", "problem    second", "not ok"]


def test_an_intent_says_what_for_and_where_to_switch_it_on():
    needs = (
        IntentNeed("guilds", ()),
        IntentNeed("members", ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"), "Server Members Intent"),
    )
    text = write_text(replace(EMPTY, intents=needs))
    assert "           guilds: the names and ids of guilds, channels and roles\n" in text
    assert (
        "           members [privileged: switch on 'Server Members Intent']: "
        "GUILD_MEMBER_ADD, GUILD_MEMBER_REMOVE\n"
    ) in text


def test_what_is_off_is_named_only_if_anything_is():
    assert "events     0 on, 0 off\n" in write_text(EMPTY)
    text = write_text(replace(EMPTY, on=("A",), off=("B", "C")))
    assert "events     1 on, 2 off (B, C)\n" in text


def test_a_destination_that_fails_stands_out():
    far = (SinkProbeResult("sql", True, "version 3"), SinkProbeResult("influxdb", False, "refused"))
    text = write_text(replace(EMPTY, sinks=far))
    assert "           sql: ok, version 3\n" in text
    assert "           influxdb: FAILS, refused\n" in text


async def test_intents_discord_has_not_granted_are_problems_with_a_way_out(monkeypatch):
    async def answer(*_asked: object) -> OnlineReport:
        return report(0, refused=("guild_members",))

    monkeypatch.setattr("exporter.discord.preflight.inspect_online", answer)
    found = await examine(configured(token(b"1" * 18)), online=True)
    assert f"client_id={BOT + 1}&" in found.invite, "what Discord says wins over what the token says"
    (problem,) = found.problems
    assert problem.startswith(
        "Discord has not granted the intent guild_members; switch on 'Server Members Intent'"
    )
    assert problem.endswith(
        f"switch off what needs it: {', '.join(full_catalogue().intents['guild_members'])}"
    )
    assert not found.ok

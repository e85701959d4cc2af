"""What `check --online` learns from the API, and how it says that it could not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from aiohttp import web
from disnake.http import Route

from exporter.discord.config import DiscordConfig
from exporter.discord.preflight import BlindGuild, OnlineReport, inspect_online
from exporter.errors import CredentialsError, ExporterError
from exporter.telemetry import Telemetry, value
from tests.discord.fake_gateway import Gateway, answer
from tests.discord.harness import TOKEN

INTENTS = ("guilds", "guild_members", "guild_presences")
PERMISSIONS = ("view_channel", "view_audit_log")


@pytest.fixture(autouse=True)
def _keep_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    return iter([None])


async def _inspect(url: str, telemetry: Telemetry | None = None) -> OnlineReport:
    config = DiscordConfig.model_validate({"token": TOKEN, "api_url": url})
    return await inspect_online(config, INTENTS, PERMISSIONS, telemetry or Telemetry())


async def test_the_report_says_who_what_and_where_it_is_blind(gateway: Gateway) -> None:
    gateway.flags = 1 << 15
    gateway.shards = 3
    gateway.guilds = [
        {"id": "10", "name": "all", "permissions": str(1 << 10 | 1 << 7)},
        {"id": "11", "name": "some", "permissions": str(1 << 10)},
        {"id": "12", "name": "owner", "permissions": str(1 << 3)},
        {"id": "13", "name": "none", "permissions": "0"},
        {"id": "14", "name": "absent"},
    ]
    report = await _inspect(gateway.url)
    assert (report.bot_id, report.bot_name, report.application_id) == (4242, "exporter", 4242)
    assert report.granted == ("guild_members",)
    assert report.refused == ("guild_presences",)
    assert (report.gateway, report.shards) == (gateway.ws_url, 3)
    assert report.session_start_limit.remaining == 1000
    assert report.guilds == 5
    assert report.blind == (
        BlindGuild(11, "some", ("view_audit_log",)),
        BlindGuild(13, "none", PERMISSIONS),
    )
    assert gateway.paths == []


async def test_of_alternatives_one_is_enough_and_all_are_named_where_none_is_there(gateway: Gateway) -> None:
    gateway.guilds = [
        {"id": "10", "name": "audit log", "permissions": str(1 << 10 | 1 << 7)},
        {"id": "11", "name": "bans", "permissions": str(1 << 10 | 1 << 2)},
        {"id": "12", "name": "none", "permissions": str(1 << 10)},
        {"id": "13", "name": "owner", "permissions": str(1 << 3)},
    ]
    config = DiscordConfig.model_validate({"token": TOKEN, "api_url": gateway.url})
    alternatives = (("ban_members", "view_audit_log"),)
    report = await inspect_online(config, INTENTS, PERMISSIONS, Telemetry(), alternatives)
    assert [(guild.id, guild.missing) for guild in report.blind] == [
        (11, ("view_audit_log",)),
        (12, ("view_audit_log", "ban_members")),
    ]


@pytest.mark.parametrize("count", [0, 199, 200, 201, 450])
async def test_every_page_of_guilds_is_read(gateway: Gateway, count: int) -> None:
    gateway.guilds = [{"id": str(n), "name": "g", "permissions": "8"} for n in range(1, count + 1)]
    telemetry = Telemetry()
    report = await _inspect(gateway.url, telemetry)
    assert report.guilds == count
    assert value(telemetry.rest_requests, "/users/@me/guilds", "200") == count // 200 + 1


async def test_a_wrong_token_is_a_refusal(gateway: Gateway) -> None:
    gateway.failures = [answer({"message": "401: Unauthorized"}, 401)]
    with pytest.raises(CredentialsError, match="refused the token"):
        await _inspect(gateway.url)


async def test_an_answer_with_a_charset_is_read_like_discords(gateway: Gateway) -> None:
    gateway.failures = [web.json_response({"id": "7", "username": "via a proxy"})]
    assert (await _inspect(gateway.url)).bot_name == "via a proxy"


@pytest.mark.parametrize(
    "failure",
    [
        web.Response(status=404, text="<html>not here</html>"),
        web.Response(status=200, text="<html>a portal</html>"),
        answer([]),
        answer({"id": "no number", "username": 5}),
    ],
    ids=["404", "no JSON", "another shape", "wrong types"],
)
async def test_an_answer_that_is_not_discords_names_the_address(
    gateway: Gateway, failure: web.Response
) -> None:
    gateway.failures = [failure]
    with pytest.raises(
        ExporterError, match=re.escape(f"Discord's API at {gateway.url} gave no usable answer")
    ):
        await _inspect(gateway.url)


async def test_an_address_without_a_listener_is_named() -> None:
    with pytest.raises(ExporterError, match=r"http://127\.0\.0\.1:1/api/v10"):
        await _inspect("http://127.0.0.1:1/api/v10")

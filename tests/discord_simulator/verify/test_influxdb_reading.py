"""Reading InfluxDB back: annotated CSV, VictoriaMetrics' export, and both over a socket."""

from __future__ import annotations

import json

import aiohttp
import pytest
from aiohttp import web

from discord_simulator.verify.influxdb import read_influxdb
from discord_simulator.verify.quantities import Observed, Quantity, Scope
from discord_simulator.verify.series import Series, read_csv, read_export, read_series

CSV = (
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,string,string,string,string,string,long\r\n"
    ",result,table,_start,_stop,_field,_measurement,author,channel_id,guild_id,_value\r\n"
    ",_result,0,1970-01-01T00:00:00Z,2100-01-01T00:00:00Z,messages,discord_messages,human,7,1,12\r\n"
    ",_result,1,1970-01-01T00:00:00Z,2100-01-01T00:00:00Z,messages,discord_messages,bot,7,1,3\r\n"
    "\r\n"
    "#datatype,string,long,string,string,string,string,string,double\r\n"
    ",result,table,_field,_measurement,channel_id,guild_id,state,_value\r\n"
    ",_result,2,seconds,discord_voice,8,1,active,1.5\r\n"
    ",_result,3,seconds,discord_voice,8,1,bot,100\r\n"
    ",_result,3,seconds,discord_voice,9,1,afk,4\r\n"
    "\r\n"
)
EXPORT = "\n".join(
    json.dumps({"metric": {"__name__": name, "db": "discord", **tags}, "values": values, "timestamps": []})
    for name, tags, values in (
        ("discord_messages_messages", {"author": "human", "channel_id": "7", "guild_id": "1"}, [10, 2]),
        ("discord_messages_messages", {"author": "bot", "channel_id": "7", "guild_id": "1"}, [3]),
        ("discord_voice_seconds", {"state": "active", "channel_id": "8", "guild_id": "1"}, [1, 0.5]),
        ("discord_voice_seconds", {"state": "afk", "channel_id": "9", "guild_id": "1"}, [4]),
        ("discord_voice_seconds", {"state": "bot", "channel_id": "8", "guild_id": "1"}, [100]),
    )
)


def assert_read(found: Observed) -> None:
    filled = {quantity: cells for quantity, cells in found.amounts.items() if cells}
    assert filled == {
        Quantity("messages"): {(1,): 12},
        Quantity("messages", Scope.CHANNEL): {(1, 7): 12},
        Quantity("bot_messages"): {(1,): 3},
        Quantity("bot_messages", Scope.CHANNEL): {(1, 7): 3},
        Quantity("voice_seconds"): {(1,): 1.5},
        Quantity("voice_seconds", Scope.CHANNEL): {(1, 8): 1.5},
        Quantity("afk_voice_seconds"): {(1,): 4},
        Quantity("afk_voice_seconds", Scope.CHANNEL): {(1, 9): 4},
        Quantity("voice_seconds: active"): {(1,): 1.5},
        Quantity("voice_seconds: afk"): {(1,): 4},
    }


def test_csv_and_export_say_the_same():
    assert_read(read_series(read_csv(CSV)))
    assert_read(read_series(read_export(EXPORT)))


def test_leaves_are_counted_in_all_and_by_reason_and_actions_by_kind():
    found = read_series(
        [
            Series("discord_guild_leaves", {"guild_id": "1", "reason": "kick"}, 2),
            Series("discord_guild_leaves", {"guild_id": "1", "reason": "leave"}, 3),
            Series("discord_guild_moderation_actions", {"guild_id": "1", "action": "ban"}, 4),
        ]
    )
    assert found.amounts[Quantity("leaves")] == {(1,): 5}
    assert found.amounts[Quantity("leaves: kick")] == {(1,): 2}
    assert found.amounts[Quantity("bans")] == {(1,): 4}


def test_members_are_read_by_field_and_what_is_not_compared_is_passed_over():
    found = read_series(
        [
            Series("discord_member_activity_messages", {"guild_id": "1", "user_id": "9"}, 5),
            Series("discord_member_activity_unknown", {"guild_id": "1", "user_id": "9"}, 5),
            Series("discord_guild_members", {"guild_id": "1"}, 5),
            Series("discord_messages_messages", {}, 5),
        ]
    )
    assert {quantity: cells for quantity, cells in found.amounts.items() if cells} == {
        Quantity("messages", Scope.MEMBER): {(1, 9): 5}
    }


def test_an_empty_server_is_known_to_keep_what_it_keeps():
    found = read_series([])
    assert Quantity("messages") in found.amounts
    assert not any(found.amounts.values())


def test_an_error_in_the_answer_is_an_error():
    with pytest.raises(ValueError, match="failed to plan"):
        list(read_csv("#datatype,string,string\n,error,reference\n,failed to plan,897\n"))


class Server:
    """Answers as InfluxDB does or, with ``flux`` off, as VictoriaMetrics."""

    def __init__(self, *, flux: bool, status: int = 200) -> None:
        self.flux, self.status = flux, status
        self.asked: list[tuple[str, str, str]] = []

    async def __aenter__(self) -> str:
        application = web.Application()
        if self.flux:
            application.router.add_post("/api/v2/query", self.query)
        application.router.add_get("/internal/force_flush", self.flushed)
        application.router.add_get("/api/v1/export", self.export)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    async def query(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append((request.query["org"], request.headers["Authorization"], body["query"]))
        return web.Response(text=CSV if '"discord"' in body["query"] else "", status=self.status)

    async def flushed(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def export(self, _request: web.Request) -> web.Response:
        return web.Response(text=EXPORT)


async def test_every_bucket_is_asked_for_with_organisation_and_token():
    server = Server(flux=True)
    async with server as url:
        assert_read(await read_influxdb(url, "org", "secret", ["discord", 'mem"bers']))
    assert [(org, token) for org, token, _ in server.asked] == [("org", "Token secret")] * 2
    assert 'from(bucket: "mem\\"bers")' in server.asked[1][2]


async def test_a_server_without_flux_is_read_by_its_export():
    async with Server(flux=False) as url:
        assert_read(await read_influxdb(url, "org", "", ["discord", "members"]))


async def test_a_refusal_is_an_error_and_does_not_read_as_nothing():
    async with Server(flux=True, status=401) as url:
        with pytest.raises(aiohttp.ClientResponseError):
            await read_influxdb(url, "org", "wrong", ["discord"])

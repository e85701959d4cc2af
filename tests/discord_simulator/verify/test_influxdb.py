"""What is asked of an InfluxDB that others write to as well, how it may fail, and a real one read back."""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid

import aiohttp
import pytest
from aiohttp import web

from discord_simulator.verify import influxdb
from discord_simulator.verify.influxdb import MARGIN_MS, read_influxdb, write_queries
from discord_simulator.verify.quantities import Expected, Observed, Quantity, Scope
from discord_simulator.verify.series import read_csv, read_export
from exporter.events.catalogue import full_catalogue
from exporter.model import Row
from exporter.sinks.influx.line_protocol import Encoder
from tests.entry_data import entry_of

BEGAN = 1_760_000_000_000
SECRET = "influx-secret-0123456789"
MINUTE = 60_000


def ledger_of(*guild_ids: int, began: int = BEGAN, ended: int = BEGAN + MINUTE) -> Expected:
    return Expected({}, guilds=frozenset(guild_ids), began=began, ended=ended)


def filled(found: Observed) -> dict[Quantity, dict]:
    return {quantity: cells for quantity, cells in found.amounts.items() if cells}


def test_only_guilds_of_the_ledger_are_asked_for_around_its_time():
    (flux,) = write_queries("discord", ledger_of(20, 10))
    assert '(r.guild_id == "10" or r.guild_id == "20")' in flux
    assert MARGIN_MS == 86_400_000
    assert "range(start: 2025-10-08T08:53:20Z, stop: 2025-10-10T08:54:20Z)" in flux


def test_many_guilds_are_asked_for_in_parts_of_which_each_has_others():
    guild_ids = range(1, 251)
    asked = [re.findall(r'guild_id == "(\d+)"', flux) for flux in write_queries("b", ledger_of(*guild_ids))]
    assert [len(part) for part in asked] == [100, 100, 50]
    assert sorted(int(each) for part in asked for each in part) == list(guild_ids)


def test_a_ledger_without_guilds_or_without_times_is_not_a_reason_to_guess():
    assert list(write_queries("b", ledger_of())) == []
    (flux,) = write_queries("b", ledger_of(1, began=0, ended=0))
    assert "range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)" in flux


@pytest.mark.parametrize("guild_id", ['1" or true) //', "7", 0, -3, True, 1.5])
def test_what_is_no_id_never_stands_in_a_query(guild_id):
    with pytest.raises(ValueError, match="is not the id of a guild"):
        list(write_queries("b", Expected({}, guilds=frozenset({guild_id}))))


def test_a_buckets_name_is_text_whatever_stands_in_it():
    (flux,) = write_queries('a"b\\c${d}é', None)
    assert flux.startswith('from(bucket: "a\\"b\\\\c\\${d}é") |>')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>\n<p>hello</p>\n", "not a table of sums"),
        (",result,table,_value\n,_result,0,5\n", "not a table of sums"),
        (",result,_measurement,_field,_value\n,_result,a,b,many\n", "many"),
        (",_field,_measurement,_value\n,a,b,1\n\n#datatype,string\n,error,reference\n,gone,\n", "gone"),
    ],
)
def test_an_answer_that_is_no_table_is_an_error(text, words):
    with pytest.raises(ValueError, match=words):
        list(read_csv(text))


@pytest.mark.parametrize("line", ["<html>", "[]", "{}", '{"metric":{},"values":[1]}', "7"])
def test_an_export_of_something_else_is_an_error(line):
    with pytest.raises(ValueError, match=r"."):
        list(read_export(line))


def test_an_export_is_not_cut_at_separators_within_a_name():
    (found,) = read_export('{"metric":{"__name__":"x","emoji":"a\u2028b\x85c"},"values":[1,2]}\n')
    assert (found.tags, found.total) == ({"emoji": "a\u2028b\x85c"}, 3)


class Scripted:
    """An HTTP server that answers every request with the same."""

    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        self.status, self.text = status, text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.asked: list[web.Request] = []
        self.hang = asyncio.Event()
        self.hangs = False

    async def __aenter__(self) -> str:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(application, shutdown_timeout=0)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        self.hang.set()
        await self.runner.cleanup()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.hangs:
            await self.hang.wait()
        return web.Response(status=self.status, text=self.text, headers=self.headers)


async def read(url: str, *guild_ids: int) -> Observed:
    return await read_influxdb(url, "org", SECRET, ["discord", "members"], expected=ledger_of(*guild_ids))


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (401, '{"code":"unauthorized","message":"unauthorized access"}', "may not read"),
        (404, '{"code":"not found","message":"could not find bucket"}', "bucket does not exist"),
        (400, '{"code":"invalid","message":"organization name not found"}', "organisation does not exist"),
        (500, "[1]", "not InfluxDB 2 or has failed"),
        (302, "", "not InfluxDB 2"),
    ],
)
async def test_a_refusal_says_what_to_do_and_never_the_token(status, said, words):
    server = Scripted(
        status, said or f"no {SECRET}", X_Influxdb_Version="2.9.1", Location="http://127.0.0.1:9/"
    )
    async with server as url:
        with pytest.raises(aiohttp.ClientError, match=words) as caught:
            await read(url, 1)
    assert SECRET not in f"{caught.value}{caught.value!r}"
    assert str(status) in str(caught.value)
    assert len(server.asked) == 1


async def test_a_refused_export_is_an_error_too():
    async with Scripted(404, f"nothing here for {SECRET}") as url:
        with pytest.raises(aiohttp.ClientResponseError, match="nothing here") as caught:
            await read(url, 1)
    assert SECRET not in str(caught.value)


async def test_an_answer_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr(influxdb, "MAX_ANSWER", 1000)
    async with Scripted(200, "x" * 2000) as url:
        with pytest.raises(ValueError, match="more than 1000 bytes"):
            await read(url, 1)


async def test_a_server_that_says_nothing_is_named(monkeypatch):
    monkeypatch.setattr(influxdb, "TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    server = Scripted(200)
    server.hangs = True
    async with server as url:
        with pytest.raises(TimeoutError, match=f"{url} did not answer within 0.1 s"):
            await read(url, 1)


async def test_a_server_that_is_away_is_named():
    with pytest.raises(aiohttp.ClientError, match=r"127\.0\.0\.1:9"):
        await read("http://127.0.0.1:9", 1)


async def test_a_token_that_fits_no_header_is_not_repeated():
    async with Scripted(200) as url:
        with pytest.raises(ValueError, match="header") as caught:
            await read_influxdb(url, "org", f"{SECRET}\n", ["discord"])
    assert SECRET not in str(caught.value)


async def test_an_export_holds_what_others_wrote_and_only_the_ledgers_guilds_are_taken():
    lines = "\n".join(
        f'{{"metric":{{"__name__":"discord_guild_joins","guild_id":"{guild}"}},"values":[{guild}]}}'
        for guild in (1, 2, 3)
    )
    server = Scripted(200, lines)
    server.answer_query = server.answer

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/api/v2/query":
            return web.Response(status=400, text="unsupported path")
        return await server.answer_query(request)

    server.answer = answer
    async with server as url:
        found = await read(url, 1, 3)
    assert filled(found) == {Quantity("joins"): {(1,): 1, (3,): 3}}
    assert server.asked[-1].query["start"] == str((BEGAN - MARGIN_MS) / 1000)


# ── a real server ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def server() -> tuple[str, str, str]:
    url = os.environ.get("INFLUXDB_URL")
    if not url:
        pytest.skip("INFLUXDB_URL is not set: no InfluxDB 2 to read")
    return url, os.environ.get("INFLUXDB_ORG", "discord"), os.environ["INFLUXDB_TOKEN"]


def windows(guild_id: int, start: int) -> list[Row]:
    """One window in two parts and one of members, as the sink would be given them."""
    series = [
        ["messages", "human", 7, "", 12],
        ["messages", "bot", 7, "", 3],
        ["reactions", "normal", 7, "👍", 2],
        ["reactions", "super", 7, "a\u2028b", 1],
        ["voice_seconds", "active", 8, "", 1500],
        ["voice_seconds", "bot", 8, "", 9000],
        ["voice_sessions", "", 0, "", 1],
        ["member_joins", "", 0, "", 4],
        ["member_leaves", "kick", 0, "", 2],
        ["member_leaves", "leave", 0, "", 1],
        ["moderation_actions", "ban", 0, "", 5],
    ]
    members = [
        [9, "nelly", start, start, False, [["messages", "human", 7, 12], ["reactions", "super", 7, 1]]]
    ]
    period = {"period_start": start, "period_end": start + MINUTE, "period_duration": 60}
    late = [["messages", "human", 7, "", 1], ["messages", "human", 70, "", 1]]
    made = [
        ("METRICS_SNAPSHOT", {**period, "series": series, "gauges": {"members": 50}}),
        ("METRICS_SNAPSHOT", {**period, "series": late, "gauges": {}}),
        ("MEMBER_ACTIVITY_SNAPSHOT", {**period, "members": members}),
        ("GUILD_BAN_ADD", {"target_user_id": 5}),
    ]
    return [
        Row(
            position,
            entry_of(kind, data, guild=guild_id, at=start, key=str(position)),
        )
        for position, (kind, data) in enumerate(made, start=1)
    ]


async def write(server: tuple[str, str, str], rows: list[Row]) -> None:
    url, org, token = server
    lines = Encoder(full_catalogue()).encode("spool", tuple(rows))
    assert not lines.rejected
    async with aiohttp.ClientSession(headers={"Authorization": f"Token {token}"}) as session:
        for bucket, found in (("discord", lines.activity), ("discord_members", lines.members)):
            query = {"org": org, "bucket": bucket, "precision": "ns"}
            body = "\n".join(found).encode()
            async with session.post(f"{url}/api/v2/write", params=query, data=body) as answer:
                assert answer.status == 204, await answer.text()


async def test_a_real_server_is_read_back_apart_from_what_others_wrote(server):
    ours, theirs = (uuid.uuid4().int >> 66 for _ in range(2))
    start = int(time.time()) * 1000 // MINUTE * MINUTE
    days_ago = start - 3 * 86_400_000
    await write(server, windows(ours, start))
    await write(server, windows(theirs, start))
    await write(server, windows(ours, days_ago))
    # A hundred others that are not there fill the query to its bound.
    expected = ledger_of(ours, *range(1, 100), began=start, ended=start + MINUTE)
    found = await read_influxdb(*server, ["discord", "discord_members"], expected=expected)
    guild, channel = (ours,), (ours, 7)
    assert filled(found) == {
        Quantity("messages"): {guild: 14},
        Quantity("messages", Scope.CHANNEL): {channel: 13, (ours, 70): 1},
        Quantity("messages", Scope.MEMBER): {(ours, 9): 12},
        Quantity("bot_messages"): {guild: 3},
        Quantity("bot_messages", Scope.CHANNEL): {channel: 3},
        Quantity("reactions"): {guild: 3},
        Quantity("reactions", Scope.CHANNEL): {channel: 3},
        Quantity("reactions_given", Scope.MEMBER): {(ours, 9): 1},
        Quantity("voice_seconds"): {guild: 1.5},
        Quantity("voice_seconds", Scope.CHANNEL): {(ours, 8): 1.5},
        Quantity("voice_sessions"): {guild: 1},
        Quantity("joins"): {guild: 4},
        Quantity("leaves"): {guild: 3},
        Quantity("leaves: kick"): {guild: 2},
        Quantity("leaves: leave"): {guild: 1},
        Quantity("bans"): {guild: 5},
    }


async def test_a_real_servers_refusals_are_distinguished(server):
    url, org, token = server
    for arguments, words in (
        ((url, org, "wrong-token"), "may not read"),
        ((url, "no-such-org", token), "organisation does not exist"),
    ):
        with pytest.raises(aiohttp.ClientResponseError, match=words):
            await read_influxdb(*arguments, ["discord"])
    with pytest.raises(aiohttp.ClientResponseError, match="bucket does not exist"):
        await read_influxdb(url, org, token, ['no "such" ${bucket}'])

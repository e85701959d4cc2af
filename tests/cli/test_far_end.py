"""What `verify` and `demo` read from an exporter over HTTP, whatever that answers."""

from __future__ import annotations

import asyncio
import json
import pathlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from discord_simulator.verify.differences import ComparisonLine, Difference
from discord_simulator.verify.quantities import Expected, Scope
from exporter.cli.scrape import MetricsReading, flush, read, scrape
from exporter.cli.verification import (
    VerifyResult,
    base_url,
    chosen_stores,
    compare_stores,
    report,
    write_json,
)
from exporter.config.load import parse_config
from exporter.config.model import Config
from exporter.config.yaml_source import YamlSource
from exporter.errors import ConfigError, DifferenceError, ExporterError

GUILD = "111111111111111111"
CHANNEL = "222222222222222222"
WRITTEN = f'discord_messages_total{{author="human",guild_id="{GUILD}"}}'


@dataclass
class FarEnd:
    """An exporter made of two routes; what it was asked stands in ``asked``."""

    metrics: str = ""
    metrics_status: int = 200
    flush_status: int = 204
    asked: list[tuple[str, str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    base: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        if request.path == "/metrics":
            self.accepted.append(request.headers["Accept"])
            return web.Response(status=self.metrics_status, text=self.metrics)
        return web.Response(status=self.flush_status)

    @property
    def config(self) -> Config:
        return configured(self.base.removeprefix("http://"))


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    found = FarEnd()
    application = web.Application()
    application.router.add_get("/metrics", found.answer)
    application.router.add_post("/-/flush", found.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def configured(listen: str, **data: object) -> Config:
    return parse_config(YamlSource("test", {"web": {"listen": listen, "insecure": True}} | data), {})


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_ledger(tmp_path / "ledger", messages=2)


def write_ledger(path: pathlib.Path, *, messages: int, end: bool = True) -> pathlib.Path:
    lines = [{"type": "HEADER", "format": 1}]
    lines += [
        {
            "type": "MESSAGE_CREATE",
            "guild_id": GUILD,
            "channel_id": CHANNEL,
            "user_id": "333333333333333333",
            "author": "human",
        }
    ] * messages
    lines += [{"type": "END"}] if end else []
    numbered = ({"n": number, "at": number} | line for number, line in enumerate(lines, 1))
    path.write_text("".join(json.dumps(line) + "\n" for line in numbered))
    return path


def exposition(messages: int) -> str:
    return f"# TYPE discord_messages counter\n{WRITTEN} {messages}\n"


async def test_a_scrape_asks_for_text_and_reads_what_comes(far_end):
    far_end.metrics = (
        '# TYPE discord_exporter_delivered counter\ndiscord_exporter_delivered_total{sink="sql"} 4\n'
    )
    reading = await scrape(far_end.base)
    assert reading.delivered == {"sql": 4}
    assert reading.text == far_end.metrics
    assert far_end.asked == [("GET", "/metrics")]
    assert far_end.accepted == ["text/plain"]


@pytest.mark.parametrize("status", [401, 404, 500, 503])
async def test_a_scrape_that_is_refused_is_an_error_with_its_status(far_end, status):
    far_end.metrics_status = status
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        await scrape(far_end.base)
    assert refused.value.status == status


@pytest.mark.parametrize("text", ["<html>no metrics</html>", "a_total{sink=sql} 1", "a_total many"])
async def test_an_answer_that_is_no_exposition_is_an_error(far_end, text):
    far_end.metrics = text
    with pytest.raises(ValueError, match=r".+"):
        await scrape(far_end.base)


async def test_a_flush_is_a_post_and_fails_when_it_is_refused(far_end):
    await flush(far_end.base)
    assert far_end.asked == [("POST", "/-/flush")]
    far_end.flush_status = 504
    with pytest.raises(aiohttp.ClientResponseError):
        await flush(far_end.base)


async def test_without_a_listener_both_fail_at_once():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{held.getsockname()[1]}"
        for ask in (scrape, flush):
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(base)


def test_families_the_demo_does_not_show_are_passed_over():
    reading = read(exposition(3) + "# TYPE python_info gauge\npython_info 1\n")
    assert reading == MetricsReading(text=reading.text)
    assert reading.settled
    assert reading.events == 0


def test_the_start_of_a_counter_is_not_taken_for_its_value():
    text = (
        "# TYPE discord_exporter_spooled counter\n"
        "discord_exporter_spooled_total 12\n"
        "discord_exporter_spooled_created 1.7e9\n"
    )
    assert read(text).spooled == 12


@pytest.mark.parametrize(
    ("connected", "whole"),
    [({}, False), ({"0": 0.0}, False), ({"0": 1.0, "1": 0.0}, False), ({"0": 1.0, "1": 1.0}, True)],
)
def test_the_bot_is_connected_once_every_shard_is(connected, whole):
    assert MetricsReading(connected=connected).is_connected is whole


@pytest.mark.parametrize(
    ("reading", "settled"),
    [
        (MetricsReading(pending={"sql": 0.0, "influxdb": 0.0}), True),
        (MetricsReading(pending={"sql": 0.0, "influxdb": 1.0}), False),
        (MetricsReading(unspooled=1.0, pending={"sql": 0.0}), False),
        (MetricsReading(spooled=9.0, received={"X": 9.0}), True),
    ],
)
def test_nothing_is_settled_while_anything_waits_anywhere(reading, settled):
    assert reading.settled is settled


@pytest.mark.parametrize(
    ("listen", "base"),
    [
        ("127.0.0.1:9464", "http://127.0.0.1:9464"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:9464", "http://[::1]:9464"),
        ("[::]:9464", "http://127.0.0.1:9464"),
        ("metrics.example:1", "http://metrics.example:1"),
    ],
)
def test_an_exporter_is_asked_where_this_machine_can_reach_it(listen, base):
    assert base_url(configured(listen)) == base


def test_by_default_every_configured_store_is_compared():
    assert chosen_stores(configured("127.0.0.1:1"), None) == ("metrics", "sql")
    everything = {"influxdb": {"url": "http://127.0.0.1:9", "org": "o", "token": "${INFLUXDB_TOKEN}"}}
    config = parse_config(YamlSource("test", {"sinks": everything}), {"INFLUXDB_TOKEN": "not-a-secret"})
    assert chosen_stores(config, None) == ("metrics", "sql", "influxdb")
    nothing = {"prometheus": {"enabled": False}, "sql": {"enabled": False}}
    assert chosen_stores(configured("127.0.0.1:1", sinks=nothing), None) == ()


@pytest.mark.parametrize(
    ("names", "stores"),
    [("sql", ("sql",)), (" sql , metrics,", ("sql", "metrics")), ("sql,sql,metrics,sql", ("sql", "metrics"))],
)
def test_named_stores_are_compared_once_in_the_order_given(names, stores):
    assert chosen_stores(configured("127.0.0.1:1"), names) == stores


def test_every_unknown_store_is_named_at_once():
    with pytest.raises(ConfigError) as wrong:
        chosen_stores(configured("127.0.0.1:1"), "sq,metrics,mongodb")
    assert wrong.value.problems == (
        "--stores: sq is not a store; did you mean sql?",
        "--stores: mongodb is not a store; known are influxdb, metrics, sql",
    )


@pytest.mark.parametrize("names", ["", " ", ",,"])
def test_a_list_without_a_store_is_an_error_with_an_example(names):
    with pytest.raises(ConfigError, match="no store is named; write for instance metrics,sql"):
        chosen_stores(configured("127.0.0.1:1"), names)


async def test_the_exporter_is_flushed_before_it_is_read(far_end, ledger):
    far_end.metrics = exposition(2)
    result = await compare_stores(far_end.config, ledger, ("metrics",))
    assert far_end.asked == [("POST", "/-/flush"), ("GET", "/metrics")]
    messages = next(line for line in result.lines if line.quantity == "messages")
    assert messages.ledger == 2
    assert messages.stores == {"/metrics": 2}
    assert result.ok, [line for line in result.lines if not line.ok]
    result.require_agreement()


@pytest.mark.parametrize("reported", [0, 1, 3])
async def test_one_message_too_few_or_too_many_is_a_difference(far_end, ledger, reported):
    far_end.metrics = exposition(reported)
    result = await compare_stores(far_end.config, ledger, ("metrics",))
    assert not result.ok
    assert [line.quantity for line in result.lines if not line.ok] == ["messages"]
    with pytest.raises(DifferenceError, match=r"^1 of \d+ quantities differs$"):
        result.require_agreement()


async def test_a_refused_flush_is_a_failure_even_if_the_numbers_agree(far_end, ledger):
    far_end.metrics, far_end.flush_status = exposition(2), 504
    result = await compare_stores(far_end.config, ledger, ("metrics",))
    assert result.unreadable == {"flush": "answered 504"}
    assert all(line.ok for line in result.lines)
    with pytest.raises(DifferenceError, match=r"^flush cannot be read: answered 504$"):
        result.require_agreement()


async def test_a_store_that_cannot_be_read_is_reported_beside_one_that_can(far_end, ledger, tmp_path):
    far_end.metrics = exposition(2)
    config = configured(far_end.base.removeprefix("http://"), data_dir=str(tmp_path / "absent"))
    result = await compare_stores(config, ledger, ("sql", "metrics"))
    assert result.unreadable.keys() == {"sql"}
    assert "\n" not in result.unreadable["sql"]
    assert any(line.stores for line in result.lines)
    assert not result.ok


async def test_without_an_exporter_only_its_metrics_are_missing(ledger):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        config = configured(f"127.0.0.1:{held.getsockname()[1]}")
        result = await compare_stores(config, ledger, ("metrics",))
    assert result.unreadable.keys() == {"metrics"}, "a missing exporter is no failed flush"


async def test_what_a_store_says_cannot_write_to_the_terminal(far_end, ledger):
    far_end.metrics = "\x1b[2Jcleared\n"
    result = await compare_stores(far_end.config, ledger, ("metrics",))
    assert "\x1b" not in result.unreadable["metrics"]


async def test_a_missing_ledger_is_an_error_before_any_request(far_end, tmp_path):
    with pytest.raises(ExporterError, match="cannot read the ledger"):
        await compare_stores(far_end.config, tmp_path / "absent", ("metrics",))
    assert far_end.asked == []


async def test_a_ledger_without_an_end_never_agrees(far_end, tmp_path):
    far_end.metrics = exposition(2)
    cut = write_ledger(tmp_path / "cut", messages=2, end=False)
    result = await compare_stores(far_end.config, cut, ("metrics",))
    assert all(line.ok for line in result.lines)
    with pytest.raises(DifferenceError, match="the ledger has no END"):
        result.require_agreement()


def test_an_empty_comparison_is_no_agreement():
    result = VerifyResult(Expected({}), (), {})
    assert not result.ok
    with pytest.raises(DifferenceError, match="nothing to compare"):
        result.require_agreement()


def test_every_problem_is_reported_at_once():
    line = ComparisonLine("messages", Scope.GUILD, 1, 2, {"sql": 1}, differing=1)
    with pytest.raises(DifferenceError) as reported:
        VerifyResult(Expected({}, complete=False), (line,), {"metrics": "refused"}).require_agreement()
    assert str(reported.value).splitlines() == [
        "metrics cannot be read: refused",
        "1 of 1 quantity differs",
        "the ledger has no END: the simulator is still running or was killed",
    ]


GOOD = ComparisonLine("messages", Scope.GUILD, 1, 2, {"sql": 2})
BAD = ComparisonLine(
    "voice_seconds",
    Scope.MEMBER,
    1,
    2,
    {"sql": 1},
    differing=1,
    differences=(Difference("sql", "member \x1b[31m1/2", "2", "1"),),
)


def test_a_report_for_programs_has_the_verdict_of_the_whole_outcome(capsys):
    result = VerifyResult(Expected({}), (GOOD,), {"flush": "answered 504"})
    report(result, as_json=True)
    reported = json.loads(capsys.readouterr().out)
    assert reported == json.loads(json.dumps(write_json(result)))
    assert reported["ok"] is False, "every line agrees, but not everything was stored"
    assert reported["unreadable"] == {"flush": "answered 504"}
    assert [line["ok"] for line in reported["lines"]] == [True]


def test_a_report_in_a_pipe_is_plain_lines_without_controls(capsys):
    report(VerifyResult(Expected({}), (GOOD, BAD), {}), as_json=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line.split()[0] for line in out.splitlines()] == [
        "quantity",
        "messages",
        "voice_seconds",
        "voice_seconds:",
    ]
    assert "1 differs" in out


def test_a_report_on_a_terminal_is_a_table_followed_by_the_differences(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    report(VerifyResult(Expected({}), (GOOD, BAD), {}), as_json=False)
    out = capsys.readouterr().out
    assert "ledger against stores" in out
    assert out.index("1 differs") < out.index("voice_seconds: sql: member")
    assert "\x1b[31m1/2" not in out, "what the difference says is data, not colour"


async def test_readers_do_not_wait_for_each_other(far_end):
    readings = await asyncio.gather(*(scrape(far_end.base) for _ in range(5)))
    assert readings == [MetricsReading()] * 5

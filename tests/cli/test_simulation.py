"""The simulator as `simulate` runs it, inside this process; and tables, options and progress."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import socket
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import typer

from discord_simulator.ledger import Ledger
from discord_simulator.scenarios import SCENARIOS
from discord_simulator.seed import Shape
from discord_simulator.settings import SimulatorSettings
from discord_simulator.simulation import _POLL_S, SimulationPlan, StartError, _make_traffic, serve
from discord_simulator.traffic import EVERYDAY
from discord_simulator.world import World
from exporter.cli.options import read_duration
from exporter.cli.output import print_table
from exporter.cli.progress import LINE_EVERY_S, Progress
from exporter.cli.scrape import MetricsReading
from exporter.cli.simulate import SCENARIO_NAMES
from exporter.clock import ManualClock, SystemClock


def plan(**change: object) -> SimulationPlan:
    return SimulationPlan(
        **(
            {"port": 0, "guilds": 1, "members": 10, "rate": 0.0, "seed": 1, "ledger": None, "duration": None}
            | change
        )
    )


class Running:
    """A simulation in a task; its words come one by one."""

    def __init__(self, wanted: SimulationPlan) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.task = asyncio.create_task(
            serve(wanted, self.said.put_nowait, clock=SystemClock(), version="test")
        )

    async def word(self) -> str:
        """The next line, or the error the simulation ended with."""
        listening = asyncio.create_task(self.said.get())
        await asyncio.wait({listening, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            self.task.result()
        return listening.result()


@pytest.fixture
async def start() -> AsyncIterator[Callable[[SimulationPlan], Running]]:
    made: list[Running] = []

    def begin(wanted: SimulationPlan) -> Running:
        made.append(Running(wanted))
        return made[-1]

    yield begin
    for running in made:
        running.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StartError):
            await running.task


def lines_of(ledger: pathlib.Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in ledger.read_text().splitlines()]


async def test_it_says_where_it_is_and_recommends_the_shards_of_the_plan(start):
    running = start(plan(shards=3))
    word, url = (await running.word()).split()
    assert word == "ready"
    headers = {"Authorization": f"Bot {SimulatorSettings().token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{url}/gateway/bot") as answer:
        assert (await answer.json())["shards"] == 3


async def test_a_stop_that_is_asked_for_ends_it_with_the_number_of_lines(start, tmp_path):
    running = start(plan(ledger=tmp_path / "ledger"))
    base = (await running.word()).split()[1].removesuffix("/api/v10")
    async with aiohttp.ClientSession() as session, session.post(f"{base}/control/stop") as answer:
        assert answer.status == 200
    word, number = (await running.word()).split()
    await running.task
    lines = lines_of(tmp_path / "ledger")
    assert word == "over"
    assert int(number) == len(lines)
    assert [lines[0]["type"], lines[-1]["type"]] == ["HEADER", "END"]


async def connect(
    session: aiohttp.ClientSession, gateway: str, op: int, **data: object
) -> tuple[aiohttp.ClientWebSocketResponse, str]:
    """A client that has begun or resumed a session, and the session's id."""
    socket = await session.ws_connect(f"{gateway}/?v=10&encoding=json")
    await socket.send_json({"op": op, "d": {"token": SimulatorSettings().token} | data})
    while (frame := await socket.receive_json(timeout=10))["t"] not in {"READY", "RESUMED"}:
        pass
    return socket, frame["d"].get("session_id", "")


@pytest.mark.parametrize("away", ["left", "lost", "invalidated"])
async def test_a_client_that_is_away_when_the_duration_is_over_is_waited_for(start, away):
    """It may be restarting or resuming, and how long that takes depends on its machine."""
    running = start(plan(duration=0.2, rate=10.0))
    url = (await running.word()).split()[1]
    headers = {"Authorization": f"Bot {SimulatorSettings().token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{url}/gateway/bot") as answer:
            gateway = (await answer.json())["url"]
        properties = {"os": "linux", "browser": "test", "device": "test"}
        client, session_id = await connect(session, gateway, 2, intents=1, properties=properties)
        if away == "invalidated":
            control = f"{url.removesuffix('/api/v10')}/control/invalidate"
            async with session.post(control, params={"resumable": "false"}) as answer:
                assert answer.status < 300
        await client.close(code=4000 if away == "lost" else 1000)
        assert (await running.word()).startswith("over ")
        await asyncio.wait({running.task}, timeout=3 * _POLL_S)
        assert not running.task.done(), "it ended before the client was back"
        if away != "lost":  # the next IDENTIFY is allowed five seconds after the first
            running.task.cancel()
            return
        for leaving in (4000, 1000):
            client, _ = await connect(session, gateway, 6, session_id=session_id, seq=1)
            await client.close(code=leaving)
            await asyncio.wait({running.task}, timeout=3 * _POLL_S)
            assert running.task.done() == (leaving == 1000)
        await running.task


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_traffic_in_order_and_is_given_back(start, tmp_path, number):
    running = start(plan(ledger=tmp_path / "ledger"))
    await running.word()
    os.kill(os.getpid(), number)
    assert (await running.word()).startswith("over ")
    await running.task
    assert lines_of(tmp_path / "ledger")[-1]["type"] == "END"
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)


async def test_a_port_in_use_is_an_error_that_names_the_option(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = start(plan(port=port))
        with pytest.raises(
            StartError, match=rf"cannot listen on port {port} \(.*; choose another with --port"
        ):
            await running.word()


async def test_a_ledger_that_cannot_be_written_is_an_error_before_it_listens(start, tmp_path):
    running = start(plan(ledger=tmp_path / "absent" / "ledger"))
    with pytest.raises(StartError, match=r"cannot write the ledger .*; name another file with --ledger"):
        await running.word()
    assert running.said.empty()


def world() -> World:
    clock = ManualClock()
    return World(Shape(seed=1, guilds=1, members=10), Ledger(None, clock), clock)


def test_without_a_scenario_the_traffic_is_ordinary():
    traffic = _make_traffic(plan(rate=5.0), world())
    assert traffic._behaviours == tuple(EVERYDAY)
    assert traffic.rate == 5.0


@pytest.mark.parametrize("name", SCENARIO_NAMES)
def test_a_scenario_has_its_own_behaviours_and_settings(name):
    traffic = _make_traffic(plan(rate=5.0, scenario=name), world())
    assert traffic._behaviours == tuple(SCENARIOS[name].behaviours)
    assert traffic.context.settings == SCENARIOS[name].settings


# ── options ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("2", 2),
        ("0.5", 0.5),
        (" 5m ", 300),
        (41.25, 41.25),
        ("0", 0),
    ],
)
def test_a_duration_is_read_with_a_unit_or_as_seconds(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "-5s", "1 parsec", "5s!", "1e3", "nan", "inf", "1.2.3", "5x"]
)
def test_what_is_no_duration_is_a_usage_error_that_shows_how_one_is_written(text):
    with pytest.raises(typer.BadParameter, match="is not a duration; write for instance"):
        read_duration(text)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def test_in_a_pipe_columns_are_even_and_nothing_is_cut_off(capsys):
    print_table(("name", "what"), [("a", "x" * 300), ("longer name", "")], title="All of it")
    assert capsys.readouterr().out.splitlines() == [
        "All of it",
        "name         what",
        "a            " + "x" * 300,
        "longer name",
    ]


def test_a_table_without_rows_or_title_is_its_head(capsys):
    print_table(("name", "what"), [])
    assert capsys.readouterr().out == "name  what\n"


def test_a_row_of_another_length_is_refused(capsys):
    with pytest.raises(ValueError, match="zip"):
        print_table(("name", "what"), [("a",)])
    assert capsys.readouterr().out == ""


def test_on_a_terminal_a_table_is_drawn(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("name", "what"), [("a", "b")], title="All of it")
    out = capsys.readouterr().out
    assert "All of it" in out
    assert "━" in out


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────


def shown(
    capsys: pytest.CaptureFixture[str], *readings: MetricsReading, duration: float | None = None
) -> list[str]:
    clock = ManualClock()
    with Progress(clock, address="http://x", duration=duration) as progress:
        for reading in readings:
            progress.show(reading)
            clock.advance(LINE_EVERY_S)
    return capsys.readouterr().out.splitlines()


def test_progress_shows_stored_and_waiting_entries_of_every_sink(capsys):
    reading = MetricsReading(
        spooled=1234.0,
        pending={"sql": 0.0, "influxdb": 1500.0},
        delivered={"sql": 1234.0},
    )
    (line,) = shown(capsys, reading)
    assert line == (
        "0 s: 0 events, 0/s; 1,234 entries spooled; sql 1,234 stored, 0 waiting, "
        "influxdb 0 stored, 1,500 waiting"
    )


def test_before_anything_is_known_there_is_no_sink_yet(capsys):
    assert shown(capsys, MetricsReading()) == ["0 s: 0 events, 0/s; 0 entries spooled; no sink yet"]


def test_the_rate_is_that_since_the_last_look(capsys):
    counts = (0.0, 50.0, 50.0, 300.0)
    lines = shown(capsys, *(MetricsReading(received={"X": count}) for count in counts))
    assert [line.split(", ")[1].partition(";")[0] for line in lines] == ["0/s", "10/s", "0/s", "50/s"]


def test_a_second_look_at_the_same_moment_divides_by_nothing(capsys):
    progress = Progress(ManualClock(), address="http://x", duration=None)
    progress.show(MetricsReading(received={"X": 1.0}))
    progress.show(MetricsReading(received={"X": 9.0}))
    assert capsys.readouterr().out.splitlines() == ["0 s: 1 event, 0/s; 0 entries spooled; no sink yet"]


def test_the_end_is_named_if_there_is_one(capsys):
    assert shown(capsys, MetricsReading(), MetricsReading(), duration=60.0)[1].startswith("5 of 60 s: ")


def test_a_failing_sink_is_marked_on_a_terminal():
    progress = Progress(ManualClock(), address="http://x", duration=None)
    reading = MetricsReading(
        received={"A": 1.0, "B": 2.0},
        pending={"sql": 0.0, "influxdb": 7.0},
        sink_up={"sql": 1.0, "influxdb": 0.0},
    )
    table = progress._table(reading, 0.0)
    assert list(table.columns[0].cells) == [
        "B",
        "A",
        "sql: delivering, 0 waiting",
        "influxdb: failing, 7 waiting",
    ]
    assert "http://x/metrics" in str(table.caption)


def test_a_terminal_is_left_as_it_was_even_after_an_error(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    progress = Progress(ManualClock(), address="http://x", duration=None)

    def fail() -> None:
        with progress:
            progress.show(MetricsReading(received={"A": 1.0}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not progress._live.is_started
    assert "entries spooled" not in capsys.readouterr().out

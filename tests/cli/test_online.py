"""Commands against a simulated Discord in a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from discord_simulator.settings import SimulatorSettings
from exporter.cli.simulator_process import SimulatorProcess

TOKEN = SimulatorSettings().token


@pytest.fixture
def simulator(tmp_path):
    """The address of a simulator whose people stand still."""
    loop = asyncio.new_event_loop()
    child = SimulatorProcess(tmp_path / "simulator.log")
    loop.run_until_complete(child.start("--guilds", "3", "--rate", "0", "--ledger", str(tmp_path / "ledger")))
    yield child
    child.end_traffic()
    loop.run_until_complete(child.stop())
    loop.close()


def test_check_online_tells_who_the_bot_is_and_what_it_may_do(call, simulator, tmp_path):
    (tmp_path / "config.yaml").write_text(f"discord: {{api_url: '{simulator.api_url}'}}")
    answer = call("check", "--online", "--format", "json", DISCORD_TOKEN=TOKEN)
    assert answer.code == 0, answer.all
    online = answer.json["online"]
    assert online["guilds"] == 3
    assert online["refused"] == []
    assert f"client_id={online['application_id']}" in answer.json["invite"]
    assert isinstance(online["bot_id"], str), "JSON readers round numbers this large"
    text = call("check", "--online", DISCORD_TOKEN=TOKEN)
    assert "3 guilds, 1 shard" in text.out
    assert TOKEN not in text.all


def test_check_online_with_a_wrong_token_ends_with_one_line(call, simulator, tmp_path):
    (tmp_path / "config.yaml").write_text(f"discord: {{api_url: '{simulator.api_url}'}}")
    answer = call("check", "--online", DISCORD_TOKEN="wrong-wrong-wrong")
    assert answer.code == 78
    assert len(answer.err.splitlines()) == 1
    assert "wrong-wrong" not in answer.all


def test_run_with_a_wrong_token_ends_with_one_clear_line_and_no_second_try(call, simulator, tmp_path):
    (tmp_path / "config.yaml").write_text(
        f"discord: {{api_url: '{simulator.api_url}'}}\nweb: {{listen: '127.0.0.1:0'}}\nlog: {{level: error}}"
    )
    answer = call("run", DISCORD_TOKEN="wrong-wrong-wrong")
    assert answer.code == 78
    assert [
        line for line in answer.err.splitlines() if line.startswith("error: ")
    ] == answer.err.splitlines()[-1:]
    assert "token" in answer.err
    assert "wrong-wrong" not in answer.all


async def test_a_simulation_says_where_it_is_and_when_it_is_over_and_keeps_a_whole_ledger(tmp_path):
    child = SimulatorProcess(tmp_path / "log")
    await child.start("--guilds", "2", "--duration", "1s", "--ledger", str(tmp_path / "ledger"))
    assert child.api_url.startswith("http://127.0.0.1:")
    child.end_traffic()
    await child.over()
    assert await child._process.wait() == 0
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert lines[0]["type"] == "HEADER"
    assert lines[-1]["type"] == "END"


async def test_a_second_signal_does_not_spoil_the_ledger(tmp_path):
    child = SimulatorProcess(tmp_path / "log")
    await child.start("--guilds", "1", "--rate", "0", "--ledger", str(tmp_path / "ledger"))
    for _ in range(3):
        child._process.send_signal(signal.SIGINT)
    await child.over()
    await child._process.wait()
    assert (tmp_path / "ledger").read_text().splitlines()[-1].count('"END"') == 1


def test_a_port_in_use_is_reported(call, simulator):
    port = simulator.api_url.split(":")[2].partition("/")[0]
    answer = call("simulate", "--port", port)
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith(f"error: cannot listen on port {port}")

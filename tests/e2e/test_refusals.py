"""What cannot work ends at once, with one clear line and exit code 78, never in a loop against Discord."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(60)


async def ended(exporter) -> tuple[int, list[str]]:
    code = await exporter.process.wait()
    lines = [line for line in exporter.log.read_text().splitlines() if not line.startswith("{")]
    return code, lines


async def test_a_wrong_token_is_reported_in_one_line_and_tried_once(simulation, exporter):
    await simulation.start("--rate", "1", "--duration", "30s")
    exporter.api_url, exporter.token = simulation.url, "wrong-token-of-no-bot"
    await exporter.start(ready=False)
    code, lines = await ended(exporter)
    assert code == 78
    assert len(lines) == 1
    assert "token" in lines[0]
    assert "wrong-token-of-no-bot" not in exporter.log.read_text()
    assert (await simulation.state())["counters"]["identifies"] == 0


async def test_every_error_of_a_configuration_is_reported_at_once(exporter, monkeypatch):
    monkeypatch.delenv("UNSET_VARIABLE", raising=False)
    exporter.api_url = "http://127.0.0.1:9/api/v10"
    exporter.settings = {
        "metrcs": {},
        "metrics": {"snapshot_interval": "sixty", "max_top_members": "many"},
        "track": {"voice": False},
        "events": {"VOICE_CHANNEL_JOIN": True, "MESSAGE_CRATE": True},
        "sinks": {"influxdb": {"url": "${UNSET_VARIABLE}"}},
    }
    await exporter.start(ready=False)
    code, lines = await ended(exporter)
    assert code == 78
    reported = "\n".join(lines)
    for path in (
        "metrcs",
        "metrics.snapshot_interval",
        "metrics.max_top_members",
        "events.VOICE_CHANNEL_JOIN",
        "events.MESSAGE_CRATE",
        "sinks.influxdb.url",
    ):
        assert path in reported
    for suggestion in ("metrics", "MESSAGE_CREATE", "UNSET_VARIABLE", "10s"):
        assert suggestion in reported

"""Every PromQL alert fires on its own trouble and none on an ordinary week, as promtool computes it.

Times are minutes; a series is a list of one sample a minute.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest
import yaml

from dashboards.alerts import ALERTS, GROUPS, prometheus
from tests.dashboards.committed import DASHBOARDS

DAY = 24 * 60
WEEK = 7 * DAY
ASKED = [alert for alert in ALERTS if isinstance(alert.value, str)]
INSTANCE = 'instance="bot:9464"'

Wave = Callable[[int], float]


@dataclass(frozen=True)
class Trouble:
    """Series that cause an alert, when it must have fired, and labels it must carry."""

    series: Mapping[str, str]
    at: str
    labels: Mapping[str, str]
    every: int = 1


def summed(rate: Wave, minutes: int, step: int = 1) -> str:
    """A counter by what it gains in each minute, sampled every ``step`` minutes."""
    total, samples = 0.0, []
    for minute in range(minutes):
        total += rate(minute)
        samples.append(f"{round(total)}")
    return " ".join(samples[::step])


def daily(mean: float) -> Wave:
    """People sleep: nearly nothing at four in the morning, twice the mean in the evening."""
    return lambda minute: mean * (1 - 0.9 * math.cos(2 * math.pi * (minute % DAY - 240) / DAY))


def burst(base: Wave, start: int, length: int, rate: float) -> Wave:
    return lambda minute: base(minute) + (rate if start <= minute < start + length else 0)


def counter(family: str, **labels: str) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in {"guild_id": "10", **labels}.items())
    return f"{family}{{{inner},{INSTANCE}}}"


def own(family: str, **labels: str) -> str:
    inner = "".join(f'{name}="{value}",' for name, value in labels.items())
    return f"{family}{{{inner}{INSTANCE}}}"


MESSAGES = counter("discord_messages_total", author="human")
JOINS = counter("discord_member_joins_total")
BANS = counter("discord_moderation_actions_total", action="ban")
UP = 'up{job="discord-exporter",instance="bot:9464"}'
GUILD = {"guild_id": "10"}
LONG = DAY + 60

TROUBLES = {
    "DiscordExporterDown": Trouble({UP: "1 1 1 0x20"}, "10m", {"instance": "bot:9464"}),
    "DiscordGatewayDisconnected": Trouble(
        {own("discord_gateway_connected", shard="3"): "1x10 0x20"}, "15m", {"shard": "3"}
    ),
    "DiscordGatewaySilent": Trouble(
        {
            own("discord_gateway_events_total", type="MESSAGE_CREATE"): "0+60x300 18000x60",
            own("discord_gateway_connected", shard="0"): "1x400",
        },
        "330m",
        {},
    ),
    "DiscordFeatureBlind": Trouble(
        {own("discord_exporter_blind", feature="INVITE_USE", missing="manage_guild"): "2x30"},
        "20m",
        {"feature": "INVITE_USE", "missing": "manage_guild"},
    ),
    "DiscordExporterUnsentOld": Trouble(
        {own("discord_exporter_oldest_unsent_seconds", sink="sql"): "0+60x30"}, "20m", {"sink": "sql"}
    ),
    "DiscordExporterUnsentVeryOld": Trouble(
        {own("discord_exporter_oldest_unsent_seconds", sink="influxdb"): "0+60x500"},
        "380m",
        {"sink": "influxdb"},
    ),
    "DiscordSinkFailing": Trouble(
        {own("discord_exporter_sink_up", sink="sql"): "1 0x30"}, "15m", {"sink": "sql"}
    ),
    "DiscordExporterLoss": Trouble(
        # Born with the loss itself: there is no sample before.
        {own("discord_exporter_evicted_total", sink="influxdb"): "_x20 7x20"},
        "22m",
        {"sink": "influxdb", "what": "evicted"},
    ),
    "DiscordSpoolFilling": Trouble(
        {
            own("discord_exporter_spool_bytes", file="database"): "450x20",
            own("discord_exporter_spool_limit_bytes"): "512x20",
        },
        "10m",
        {},
    ),
    "DiscordVolumeFilling": Trouble(
        {own("discord_exporter_volume_free_bytes"): "100000000-50000x500"}, "450m", {}
    ),
    "DiscordIdentifiesRunningOut": Trouble(
        {own("discord_gateway_identifies_remaining"): "1000-100x10"}, "10m", {}
    ),
    "DiscordRateLimited": Trouble(
        {own("discord_rest_requests_total", route="invites", status="429"): "0+30x40"}, "30m", {}
    ),
    "DiscordCountsUnsaved": Trouble({own("discord_exporter_unsaved_seconds"): "0+60x20"}, "10m", {}),
    "DiscordNothingCommitted": Trouble({own("discord_exporter_unspooled_entries"): "0+2000x20"}, "10m", {}),
    "DiscordPayloadsRejected": Trouble(
        {own("discord_exporter_rejected_total", type="MESSAGE_CREATE", reason="shape"): "_x5 1x20"},
        "6m",
        {"type": "MESSAGE_CREATE", "reason": "shape"},
    ),
    "DiscordGuildsFolded": Trouble({own("discord_exporter_guilds_folded"): "12x30"}, "20m", {}),
    "DiscordExporterSlow": Trouble(
        {
            own("discord_exporter_loop_lag_seconds_bucket", le="0.5"): "0x40",
            own("discord_exporter_loop_lag_seconds_bucket", le="1.0"): "0+60x40",
            own("discord_exporter_loop_lag_seconds_bucket", le="+Inf"): "0+60x40",
        },
        "30m",
        {},
    ),
    "DiscordRaid": Trouble({JOINS: summed(burst(daily(0.05), DAY, 5, 40), LONG)}, f"{DAY + 5}m", GUILD),
    "DiscordMassRemoval": Trouble(
        {BANS: summed(burst(daily(0.005), DAY, 5, 10), LONG)}, f"{DAY + 6}m", GUILD
    ),
    "DiscordSpamWave": Trouble(
        {MESSAGES: summed(burst(daily(8), DAY, 30, 300), LONG)}, f"{DAY + 12}m", GUILD
    ),
    "DiscordMessagesCollapsed": Trouble(
        {MESSAGES: summed(lambda minute: daily(8)(minute) if minute < WEEK else 0.01, WEEK + 720)},
        f"{WEEK + 700}m",
        GUILD,
        every=20,
    ),
}

ORDINARY = {
    UP: "1",
    own("discord_gateway_connected", shard="0"): "1",
    own("discord_gateway_identifies_remaining"): "990",
    own("discord_exporter_blind", feature="INVITE_USE", missing="manage_guild"): "0",
    own("discord_exporter_oldest_unsent_seconds", sink="sql"): "2",
    own("discord_exporter_sink_up", sink="sql"): "1",
    own("discord_exporter_evicted_total", sink="sql"): "0",
    own("discord_exporter_dead_total", sink="sql"): "0",
    own("discord_exporter_spool_bytes", file="database"): "40",
    own("discord_exporter_spool_limit_bytes"): "512",
    own("discord_exporter_unspooled_entries"): "12",
    own("discord_exporter_unsaved_seconds"): "4",
    own("discord_exporter_guilds_folded"): "0",
}
"""What hardly moves while all is well."""

GROWING: Mapping[str, Wave] = {
    MESSAGES: daily(8),
    counter("discord_messages_total", author="human", guild_id="20"): daily(0.05),
    JOINS: daily(0.05),
    BANS: daily(0.005),
    own("discord_gateway_events_total", type="MESSAGE_CREATE"): daily(9),
    own("discord_rest_requests_total", route="invites", status="200"): daily(0.2),
    own("discord_rest_requests_total", route="invites", status="403"): daily(0.01),
}
"""What follows the day. The second guild is so small that silence means nothing there."""


def check(
    tmp_path, series: Mapping[str, str], tests: list[dict[str, object]], *, every: int = 1, step: int = 1
) -> None:
    """Have promtool compute the rules every so many minutes over series with so long a step."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; apt install prometheus")
    groups = tuple(replace(group, interval=f"{every}m") for group in GROUPS)
    (tmp_path / "rules.yml").write_text(prometheus.rules(groups))
    given = [{"series": name, "values": values} for name, values in series.items()]
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{every}m",
        # Otherwise promtool's order is one of chance, and a rule reads what is older than it may be.
        "group_eval_order": [group.name for group in groups],
        "tests": [{"interval": f"{step}m", "input_series": given, "alert_rule_test": tests}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content, width=10**9))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]


def fired(tmp_path, name: str, trouble: Trouble) -> bool:
    """Whether an alert fires; promtool wants every label and annotation, so its complaint is read."""
    try:
        expected = [{"eval_time": trouble.at, "alertname": name, "exp_alerts": []}]
        check(tmp_path, trouble.series, expected, every=trouble.every)
    except AssertionError as error:
        output = str(error)
        assert "got:" in output, output
        for label, value in trouble.labels.items():
            assert f'{label}="{value}"' in output, output
        return True
    return False


def test_every_alert_of_prometheus_has_its_trouble():
    assert set(TROUBLES) == {alert.name for alert in ASKED}


@pytest.mark.parametrize("name", TROUBLES)
def test_an_alert_fires_on_its_trouble(name, tmp_path):
    assert fired(tmp_path, name, TROUBLES[name])


def test_no_alert_fires_in_an_ordinary_week(tmp_path):
    minutes, step = WEEK + DAY, 2
    series = {name: f"{value}x{minutes // step}" for name, value in ORDINARY.items()}
    series[own("discord_exporter_volume_free_bytes")] = f"100000000000-1000x{minutes // step}"
    series |= {name: summed(rate, minutes, step) for name, rate in GROWING.items()}
    moments = range(60, minutes, 6 * 60)
    tests = [
        {"eval_time": f"{moment}m", "alertname": alert.name, "exp_alerts": []}
        for moment in moments
        for alert in ASKED
    ]
    check(tmp_path, series, tests, every=20, step=step)


def test_an_exporter_that_was_never_scraped_is_down_too(tmp_path):
    trouble = Trouble({'up{job="prometheus",instance="p:9090"}': "1x20"}, "10m", {})
    assert fired(tmp_path, "DiscordExporterDown", trouble)


def test_a_guild_that_always_grows_fast_is_not_raided(tmp_path):
    trouble = Trouble({JOINS: summed(burst(lambda _minute: 4, DAY, 5, 40), LONG)}, f"{DAY + 5}m", GUILD)
    assert not fired(tmp_path, "DiscordRaid", trouble)


def test_a_loss_is_reported_again_after_the_counter_began_anew(tmp_path):
    series = {own("discord_exporter_dead_total", sink="sql"): "0x5 9x60 0x60 4x20"}
    trouble = Trouble(series, "130m", {"sink": "sql", "what": "dead"})
    assert fired(tmp_path, "DiscordExporterLoss", trouble)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_runbook_names_panels_of_its_dashboard_and_alerts_that_exist(alert):
    (dashboard,) = (found for found in DASHBOARDS if (found.variant, found.uid) == ("full", alert.page))
    known = {panel["title"] for panel in dashboard.panels} | {other.name for other in ALERTS}
    named = re.findall(r"\*([^*]+)\*", f"{alert.meaning} {alert.steps}")
    assert {" ".join(name.split()) for name in named} <= known

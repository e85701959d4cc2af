"""Real stores at the far end hold what the ledger says."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import urllib.parse
import urllib.request
from collections import Counter

import pytest

from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.quantities import Scope
from tests.e2e.programs import assert_conserved
from tests.servers.prometheus import promtool_check, running_prometheus
from tests.servers.victoria import running_victoria

pytestmark = pytest.mark.timeout(120)


def truth(simulation, name: str, scope: Scope = Scope.GUILD) -> dict[object, int]:
    """What the ledger says of a quantity, by key."""
    expected = load_expected(simulation.ledger)
    for quantity, amounts in expected.amounts.items():
        if quantity.name == name and quantity.scope is scope:
            return {key: amount.value for key, amount in amounts.items() if amount.value}
    raise AssertionError(f"the ledger knows no {name} by {scope}")


def by_guild(found: dict[frozenset[tuple[str, str]], float]) -> dict[object, int]:
    return {(int(dict(labels)["guild_id"]),): round(value) for labels, value in found.items() if value}


def guild_keys(amounts: dict[object, int]) -> dict[object, int]:
    return {(key if isinstance(key, tuple) else (key,))[:1]: round(value) for key, value in amounts.items()}


async def test_prometheus_scrapes_and_promql_gives_the_ledgers_totals(simulation, exporter):
    await simulation.start("--rate", "200", "--duration", "6s", "--seed", "11")
    exporter.api_url = simulation.url
    await exporter.start()
    with running_prometheus(f"127.0.0.1:{exporter.port}") as prometheus:
        await simulation.over()
        await exporter.flush()
        settled = await exporter.metrics()
        assert promtool_check(settled.text.encode()) == ""
        total = settled.total("discord_messages_total")
        await prometheus.until(f"sum(discord_messages_total) == {total}")
        for query, quantity in {
            'sum by (guild_id) (discord_messages_total{author="human"})': "messages",
            "sum by (guild_id) (discord_message_edits_total)": "message_edits",
            "sum by (guild_id) (discord_reactions_total)": "reactions",
            "sum by (guild_id) (discord_member_joins_total)": "joins",
        }.items():
            found = await asyncio.to_thread(prometheus.query, query)
            assert by_guild(found) == guild_keys(truth(simulation, quantity)), quantity
        assert all(target["health"] == "up" for target in prometheus.targets())


async def test_postgresql_holds_the_same_rows_as_sqlite(simulation, exporter, postgres):
    """Two exporters watch the same people; only the database differs."""
    await simulation.start("--rate", "200", "--duration", "8s", "--seed", "12")
    exporter.api_url = simulation.url
    exporter.environ = {"DISCORD_EXPORTER_DSN": postgres.dsn(postgres.create_database())}
    await exporter.start()
    await simulation.over()
    await exporter.verify(simulation.ledger)
    assert_conserved(await exporter.metrics())


async def test_line_protocol_over_http_sums_to_the_ledger_when_exported_again(simulation, exporter):
    with running_victoria() as victoria:
        await simulation.start("--rate", "200", "--duration", "6s", "--seed", "13")
        exporter.api_url = simulation.url
        exporter.settings = {"sinks": {"influxdb": {"url": victoria.url}}}
        exporter.environ = {"INFLUXDB_TOKEN": "any"}
        await exporter.start()
        await simulation.over()
        await exporter.verify(simulation.ledger, "--stores", "metrics,sql")
        sums = await asyncio.to_thread(victoria.sums)
    written: Counter[str] = Counter()
    members: Counter[int] = Counter()
    for (name, labels), value in sums.items():
        tags = dict(labels)
        if name == "discord_member_activity_messages":
            members[int(tags["user_id"])] += round(value)
        elif name == "discord_messages_messages":
            written[f"messages {tags['author']}"] += round(value)
        else:
            written[name] += round(value)
    assert written["messages human"] == sum(truth(simulation, "messages").values())
    assert written["messages bot"] == sum(truth(simulation, "bot_messages").values())
    assert written["discord_messages_edits"] == sum(truth(simulation, "message_edits").values())
    assert written["discord_messages_deletes"] == sum(truth(simulation, "message_deletes").values())
    assert written["discord_reactions_added"] == sum(truth(simulation, "reactions").values())
    assert sum(members.values()) == sum(truth(simulation, "messages", Scope.MEMBER).values())
    assert_conserved(await exporter.metrics())


async def test_influxdb_holds_what_the_ledger_says(simulation, exporter):
    url = os.environ.get("INFLUXDB_URL")
    if not url:
        pytest.skip("INFLUXDB_URL is not set: no InfluxDB 2 to write to")
    token, org = os.environ["INFLUXDB_TOKEN"], os.environ.get("INFLUXDB_ORG", "discord")
    await simulation.start("--rate", "200", "--duration", "6s", "--seed", str(os.getpid()))
    exporter.api_url = simulation.url
    exporter.settings = {"sinks": {"influxdb": {"url": url, "org": org}}}
    exporter.environ = {"INFLUXDB_TOKEN": token}
    await exporter.start()
    await simulation.over()
    await exporter.verify(simulation.ledger)

    def flux(query: str) -> float:
        request = urllib.request.Request(
            f"{url}/api/v2/query?{urllib.parse.urlencode({'org': org})}",
            data=query.encode(),
            headers={
                "Authorization": f"Token {token}",
                "Content-Type": "application/vnd.flux",
                "Accept": "text/csv",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            rows = answer.read().decode().split()
        return float(rows[-1].rpartition(",")[2])

    guilds = " or ".join(f'r.guild_id == "{key[0]}"' for key in guild_keys(truth(simulation, "messages")))
    total = await asyncio.to_thread(
        flux,
        'from(bucket: "discord") |> range(start: -1h, stop: 1h)'
        ' |> filter(fn: (r) => r._measurement == "discord_messages" and r._field == "messages")'
        f' |> filter(fn: (r) => r.author == "human" and ({guilds})) |> group() |> sum()'
        ' |> keep(columns: ["_value"])',
    )
    assert total == sum(truth(simulation, "messages").values())


async def test_a_store_that_comes_back_gets_everything(simulation, exporter):
    """SQL goes on while InfluxDB is away; nothing is lost, and nothing is stored twice."""
    await simulation.start("--rate", "200", "--duration", "6s", "--seed", "14")
    exporter.api_url = simulation.url
    exporter.settings = {
        "sinks": {"influxdb": {"url": "http://127.0.0.1:9"}},
        "delivery": {"retry_base": "100ms", "retry_cap": "200ms"},
    }
    exporter.environ = {"INFLUXDB_TOKEN": "any"}
    await exporter.start(ready=False)
    await simulation.over()
    await asyncio.sleep(0)
    assert await exporter.terminate() == 0
    with sqlite3.connect(exporter.database) as log:
        (rows,) = log.execute("SELECT count(*) FROM member_events").fetchone()
    assert rows > 0
    with running_victoria() as victoria:
        exporter.settings["sinks"] = {"influxdb": {"url": victoria.url}}
        exporter.port = 0
        await exporter.start(ready=False)
        await exporter.is_alive()
        await exporter.flush()
        sums = await asyncio.to_thread(victoria.sums, '{__name__="discord_messages_messages",author="human"}')
    assert sum(sums.values()) == sum(truth(simulation, "messages").values())

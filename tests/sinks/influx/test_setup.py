"""What ``migrate`` makes in InfluxDB, and that what its tasks compute is what was written."""

from __future__ import annotations

import http.server
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from exporter.errors import ExporterError
from exporter.events.catalogue import full_catalogue
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.rollup import tasks
from exporter.sinks.influx.setup import prepare

CATALOGUE = full_catalogue()
HOUR = 3600
DAY = 24 * HOUR


def test_every_measurement_of_activity_is_rolled_up():
    for task, suffix in zip(tasks(CATALOGUE, "a", "b"), ("", "", "_1h"), strict=True):
        for measure in CATALOGUE.measures.values():
            assert f'r._measurement == "{measure.measurement}{suffix}"' in task.flux
        for gauge in CATALOGUE.gauges.values():
            assert f'r._field == "{gauge.field}"' in task.flux


def test_a_bucket_may_have_any_name():
    flux = tasks(CATALOGUE, 'say "hi" \\ ${now()}', "b")[0].flux
    assert r'from(bucket: "say \"hi\" \\ \${now()}")' in flux


@contextmanager
def answering(status: int) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, "sinks.influxdb.token"), (403, "may not manage"), (404, "no such organisation")],
)
def test_a_refusal_says_what_to_do_and_not_the_token(status, expected):
    with answering(status) as url, pytest.raises(ExporterError) as raised:
        prepare(InfluxConfig.model_validate({"url": url, "token": "the-secret"}), CATALOGUE)
    assert expected in str(raised.value)
    assert "the-secret" not in str(raised.value)


def test_a_server_that_is_away_is_named():
    with answering(200) as url:
        pass
    with pytest.raises(ExporterError, match=url):
        prepare(InfluxConfig.model_validate({"url": url}), CATALOGUE)


@pytest.fixture
def config() -> Iterator[InfluxConfig]:
    """Buckets of this test alone on a real server."""
    url = os.environ.get("INFLUXDB_URL")
    if not url:
        pytest.skip("no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN and INFLUXDB_ORG to test against one")
    mark = uuid.uuid4().hex[:8]
    made = InfluxConfig.model_validate(
        {
            "url": url,
            "org": os.environ.get("INFLUXDB_ORG", "discord"),
            "token": os.environ["INFLUXDB_TOKEN"],
            "bucket": f"points-{mark}",
            "bucket_members": f"members-{mark}",
            "bucket_longterm": f"longterm-{mark}",
            "keep": "30d",
        }
    )
    yield made
    with connected(made) as client:
        for bucket in client.buckets_api().find_buckets_iter():
            if mark in bucket.name:
                client.buckets_api().delete_bucket(bucket)
        for task in client.tasks_api().find_tasks_iter():
            if mark in task.name:
                client.tasks_api().delete_task(task.id)


@contextmanager
def connected(config: InfluxConfig) -> Iterator[InfluxDBClient]:
    client = InfluxDBClient(
        url=config.url, token=config.token.get_secret_value(), org=config.org, timeout=60_000
    )
    with client:
        yield client


def test_what_is_missing_is_made_once(config):
    made = prepare(config, CATALOGUE)
    assert [line for line in made if "keeps 30 days" in line]
    assert len(made) == 6
    assert prepare(config, CATALOGUE) == []


def test_a_task_whose_text_was_changed_is_restored(config):
    prepare(config, CATALOGUE)
    with connected(config) as client:
        task = next(t for t in client.tasks_api().find_tasks_iter() if config.bucket in t.name)
        task.flux = task.flux.replace("offset: 10m", "offset: 20m").replace("offset: 1h", "offset: 20m")
        client.tasks_api().update_task(task)
    (expected,) = prepare(config, CATALOGUE)
    assert "brought up to date" in expected


def test_hours_and_days_add_up_to_the_points(config):
    prepare(config, CATALOGUE)
    end = int(time.time()) // DAY * DAY
    moments = range(end - 2 * DAY, end, 600)
    lines = [f"discord_messages,guild_id=1,author=human messages=2i {moment}" for moment in moments]
    lines += [f"discord_guild,guild_id=1 members={moment % 100_000}i {moment}" for moment in moments]
    with connected(config) as client:
        client.write_api(write_options=SYNCHRONOUS).write(config.bucket, record=lines, write_precision="s")
        _, late, days = tasks(CATALOGUE, config.bucket, config.bucket_longterm)
        for _ in range(2):  # computed again, a window overwrites itself
            client.query_api().query(late.flux)
            client.query_api().query(days.flux)
        stored = client.query_api().query(f'from(bucket: "{config.bucket_longterm}") |> range(start: -10d)')
    found: dict[str, list[int]] = {}
    for table in stored:
        for record in table.records:
            found.setdefault(f"{record.get_measurement()}.{record.get_field()}", []).append(
                record.get_value()
            )
    assert found["discord_messages_1h.messages"] == [12] * 48
    assert found["discord_messages_1d.messages"] == [288] * 2
    assert found["discord_guild_1d.members"] == [
        (end - DAY - 600) % 100_000,
        (end - 600) % 100_000,
    ]

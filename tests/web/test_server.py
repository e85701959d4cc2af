"""The HTTP server over a real socket."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import gzip
import hashlib
import json
import logging
import socket

import pytest

from exporter.errors import ConfigError
from exporter.web.config import WebConfig
from exporter.web.server import SCRAPE_LIMIT, WebServer
from exporter.web.status import BlindFeature, ShardConnection, SinkStatus, SpoolStatus

PATHS = ("/", "/metrics", "/healthz", "/readyz")


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_answers_get_and_head_alike(client, address, path):
    async with client.get(address + path) as got, client.head(address + path) as headed:
        assert got.status == headed.status == 200
        assert got.headers["Content-Type"] == headed.headers["Content-Type"]
        assert await got.read()
        assert not await headed.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_refused_and_the_answer_names_those_that_are_not(
    client, address, method, path
):
    async with client.request(method, address + path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", [*PATHS, "/absent", "/-/flush", "/../etc/passwd", "/metrics/"])
async def test_every_answer_carries_the_security_headers(client, address, path):
    async with client.get(address + path) as answer:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "discord-exporter"


async def test_metrics_passes_on_what_is_asked_for_and_what_was_rendered(client, address, stages):
    stages.rendered = (
        gzip.compress(b"x_total 2\n# EOF\n"),
        {
            "Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "Content-Encoding": "gzip",
            "Vary": "Accept, Accept-Encoding",
        },
    )
    headers = {"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"}
    async with client.get(f"{address}/metrics", headers=headers) as answer:
        assert gzip.decompress(await answer.read()) == b"x_total 2\n# EOF\n"
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert stages.accepted == [("application/openmetrics-text", "gzip")]


async def test_more_scrapes_at_once_than_allowed_are_turned_away_and_later_ones_are_not(
    client, address, stages
):
    stages.gate.clear()
    running = [asyncio.create_task(client.get(f"{address}/metrics")) for _ in range(SCRAPE_LIMIT)]
    await until(lambda: stages.waiting == SCRAPE_LIMIT)
    async with client.get(f"{address}/metrics") as turned_away:
        assert turned_away.status == 503
    async with client.get(f"{address}/healthz") as other:
        assert other.status == 200
    stages.gate.set()
    assert [(await task).status for task in running] == [200] * SCRAPE_LIMIT
    async with client.get(f"{address}/metrics") as again:
        assert again.status == 200


async def test_a_scraper_that_goes_away_gives_its_place_back(client, address, stages):
    for _ in range(SCRAPE_LIMIT + 1):
        stages.error = RuntimeError("no")
        async with client.get(f"{address}/metrics") as answer:
            assert answer.status == 500
    stages.error = None
    async with client.get(f"{address}/metrics") as answer:
        assert answer.status == 200


async def test_an_error_is_logged_and_never_shown(client, address, stages, caplog):
    stages.error = RuntimeError("token=hunter2-hunter2")
    caplog.set_level(logging.ERROR)
    for method, path in (("GET", "/metrics"), ("POST", "/-/flush")):
        async with client.request(method, address + path) as answer:
            text = await answer.text()
            assert answer.status == 500
            assert "hunter2" not in text
            assert "Traceback" not in text
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [record.getMessage() for record in caplog.records] == [
        "cannot answer /metrics",
        "cannot answer /-/flush",
    ]


async def test_ready_when_connected_and_delivering(client, address):
    async with client.get(f"{address}/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "reasons": [], "degraded": []}


@pytest.mark.parametrize(
    ("change", "part", "name", "detail"),
    [
        ({"connected": False}, "discord", "gateway", "not connected yet"),
        (
            {"shards": (ShardConnection(0, connected=True), ShardConnection(1, connected=False))},
            "discord",
            "shard 1",
            "not connected",
        ),
        (
            {"rest_problem": "no usable answer for 4 min (429)"},
            "discord",
            "REST API",
            "no usable answer for 4 min (429)",
        ),
        ({"sinks": (SinkStatus("sql", up=False, last_error="away"),)}, "sink", "sql", "away"),
        ({"sinks": (SinkStatus("sql", up=False),)}, "sink", "sql", "deliveries fail"),
        ({"spool": SpoolStatus(error="disk full")}, "spool", "spool", "disk full"),
    ],
)
async def test_not_ready_says_why(client, address, stages, change, part, name, detail):
    stages.status = dataclasses.replace(stages.status, **change)
    async with client.get(f"{address}/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {
            "ready": False,
            "reasons": [{"part": part, "name": name, "detail": detail}],
            "degraded": [],
        }
    async with client.get(f"{address}/healthz") as answer:
        assert answer.status == 200


async def test_a_blind_feature_is_no_reason_not_to_be_ready(client, address, stages):
    stages.status = dataclasses.replace(stages.status, blind=(BlindFeature("bans", "view_audit_log"),))
    async with client.get(f"{address}/readyz") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        (1, "component voice failing: 1 error since start"),
        (1200, "component voice failing: 1,200 errors since start"),
    ],
)
async def test_a_failing_component_is_shown_and_the_rest_stays_ready(client, address, stages, errors, text):
    stages.status = dataclasses.replace(stages.status, failing={"voice": errors})
    async with client.get(f"{address}/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "reasons": [], "degraded": [text]}
    async with client.get(address) as answer:
        page = await answer.text()
        assert "Failing components" in page
        assert f'<th scope="row">voice</th><td>{errors:,}</td>' in page


async def test_flush_is_for_this_machine_only(client, address, stages):
    async with client.post(f"{address}/-/flush") as answer:
        assert answer.status == 200
    assert stages.flushes == 1
    for header in ("X-Forwarded-For", "Forwarded", "Origin", "X-Real-IP"):
        async with client.post(f"{address}/-/flush", headers={header: "http://127.0.0.1"}) as answer:
            assert answer.status == 403
    async with client.get(f"{address}/-/flush") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
    assert stages.flushes == 1


async def test_another_machine_cannot_flush(stages, client):
    outside = _address_of_this_machine()
    if outside is None:
        pytest.skip("this machine has no address but loopback")
    server = WebServer(
        WebConfig(insecure=True, listen=f"{outside}:0"),
        render=stages.render,
        status=lambda: stages.status,
        flush=stages.flush,
    )
    port = await server.start()
    try:
        async with client.post(f"http://{outside}:{port}/-/flush") as answer:
            assert answer.status == 403
    finally:
        await server.stop()
    assert not stages.flushes


async def test_a_flush_that_cannot_finish_says_so(client, address, stages):
    stages.error = TimeoutError("x")
    async with client.post(f"{address}/-/flush") as answer:
        assert answer.status == 504
        assert await answer.text() == "a sink has not stored everything yet\n"


async def test_flushes_at_once_follow_one_another(client, address, stages):
    stages.gate.clear()
    both = [asyncio.create_task(client.post(f"{address}/-/flush")) for _ in range(2)]
    await until(lambda: stages.flushes == 1)
    stages.gate.set()
    assert [(await task).status for task in both] == [200, 200]
    assert stages.flushes == 2


async def test_a_body_is_refused_by_its_length(client, address):
    async with client.post(f"{address}/-/flush", data=b"x" * 2000) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n",
    ],
)
async def test_headers_beyond_bounds_are_refused(address, request_text, caplog):
    port = int(address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    many = "".join(f"X-{n}: y\r\n" for n in range(200))
    writer.write(request_text.format(long="a" * 10_000, many=many).encode())
    first = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    assert first.split()[1] == b"400"
    assert not caplog.records, "a peer's mistake is not worth a line in our log"


async def test_the_page_shows_the_state_and_lets_no_markup_in(client, address, stages):
    stages.status = dataclasses.replace(
        stages.status,
        sinks=(
            SinkStatus("<b>sql</b>", up=False, pending=1234, oldest_age=75, last_error="<script>x</script>"),
        ),
        shards=(ShardConnection(3, connected=True, latency=0.0421),),
        blind=(BlindFeature("bans", "view_audit_log", "who & why"),),
    )
    async with client.get(address) as answer:
        text = await answer.text()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script" not in text
    assert "<b>" not in text
    for shown in (
        "Not ready",
        "1 min 30 s",
        "1,234",
        "1 min 15 s",
        "42 ms",
        "who &amp; why",
        "&lt;script&gt;",
    ):
        assert shown in text
    for asset in ("http://", "https://", "src=", "@import", "url("):
        assert asset not in text


async def test_the_pages_style_is_the_one_the_policy_allows(client, address):
    async with client.get(address) as answer:
        text = await answer.text()
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


async def test_an_address_in_use_is_reported_before_anything_runs(stages):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = WebServer(
            WebConfig(listen=f"127.0.0.1:{taken.getsockname()[1]}"),
            render=stages.render,
            status=lambda: stages.status,
            flush=stages.flush,
        )
        with pytest.raises(ConfigError, match="cannot listen on") as raised:
            await server.start()
        assert raised.value.exit_code == 78
        await server.stop()


async def test_stopping_is_harmless_before_the_start_and_twice(stages):
    server = WebServer(
        WebConfig(listen="127.0.0.1:0"),
        render=stages.render,
        status=lambda: stages.status,
        flush=stages.flush,
    )
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_readyz_is_plain_json(client, address):
    async with client.get(f"{address}/readyz") as answer:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        json.loads(await answer.text())


def _address_of_this_machine() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if found.startswith("127.") or found == "0.0.0.0" else found

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import pytest

from exporter.clock import ManualClock
from exporter.events.catalogue import Catalogue
from exporter.model import STORED, Json, Outcome, Row, Verdict
from exporter.sinks.base import Sink
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from tests.servers.process import free_port
from tests.sinks.influx.entries import activity, batch, member, record, snapshot
from tests.sinks.influx.far_end import FarEnd, Manner, answer, problem

TOKEN = "s3cret-token"
SOON = 0.2
"""Seconds after which a hanging far end is given up in these tests."""

Make = Callable[..., InfluxSink]
SNAPSHOT = snapshot(1, [["messages", "human", 5, "", 3]])
ACTIVITY = activity(2, [member(7, ("messages", "human", 5, 3))])


@pytest.fixture
async def make(far_end: FarEnd, catalogue: Catalogue) -> AsyncIterator[Make]:
    made: list[InfluxSink] = []

    def build(**settings: object) -> InfluxSink:
        config = {"url": far_end.url, "org": "home", "token": TOKEN, **settings}
        sink = InfluxSink(InfluxConfig.model_validate(config), catalogue, ManualClock())
        made.append(sink)
        return sink

    yield build
    for sink in made:
        await sink.close()


@pytest.fixture
async def sink(make: Make) -> InfluxSink:
    sink = make(timeout={"connect": SOON, "read": SOON, "total": SOON})
    await sink.open()
    return sink


async def deliver(sink: InfluxSink, *rows: Row) -> Verdict:
    # No far end, however it behaves, may keep a batch beyond the deadlines set.
    async with asyncio.timeout(25 * SOON):
        return await sink.deliver(batch(*rows))


def test_it_is_a_sink(make: Make) -> None:
    sink: Sink = make()
    assert sink.name == "influxdb"


async def test_a_write_names_organisation_bucket_precision_and_token(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    assert await deliver(sink, SNAPSHOT) == STORED
    (request,) = far_end.writes
    assert request.method == "POST"
    assert request.query == {"org": "home", "bucket": "discord", "precision": "ns"}
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert request.headers["content-encoding"] == "gzip"
    assert request.lines[0].startswith("discord_messages,author=human,channel_id=5,guild_id=10 messages=3i ")


async def test_a_large_batch_arrives_whole(sink: InfluxSink, far_end: FarEnd) -> None:
    rows = [
        snapshot(position, [["messages", "human", channel, "", 1] for channel in range(1, 501)])
        for position in range(10)
    ]
    assert await deliver(sink, *rows) == STORED
    assert len(set(far_end.writes[0].lines)) == 5000


async def test_compression_can_be_switched_off(make: Make, far_end: FarEnd) -> None:
    sink = make(gzip=False)
    await sink.open()
    assert await deliver(sink, SNAPSHOT) == STORED
    assert "content-encoding" not in far_end.writes[0].headers


async def test_members_go_to_their_own_bucket(sink: InfluxSink, far_end: FarEnd) -> None:
    assert await deliver(sink, SNAPSHOT, ACTIVITY) == STORED
    assert [request.query["bucket"] for request in far_end.writes] == ["discord", "discord_members"]
    assert all("user_id" not in line for line in far_end.writes[0].lines)


async def test_a_batch_is_stored_only_when_both_buckets_took_it(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.script = [answer(204), problem(404, "bucket not found")]
    verdict = await deliver(sink, SNAPSHOT, ACTIVITY)
    assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "not_found")


async def test_a_refusal_of_the_first_bucket_is_not_followed_by_the_second(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    far_end.script = [problem(400, "bad")]
    assert (await deliver(sink, SNAPSHOT, ACTIVITY)).outcome is Outcome.PARTIAL_FAILURE
    assert len(far_end.writes) == 1


async def test_nothing_to_write_sends_no_request(sink: InfluxSink, far_end: FarEnd) -> None:
    assert await deliver(sink, record(1, amends=True)) == STORED
    assert far_end.requests == []


async def test_a_row_that_cannot_be_encoded_is_rejected_and_the_others_are_stored(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    bad = snapshot(9, [["unheard_of", "", 0, "", 1]])
    assert await deliver(sink, SNAPSHOT, bad) == Verdict(Outcome.STORED, rejected=((9, "unknown_measure"),))
    assert len(far_end.writes[0].lines) == 1


def of_channels(position: int, channels: int, emoji: str = "") -> Row:
    """A row of as many lines; the last has a long tag."""
    series: list[list[Json]] = [["messages", "human", channel, "", 1] for channel in range(1, channels)]
    return snapshot(position, [*series, ["reactions", "normal", channels, emoji, 1]])


@pytest.mark.parametrize("limit", [100, 200, 5_000])
async def test_a_row_too_large_for_one_request_is_written_in_parts(
    sink: InfluxSink, far_end: FarEnd, limit: int
) -> None:
    far_end.limit = limit
    assert await deliver(sink, of_channels(1, 150)) == STORED
    assert len(far_end.taken) == len(set(far_end.taken)) == 150


async def test_of_a_row_with_one_line_too_large_the_others_are_stored(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    far_end.limit = 200
    verdict = await deliver(sink, of_channels(1, 60, emoji="e" * 300))
    assert (verdict.outcome, verdict.reason) == (Outcome.PARTIAL_FAILURE, "too_large")
    assert "too large" in verdict.detail
    assert len(set(far_end.taken)) == 59


async def test_a_far_end_that_takes_no_line_is_not_asked_for_each(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.limit = 10
    assert (await deliver(sink, of_channels(1, 500))).reason == "too_large"
    assert len(far_end.writes) < 50


async def test_parts_end_with_the_first_answer_that_is_about_something_else(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    far_end.script = [problem(413, "too large"), answer(204), problem(503, "later", Retry_After="7")]
    verdict = await deliver(sink, of_channels(1, 8))
    assert (verdict.outcome, verdict.retry_after) == (Outcome.RETRY, 7.0)
    assert len(far_end.writes) == 3


async def test_rows_too_large_together_are_left_to_the_runner(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.limit = 200
    assert (await deliver(sink, of_channels(1, 30), of_channels(2, 30))).reason == "too_large"
    assert len(far_end.writes) == 1


async def test_a_row_sent_again_sends_the_same_points(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.script = [Manner.RESET, answer(204)]
    assert (await deliver(sink, SNAPSHOT)).outcome is Outcome.RETRY
    assert await deliver(sink, SNAPSHOT) == STORED
    first, second = far_end.writes
    assert first.body == second.body


@pytest.mark.parametrize(
    ("what", "outcome", "reason"),
    [
        (problem(400, "unable to parse"), Outcome.PARTIAL_FAILURE, "parse"),
        (problem(413, "too large"), Outcome.PARTIAL_FAILURE, "too_large"),
        (problem(422, "partial write"), Outcome.PARTIAL_FAILURE, "partial"),
        (problem(401, "unauthorized access"), Outcome.NEEDS_OPERATOR, "unauthorized"),
        (problem(403, "insufficient permissions"), Outcome.NEEDS_OPERATOR, "forbidden"),
        (problem(404, "bucket not found"), Outcome.NEEDS_OPERATOR, "not_found"),
        (problem(500, "internal"), Outcome.RETRY, "server_error"),
        (answer(200, b"<html>Sign in</html>"), Outcome.NEEDS_OPERATOR, "unexpected_answer"),
        (Manner.HANG, Outcome.RETRY, "timeout"),
        (answer(400, b"half of it", length=100), Outcome.RETRY, "timeout"),
        (answer(400, b"truncated", length=100), Outcome.RETRY, "truncated"),
        (b"HTTP/1.1 204 No Content truncated", Outcome.RETRY, "connection"),
        (Manner.RESET, Outcome.RETRY, "connection"),
        (Manner.CLOSE, Outcome.RETRY, "connection"),
        (b"SSH-2.0 truncated\r\n\r\n", Outcome.RETRY, "connection"),
        (answer(500, b"no gzip truncated", Content_Encoding="gzip"), Outcome.RETRY, "truncated"),
    ],
)
async def test_each_answer_has_its_verdict(
    sink: InfluxSink, far_end: FarEnd, what: bytes | Manner, outcome: Outcome, reason: str
) -> None:
    far_end.script = [what]
    verdict = await deliver(sink, SNAPSHOT)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert await deliver(sink, SNAPSHOT) == STORED


async def test_the_wait_asked_for_is_passed_on(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.script = [problem(429, "slow down", Retry_After="17"), problem(503, "later", Retry_After="later")]
    assert (await deliver(sink, SNAPSHOT)).retry_after == 17.0
    assert (await deliver(sink, SNAPSHOT)).retry_after == 10.0


async def test_a_redirect_is_not_followed_since_it_would_lose_the_points(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    far_end.script = [answer(302, Location="/elsewhere")]
    far_end.pages["/elsewhere"] = answer(204)
    assert (await deliver(sink, SNAPSHOT)).outcome is Outcome.NEEDS_OPERATOR
    assert [request.path for request in far_end.requests] == ["/api/v2/write"]


async def test_an_endless_answer_is_read_only_to_its_limit(sink: InfluxSink, far_end: FarEnd) -> None:
    far_end.script = [answer(400, b"x" * 1_000_000, length=10**12)]
    verdict = await deliver(sink, SNAPSHOT)
    assert verdict.outcome is Outcome.PARTIAL_FAILURE
    assert len(verdict.detail) < 400


async def test_a_refused_connection_is_a_retry(make: Make) -> None:
    sink = make(url=f"http://127.0.0.1:{free_port()}")
    await sink.open()
    verdict = await deliver(sink, SNAPSHOT)
    assert (verdict.outcome, verdict.reason) == (Outcome.RETRY, "connection")


async def test_a_far_end_that_repeats_the_token_does_not_get_it_into_the_log(
    sink: InfluxSink, far_end: FarEnd
) -> None:
    far_end.script = [problem(401, f"token {TOKEN} is unknown")]
    assert TOKEN not in (await deliver(sink, SNAPSHOT)).detail


async def test_a_cancelled_delivery_ends_at_once_and_the_sink_stays_usable(
    make: Make, far_end: FarEnd
) -> None:
    sink = make()
    await sink.open()
    far_end.script = [Manner.HANG]
    task = asyncio.create_task(deliver(sink, SNAPSHOT))
    await far_end.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await deliver(sink, SNAPSHOT) == STORED


async def test_without_a_token_no_authorisation_is_sent(make: Make, far_end: FarEnd) -> None:
    sink = make(token="")
    await sink.open()
    await deliver(sink, SNAPSHOT)
    assert "authorization" not in far_end.writes[0].headers


class TestProbe:
    async def test_both_buckets_are_tried_without_writing_a_point(self, make: Make, far_end: FarEnd) -> None:
        far_end.script = [problem(400, "writing requires points"), problem(400, "writing requires points")]
        probe = await make().probe()
        assert probe.ok
        assert [request.query["bucket"] for request in far_end.writes] == ["discord", "discord_members"]
        assert all(request.body == b"" for request in far_end.writes)

    @pytest.mark.parametrize(
        ("status", "words"), [(401, "token"), (403, "may not write"), (404, "does not exist")]
    )
    async def test_it_says_what_is_wrong_with_a_bucket(
        self, make: Make, far_end: FarEnd, status: int, words: str
    ) -> None:
        far_end.script = [problem(400, "writing requires points"), problem(status, "no")]
        probe = await make().probe()
        assert not probe.ok
        assert "discord_members" in probe.detail
        assert words in probe.detail

    async def test_it_says_that_there_is_no_answer(self, make: Make) -> None:
        probe = await make(url=f"http://127.0.0.1:{free_port()}").probe()
        assert not probe.ok
        assert "does not answer" in probe.detail

    async def test_it_says_that_a_server_is_not_healthy(self, make: Make, far_end: FarEnd) -> None:
        far_end.pages["/health"] = answer(503, b'{"status":"fail"}')
        probe = await make().probe()
        assert not probe.ok
        assert "not healthy" in probe.detail

    async def test_a_server_without_a_health_page_is_asked_on(self, make: Make, far_end: FarEnd) -> None:
        far_end.pages = {"/ping": answer(204)}
        assert (await make().probe()).ok

    async def test_it_leaves_an_open_sink_open(self, sink: InfluxSink) -> None:
        assert (await sink.probe()).ok
        assert await deliver(sink, SNAPSHOT) == STORED


def test_what_is_sent_is_gzip_as_others_read_it() -> None:
    from exporter.sinks.influx.sink import _compress  # noqa: PLC0415 - a detail, looked at only here

    assert gzip.decompress(_compress(b"lines")) == b"lines"

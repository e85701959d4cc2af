"""Whatever is answered in place of Discord's REST API, the bot gets connected, and says what is wrong."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from types import SimpleNamespace
from typing import cast

import aiohttp
import disnake
import msgspec
import pytest

from exporter.clock import DiscordClock, ManualClock
from exporter.discord.config import DiscordConfig
from exporter.discord.gateway.adapter import ApiClient, RateLimitedError, set_api_base
from exporter.discord.preflight import inspect_online
from exporter.discord.rest.client import RestClient
from exporter.discord.rest.failure import LONGEST_HOLD, judge, retry_after
from exporter.discord.rest.health import PATIENCE, RestHealth
from exporter.discord.rest.time_source import TimeSource
from exporter.discord.rest.worker import RestWorker
from exporter.errors import CredentialsError, ExporterError
from exporter.events.answer_meaning import AnswerMeaning, code_in, meaning_of, pause_after
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.telemetry import Telemetry, total, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Gateway, answer
from tests.discord.far_answers import TROUBLES, discords, page
from tests.discord.harness import FAST, TOKEN, until
from tests.discord.held_time import HeldClock, run_held

UNAUTHORIZED = discords(401, {"message": "401: Unauthorized", "code": 0})


@pytest.mark.parametrize("path", ["users/@me", "gateway/bot"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_start_goes_on_after_it(gateway: Gateway, start: Start, trouble: str, path: str) -> None:
    gateway.troubles[path] = [TROUBLES[trouble]] * (1 if trouble in {"500 json", "502 page", "reset"} else 3)
    harness = start()
    await gateway.connected()
    await harness.connected()
    assert not gateway.troubles[path]
    assert value(harness.telemetry.gateway_identifies, "0") == 1


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_another_session_is_begun_with_the_address_known_from_before(
    gateway: Gateway, start: Start, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.identify_budget._FRESH", 0.0)
    monkeypatch.setattr("exporter.discord.gateway.identify_budget._RENEWAL", 0.2)
    harness = start()
    connection = await gateway.connected()
    await harness.connected()
    gateway.troubles["gateway/bot"] = [TROUBLES[trouble]] * 1000
    await connection.close(4009)
    await gateway.connected()
    await harness.connected()
    assert [command["op"] for command in gateway.commands] == [2, 2]


@pytest.mark.parametrize("path", ["users/@me", "gateway/bot"])
async def test_a_token_that_discord_does_not_know_ends_the_source(
    gateway: Gateway, start: Start, path: str
) -> None:
    gateway.troubles[path] = [UNAUTHORIZED]
    with pytest.raises(CredentialsError, match="refused the token"):
        await asyncio.wait_for(start().task, 10)


async def test_a_token_that_is_refused_later_ends_the_source(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.identify_budget._FRESH", 0.0)
    harness = start()
    connection = await gateway.connected()
    await harness.connected()
    gateway.troubles["gateway/bot"] = [UNAUTHORIZED]
    await connection.close(4009)
    with pytest.raises(CredentialsError, match="refused the token"):
        await asyncio.wait_for(harness.task, 10)


@pytest.mark.parametrize("trouble", ["429 page", "403 page", "401 page", "503 page", "200 page"])
async def test_a_check_says_that_the_api_gave_no_usable_answer(
    gateway: Gateway, trouble: str, start: Start
) -> None:
    del start  # for the address it puts back
    gateway.troubles["users/@me"] = [TROUBLES[trouble]]
    config = DiscordConfig.model_validate({"token": TOKEN, "api_url": gateway.url})
    with pytest.raises(ExporterError, match="gave no usable answer") as caught:
        await inspect_online(config, (), (), Telemetry())
    assert not isinstance(caught.value, CredentialsError)


async def test_answers_are_counted_by_their_status_and_by_what_they_mean(
    gateway: Gateway, start: Start
) -> None:
    gateway.troubles["users/@me"] = [TROUBLES["429 json"], TROUBLES["429 page"], TROUBLES["403 page"]]
    harness = start()
    await gateway.connected()
    await harness.connected()
    meters = harness.telemetry
    assert value(meters.rest_requests, "/users/@me", "429") == 2
    assert value(meters.rest_answers, "trouble") == 3
    assert value(meters.rest_answers, "answered") == 2
    harness.source.submit(RestRequest(RequestKind.INVITES, 7))
    gateway.troubles["guilds/7/invites"] = [discords(403, {"code": 50013, "message": "Missing Permissions"})]
    await harness.next("REST_INVITES")
    assert value(meters.rest_answers, "refused") == 1
    assert total(meters.rest_answers) == 6


async def test_a_wait_that_is_asked_for_at_the_log_in_is_kept(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.troubles["users/@me"] = [page(429, Retry_After="77")]
    start()
    await until(lambda: "next attempt in 77 s" in caplog.text)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_is_kept_as_a_number_and_as_a_date(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    gateway.troubles["users/@me"] = [page(status, Retry_After=later)]
    harness = start()
    await until(lambda: f"{status} " in caplog.text)
    assert re.search(r"next attempt in (59[0-9]|600) s", caplog.text)
    assert value(harness.telemetry.rest_requests, "/users/@me", str(status)) == 1


async def test_a_wait_of_a_503_for_a_number_of_seconds_is_kept(
    gateway: Gateway, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.troubles["users/@me"] = [page(503, Retry_After="77")]
    start()
    await until(lambda: "next attempt in 77 s" in caplog.text)


async def test_a_date_to_wait_for_is_compared_with_discords_time_and_not_with_the_machines(
    gateway: Gateway,
) -> None:
    telemetry, machine = Telemetry(), ManualClock(1_700_000_000_000)
    source = TimeSource(DiscordClock(machine), telemetry)
    for _ in range(2):  # a time that is far from the machine's is believed with the second answer
        source.take("Wed, 15 Nov 2023 22:13:20 GMT", source.now())
    rest = RestClient(telemetry, asyncio.get_running_loop(), time_source=source)
    set_api_base(gateway.url)
    gateway.troubles["users/@me"] = [page(429, Retry_After="Wed, 15 Nov 2023 22:15:00 GMT")]
    try:
        with pytest.raises(RateLimitedError) as caught:
            await rest.static_login(TOKEN)
    finally:
        await rest.close()
    assert caught.value.retry_after == pytest.approx(100, abs=1)


AT = 784_111_777_000
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 §5.6.7."""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("120", 120),
        ("0.02", 0.02),
        ("-5", 0),
        ("nan", 0),
        ("soon", 0),
        ("", 0),
        ("86400", 3600),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 08:50:37 1994", 60),
        ("Sun, 06 Nov 1994 08:48:37 GMT", 0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 3600),
        ("Sun, 06 Nov 99999 08:49:37 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date_of_any_form_and_bounded(
    header: str | None, seconds: float
) -> None:
    assert retry_after(header, AT) == seconds


# ----------------------------------------------------------------------------- an answer that lacks something

LIMIT = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 16}


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"session_start_limit": None}, "session_start_limit.total"),
        ({"session_start_limit": {}}, "session_start_limit.remaining"),
        ({"session_start_limit": [1]}, "session_start_limit.reset_after"),
        ({"session_start_limit": LIMIT | {"remaining": -1}}, "session_start_limit.remaining"),
        ({"session_start_limit": LIMIT | {"max_concurrency": 0}}, "session_start_limit.max_concurrency"),
        ({"session_start_limit": LIMIT | {"max_concurrency": None}}, "session_start_limit.max_concurrency"),
        ({"shards": 0}, "shards"),
        ({"shards": None}, "shards"),
        ({"shards": "x"}, "shards"),
    ],
)
async def test_for_what_the_answer_about_the_gateway_lacks_stand_the_defaults(
    gateway: Gateway,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    odd: dict[str, object],
    words: str,
) -> None:
    monkeypatch.setattr("exporter.discord.gateway.identify_budget._FRESH", 0.0)
    body = {"url": gateway.ws_url, "shards": 1, "session_start_limit": LIMIT} | odd
    gateway.troubles["gateway/bot"] = [discords(200, body)] * 1000
    harness = start()
    await gateway.connected()
    await harness.connected()
    assert len(harness.source.shards) == 1
    warnings = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and "has no usable" in record.getMessage()
    ]
    assert len(warnings) == 1
    assert words in warnings[0]
    # One was sent: of 999 that Discord names, or of the 1,000 of a day.
    is_known = words == "shards" or words.endswith("max_concurrency")
    assert value(harness.telemetry.identifies_remaining) == (998 if is_known else 999)


async def test_a_check_says_that_the_sessions_left_are_unknown(gateway: Gateway, start: Start) -> None:
    del start  # for the address it puts back
    gateway.troubles["gateway/bot"] = [discords(200, {"url": gateway.ws_url, "shards": 2})]
    config = DiscordConfig.model_validate({"token": TOKEN, "api_url": gateway.url})
    report = await inspect_online(config, (), (), Telemetry())
    assert (report.shards, report.session_start_limit) == (2, None)


# ---------------------------------------------------------------------------------------------- what it means

MEANINGS = [
    (200, None, AnswerMeaning.ANSWERED),
    (204, None, AnswerMeaning.ANSWERED),
    (401, 0, AnswerMeaning.REFUSED),
    (401, None, AnswerMeaning.TROUBLE),
    (403, 50001, AnswerMeaning.REFUSED),
    (403, 50013, AnswerMeaning.REFUSED),
    (404, 10004, AnswerMeaning.REFUSED),
    (404, 10006, AnswerMeaning.ABSENT),
    (403, 50020, AnswerMeaning.ABSENT),
    *(
        (status, code, AnswerMeaning.TROUBLE)
        for status in (0, 302, 400, 403, 404, 405, 408, 418, 429, 500, 502, 503, 504, 521, 999)
        for code in (None, 0, 10003, 20028, 40333, 60003)
    ),
    (404, 50013, AnswerMeaning.TROUBLE),
    (403, 10004, AnswerMeaning.TROUBLE),
    (500, 50013, AnswerMeaning.TROUBLE),
]


@pytest.mark.parametrize(("status", "code", "meaning"), MEANINGS)
def test_only_discords_own_words_about_rights_are_a_refusal(
    status: int, code: int | None, meaning: AnswerMeaning
) -> None:
    assert meaning_of(status, code) is meaning


def failed(status: int, body: object, kind: str = "application/json") -> disnake.HTTPException:
    """As disnake raises it."""
    response = SimpleNamespace(status=status, reason="", headers={"Content-Type": kind})
    return disnake.HTTPException(cast("aiohttp.ClientResponse", response), cast("dict[str, object]", body))


@pytest.mark.parametrize(
    ("error", "meaning", "then"),
    [
        (failed(403, {"code": 50013}), AnswerMeaning.REFUSED, "answer"),
        (failed(403, '{"code": 50013}', "application/json; charset=utf-8"), AnswerMeaning.REFUSED, "answer"),
        (failed(401, {"message": "401: Unauthorized"}), AnswerMeaning.REFUSED, "answer"),
        (failed(401, "<html>", "text/html"), AnswerMeaning.TROUBLE, "all wait"),
        (failed(403, "<html>", "text/html"), AnswerMeaning.TROUBLE, "all wait"),
        (failed(403, "<html>"), AnswerMeaning.TROUBLE, "answer"),
        (failed(403, {"code": 40333}), AnswerMeaning.TROUBLE, "all wait"),
        (failed(403, {"code": 60003}), AnswerMeaning.TROUBLE, "answer"),
        (failed(404, {"message": "404: Not Found"}), AnswerMeaning.TROUBLE, "answer"),
        (failed(404, None, ""), AnswerMeaning.TROUBLE, "all wait"),
        (failed(408, "", ""), AnswerMeaning.TROUBLE, "all wait"),
        (failed(500, {"code": 0}), AnswerMeaning.TROUBLE, "again"),
        (failed(503, "<html>", "text/html"), AnswerMeaning.TROUBLE, "again"),
        (RateLimitedError(5.0, everywhere=True), AnswerMeaning.TROUBLE, "all wait"),
        (RateLimitedError(5.0, everywhere=False), AnswerMeaning.TROUBLE, "again"),
        (aiohttp.ServerDisconnectedError(), AnswerMeaning.TROUBLE, "again"),
        (TimeoutError(), AnswerMeaning.TROUBLE, "again"),
        (ValueError(), AnswerMeaning.TROUBLE, "again"),
    ],
)
def test_a_failure_says_whether_to_try_again_and_whether_all_must_wait(
    error: Exception, meaning: AnswerMeaning, then: str
) -> None:
    found = judge(error)
    assert found.meaning is meaning
    assert (found.transient, found.everywhere) == {
        "answer": (False, False),
        "again": (True, False),
        "all wait": (True, True),
    }[then]


# ----------------------------------------------------------------------------------------- days of it, held


@pytest.mark.parametrize("seconds", [15.0, 1200.0])
@pytest.mark.parametrize(
    "error",
    [
        RateLimitedError(0.0, everywhere=True),
        RateLimitedError(3.0, everywhere=False),
        RateLimitedError(3.0, everywhere=False, status=HTTPStatus.SERVICE_UNAVAILABLE),
        failed(403, {"code": 40333}),
        failed(403, {"code": 50013}),
        failed(401, {"code": 0}),
        failed(404, {"code": 0}),
        failed(503, "<html>", "text/html"),
        ValueError(),
    ],
)
def test_after_it_all_guilds_are_answered_within_two_minutes(error: Exception, seconds: float) -> None:
    """Guilds ask again as components do; ten minutes of it cost far less than Discord blocks for."""
    found = run_held(_put_again(error, seconds))
    assert found.waited <= 120
    assert found.sent <= 2_000 * seconds / 600 + 100
    assert found.waiting <= GUILDS


GUILDS = 20


@dataclass
class Outcome:
    """How long the last guild waited once all was well, and what was sent and waiting until then."""

    waited: float
    sent: int
    waiting: int


async def _put_again(error: Exception, seconds: float) -> Outcome:
    clock = HeldClock()
    down = asyncio.Event()
    sent = 0
    waiting = dict.fromkeys(range(GUILDS), 0)

    class Api:
        async def get(self, *_: object, **__: object) -> object:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.1)
            if not down.is_set():
                raise error
            return []

    def take(_name: str, body: msgspec.Raw, _shard: int, _at: int) -> None:
        found = msgspec.json.decode(body, type=Answer)
        guild_id = found.request.guild_id
        if meaning_of(found.status, code_in(found.body)) is AnswerMeaning.ANSWERED:
            del waiting[guild_id]
            return
        waiting[guild_id] += 1
        again = msgspec.structs.replace(found.request, purpose=f"{waiting[guild_id]}")
        loop.call_later(pause_after(waiting[guild_id]) / 1000, worker.submit, again)

    loop = asyncio.get_running_loop()
    worker = RestWorker(take, Telemetry(), clock, random.Random(1), rate=20.0)
    serving = asyncio.create_task(worker.serve(cast("ApiClient", Api())))
    for guild_id in range(GUILDS):
        worker.submit(RestRequest(RequestKind.INVITES, guild_id))
    await asyncio.sleep(seconds)
    outcome = Outcome(0.0, sent, len(worker._queue) + len(worker._postponed))
    down.set()
    since = clock.monotonic()
    while waiting:
        await asyncio.sleep(0.5)
    serving.cancel()
    await asyncio.wait({serving})
    return replace(outcome, waited=clock.monotonic() - since)


# ------------------------------------------------------------------------------------------ what it says


def test_after_minutes_without_an_answer_the_state_says_so(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    health = RestHealth(Telemetry(), clock)
    health.note(AnswerMeaning.TROUBLE, "429 Too Many Requests")
    clock.advance(PATIENCE - 1)
    health.note(AnswerMeaning.TROUBLE, "429 Too Many Requests")
    assert health.problem == ""
    clock.advance(2)
    for _ in range(3):
        health.note(AnswerMeaning.TROUBLE, "429 Too Many Requests")
    assert health.problem == "no usable answer for 2 min (429 Too Many Requests)"
    assert caplog.text.count("every question is put again") == 1
    health.note(AnswerMeaning.REFUSED)
    assert health.problem == ""
    assert LONGEST_HOLD >= PATIENCE


async def test_the_source_says_why_the_rest_api_is_not_reached(
    gateway: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.discord.rest.health.PATIENCE", 0.0)
    gateway.troubles["users/@me"] = [page(403)] * 10_000
    harness = start(timings=replace(FAST))
    await until(lambda: harness.source.rest_problem)
    assert "403" in harness.source.rest_problem
    gateway.troubles.clear()
    await harness.connected()
    assert harness.source.rest_problem == ""
    assert answer({}).status == 200

"""Requests to the REST API: within limits, fair, sent once, and always answered."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from aiohttp import web
from disnake.http import Route
from hypothesis import given
from hypothesis import strategies as st

from exporter.backoff import Backoff
from exporter.clock import ManualClock, SystemClock
from exporter.discord.rest.client import RestClient
from exporter.discord.rest.failure import RestFailure
from exporter.discord.rest.rate_limiter import MAX_REFUSALS, RateLimiter
from exporter.discord.rest.request_queue import QueuedRequest, RequestQueue
from exporter.discord.rest.worker import ATTEMPTS, MAX_QUEUED, RestWorker
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.telemetry import Telemetry, total, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Gateway, answer
from tests.discord.far_answers import TROUBLES, FarAnswer, page
from tests.discord.harness import until

INVITES = [{"code": "abc", "uses": 3}]


class Api:
    """The REST API as a test tells it to be; ``statuses`` are used up one by one, then all is well."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.statuses: list[int] = []
        self.code = 0
        self.answers: list[FarAnswer] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.text: str | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path == "users/@me":
            return answer({"id": "1", "username": "x", "discriminator": "0", "avatar": None})
        self.seen.append((path, dict(request.query)))
        await self.hold.wait()
        if self.answers:
            return await self.answers.pop(0)(request)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return answer({"message": "no", "code": self.code}, status)
        if self.text is not None:
            return web.Response(text=self.text, content_type="application/json", charset="utf-8")
        return answer(INVITES)


class Bench:
    """A REST worker at work on an ``Api``."""

    def __init__(self, api: Api, rest: RestClient, rate: float = 45.0) -> None:
        self.api = api
        self.rest = rest
        self.telemetry = Telemetry()
        self.answers: list[Answer] = []
        self.worker = RestWorker(self.take, self.telemetry, SystemClock(), random.Random(1), rate=rate)
        self.task: asyncio.Task[None] | None = None

    def take(self, name: str, body: msgspec.Raw, _shard: int, _at: int) -> None:
        found = msgspec.json.decode(body, type=Answer)
        assert name == found.request.dispatch
        # The buffer the body points into is gone once the intake has returned.
        self.answers.append(msgspec.structs.replace(found, body=msgspec.Raw(bytes(found.body))))

    def serve(self) -> None:
        self.task = asyncio.create_task(self.worker.serve(self.rest))

    async def give_up(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait({self.task})

    async def submit(self, *requests: RestRequest) -> list[Answer]:
        before = len(self.answers)
        for request in requests:
            self.worker.submit(request)
        await until(lambda: len(self.answers) >= before + len(requests))
        return self.answers[before:]

    def settled(self) -> None:
        meters = self.telemetry
        asked, merged = total(meters.requests_submitted), total(meters.requests_merged)
        assert asked == merged + total(meters.requests_completed)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    api = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setattr("exporter.discord.rest.rate_limiter._HOLD", Backoff(base=0.01, cap=0.02, floor=0.5))
    monkeypatch.setattr("exporter.discord.rest.worker._BACKOFF", Backoff(base=0.01, cap=1.0, floor=0.5))
    rest = RestClient(Telemetry(), asyncio.get_running_loop())
    await rest.static_login("token")
    found = Bench(api, rest)
    found.serve()
    yield found
    await found.give_up()
    await rest.close()
    await runner.cleanup()


async def test_each_kind_has_its_route_and_only_what_is_set_is_asked_for(bench: Bench) -> None:
    await bench.submit(
        RestRequest(RequestKind.AUDIT_LOG, 7, after=5, action_type=22, limit=50),
        RestRequest(RequestKind.INVITES, 7, purpose="why"),
        RestRequest(RequestKind.VANITY, 7),
        RestRequest(RequestKind.COUNTS, 7),
    )
    assert dict(bench.api.seen[0][1]) | {"path": bench.api.seen[0][0]} == {
        "path": "guilds/7/audit-logs",
        "limit": "50",
        "after": "5",
        "action_type": "22",
    }
    assert bench.api.seen[1:] == [
        ("guilds/7/invites", {}),
        ("guilds/7/vanity-url", {}),
        ("guilds/7", {"with_counts": "true"}),
    ]
    bench.settled()


async def test_an_answer_brings_its_question_and_discords_own_json(bench: Bench) -> None:
    request = RestRequest(RequestKind.INVITES, 7, urgent=True, purpose="why")
    (found,) = await bench.submit(request)
    assert found.request == request
    assert found.status == 200
    assert json.loads(bytes(found.body)) == INVITES


async def test_a_proxys_charset_does_not_hide_the_json(bench: Bench) -> None:
    bench.api.text = json.dumps(INVITES)
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert (found.status, json.loads(bytes(found.body))) == (200, INVITES)


async def test_an_answer_that_is_no_json_is_no_answer(bench: Bench) -> None:
    bench.api.text = "<html>"
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert (found.status, bytes(found.body)) == (0, b"null")
    assert value(bench.telemetry.requests_completed, "INVITES", "unreadable") == 1


@pytest.mark.parametrize(("status", "code"), [(401, 0), (403, 50001), (403, 50013), (404, 10004)])
async def test_a_refusal_is_remembered_for_its_guild_and_kind_only(
    bench: Bench, status: int, code: int
) -> None:
    bench.api.statuses, bench.api.code = [status], code
    (first,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    (again,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert (first.status, again.status) == (status, status)
    assert bytes(first.body) == bytes(again.body) == b'{"code":%d}' % code
    assert len(bench.api.seen) == 1
    others = await bench.submit(RestRequest(RequestKind.INVITES, 8), RestRequest(RequestKind.VANITY, 7))
    assert [found.status for found in others] == [200, 200]
    assert value(bench.telemetry.requests_completed, "INVITES", "remembered") == 1
    bench.settled()


async def test_an_outage_is_tried_again_and_then_admitted(bench: Bench) -> None:
    bench.api.statuses = [503] * (ATTEMPTS - 1)
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert found.status == 200
    bench.api.statuses = [503] * ATTEMPTS
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert found.status == 0
    assert len(bench.api.seen) == 2 * ATTEMPTS
    bench.settled()


SLOW = frozenset({"500 json", "502 page", "reset"})
"""disnake waits a second after these, whatever was requested: they are tried with one kind."""
CELLS = [
    (kind, trouble)
    for kind in RequestKind
    for trouble in TROUBLES
    if kind is RequestKind.INVITES or trouble not in SLOW
]


@pytest.mark.parametrize(("kind", "trouble"), CELLS)
async def test_after_a_trouble_the_question_is_put_again(
    bench: Bench, kind: RequestKind, trouble: str
) -> None:
    bench.api.answers = [TROUBLES[trouble]]
    (found,) = await bench.submit(RestRequest(kind, 7))
    assert found.status == 200
    assert len(bench.api.seen) == 2
    bench.settled()


@pytest.mark.parametrize("trouble", ["429 json", "429 page", "403 page", "403 code 40333", "503 page"])
async def test_a_trouble_that_lasts_is_answered_as_no_answer(bench: Bench, trouble: str) -> None:
    bench.api.answers = [TROUBLES[trouble]] * ATTEMPTS
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert (found.status, bytes(found.body)) == (0, b"null")
    assert len(bench.api.seen) == ATTEMPTS
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert found.status == 200, "nothing of it is remembered"
    bench.settled()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_question_is_not_put_again_before_the_time_the_answer_names(
    bench: Bench, status: int
) -> None:
    bench.api.answers = [page(status, Retry_After="0.5")]
    asked = time.monotonic()
    (found,) = await bench.submit(RestRequest(RequestKind.INVITES, 7))
    assert found.status == 200
    assert time.monotonic() - asked >= 0.5
    assert len(bench.api.seen) == 2
    bench.settled()


async def test_of_readings_the_newest_is_sent_and_the_earlier_are_merged_with_it(bench: Bench) -> None:
    await bench.give_up()
    for serial in range(5):
        bench.worker.submit(RestRequest(RequestKind.INVITES, 7, purpose=f"p:{serial}"))
        bench.worker.submit(RestRequest(RequestKind.AUDIT_LOG, 7, after=serial))
    bench.serve()
    await until(lambda: len(bench.answers) == 6)
    assert [one.request.purpose for one in bench.answers if one.request.kind == "INVITES"] == ["p:4"]
    bench.settled()


async def test_equal_questions_that_wait_are_asked_once(bench: Bench) -> None:
    await bench.give_up()
    for _ in range(50):
        bench.worker.submit(RestRequest(RequestKind.INVITES, 7))
    bench.serve()
    await until(lambda: bench.answers)
    assert len(bench.api.seen) == 1
    bench.settled()


async def test_a_question_asked_anew_while_its_answer_is_in_flight_is_asked_again(bench: Bench) -> None:
    bench.api.hold.clear()
    bench.worker.submit(RestRequest(RequestKind.INVITES, 7))
    await until(lambda: bench.api.seen)
    bench.worker.submit(RestRequest(RequestKind.INVITES, 7))
    bench.api.hold.set()
    await until(lambda: len(bench.answers) == 2)
    assert len(bench.api.seen) == 2


async def test_a_question_in_flight_survives_the_connection_it_was_asked_over(bench: Bench) -> None:
    bench.api.hold.clear()
    bench.worker.submit(RestRequest(RequestKind.INVITES, 7))
    await until(lambda: bench.api.seen)
    await bench.give_up()
    bench.api.hold.set()
    bench.serve()
    await until(lambda: bench.answers)
    assert bench.answers[0].status == 200
    bench.settled()


async def test_a_request_beyond_the_capacity_is_dropped_counted_and_answered(bench: Bench) -> None:
    await bench.give_up()
    for guild_id in range(MAX_QUEUED + 3):
        bench.worker.submit(RestRequest(RequestKind.INVITES, guild_id))
    assert not bench.answers
    await until(lambda: len(bench.answers) == 3)
    assert {found.status for found in bench.answers} == {0}
    assert value(bench.telemetry.requests_completed, "INVITES", "dropped") == 3
    assert value(bench.telemetry.requests_waiting) == MAX_QUEUED


async def test_the_source_asks_over_its_own_login(gateway: Gateway, start: Start) -> None:
    harness = start()
    harness.source.submit(RestRequest(RequestKind.INVITES, 7))
    _, body, _, _ = await harness.next("REST_INVITES")
    assert msgspec.json.decode(body, type=Answer).status == 404
    assert "guilds/7/invites" in gateway.rest


def drain(queue: RequestQueue) -> list[RestRequest]:
    found = []
    while (turn := queue.pop()) is not None:
        found.append(turn.request)
    return found


_REQUESTS = st.lists(
    st.builds(
        RestRequest,
        kind=st.sampled_from(RequestKind),
        guild_id=st.integers(1, 4),
        urgent=st.booleans(),
        after=st.integers(0, 3),
    )
)


@given(_REQUESTS)
def test_every_question_comes_out_once_and_urgent_ones_first(asked: list[RestRequest]) -> None:
    queue = RequestQueue(1000)
    for request in asked:
        if not queue.merge(request):
            queue.push(QueuedRequest(request))
    assert len(queue) == len({msgspec.structs.replace(one, urgent=False) for one in asked})
    found = drain(queue)
    essences = [msgspec.structs.replace(one, urgent=False) for one in found]
    assert len(essences) == len(set(essences))
    assert set(essences) == {msgspec.structs.replace(one, urgent=False) for one in asked}
    urgent = {msgspec.structs.replace(one, urgent=False) for one in asked if one.urgent}
    assert {one for one, was in zip(essences, found, strict=True) if was.urgent} == urgent
    assert [one.urgent for one in found] == sorted((one.urgent for one in found), reverse=True)


@given(_REQUESTS)
def test_no_kind_gets_a_second_turn_before_each_other_had_one_nor_a_guild_among_its_own(
    asked: list[RestRequest],
) -> None:
    queue = RequestQueue(1000)
    essences = {msgspec.structs.replace(one, urgent=False): None for one in asked}
    for request in essences:
        queue.push(QueuedRequest(request))
    left = Counter(one.kind for one in essences)
    found = drain(queue)
    assert_fair([one.kind for one in found], left)
    for kind in left:
        own = [one.guild_id for one in found if one.kind is kind]
        assert_fair(own, Counter(own))


def assert_fair(order: Sequence[Hashable], left: Mapping[Any, int]) -> None:
    """No guild that still waits has had fewer turns than the one that is next."""
    turns: Counter[Hashable] = Counter()
    for one in order:
        assert turns[one] == min(turns[each] for each in left if left[each] > turns[each])
        turns[one] += 1


def test_a_reading_of_invites_does_not_wait_behind_a_hundred_looks_into_audit_logs() -> None:
    queue = RequestQueue(1000)
    for number in range(100):
        queue.push(QueuedRequest(RestRequest(RequestKind.AUDIT_LOG, number % 3, urgent=True, after=number)))
    reading = RestRequest(RequestKind.INVITES, 1, urgent=True)
    queue.push(QueuedRequest(reading))
    assert reading in drain(queue)[:2]


def test_requests_leave_at_the_rate_and_no_faster() -> None:
    clock = ManualClock()
    allowance = RateLimiter(20.0, clock, random.Random(1))
    for _ in range(200):
        clock.advance(allowance.wait())
        allowance.spend()
    assert clock.monotonic() == pytest.approx(199 / 20)


def test_time_without_requests_gives_no_right_to_a_burst() -> None:
    clock = ManualClock()
    allowance = RateLimiter(20.0, clock, random.Random(1))
    clock.advance(3600)
    allowance.spend()
    assert allowance.wait() == pytest.approx(0.05)


REFUSAL = RestFailure(AnswerMeaning.REFUSED, 403, 50013, transient=False)


def test_refusals_stay_far_below_what_discord_blocks_for() -> None:
    clock = ManualClock()
    allowance = RateLimiter(45.0, clock, random.Random(1))
    refused = 0
    for guild_id in range(45 * 600):
        if allowance.wait() < 0.001:
            allowance.spend()
            allowance.note_failure(RestRequest(RequestKind.INVITES, guild_id), REFUSAL)
            refused += 1
        clock.advance(1 / 45)
    assert refused == MAX_REFUSALS <= 2_000


def test_a_refusal_is_forgotten_in_time() -> None:
    clock = ManualClock()
    allowance = RateLimiter(20.0, clock, random.Random(1))
    allowance.note_failure(RestRequest(RequestKind.INVITES, 1), REFUSAL)
    clock.advance(59)
    assert allowance.standing_refusal(RestRequest(RequestKind.INVITES, 1)) == REFUSAL
    clock.advance(2)
    assert allowance.standing_refusal(RestRequest(RequestKind.INVITES, 1)) is None


def test_what_was_refused_is_asked_again_once_permissions_have_changed() -> None:
    allowance = RateLimiter(20.0, ManualClock(), random.Random(1))
    mine, other = RestRequest(RequestKind.AUDIT_LOG, 1), RestRequest(RequestKind.AUDIT_LOG, 2)
    for request in (mine, other):
        allowance.note_failure(request, REFUSAL)
    allowance.clear_refusals(1)
    assert (allowance.standing_refusal(mine), allowance.standing_refusal(other)) == (None, REFUSAL)


BLOCKED = RestFailure(AnswerMeaning.TROUBLE, 429, everywhere=True)


def test_while_everything_is_blocked_some_requests_a_minute_are_tried_and_all_at_once_after_it() -> None:
    clock = ManualClock()
    allowance = RateLimiter(45.0, clock, random.Random(1))
    request = RestRequest(RequestKind.INVITES, 1)
    tried = 0
    for _ in range(10 * 600):
        if allowance.wait() < 0.001:
            allowance.spend()
            allowance.note_failure(request, BLOCKED)
            tried += 1
        clock.advance(0.1)
    assert 60 <= tried <= 200
    assert allowance.wait() <= 10
    clock.advance(allowance.wait())
    allowance.note_success()
    allowance.spend()
    assert allowance.wait() < 0.1


def test_a_wait_that_is_asked_for_is_kept_for_all_or_for_one_guild() -> None:
    clock = ManualClock()
    allowance = RateLimiter(45.0, clock, random.Random(1))
    mine, other = RestRequest(RequestKind.AUDIT_LOG, 1), RestRequest(RequestKind.AUDIT_LOG, 2)
    allowance.note_failure(mine, replace(BLOCKED, everywhere=False, retry_after=90.0))
    assert (allowance.wait(), allowance.wait_for(mine), allowance.wait_for(other)) == (0.0, 90.0, 0.0)
    clock.advance(90)
    assert allowance.wait_for(mine) == 0
    allowance.note_failure(mine, replace(BLOCKED, retry_after=90.0))
    assert (allowance.wait(), allowance.wait_for(mine)) == (90.0, 0.0)

"""Sends the components' requests to Discord's REST API; answers go to the intake as dispatches.

    submit(RestRequest) ──queue, rate limit──▶ GET … ──▶ intake("REST_<KIND>", Answer)

What came of a request is judged by ``exporter.discord.rest.failure``: after a passing trouble it is sent
again, not before Discord or a proxy allows it. disnake's client keeps Discord's limits per route. Invariants:
``submit`` returns at once and never raises; each request is answered once, with status 0 if no answer meant
anything or the queue was full; a request in flight when the client ends is queued again for the next client.

Conservation: submitted = merged + answered + queued + put off + in flight.
"""

from __future__ import annotations

import asyncio
import logging
import random
from http import HTTPStatus
from typing import Final

import aiohttp
import disnake
import msgspec

from exporter.backoff import Backoff
from exporter.clock import Clock
from exporter.discord.gateway.adapter import ApiClient
from exporter.discord.gateway.frame_reader import Intake
from exporter.discord.rest.failure import RestFailure, describe_failure, judge
from exporter.discord.rest.rate_limiter import RateLimiter
from exporter.discord.rest.request_queue import QueuedRequest, RequestQueue, without_urgency
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

MAX_QUEUED: Final = 20_000
"""Requests that may wait: at 20 a second those of a quarter of an hour, and some 4 MB."""

SLOTS: Final = 16
"""Requests in flight at once: a guild that waits for its own rate limit holds one of them."""

ATTEMPTS: Final = 3
"""Each of them is up to five of disnake's own where Discord answers 500, 502 or 504."""

_BACKOFF: Final = Backoff(base=2.0, cap=60.0, floor=0.5)
"""Before the second attempt and each further one."""

_PATHS: Final = {
    RequestKind.AUDIT_LOG: "/guilds/{guild_id}/audit-logs",
    RequestKind.INVITES: "/guilds/{guild_id}/invites",
    RequestKind.VANITY: "/guilds/{guild_id}/vanity-url",
    RequestKind.COUNTS: "/guilds/{guild_id}",
}

_encode = msgspec.json.Encoder().encode
_NULL: Final = msgspec.Raw(b"null")
_NONE: Final = RestFailure(AnswerMeaning.TROUBLE)


class RestWorker:
    """The requests of one process.

    ``rate`` is in requests a second. ``submit`` may be called before ``serve``: requests are then queued.
    """

    def __init__(
        self, intake: Intake, telemetry: Telemetry, clock: Clock, rng: random.Random, *, rate: float
    ) -> None:
        self._intake = intake
        self._telemetry = telemetry
        self._clock = clock
        self._rng = rng
        self._queue = RequestQueue(MAX_QUEUED)
        self._rate_limiter = RateLimiter(rate, clock, rng)
        self._arrived = asyncio.Event()
        self._in_flight: list[QueuedRequest] = []
        self._postponed: dict[RestRequest, QueuedRequest] = {}

    def submit(self, request: RestRequest) -> None:
        """Queue a request; see ``exporter.events.rest_request``."""
        self._telemetry.requests_submitted.labels(request.kind).inc()
        if self._merge(request):
            return
        if refusal := self._rate_limiter.standing_refusal(request):
            self._answer_soon(request, refusal, "remembered")
            return
        if superseded := self._queue.supersede(request):
            self._telemetry.requests_merged.labels(request.kind).inc(superseded)
        if self._queue.full or len(self._postponed) >= MAX_QUEUED:
            self._answer_soon(request, _NONE, "dropped")
        else:
            self._push(QueuedRequest(request))

    def _merge(self, request: RestRequest) -> bool:
        """Whether an equal request is to be sent already."""
        key = without_urgency(request)
        found = key in self._postponed or self._queue.merge(request)
        if found:
            self._telemetry.requests_merged.labels(request.kind).inc()
        return found

    def clear_refusals(self, guild_id: int) -> None:
        """Forget refusals of a guild, since the bot's permissions there have changed."""
        self._rate_limiter.clear_refusals(guild_id)

    async def serve(self, rest: ApiClient) -> None:
        """Send queued requests over this client, until cancelled."""
        slots = asyncio.Semaphore(SLOTS)
        try:
            async with asyncio.TaskGroup() as requests:
                while True:
                    await slots.acquire()
                    queued = await self._next()
                    self._in_flight.append(queued)
                    requests.create_task(self._put(queued, rest, slots))
        finally:
            unanswered, self._in_flight = self._in_flight, []
            for queued in unanswered:
                self._requeue(queued)

    async def _next(self) -> QueuedRequest:
        """The most urgent request, once one may be sent."""
        while True:
            if not len(self._queue):
                self._arrived.clear()
                await self._arrived.wait()
            if pause := self._rate_limiter.wait():
                await asyncio.sleep(pause)
                continue
            queued = self._queue.pop()
            if queued is None:
                continue
            self._note_waiting()
            if refusal := self._rate_limiter.standing_refusal(queued.request):
                self._answer_failure(queued.request, refusal, "remembered")
                continue
            if pause := self._rate_limiter.wait_for(queued.request):
                self._put_off(queued, pause)
                continue
            self._rate_limiter.spend()
            return queued

    async def _put(self, queued: QueuedRequest, rest: ApiClient, slots: asyncio.Semaphore) -> None:
        request = queued.request
        try:
            body = await _fetch(rest, request)
        except Exception as error:  # noqa: BLE001 - whatever is in an answer, the other requests must be sent
            self._fail(queued, error)
        else:
            self._rate_limiter.note_success()
            self._answer(request, HTTPStatus.OK, body, "answered")
        self._in_flight.remove(queued)
        slots.release()

    def _fail(self, queued: QueuedRequest, error: Exception) -> None:
        """Send it again later, or answer what it means."""
        failure, request = judge(error), queued.request
        self._rate_limiter.note_failure(request, failure)
        _log.debug("%s of guild %d: %s", request.kind, request.guild_id, describe_failure(error))
        failures = queued.failures + 1
        if failure.transient and failures < ATTEMPTS:
            pause = max(_BACKOFF.wait(failures, self._rng), failure.retry_after)
            self._put_off(QueuedRequest(request, failures), pause)
        elif failure.transient:
            readable = isinstance(error, (disnake.HTTPException, aiohttp.ClientError, OSError))
            self._answer_failure(request, _NONE, "failed" if readable else "unreadable")
        elif failure.meaning is AnswerMeaning.TROUBLE:
            self._answer_failure(request, failure, "failed")
        else:
            self._answer_failure(request, failure, "refused")

    def _put_off(self, queued: QueuedRequest, seconds: float) -> None:
        """Queue a request again after so long."""
        if self._merge(queued.request):
            return
        if len(self._postponed) >= MAX_QUEUED:
            self._answer_failure(queued.request, _NONE, "dropped")
            return
        key = without_urgency(queued.request)
        self._postponed[key] = queued
        asyncio.get_running_loop().call_later(seconds, self._retry, key)

    def _retry(self, key: RestRequest) -> None:
        self._requeue(self._postponed.pop(key))

    def _requeue(self, queued: QueuedRequest) -> None:
        """Queue a request again, unless one has been queued meanwhile that makes it needless."""
        if self._queue.has_newer(queued.request):
            self._telemetry.requests_merged.labels(queued.request.kind).inc()
        elif not self._merge(queued.request):
            self._push(queued)

    def _push(self, queued: QueuedRequest) -> None:
        self._queue.push(queued)
        self._note_waiting()
        self._arrived.set()

    def _note_waiting(self) -> None:
        self._telemetry.requests_waiting.set(len(self._queue))

    def _answer_soon(self, request: RestRequest, failure: RestFailure, outcome: str) -> None:
        # Not from within ``submit``: the caller is in the middle of handling a fact.
        asyncio.get_running_loop().call_soon(self._answer_failure, request, failure, outcome)

    def _answer_failure(self, request: RestRequest, failure: RestFailure, outcome: str) -> None:
        body = _NULL if failure.code is None else msgspec.Raw(_encode({"code": failure.code}))
        self._answer(request, failure.status, body, outcome)

    def _answer(self, request: RestRequest, status: int, body: msgspec.Raw, outcome: str) -> None:
        self._telemetry.requests_completed.labels(request.kind, outcome).inc()
        answer = msgspec.Raw(_encode(Answer(request, status, body)))
        self._intake(request.dispatch, answer, 0, self._clock.now_ms())


async def _fetch(rest: ApiClient, request: RestRequest) -> msgspec.Raw:
    """Discord's JSON.

    Raises:
        disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
        ValueError: the answer is no JSON.
    """
    path = _PATHS[request.kind]
    return msgspec.Raw(_encode(await rest.get(path, _query(request), guild_id=request.guild_id)))


def _query(request: RestRequest) -> dict[str, str]:
    if request.kind is RequestKind.COUNTS:
        return {"with_counts": "true"}
    if request.kind is not RequestKind.AUDIT_LOG:
        return {}
    given = {"limit": request.limit, "after": request.after, "before": request.before}
    given["action_type"] = request.action_type
    return {name: str(value) for name, value in given.items() if value}

"""Sends the components' requests to Discord's REST API; answers go to the intake as dispatches.

    submit(RestRequest) ──queue, rate limit──▶ GET … ──▶ intake("REST_<KIND>", Answer)

disnake's client keeps Discord's limits per route and waits after a 429. Invariants: ``submit`` returns at
once and never raises; each request is answered once, with status 0 if Discord could not be reached or the
queue was full; a request in flight when the client ends is queued again for the next client.

Conservation: submitted = merged + answered + queued + in flight.
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
from disnake.http import HTTPClient, Route

from exporter.clock import Clock
from exporter.discord.gateway.frame_reader import Intake
from exporter.discord.rest.client import describe_failure
from exporter.discord.rest.rate_limiter import RateLimiter
from exporter.discord.rest.request_queue import QueuedRequest, RequestQueue
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)

ROOM: Final = 20_000
"""Questions that may wait: at 20 a second a quarter of an hour's worth, and some 4 MB."""

SLOTS: Final = 16
"""Requests under way at once: a guild that waits for its own rate limit holds one of them."""

ATTEMPTS: Final = 3
"""Each of them is up to five of disnake's own where Discord answers 500, 502 or 504."""

_BACKOFF: Final = 2.0
"""Seconds before the second attempt; doubled for each further one."""

_NO_ANSWER: Final = 0

_PATHS: Final = {
    RequestKind.AUDIT_LOG: "/guilds/{guild_id}/audit-logs",
    RequestKind.INVITES: "/guilds/{guild_id}/invites",
    RequestKind.VANITY: "/guilds/{guild_id}/vanity-url",
    RequestKind.COUNTS: "/guilds/{guild_id}",
}

_encode = msgspec.json.Encoder().encode
_NULL: Final = msgspec.Raw(b"null")


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
        self._queue = RequestQueue(ROOM)
        self._allowance = RateLimiter(rate, clock)
        self._arrived = asyncio.Event()
        self._under_way: list[QueuedRequest] = []
        self._postponed = 0

    def submit(self, request: RestRequest) -> None:
        """Put a question; see ``exporter.events.rest_request``."""
        self._telemetry.requests_submitted.labels(request.kind).inc()
        if self._queue.merge(request):
            self._telemetry.requests_merged.labels(request.kind).inc()
        elif status := self._allowance.refusal(request):
            self._answer_soon(request, status, "remembered")
        elif self._queue.full or self._postponed >= ROOM:
            self._answer_soon(request, _NO_ANSWER, "dropped")
        else:
            self._push(QueuedRequest(request))

    def clear_refusals(self, guild_id: int) -> None:
        """Submit again what a guild refused: what the bot may do there has changed."""
        self._allowance.clear_refusals(guild_id)

    async def serve(self, rest: HTTPClient) -> None:
        """Submit what waits over this client, until cancelled."""
        slots = asyncio.Semaphore(SLOTS)
        try:
            async with asyncio.TaskGroup() as requests:
                while True:
                    await slots.acquire()
                    turn = await self._next()
                    self._under_way.append(turn)
                    requests.create_task(self._put(turn, rest, slots))
        finally:
            unanswered, self._under_way = self._under_way, []
            for turn in unanswered:
                self._return(turn)

    async def _next(self) -> QueuedRequest:
        """The most urgent question at the moment a request may leave."""
        while True:
            if not len(self._queue):
                self._arrived.clear()
                await self._arrived.wait()
            if pause := self._allowance.wait():
                await asyncio.sleep(pause)
                continue
            turn = self._queue.pop()
            if turn is None:
                continue
            self._note_waiting()
            if status := self._allowance.refusal(turn.request):
                self._answer(turn.request, status, _NULL, "remembered")
                continue
            self._allowance.spend()
            return turn

    async def _put(self, turn: QueuedRequest, rest: HTTPClient, slots: asyncio.Semaphore) -> None:
        request = turn.request
        try:
            body = await _fetch(rest, request)
        except disnake.HTTPException as error:
            self._allowance.learn(request, error.status)
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._fail(turn, error)
            else:
                self._answer(request, error.status, _NULL, "refused")
        except (aiohttp.ClientError, OSError) as error:
            self._fail(turn, error)
        except Exception as error:  # noqa: BLE001 - whatever is in an answer, the others must be asked
            _log.debug("The answer to %s cannot be read (%s).", request.kind, describe_failure(error))
            self._answer(request, _NO_ANSWER, _NULL, "unreadable")
        else:
            self._answer(request, HTTPStatus.OK, body, "answered")
        self._under_way.remove(turn)
        slots.release()

    def _fail(self, turn: QueuedRequest, error: Exception) -> None:
        """Try again later, or say that Discord could not be reached."""
        failures = turn.failures + 1
        _log.debug("%s of guild %d: %s", turn.request.kind, turn.request.guild_id, describe_failure(error))
        if failures >= ATTEMPTS:
            self._answer(turn.request, _NO_ANSWER, _NULL, "failed")
            return
        delay = _BACKOFF * 2 ** (failures - 1) * self._rng.uniform(0.5, 1.0)
        self._postponed += 1
        asyncio.get_running_loop().call_later(delay, self._resume, QueuedRequest(turn.request, failures))

    def _resume(self, turn: QueuedRequest) -> None:
        self._postponed -= 1
        self._return(turn)

    def _return(self, turn: QueuedRequest) -> None:
        """Let a question wait again, unless an equal one has come meanwhile."""
        if self._queue.merge(turn.request):
            self._telemetry.requests_merged.labels(turn.request.kind).inc()
        else:
            self._push(turn)

    def _push(self, turn: QueuedRequest) -> None:
        self._queue.push(turn)
        self._note_waiting()
        self._arrived.set()

    def _note_waiting(self) -> None:
        self._telemetry.requests_waiting.set(len(self._queue))

    def _answer_soon(self, request: RestRequest, status: int, outcome: str) -> None:
        # Not from within ``submit``: who asks is in the middle of something.
        asyncio.get_running_loop().call_soon(self._answer, request, status, _NULL, outcome)

    def _answer(self, request: RestRequest, status: int, body: msgspec.Raw, outcome: str) -> None:
        self._telemetry.requests_completed.labels(request.kind, outcome).inc()
        answer = msgspec.Raw(_encode(Answer(request, status, body)))
        self._intake(request.dispatch, answer, 0, self._clock.now_ms())


async def _fetch(rest: HTTPClient, request: RestRequest) -> msgspec.Raw:
    """Discord's JSON.

    Raises:
        disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
        ValueError: the answer is no JSON.
    """
    route = Route("GET", _PATHS[request.kind], guild_id=request.guild_id)
    answer: object = await rest.request(route, params=_query(request))
    if isinstance(answer, str):  # a proxy spelt the type otherwise, and disnake left the text as it was
        answer = msgspec.json.decode(answer)
    return msgspec.Raw(_encode(answer))


def _query(request: RestRequest) -> dict[str, str]:
    if request.kind is RequestKind.COUNTS:
        return {"with_counts": "true"}
    if request.kind is not RequestKind.AUDIT_LOG:
        return {}
    told = {"limit": request.limit, "after": request.after, "before": request.before}
    told["action_type"] = request.action_type
    return {name: str(value) for name, value in told.items() if value}

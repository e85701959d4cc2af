"""What a request to the REST API failed with, in the terms of ``exporter.events.answer_meaning``.

A 429 is taken out of disnake's hands: it would wait for as long as it is asked to, holding a slot meanwhile,
or for none at all if the answer comes from a proxy. So is a 503 with a time to wait, which disnake ignores.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp
import disnake

from exporter.discord.gateway.adapter import RateLimitedError
from exporter.events.answer_meaning import NO_ANSWER, AnswerMeaning, code_in, meaning_of

LONGEST_HOLD: Final = 3600.0
"""Seconds of a Retry-After that are kept; Cloudflare blocks an address for an hour at most."""

_MOST_READ: Final = 65_536
"""Bytes of the body of a 429 that are read; Discord's has about a hundred."""

_BLOCKED_BY_CLOUDFLARE: Final = 40333

_LONGEST_TEXT: Final = 200
"""Characters of a failure worth a log line."""


@dataclass(frozen=True, slots=True)
class RestFailure:
    """What an answer that is no success means.

    ``code`` is Discord's, None where the answer is not Discord's JSON. ``transient`` if the next attempt may
    already succeed; ``everywhere`` if the answer is about this program or its address, and not about what was
    requested. Then nothing else should be sent for the moment, either.
    """

    meaning: AnswerMeaning
    status: int = NO_ANSWER
    code: int | None = None
    retry_after: float = 0.0
    transient: bool = True
    everywhere: bool = False


def judge(error: Exception) -> RestFailure:
    """What a failed request means."""
    if isinstance(error, RateLimitedError):
        return RestFailure(
            AnswerMeaning.TROUBLE,
            error.status,
            retry_after=error.retry_after,
            everywhere=error.everywhere,
        )
    if not isinstance(error, disnake.HTTPException):
        return RestFailure(AnswerMeaning.TROUBLE)
    status, code = error.status, _code_of(error)
    meaning = meaning_of(status, code)
    foreign = code is None or code == _BLOCKED_BY_CLOUDFLARE
    client_error = status < HTTPStatus.INTERNAL_SERVER_ERROR
    return RestFailure(
        meaning,
        status,
        code,
        transient=meaning is AnswerMeaning.TROUBLE
        and (foreign or not client_error or status == HTTPStatus.REQUEST_TIMEOUT),
        everywhere=meaning is AnswerMeaning.TROUBLE and foreign and client_error,
    )


def _code_of(error: disnake.HTTPException) -> int | None:
    """Discord's code; None if the answer is none of Discord's."""
    code: object = error.code  # as it came
    if isinstance(code, int) and code:
        return code
    # disnake reads JSON only where its type is spelt exactly as Discord does; proxies add a charset.
    if (spelt := code_in(str(error.text))) is not None:
        return spelt
    kind = error.response.headers.get("Content-Type", "")
    return 0 if kind == "application/json" else None


def describe_failure(error: Exception) -> str:
    """One line of bounded length about a failure; a proxy's answer may be a whole page."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")[:_LONGEST_TEXT]


def raise_rate_limits(now_ms: Callable[[], int]) -> aiohttp.ClientMiddlewareType:
    """A middleware of aiohttp's session that raises ``RateLimitedError`` for a 429 and a 503 with a wait.

    ``now_ms`` is Discord's time, with which a date to wait for is compared.
    """

    async def handle(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise await _rate_limit(response, now_ms())
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            wait = retry_after(response.headers.get("Retry-After"), now_ms())
            if wait:
                response.close()
                raise RateLimitedError(wait, everywhere=False, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return response

    return handle


async def _rate_limit(response: aiohttp.ClientResponse, now_ms: int) -> RateLimitedError:
    """What a 429 asks for."""
    try:
        body = await response.content.read(_MOST_READ)
    finally:
        response.close()
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        decoded = None
    own = decoded if isinstance(decoded, dict) else {}
    wait = max(retry_after(response.headers.get("Retry-After"), now_ms), _seconds(own.get("retry_after")))
    return RateLimitedError(wait, everywhere=not own or _is_global(own, response.headers))


def retry_after(header: str | None, now_ms: int) -> float:
    """Seconds that ``Retry-After`` asks to wait (RFC 9110 §10.2.3); 0 for what is neither number nor date."""
    if header is None:
        return 0.0
    if wait := _seconds(header):
        return wait
    try:
        moment = parsedate_to_datetime(header)
        if moment.tzinfo is None:  # the form of asctime has no zone, and means UTC
            moment = moment.replace(tzinfo=dt.UTC)
        return _seconds(moment.timestamp() - now_ms / 1000)
    except (ValueError, OverflowError):
        return 0.0


def _is_global(body: Mapping[str, object], headers: Mapping[str, str]) -> bool:
    return body.get("global") is True or headers.get("X-RateLimit-Global", "").lower() == "true"


def _seconds(text: object) -> float:
    """Seconds to wait; 0 for what is no number of them."""
    try:
        number = float(text) if isinstance(text, (str, int, float)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), LONGEST_HOLD) if math.isfinite(number) else 0.0

"""The verdict on a batch by the response of the write API. Pure: status, headers and body in, verdict out.

Only status 204 means that points are stored: a proxy's own page has status 200 and nothing is stored.
Reasons are a bounded set, being a label. A detail never holds a secret, nor what InfluxDB quotes from the
refused line, which may name a person.

Source: InfluxDB 2 docs, API › Write data; its server answers 422 for points dropped one by one.
"""

from __future__ import annotations

import email.utils
import math
import re
from http import HTTPStatus

import msgspec

from exporter.clock import Clock
from exporter.model import STORED, Outcome, Verdict

UNREADABLE_RETRY_AFTER = 10.0
"""Seconds to wait where Retry-After is present but not readable."""

MAX_RETRY_AFTER = 3600.0
"""A far end that asks for more is asked again after an hour: an outage must not outlive its cause by days."""

MAX_DETAIL = 300

TOO_LARGE = "too_large"

_FIXED = {
    HTTPStatus.BAD_REQUEST: (Outcome.PARTIAL_FAILURE, "parse"),
    HTTPStatus.UNPROCESSABLE_ENTITY: (Outcome.PARTIAL_FAILURE, "partial"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Outcome.PARTIAL_FAILURE, TOO_LARGE),
    HTTPStatus.UNAUTHORIZED: (Outcome.NEEDS_OPERATOR, "unauthorized"),
    HTTPStatus.FORBIDDEN: (Outcome.NEEDS_OPERATOR, "forbidden"),
    HTTPStatus.NOT_FOUND: (Outcome.NEEDS_OPERATOR, "not_found"),
    HTTPStatus.REQUEST_TIMEOUT: (Outcome.RETRY, "timeout"),
    HTTPStatus.TOO_MANY_REQUESTS: (Outcome.RETRY, "throttled"),
    HTTPStatus.SERVICE_UNAVAILABLE: (Outcome.RETRY, "unavailable"),
}

_BAD_POINT = re.compile("field type conflict|beyond retention policy|outside retention policy")
"""Older 2.x servers answer 500 for a bad point (influxdb #19779); waiting does not make it better."""

_QUOTED = re.compile(r"""'[^']*'?|"[^"]*"?""")
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class _Message(msgspec.Struct):
    message: str = ""
    error: str = ""


def read_response(status: int, retry_after: str | None, body: bytes, clock: Clock, secret: str) -> Verdict:
    """The verdict on a batch; ``secret`` is kept out of the detail."""
    if status == HTTPStatus.NO_CONTENT:
        return STORED
    text = _text(body)
    detail = f"HTTP {status}: {redact(text, secret)}" if text else f"HTTP {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and _BAD_POINT.search(text):
        return Verdict(Outcome.PARTIAL_FAILURE, reason="partial", detail=detail)
    if status in _FIXED:
        outcome, reason = _FIXED[HTTPStatus(status)]
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        outcome, reason = Outcome.RETRY, "server_error"
    else:
        # A redirect, a captive portal, a proxy's own page: this address is not a write API.
        outcome, reason = Outcome.NEEDS_OPERATOR, "unexpected_answer"
    wait = read_retry_after(retry_after, clock) if outcome is Outcome.RETRY else None
    return Verdict(outcome, reason=reason, detail=detail, retry_after=wait)


def read_retry_after(text: str | None, clock: Clock) -> float | None:
    """Seconds to wait. RFC 9110 › Retry-After: seconds or a date."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - clock.now_ms() / 1000
        except (ValueError, OverflowError, OSError):
            return UNREADABLE_RETRY_AFTER
        seconds = max(seconds, 0.0)
    if not math.isfinite(seconds) or seconds < 0:
        return UNREADABLE_RETRY_AFTER
    return min(seconds, MAX_RETRY_AFTER)


def redact(text: str, secret: str) -> str:
    """One bounded line without the secret and without what is quoted in it."""
    if secret:
        text = text.replace(secret, "***")
    return _UNCLEAN.sub(" ", _QUOTED.sub("'…'", text)).strip()[:MAX_DETAIL]


def _text(body: bytes) -> str:
    try:
        answer = msgspec.json.decode(body, type=_Message)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")
    return answer.message or answer.error

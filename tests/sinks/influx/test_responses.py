from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.model import STORED, Outcome
from exporter.sinks.influx.responses import MAX_DETAIL, MAX_RETRY_AFTER, read_response, read_retry_after

SECRET = "s3cret-token"
CLOCK = ManualClock(wall_ms=1_445_412_480_000)  # Wed, 21 Oct 2015 07:28:00 GMT


def read(status: int, body: bytes = b"", retry_after: str | None = None) -> tuple[Outcome, str]:
    verdict = read_response(status, retry_after, body, CLOCK, SECRET)
    return verdict.outcome, verdict.reason


def test_no_content_means_stored() -> None:
    assert read_response(204, None, b"", CLOCK, SECRET) == STORED


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (400, Outcome.PARTIAL_FAILURE, "parse"),
        (422, Outcome.PARTIAL_FAILURE, "partial"),
        (413, Outcome.PARTIAL_FAILURE, "too_large"),
        (401, Outcome.NEEDS_OPERATOR, "unauthorized"),
        (403, Outcome.NEEDS_OPERATOR, "forbidden"),
        (404, Outcome.NEEDS_OPERATOR, "not_found"),
        (408, Outcome.RETRY, "timeout"),
        (429, Outcome.RETRY, "throttled"),
        (503, Outcome.RETRY, "unavailable"),
        (500, Outcome.RETRY, "server_error"),
        (502, Outcome.RETRY, "server_error"),
        (504, Outcome.RETRY, "server_error"),
        (599, Outcome.RETRY, "server_error"),
        (200, Outcome.NEEDS_OPERATOR, "unexpected_answer"),
        (302, Outcome.NEEDS_OPERATOR, "unexpected_answer"),
        (405, Outcome.NEEDS_OPERATOR, "unexpected_answer"),
    ],
)
def test_each_status_has_its_verdict(status: int, outcome: Outcome, reason: str) -> None:
    assert read(status) == (outcome, reason)


@given(st.integers(100, 599).filter(lambda status: status != 204), st.binary(max_size=200))
def test_nothing_but_204_counts_as_stored(status: int, body: bytes) -> None:
    assert read(status, body)[0] is not Outcome.STORED


@pytest.mark.parametrize(
    "message",
    [
        'failure writing points to database: partial write: field type conflict: input field "messages"',
        "partial write: points beyond retention policy dropped=2",
    ],
)
def test_a_bad_point_that_an_old_server_calls_its_own_error_is_not_waited_for(message: str) -> None:
    body = json.dumps({"code": "internal error", "message": message}).encode()
    assert read(500, body) == (Outcome.PARTIAL_FAILURE, "partial")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (" 30 ", 30.0),
        ("999999", MAX_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("soon", 10.0),
        ("", 10.0),
        ("-5", 10.0),
        ("nan", 10.0),
        ("inf", 10.0),
        ("Wed, 99 Oct 2015 07:29:30 GMT", 10.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_ten_seconds_where_it_is_neither(
    text: str | None, seconds: float | None
) -> None:
    assert read_retry_after(text, CLOCK) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_can_break_or_stall_the_runner(text: str) -> None:
    seconds = read_retry_after(text, CLOCK)
    assert seconds is not None
    assert 0 <= seconds <= MAX_RETRY_AFTER


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_far_end_that_names_a_wait_gets_it(status: int) -> None:
    assert read_response(status, "42", b"", CLOCK, SECRET).retry_after == 42.0


def test_only_a_retry_waits() -> None:
    assert read_response(400, "42", b"", CLOCK, SECRET).retry_after is None


def test_the_detail_says_what_the_far_end_said() -> None:
    detail = read_response(404, None, b'{"message":"bucket not found"}', CLOCK, SECRET).detail
    assert detail == "HTTP 404: bucket not found"
    assert "plain words" in read_response(502, None, b"plain words", CLOCK, SECRET).detail


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_detail_holds_the_token_a_control_character_or_a_book(before: bytes, after: bytes) -> None:
    detail = read_response(400, None, before + SECRET.encode() + after, CLOCK, SECRET).detail
    assert SECRET not in detail
    assert "\n" not in detail
    assert "\x00" not in detail
    assert len(detail) <= MAX_DETAIL + len("HTTP 400: ")


def test_what_is_quoted_from_a_refused_line_stays_out_of_the_log() -> None:
    body = b'{"message":"unable to parse \'discord_member_activity,user_id=4711 x\': missing field"}'
    detail = read_response(400, None, body, CLOCK, SECRET).detail
    assert "4711" not in detail
    assert "missing field" in detail

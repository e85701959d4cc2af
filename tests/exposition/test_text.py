from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.text import TextFormat, accepts_gzip, choose_format, escape_label, header, number

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        (None, TextFormat.TEXT),
        ("", TextFormat.TEXT),
        ("*/*", TextFormat.TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TextFormat.TEXT),
        (PROMETHEUS_2, TextFormat.OPENMETRICS),
        (PROMETHEUS_3, TextFormat.OPENMETRICS),
        ("application/openmetrics-text", TextFormat.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", TextFormat.OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1", TextFormat.TEXT),
        ("application/openmetrics-text; version=2.0.0, text/plain;q=0.1", TextFormat.TEXT),
        ("application/openmetrics-text;q=0", TextFormat.TEXT),
        ("application/openmetrics-text;q=0.1, text/plain;q=0.9", TextFormat.TEXT),
        ("text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0", TextFormat.OPENMETRICS),
        ("application/openmetrics-text;q=0.5, */*", TextFormat.TEXT),
        ("application/openmetrics-text;q=nonsense", TextFormat.TEXT),
        (";;;,,=,q", TextFormat.TEXT),
    ],
)
def test_the_format_asked_for_is_given(accept: str | None, format_: TextFormat) -> None:
    assert choose_format(accept) is format_


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("GZIP", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("identity", False),
        ("*", False),
        ("br, zstd", False),
        ("gzip;q=inf", False),
    ],
)
def test_gzip_is_used_only_where_it_is_named(accept_encoding: str | None, *, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted


@given(st.text(max_size=200))
def test_no_header_can_break_a_scrape(text: str) -> None:
    assert choose_format(text) in TextFormat
    assert accepts_gzip(text) in {True, False}


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("plain", "plain"),
        ('a "b"', r"a \"b\""),
        ("a\\b", r"a\\b"),
        ("a\nb", r"a\nb"),
        ("\\n", r"\\n"),
        ("a\x00\r\x1b\x85b", "a\ufffd\ufffd\ufffd\ufffdb"),
        ("\ud800", "\ufffd"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
    ],
)
def test_a_label_is_escaped(value: str, escaped: str) -> None:
    assert escape_label(value) == escaped


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (5, "5"),
        (True, "1"),
        (2.0, "2"),
        (0.25, "0.25"),
        (2**63, "9223372036854775808"),
        (1e20, "1e+20"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_a_number_is_written_as_prometheus_reads_it(value: float, text: str) -> None:
    assert number(value) == text


def test_a_counters_name_ends_in_total_in_text_and_not_in_openmetrics() -> None:
    assert (
        header(TextFormat.TEXT, "a", "counter", "Help.") == "# HELP a_total Help.\n# TYPE a_total counter\n"
    )
    assert header(TextFormat.OPENMETRICS, "a", "counter", "Help.") == "# HELP a Help.\n# TYPE a counter\n"


def test_help_is_one_line_in_both_formats() -> None:
    assert header(TextFormat.TEXT, "a", "gauge", 'a\n\\"') == '# HELP a a\\n\\\\"\n# TYPE a gauge\n'
    assert header(TextFormat.OPENMETRICS, "a", "gauge", 'a\n\\"') == '# HELP a a\\n\\\\\\"\n# TYPE a gauge\n'

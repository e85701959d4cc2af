"""No two rows may share a point: InfluxDB keeps one per series and time."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.sinks.influx.line_protocol import RECORD_SPAN_MS, SLOT_NS, Encoder, salt_of, timestamp_ns
from tests.sinks.influx.entries import START, record, snapshot
from tests.sinks.influx.lines import read

NS_PER_MS = 1_000_000
ENCODER = Encoder(full_catalogue())

positions = st.integers(min_value=0, max_value=2**62)
lengths = st.sampled_from([1, 10, 999, 1_000, 10_000, 15_000, 60_000, 300_000, 3_600_000]) | st.integers(
    1, 10**8
)
salts = st.integers(0, SLOT_NS - 1)
starts = st.integers(0, 4_102_444_800_000)


@given(starts, lengths, positions, salts)
def test_a_point_lies_in_its_window(start: int, length: int, position: int, salt: int) -> None:
    at = timestamp_ns(start, start + length, position, salt)
    assert start * NS_PER_MS <= at < (start + length) * NS_PER_MS


@given(starts, lengths, positions, st.integers(min_value=1), salts)
def test_two_rows_of_a_spool_never_meet_within_a_window(
    start: int, length: int, position: int, apart: int, salt: int
) -> None:
    series_of = length * NS_PER_MS // SLOT_NS
    assume(apart % series_of)
    first, second = (timestamp_ns(start, start + length, p, salt) for p in (position, position + apart))
    assert first != second


@given(starts, lengths, positions, positions, salts, salts)
def test_rows_of_spools_with_different_salts_never_meet(
    start: int, length: int, one: int, other: int, salt: int, another: int
) -> None:
    assume(salt != another)
    end = start + length
    assert timestamp_ns(start, end, one, salt) != timestamp_ns(start, end, other, another)


def test_a_minute_has_timestamps_for_more_rows_than_a_spool_holds() -> None:
    assert 60_000 * NS_PER_MS // SLOT_NS > 50_000_000
    assert RECORD_SPAN_MS * NS_PER_MS // SLOT_NS > 900_000


def test_a_salt_is_the_same_in_every_process() -> None:
    digest = hashlib.blake2b(b"spool-1", digest_size=8).digest()
    assert salt_of("spool-1") == int.from_bytes(digest, "big") % 1024


@given(st.text())
def test_any_name_of_a_spool_has_a_salt(name: str) -> None:
    assert 0 <= salt_of(name) < SLOT_NS


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5), (2**63, 2**63 + 1)])
def test_what_is_no_span_of_time_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        timestamp_ns(start, end, 1, 1)


def test_two_bans_in_one_millisecond_are_two_points() -> None:
    lines = ENCODER.encode("spool-1", tuple(record(position) for position in range(1, 3000))).activity
    assert len({(read(line).series, read(line).at) for line in lines}) == len(lines)
    assert {read(line).at // 10**9 for line in lines} == {START // 1000}


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 1000)),
        unique_by=lambda item: item[0],
    ),
    st.lists(st.integers(0, 30), max_size=20),
)
def test_a_store_that_keeps_one_point_per_series_and_time_sums_to_what_was_counted(
    late: list[tuple[int, int, int]], again: list[int]
) -> None:
    """Late snapshots of one window add up; rows delivered again change nothing."""
    rows = [snapshot(position, [["messages", "human", channel, "", n]]) for position, channel, n in late]
    sent = rows + [rows[index] for index in again if index < len(rows)]
    store = {}
    for line in ENCODER.encode("spool-1", tuple(sent)).activity:
        point = read(line)
        store[point.series, point.at] = point.fields[0][1]
    assert sum(store.values()) == sum(n for _, _, n in late)

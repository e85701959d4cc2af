"""What is not as declared is no entry; what a newer version added is passed over."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot
from exporter.model import Entry, Priority, Row
from exporter.sinks.influx.line_protocol import Encoder
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from exporter.spool.codec import MALFORMED, UnreadableError, pack, unpack
from tests.entry_data import fields_of
from tests.events.records.well_formed import CATALOGUE, RECORDS, TEXTS, data_of_type

AT = 1_700_000_000_000
PERIOD = {"period_start": AT, "period_end": AT + 60_000, "period_duration": 60}


def read_raw(kind: str, data: object, **envelope: object) -> Entry:
    """What the spool reads where these fields stand on disk, whoever wrote them."""
    entry = {"type": kind, "guild_id": 1, "at": AT, "key": "k", "priority": 0, "data": data, **envelope}
    body = msgspec.msgpack.encode(entry)
    return unpack(body, crc32(body))


def known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("data", [{}, {"a": [1, {"b": None}], "action": 7}])
def test_a_type_that_is_not_declared_passes_through_as_it_is(data: dict[str, Any]) -> None:
    entry = read_raw("MADE_UP_TOMORROW", data)
    assert entry.data == data
    packed = pack(entry, 1000)
    assert unpack(packed.body, packed.crc) == entry
    assert len(Encoder(CATALOGUE).encode("spool", (Row(1, entry),)).activity) == 1
    assert plan_batch([Row(1, entry)], Rules.of(CATALOGUE), AT).occurrences == {}


def test_fields_of_a_newer_version_are_passed_over() -> None:
    entry = read_raw("GUILD_BAN_ADD", {"action": "ban", "made_up_tomorrow": {"x": [1]}}, more=1)
    assert known(fields_of(entry)) == {"action": "ban"}


def metrics(**data: object) -> tuple[str, dict[str, object]]:
    return "METRICS_SNAPSHOT", {**PERIOD, "series": [], "gauges": {}, **data}


def activity(*members: object) -> tuple[str, dict[str, object]]:
    return "MEMBER_ACTIVITY_SNAPSHOT", {**PERIOD, "members": list(members)}


def ban(**data: object) -> tuple[str, dict[str, object]]:
    return "GUILD_BAN_ADD", data


def test_the_forms_that_are_broken_below_are_right_when_whole() -> None:
    series = [["messages", "human", 1, "", 2]]
    assert isinstance(read_raw(*metrics(series=series, gauges={"members": 3})).data, MetricsSnapshot)
    member = [5, "ann", AT, AT, False, [["messages", "human", 1, 2]]]
    assert isinstance(read_raw(*activity(member)).data, MemberActivitySnapshot)


MALFORMED_DATA: dict[str, tuple[str, object]] = {
    "no map": ("GUILD_BAN_ADD", [1]),
    "no map of a type that is not declared": ("MADE_UP_TOMORROW", [1]),
    "id beyond 64 bits": ban(target_user_id=2**63),
    "negative id": ban(target_user_id=-1),
    "text for a number": ban(moderator_id="7"),
    "number for a text": ban(reason=7),
    "truth for a number": ban(moderator_id=True),
    "fraction for a number": ban(moderator_id=0.5),
    "text for a truth": ("GUILD_MEMBER_ADD", {"bot": "yes"}),
    "list for a text": ("GUILD_MEMBER_ADD", {"username": ["a"]}),
    "time in no year": ("GUILD_MEMBER_ADD", {"account_created_at": 2**60}),
    "invite without code": ("INVITE_CREATE", {"channel_id": 1}),
    "level without member": ("LEVEL_UP", {"level": 1, "xp": 1}),
    "channels that are none": ("GUILD_SYNC", {"channels": "no"}),
    "channel of three parts": ("GUILD_SYNC", {"channels": [[1, "a", 0]]}),
    "change that is none": ("GUILD_UPDATE", {"changes": {"name": 1}}),
    "series that is none": metrics(series=None),
    "series of the wrong length": metrics(series=[["messages", "human", 1, 2]]),
    "series in a series": metrics(series=[[["messages"], "human", 1, "", 1]]),
    "amount beyond all windows": metrics(series=[["messages", "human", 1, "", 2**48]]),
    "amount beyond 64 bits": metrics(series=[["messages", "human", 1, "", 2**63]]),
    "amount that is a fraction": metrics(series=[["messages", "human", 1, "", 0.5]]),
    "amount that is text": metrics(series=[["messages", "human", 1, "", "1"]]),
    "amount that is a truth": metrics(series=[["messages", "human", 1, "", True]]),
    "channel beyond 64 bits": metrics(series=[["messages", "human", 2**63, "", 1]]),
    "channel that is text": metrics(series=[["messages", "human", "1\n", "", 1]]),
    "emoji that is a number": metrics(series=[["messages", "human", 1, 3, 1]]),
    "gauge that is text": metrics(gauges={"members": "many"}),
    "gauge that is no number": metrics(gauges={"members": float("nan")}),
    "average that is infinite": metrics(sessions={"count": 1, "average_seconds": float("inf")}),
    "period that is missing": ("METRICS_SNAPSHOT", {"series": [], "gauges": {}}),
    "series that is missing": ("METRICS_SNAPSHOT", {**PERIOD, "gauges": {}}),
    "period in no year": metrics(period_start=2**60),
    "period that is text": metrics(period_end="now"),
    "member of two parts": activity([1, 2]),
    "member beyond 64 bits": activity([2**63, "", AT, AT, False, []]),
    "member that is text": activity(["5", "", AT, AT, False, []]),
    "member's amount too large": activity([5, "", AT, AT, False, [["messages", "human", 1, 2**63]]]),
    "member's counts that are none": activity([5, "", AT, AT, False, 7]),
    "member seen in no year": activity([5, "", 2**60, AT, False, []]),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED_DATA)
def test_what_is_not_as_declared_is_no_entry(name: str) -> None:
    kind, data = MALFORMED_DATA[name]
    with pytest.raises(UnreadableError) as caught:
        read_raw(kind, data)
    assert caught.value.reason == MALFORMED


@pytest.mark.parametrize(
    "envelope",
    [
        {"guild_id": 2**63},
        {"guild_id": None},
        {"at": 2**60},
        {"at": "now"},
        {"key": 7},
        {"priority": 9},
        {"type": None},
        {"amends": "yes"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["GUILD_BAN_ADD", "MADE_UP_TOMORROW"])
def test_an_envelope_that_is_not_as_declared_is_no_entry(kind: str, envelope: dict[str, object]) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_raw(kind, {}, **envelope)
    assert caught.value.reason == MALFORMED


def test_nesting_without_end_is_no_entry() -> None:
    body = msgspec.msgpack.encode({"type": "MADE_UP", "guild_id": 1, "at": AT, "key": "k", "priority": 0})
    deep = b"\x86" + body[1:] + b"\xa4data" + b"\x81\xa1x" * 100_000 + b"\x80"
    with pytest.raises(UnreadableError) as caught:
        unpack(deep, crc32(deep))
    assert caught.value.reason == MALFORMED


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(st.data())
def test_any_value_in_any_field_is_an_entry_that_can_be_kept_or_none(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(RECORDS)))
    fields = fields_of(Entry(kind, 1, AT, "k", Priority.SLOW, data.draw(data_of_type(kind))))
    fields[data.draw(st.sampled_from(RECORDS[kind].__struct_fields__))] = data.draw(ANYTHING)
    try:
        entry = read_raw(kind, fields)
    except UnreadableError:
        return
    packed = pack(entry, 2**20)
    assert unpack(packed.body, packed.crc) == entry

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.model import Entry, Priority
from exporter.spool.codec import RefusedError, UnreadableError, pack, try_unpack, unpack

texts = st.text(st.characters(codec="utf-8"), max_size=20)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
declared = {event.type for event in full_catalogue().events.values()}
entries = st.builds(
    Entry,
    # Data of a declared type comes back as its struct.
    type=texts.filter(lambda kind: kind not in declared),
    guild_id=st.integers(-(2**63), 2**63 - 1),
    at=st.integers(-62_135_596_800_000, 253_402_300_799_999),
    key=texts,
    priority=st.sampled_from(Priority),
    data=st.dictionaries(texts, trees, max_size=4),
)


@given(entries)
def test_what_is_packed_comes_back_equal(entry):
    row = pack(entry, 10**6)
    assert unpack(row.body, row.crc) == entry
    assert (row.type, row.guild, row.at, row.key) == (entry.type, entry.guild_id, entry.at, entry.key)


@given(entries, st.data())
def test_a_changed_bit_is_always_noticed(entry, data):
    row = pack(entry, 10**6)
    bit = data.draw(st.integers(0, len(row.body) * 8 - 1))
    changed = bytearray(row.body)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UnreadableError) as caught:
        unpack(bytes(changed), row.crc)
    assert caught.value.reason == "damaged"


def test_bytes_with_a_right_checksum_that_are_no_entry_are_malformed():
    with pytest.raises(UnreadableError) as caught:
        unpack(b"\x93\x01\x02\x03", crc32(b"\x93\x01\x02\x03"))
    assert caught.value.reason == "malformed"
    assert try_unpack(b"\x93\x01\x02\x03", crc32(b"\x93\x01\x02\x03")) is None


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("T", 1, 1, "k", Priority.SLOW, {"set": {1}, "x": object()}), "unencodable"),
        (Entry("T", 1, 1, "k", Priority.SLOW, {"x": 2**70}), "unencodable"),
        (Entry("T", 1, 1, "\ud800", Priority.SLOW, {}), "unencodable"),
        (Entry("T", 1, 1, "k", Priority.SLOW, {"\udfff": 1}), "unencodable"),
        (Entry("T", 2**63, 1, "k", Priority.SLOW, {}), "unencodable"),
        (Entry("T", 1, -(2**63) - 1, "k", Priority.SLOW, {}), "unencodable"),
        (Entry("T", 1, 253_402_300_800_000, "k", Priority.SLOW, {}), "unencodable"),
        (Entry("T", 1, -62_135_596_800_001, "k", Priority.SLOW, {}), "unencodable"),
        (Entry("T", 1, 1, "k", Priority.SLOW, deep(100_000)), "unencodable"),
        (Entry("T", 1, 1, "k", Priority.SLOW, {"x": "y" * 1000}), "oversized"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(entry, reason):
    with pytest.raises(RefusedError) as caught:
        pack(entry, 1000)
    assert caught.value.reason == reason

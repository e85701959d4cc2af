"""What an entry says is the same on either side of the disk, whichever version wrote it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Entry, Priority, Row
from exporter.sinks.influx.line_protocol import Encoder
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from exporter.sinks.sql.records import OCCURRENCES
from exporter.spool.codec import pack, unpack
from tests.entry_data import fields_of
from tests.events.records.well_formed import CATALOGUE, RECORDS, TEXTS, data_of_type
from tests.goldens.scripts import script_of
from tests.goldens.stage import play

PREVIOUS = Path(__file__).parents[2] / "fixtures" / "spool" / "entries.jsonl"
"""Entries as the layout before typed data wrote them: at least one of every type, amendments among them."""

AT = 1_700_000_000_000


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("kind", RECORDS)
async def test_what_is_recorded_of_an_event_is_read_back_equal_and_typed(kind: str) -> None:
    rows = (await play(kind, script_of(kind))).rows
    own = [row.entry for row in rows if row.entry.type == kind]
    assert own
    for entry in own:
        assert type(entry.data) is RECORDS[kind]
        packed = pack(entry, 2**20)
        assert unpack(packed.body, packed.crc) == entry


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(sorted(RECORDS)))
    return Entry(
        kind,
        draw(st.integers(-(2**63), 2**63 - 1)),
        draw(st.integers(-62_135_596_800_000, 253_402_300_799_999)),
        draw(TEXTS),
        draw(st.sampled_from(Priority)),
        draw(data_of_type(kind)),
        draw(st.booleans()),
    )


@given(entries())
def test_whatever_is_well_formed_comes_back_equal(entry: Entry) -> None:
    packed = pack(entry, 2**20)
    found = unpack(packed.body, packed.crc)
    assert found == entry
    assert type(found.data) is type(entry.data)


def test_nothing_is_written_for_what_an_entry_does_not_say() -> None:
    entry = Entry("GUILD_BAN_ADD", 1, AT, "k", Priority.CRITICAL, RECORDS["GUILD_BAN_ADD"](reason="spam"))
    assert msgspec.msgpack.decode(pack(entry, 1000).body)["data"] == {"reason": "spam"}


def previous() -> Iterator[tuple[str, bytes]]:
    for line in PREVIOUS.read_text(encoding="utf-8").splitlines():
        saved = json.loads(line)
        yield saved["type"], base64.b64decode(saved["body"])


def test_what_the_previous_layout_wrote_is_read_without_loss() -> None:
    seen = set()
    for kind, body in previous():
        entry = unpack(body, crc32(body))
        assert type(entry.data) is RECORDS[kind], kind
        written = msgspec.msgpack.decode(body)
        assert known(fields_of(entry)) == known(written.pop("data")), kind
        rest = {"type": entry.type, "guild_id": entry.guild_id, "at": entry.at, "key": entry.key}
        assert written == {**rest, "priority": int(entry.priority), "amends": entry.amends}
        seen.add(kind)
    assert seen == RECORDS.keys()


def test_every_sink_takes_what_the_previous_layout_wrote() -> None:
    rows = [Row(place, unpack(body, crc32(body))) for place, (_, body) in enumerate(previous(), start=1)]
    assert not Encoder(CATALOGUE).encode("spool", tuple(rows)).rejected
    changes = plan_batch(rows, Rules.of(CATALOGUE, store_snapshots=True), AT)
    assert changes.snapshots
    assert {table.name for table in OCCURRENCES} == changes.occurrences.keys()

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as ClientPoint
from influxdb_client.domain.write_precision import WritePrecision

from exporter.events.catalogue import full_catalogue
from exporter.events.spec import Dimension, Unit
from exporter.model import Json, Row
from exporter.sinks.influx.line_protocol import Encoder, Lines, escape
from tests.sinks.influx.entries import START, activity, member, record, snapshot
from tests.sinks.influx.lines import Point, read

CATALOGUE = full_catalogue()
ENCODER = Encoder(CATALOGUE)
SPOOL = "spool-1"
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
CHANNEL = 900


def encode(*rows: Row) -> Lines:
    return ENCODER.encode(SPOOL, rows)


def points(*rows: Row) -> list[Point]:
    lines = encode(*rows)
    assert not lines.rejected
    return [read(line) for line in lines.activity + lines.members]


def only(*rows: Row) -> Point:
    (point,) = points(*rows)
    return point


def test_a_count_carries_guild_channel_and_label_as_tags_and_is_an_integer() -> None:
    point = only(snapshot(1, [["messages", "human", CHANNEL, "", 5]]))
    assert point.measurement == "discord_messages"
    assert point.tags == {("guild_id", "10"), ("channel_id", "900"), ("author", "human")}
    assert point.fields == (("messages", 5),)
    assert isinstance(point.fields[0][1], int)


def test_voice_is_written_as_seconds_and_is_a_float_even_when_whole() -> None:
    line = encode(snapshot(1, [["voice_seconds", "active", CHANNEL, "", 61_500]])).activity[0]
    assert read(line).fields == (("seconds", 61.5),)
    whole = encode(snapshot(1, [["voice_seconds", "active", CHANNEL, "", 60_000]])).activity[0]
    assert isinstance(read(whole).fields[0][1], float)


@given(st.integers(min_value=0, max_value=2**48 - 1))
def test_milliseconds_become_the_float_that_a_division_gives(amount: int) -> None:
    point = only(snapshot(1, [["voice_seconds", "active", CHANNEL, "", amount]]))
    assert point.fields == (("seconds", amount / 1000),)


def test_no_channel_and_no_emoji_make_no_tag() -> None:
    assert only(snapshot(1, [["member_joins", "", 0, "", 2]])).tags == {("guild_id", "10")}


def test_an_emoji_is_a_tag() -> None:
    point = only(snapshot(1, [["reactions", "super", CHANNEL, "party, blob=1", 2]]))
    assert point.tag("emoji") == "party, blob=1"
    assert point.tag("kind") == "super"


def test_gauges_share_one_line_at_the_end_of_the_window() -> None:
    point = only(snapshot(1, [], gauges={"members": 812, "boosts": 7, "voice_members": 3}))
    assert point.measurement == "discord_guild"
    assert dict(point.fields) == {"members": 812, "boosts": 7, "voice_members": 3}
    assert point.at == (START + 60_000) * 1_000_000


def test_what_a_snapshot_says_of_members_is_not_written() -> None:
    lines = encode(snapshot(1, [["messages", "human", CHANNEL, "", 3]]))
    assert len(lines.activity) == 1
    assert not lines.members
    assert "77" not in lines.activity[0].replace(str(read(lines.activity[0]).at), "")


def test_a_member_has_one_line_with_amounts_summed_over_channels_and_label_values() -> None:
    row = activity(
        1,
        [
            member(
                501,
                ("messages", "human", 1, 3),
                ("messages", "human", 2, 4),
                ("voice_seconds", "active", 3, 1_500),
                ("voice_seconds", "muted", 3, 500),
                ("reactions", "normal", 1, 2),
                ("reactions_received", "", 0, 9),
            )
        ],
    )
    point = only(row)
    assert point.measurement == "discord_member_activity"
    assert point.tags == {("guild_id", "10"), ("user_id", "501")}
    assert dict(point.fields) == {
        "messages": 7,
        "voice_seconds": 2.0,
        "reactions_given": 2,
        "reactions_received": 9,
    }
    assert not encode(row).activity


AMOUNTS = st.integers(min_value=1, max_value=2**40)
MEMBER_SLOTS = [
    (measure.name, value)
    for measure in CATALOGUE.measures.values()
    if Dimension.MEMBER in measure.by
    for value in measure.values
]


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(MEMBER_SLOTS), st.integers(0, 3), AMOUNTS), max_size=8), max_size=5
    )
)
def test_members_fields_are_the_sums_of_their_columns(
    members: list[list[tuple[tuple[str, str], int, int]]],
) -> None:
    expected: dict[str, dict[str, int]] = {}
    rows = []
    for user, deltas in enumerate(members, 1000):
        rows.append(member(user, *((*series, channel, amount) for series, channel, amount in deltas)))
        for (name, value), _, amount in deltas:
            if column := CATALOGUE.measures[name].member_columns.get(value):
                of = expected.setdefault(str(user), {})
                of[column] = of.get(column, 0) + amount
    found = {point.tag("user_id"): dict(point.fields) for point in points(activity(1, rows))}
    seconds = {
        column
        for measure in CATALOGUE.measures.values()
        if measure.unit is Unit.MILLISECONDS
        for column in measure.member_columns.values()
    }
    assert found == {
        user: {name: amount / 1000 if name in seconds else amount for name, amount in of.items()}
        for user, of in expected.items()
    }


def test_a_record_counts_one_event_of_its_type() -> None:
    point = only(record(1, "GUILD_BAN_ADD"))
    assert point.measurement == "discord_events"
    assert point.tags == {("guild_id", "10"), ("type", "GUILD_BAN_ADD")}
    assert point.fields == (("count", 1),)


def test_an_amendment_is_not_counted_again() -> None:
    assert points(record(1, amends=True)) == []


def test_a_row_delivered_again_makes_the_same_bytes() -> None:
    rows = (snapshot(7, [["messages", "human", 1, "", 5]], gauges={"members": 3}), record(8))
    assert encode(*rows) == encode(*rows)
    assert Encoder(CATALOGUE).encode(SPOOL, rows) == encode(*rows)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (snapshot(1, [["unheard_of", "", 0, "", 1]]), "unknown_measure"),
        (snapshot(1, [["messages", "cat", 0, "", 1]]), "unknown_measure"),
        (snapshot(1, [], gauges={"unheard_of": 1}), "unknown_measure"),
        (activity(1, [member(5, ("unheard_of", "", 0, 1))]), "unknown_measure"),
        (snapshot(1, [], length=0), "malformed"),
        (snapshot(1, [], start=-START), "malformed"),
        (activity(1, [member(5, ("messages", "human", 0, 2))], length=-1), "malformed"),
        (record(1, at=-5), "malformed"),
        (record(1, at=253_402_300_799_999), "malformed"),
    ],
)
def test_a_row_that_cannot_be_written_is_rejected_alone_and_leaves_no_line(row: Row, reason: str) -> None:
    good = record(2)
    lines = encode(row, good)
    assert lines.rejected == [(1, reason)]
    assert lines.activity == encode(good).activity
    assert not lines.members


@given(st.text(min_size=1))
def test_any_text_is_one_tag_on_one_line_and_reads_back(text: str) -> None:
    """Equal but for what no server can hold: control characters, and a backslash that would escape."""
    lines = encode(snapshot(1, [["reactions", "normal", CHANNEL, text, 2]])).activity
    assert len(lines) == 1
    assert not CONTROL.search(lines[0])
    lines[0].encode()
    found = read(lines[0]).tag("emoji")
    assert len(found) == len(text)
    for index, (before, after) in enumerate(zip(text, found, strict=True)):
        if CONTROL.match(before):
            assert after == "?"
        elif before == "\\" and text[index + 1 : index + 2] in {"", ",", "=", " ", "\\"}:
            assert after == "\N{FULLWIDTH REVERSE SOLIDUS}"
        else:
            assert after == before


@given(st.lists(st.sampled_from(["a", ",", "=", " ", "\\", "\n", "\t", "\r", "é", "👍"]), min_size=1))
def test_every_mixture_of_special_characters_is_one_tag(parts: list[str]) -> None:
    text = "".join(parts)
    point = only(snapshot(1, [["reactions", "normal", CHANNEL, text, 2]]))
    assert {name for name, _ in point.tags} == {"guild_id", "channel_id", "kind", "emoji"}
    assert len(point.tag("emoji")) == len(text)


@given(st.text(st.characters(exclude_characters="\\", exclude_categories=("Cc", "Cs")), min_size=1))
def test_the_clients_own_encoder_escapes_alike(text: str) -> None:
    ours = encode(snapshot(1, [["reactions", "normal", CHANNEL, text, 2]])).activity[0]
    theirs = ClientPoint("discord_reactions").tag("guild_id", 10).tag("channel_id", CHANNEL)
    theirs = theirs.tag("kind", "normal").tag("emoji", text).field("added", 2)
    assert read(ours) == read(theirs.time(read(ours).at, WritePrecision.NS).to_line_protocol())


@pytest.mark.parametrize("text", ["plain", "", "👍", "1185034534534534534"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert escape(text) == text


def test_emojis_that_read_alike_once_written_are_summed_and_not_overwritten() -> None:
    series: list[list[Json]] = [["reactions", "normal", 1, "a\nb", 2], ["reactions", "normal", 1, "a\tb", 3]]
    assert only(snapshot(1, series)).fields == (("added", 5),)

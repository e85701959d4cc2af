from __future__ import annotations

import datetime as dt
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.messages import MessageUpdate, read_update
from exporter.events.payload import (
    CLOCK_SPREAD_MS,
    MAX_ID,
    Number,
    Snowflake,
    believable,
    clean,
    clean_or_none,
    moment_of,
    snowflake_ms,
    unix_ms,
)
from exporter.events.reactions import Emoji

NOW = 1_700_000_000_000


@given(st.text(), st.integers(0, 600))
def test_clean_text_can_be_stored_and_shown_in_one_line(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    cleaned.encode()
    assert len(cleaned) <= limit
    assert not any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in cleaned)
    assert not any(unicodedata.bidirectional(sign) in {"RLO", "LRO", "RLE", "LRE", "PDF"} for sign in cleaned)
    assert clean(cleaned, limit) == cleaned


@pytest.mark.parametrize("text", ["nelly", "Zoë", "👩‍💻", "日本語", "שלום", "1️⃣", ""])
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "mark",
    ["\x00", "\n", "\x7f", "\x85", "\u061c", "\u200e", "\u202e", "\u2066", "\u2028", "\ud800", "\ufeff"],
)
def test_a_mark_that_disguises_becomes_a_space(mark: str) -> None:
    assert clean(f"a{mark}b") == "a b"


def test_nothing_stays_nothing() -> None:
    assert clean_or_none(None) is None
    assert clean_or_none("a\nb") == "a b"


@pytest.mark.parametrize("text", ["-1", str(MAX_ID + 1), "0x10", "", "1e400", "abc"])
def test_an_id_beyond_63_bits_or_no_number_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(msgspec.json.encode(text), type=Snowflake, strict=False)


@pytest.mark.parametrize("value", ["0", "1", str(MAX_ID)])
def test_an_id_of_63_bits_is_taken_as_text_or_number(value: str) -> None:
    assert msgspec.json.decode(f'"{value}"', type=Snowflake, strict=False) == int(value)
    assert msgspec.json.decode(value, type=Snowflake, strict=False) == int(value)


@pytest.mark.parametrize(
    "body", ["1e999", "10000000000000000000000", str(2**31), str(-(2**31)), "1.5", "null"]
)
def test_a_number_no_store_holds_is_refused(body: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=Number, strict=False)


def test_a_snowflake_tells_its_moment_as_documented() -> None:
    assert snowflake_ms(175928847299117063) == 1462015105796


def test_a_moment_without_a_zone_is_utc() -> None:
    assert unix_ms(dt.datetime(1970, 1, 1, 0, 0, 1)) == 1000  # noqa: DTZ001 - what the test is about
    assert unix_ms(dt.datetime(1970, 1, 1, 1, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))) == 1000
    assert unix_ms(None) == 0


@given(st.datetimes(timezones=st.one_of(st.none(), st.timezones())))
def test_no_moment_is_too_far_away(moment: dt.datetime) -> None:
    assert -(2**63) < unix_ms(moment) < 2**63


@given(st.integers(-(2**62), 2**62))
def test_a_moment_is_believed_within_the_spread_only(at: int) -> None:
    taken = believable(at, NOW)
    assert abs(taken - NOW) <= CLOCK_SPREAD_MS
    assert taken in {at, NOW}
    assert taken == at or abs(at - NOW) > CLOCK_SPREAD_MS


def test_an_id_of_another_age_is_dated_by_its_receipt() -> None:
    assert moment_of(1, NOW) == NOW
    assert moment_of((NOW - 5 - 1_420_070_400_000) << 22, NOW) == NOW - 5


@pytest.mark.parametrize(
    ("emoji", "key"),
    [
        (Emoji(id=41771983429993937, name="parrot"), "41771983429993937"),
        (Emoji(id=41771983429993937), "41771983429993937"),
        (Emoji(name="🔥"), "🔥"),
        (Emoji(name="x" * 99), "x" * 32),
        (Emoji(), ""),
    ],
)
def test_an_emoji_is_known_by_its_id_else_by_its_text(emoji: Emoji, key: str) -> None:
    assert emoji.key == key


@pytest.mark.parametrize(
    ("text", "year"),
    [("0001-01-01T00:00:00+23:59", 1), ("9999-12-31T23:59:59.999-23:59", 9999)],
)
def test_no_zone_leads_out_of_the_years_that_can_be_written_down(text: str, year: int) -> None:
    milliseconds = unix_ms(dt.datetime.fromisoformat(text))
    assert (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)).year == year


def test_an_edit_and_the_same_edit_cut_to_milliseconds_are_one() -> None:
    """Discord cuts the time when it resolves or suppresses an embed of the edited message (api-docs 8281)."""
    edited = {"id": "1", "channel_id": "2", "guild_id": "3"}
    keys = {
        fact.dedup_key
        for text in ("2023-11-14T22:13:19.766195+00:00", "2023-11-14T22:13:19.766000+00:00")
        for fact in read_update(
            msgspec.convert(edited | {"edited_timestamp": text}, MessageUpdate, strict=False), NOW
        )
    }
    assert len(keys) == 1

"""Values on their way into columns and back."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from exporter.sinks.sql.engine import _merge_documents, encode_json
from exporter.sinks.sql.statements import Statements
from exporter.sinks.sql.types import (
    InvalidValueError,
    UtcMilliseconds,
    check_text,
    rfc3339,
)

SQLITE = sqlite.dialect()
POSTGRESQL = postgresql.dialect()
FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999

moments = st.integers(FIRST, LAST)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class TestMoment:
    @given(moments)
    @pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
    def test_every_millisecond_comes_back(self, dialect: object, moment: int) -> None:
        kind = UtcMilliseconds()
        assert kind.process_result_value(kind.process_bind_param(moment, dialect), dialect) == moment

    @given(moments, moments)
    def test_text_order_is_time_order(self, one: int, two: int) -> None:
        first, second = (str(UtcMilliseconds().process_bind_param(each, SQLITE)) for each in (one, two))
        assert (first < second) == (one < two)
        assert len(first) == len("2026-01-31T12:00:00.000Z")

    def test_text_is_rfc_3339_in_utc(self) -> None:
        assert rfc3339(dt.datetime(2026, 1, 31, 12, 0, 0, 123_000, dt.UTC)) == "2026-01-31T12:00:00.123Z"

    def test_none_stays_none(self) -> None:
        assert UtcMilliseconds().process_bind_param(None, SQLITE) is None
        assert UtcMilliseconds().process_result_value(None, POSTGRESQL) is None


class TestMerged:
    @given(st.dictionaries(texts, documents, max_size=5), st.dictionaries(texts, documents, max_size=5))
    def test_keys_of_both_stay_and_the_second_wins(self, base: dict, over: dict) -> None:
        result = json.loads(_merge_documents(encode_json(base), encode_json(over)))
        assert result == {**base, **over}

    @pytest.mark.parametrize(
        ("dialect", "spelling"),
        [
            (SQLITE, "merged_documents(moderation_logs.details, excluded.details)"),
            (POSTGRESQL, "moderation_logs.details || excluded.details"),
        ],
    )
    def test_each_dialect_has_its_own_spelling(self, dialect: Dialect, spelling: str) -> None:
        statement = Statements(dialect.name).amendments["moderation_logs"]
        assert spelling in str(statement.compile(dialect=dialect))

    def test_text_of_equal_documents_is_equal(self) -> None:
        assert encode_json({"b": 1, "a": "é"}) == encode_json({"a": "é", "b": 1}) == '{"a":"é","b":1}'
        with pytest.raises(ValueError, match="Out of range"):
            encode_json({"a": float("nan")})


class TestText:
    @given(documents)
    def test_text_without_nul_passes_wherever_it_stands(self, value: object) -> None:
        check_text(value, "x")

    @given(texts, texts)
    def test_nul_is_found_wherever_it_stands(self, before: str, after: str) -> None:
        bad = before + "\0" + after
        for value in (bad, [1, bad], (bad,), {"a": {bad: 1}}, {"a": [{"b": bad}]}):
            with pytest.raises(InvalidValueError):
                check_text(value, "x")

    def test_a_message_never_repeats_the_value(self) -> None:
        with pytest.raises(InvalidValueError) as caught:
            check_text("secret\0", "reason")
        assert str(caught.value) == "reason holds NUL"

"""Values on their way into columns and back."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, LargeBinary, column
from sqlalchemy.dialects import postgresql, sqlite

from exporter.sinks.sql.engine import _merge_documents, encode_json
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.types import Document, UtcMilliseconds, merged, rfc3339
from exporter.sinks.sql.validation import (
    AMOUNT_LIMIT,
    UnfitError,
    fit_amount,
    fit_document,
    fit_integer,
    fit_moment,
    fit_number,
    fit_text,
    fitter,
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

    def test_each_dialect_has_its_own_spelling(self) -> None:
        expression = merged(column("a", Document), column("b", Document))
        assert str(expression.compile(dialect=SQLITE)) == "merged_documents(a, b)"
        assert str(expression.compile(dialect=POSTGRESQL)) == "(a || b)"

    def test_text_of_equal_documents_is_equal(self) -> None:
        assert encode_json({"b": 1, "a": "é"}) == encode_json({"a": "é", "b": 1}) == '{"a":"é","b":1}'
        with pytest.raises(ValueError, match="Out of range"):
            encode_json({"a": float("nan")})


class TestFitting:
    @pytest.mark.parametrize("value", [0, 2**63 - 1, -(2**63)])
    def test_64_bits_fit(self, value: int) -> None:
        assert fit_integer(value, "x") == value

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1, True, 1.0, "1", None, [1]])
    def test_what_is_no_64_bit_integer_does_not(self, value: object) -> None:
        with pytest.raises(UnfitError, match="x is no 64-bit integer"):
            fit_integer(value, "x")

    @pytest.mark.parametrize("value", [AMOUNT_LIMIT, -AMOUNT_LIMIT, 0.5, True, "1"])
    def test_amounts_are_bounded_so_that_sums_fit(self, value: object) -> None:
        assert fit_amount(AMOUNT_LIMIT - 1, "x") == AMOUNT_LIMIT - 1
        with pytest.raises(UnfitError):
            fit_amount(value, "x")

    @pytest.mark.parametrize("value", [FIRST - 1, LAST + 1, True, 0.0, "now"])
    def test_moments_have_a_year_of_four_digits(self, value: object) -> None:
        assert fit_moment(FIRST, "x") == FIRST
        assert fit_moment(LAST, "x") == LAST
        with pytest.raises(UnfitError):
            fit_moment(value, "x")

    @given(texts)
    def test_clean_text_fits(self, value: str) -> None:
        assert fit_text(value, "x") == value

    @given(texts, st.sampled_from(["\0", "\ud800", "\udfff"]), texts)
    def test_text_no_store_can_encode_does_not(self, before: str, bad: str, after: str) -> None:
        for value in (before + bad + after, [before + bad + after], {before + bad: after}):
            with pytest.raises(UnfitError):
                fit_document(value, "x")

    @given(documents)
    def test_documents_fit_as_they_are(self, value: object) -> None:
        assert fit_document(value, "x") is value

    @pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), b"bytes", {1, 2}, object()])
    def test_what_json_cannot_hold_does_not(self, value: object) -> None:
        with pytest.raises(UnfitError):
            fit_document([value], "x")

    @pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "1"])
    def test_numbers_are_finite(self, value: object) -> None:
        assert fit_number(60, "x") == 60.0
        with pytest.raises(UnfitError):
            fit_number(value, "x")

    def test_a_message_never_repeats_the_value(self) -> None:
        with pytest.raises(UnfitError) as caught:
            fit_text("secret\0", "reason")
        assert str(caught.value) == "reason is no clean text"

    def test_every_column_has_a_check_and_a_new_type_asks_for_one(self) -> None:
        for table in metadata.tables.values():
            for each in table.columns:
                if each.name not in {"id", "day"}:
                    fitter(each)
        with pytest.raises(LookupError, match="no check for column blob"):
            fitter(Column("blob", LargeBinary))

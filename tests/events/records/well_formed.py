"""Any well-formed value of a declared type, for properties that hold of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET, inspect

from exporter.events.catalogue import full_catalogue
from exporter.events.records.values import RecordType

CATALOGUE = full_catalogue()
RECORDS: dict[str, RecordType] = {
    kind: event.record for kind, event in CATALOGUE.events.items() if event.record is not None
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type."""
    return STRATEGIES[type(kind)](kind)


def data_of_type(kind: str) -> st.SearchStrategy[Any]:
    """What entries of an event type may say."""
    return values(inspect.type_info(RECORDS[kind]))


def _integers(kind: inspect.IntType) -> st.SearchStrategy[int]:
    low = kind.ge if kind.ge is not None else (kind.gt + 1 if kind.gt is not None else -(2**63))
    high = kind.le if kind.le is not None else (kind.lt - 1 if kind.lt is not None else 2**63 - 1)
    return st.integers(low, high)


STRATEGIES: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.UnionType: lambda kind: st.one_of(*(values(each) for each in kind.types)),
    inspect.NoneType: lambda _: st.none(),
    inspect.CustomType: lambda _: st.just(UNSET),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.IntType: _integers,
    inspect.FloatType: lambda kind: st.floats(kind.ge, kind.le),
    inspect.StrType: lambda _: TEXTS,
    inspect.ListType: lambda kind: st.lists(values(kind.item_type), max_size=3),
    inspect.TupleType: lambda kind: st.tuples(*(values(each) for each in kind.item_types)),
    inspect.DictType: lambda kind: st.dictionaries(
        values(kind.key_type), values(kind.value_type), max_size=3
    ),
    inspect.StructType: lambda kind: st.builds(
        kind.cls, **{field.name: values(field.type) for field in kind.fields}
    ),
}

"""What entries say is declared once: reference, columns and details follow from it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from msgspec import inspect
from sqlalchemy import JSON, BigInteger, Boolean, Text

from exporter.events.audit import ENTRY_CREATE
from exporter.events.changes import CHANGES
from exporter.events.facts.moderation import Action, AuditEntry, AuditPage
from exporter.events.moderation import ACTIONS, TYPE_OF_ACTION
from exporter.events.moderation import RECORDS as MODERATION
from exporter.events.records.snapshots import MetricsSnapshot, SnapshotDetail
from exporter.events.records.values import describe_fields
from exporter.events.structure import RECORDS as STRUCTURE
from exporter.model import EntryData
from exporter.sinks.sql.records import OCCURRENCES
from exporter.sinks.sql.schema import guilds, invites
from exporter.sinks.sql.types import UtcMilliseconds
from tests.events.records.well_formed import CATALOGUE, RECORDS
from tests.goldens.script import RECORDED

AT = 1_700_000_000_000


def test_what_has_a_table_says_something_and_what_is_only_counted_says_nothing() -> None:
    assert {kind for kind, event in CATALOGUE.events.items() if event.table} == RECORDS.keys()


@pytest.mark.parametrize("kind", RECORDS)
def test_every_field_is_documented(kind: str) -> None:
    for field in CATALOGUE.events[kind].fields:
        assert field.help.endswith((".", "`")), field


def test_a_field_that_is_not_documented_is_refused() -> None:
    class Bare(EntryData, frozen=True, kw_only=True):
        size: int

    with pytest.raises(TypeError, match=r"Bare\.size is not documented"):
        describe_fields(Bare)


def test_a_type_without_records_has_no_fields() -> None:
    assert describe_fields(None) == ()


def test_who_is_named_is_marked_as_personal() -> None:
    for kind, record in RECORDS.items():
        marked = {field.name for field in describe_fields(record) if field.personal}
        people = {name for name in record.__struct_fields__ if name.endswith(("user_id", "username"))}
        people |= {
            name
            for name in record.__struct_fields__
            if name.startswith(("moderator", "actor", "inviter", "invitee", "owner"))
        }
        assert people <= marked, kind


def test_what_an_audit_log_entry_or_a_dispatch_says_has_a_field_in_its_record() -> None:
    records = {action: MODERATION[TYPE_OF_ACTION.get(action, ENTRY_CREATE)] for action in ACTIONS.values}
    records |= {action: STRUCTURE[action.upper()] for action in CHANGES}
    seen = set()
    for fact in recorded_facts():
        match fact:
            case AuditEntry(action=action, details=said) if action:
                pass
            case Action(action=action, data=said) if action in records:
                pass
            case _:
                continue
        assert said.keys() <= set(records[action].__struct_fields__), action
        seen.add(action)
    assert len(seen) > 25


def recorded_facts() -> Iterator[object]:
    for path in sorted(RECORDED.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            for reader in CATALOGUE.readers.get(path.stem, ()):
                body = json.dumps(case["d"]).encode()
                for fact in reader.read(msgspec.json.decode(body, type=reader.payload, strict=False), AT):
                    yield from fact.entries if isinstance(fact, AuditPage) else (fact,)


def test_every_detail_of_a_snapshot_is_a_field_that_may_be_missing() -> None:
    optional = {field.name for field in inspect.type_info(MetricsSnapshot).fields if not field.required}
    assert {str(detail) for detail in SnapshotDetail} - {"newcomers"} == optional


KINDS_OF_COLUMNS = {BigInteger: inspect.IntType, Boolean: inspect.BoolType, Text: inspect.StrType}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_field_that_is_a_column_has_the_type_of_the_column(kind: str) -> None:
    tables = {table.name: table for table in (*OCCURRENCES, guilds, invites)}
    table = tables.get(CATALOGUE.events[kind].table or "")
    if table is None:
        return
    for field in inspect.type_info(RECORDS[kind]).fields:
        if field.name not in table.columns:
            continue
        column = table.columns[field.name]
        (found,) = (each for each in _alternatives(field.type) if not _says_nothing(each))
        if isinstance(column.type, JSON):
            continue
        if isinstance(column.type, UtcMilliseconds):
            assert (found.ge, found.le) == (-62_135_596_800_000, 253_402_300_799_999), field.name
            continue
        (expected,) = (form for sql, form in KINDS_OF_COLUMNS.items() if isinstance(column.type, sql))
        assert isinstance(found, expected), field.name
        if isinstance(found, inspect.IntType):
            assert found.ge is not None, field.name
            assert found.ge >= -(2**63), field.name
            assert found.le is not None, field.name
            assert found.le < 2**63, field.name


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _says_nothing(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType) or (
        isinstance(kind, inspect.CustomType) and kind.cls is msgspec.UnsetType
    )

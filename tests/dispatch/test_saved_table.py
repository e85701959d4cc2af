"""Rows of saved state: encoded ahead while nothing can be committed, and logged once where that fails."""

from __future__ import annotations

import msgspec
import pytest

from exporter.dispatch.component import SavedTable


class Row(msgspec.Struct, frozen=True, array_like=True):
    number: object


class Held:
    """Rows in memory, and which of them were read for saving."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.read: list[int] = []
        self.table: SavedTable[int, Row] = SavedTable("rows", int, Row, self._read, self.rows.__setitem__)

    def _read(self, key: int) -> Row | None:
        self.read.append(key)
        return self.rows.get(key)

    def put(self, key: int, number: object) -> None:
        self.rows[key] = Row(number)
        self.table.touch(key)

    def save(self) -> dict[int, object]:
        return {
            msgspec.msgpack.decode(row.key): row.value and msgspec.msgpack.decode(row.value)[0]
            for row in self.table.save("held")
        }


def test_rows_prepared_are_not_encoded_again_in_the_step_of_the_commit() -> None:
    held = Held()
    for key in range(10):
        held.put(key, key)
    held.table.prepare("held", 4)
    held.table.prepare("held", 4)
    assert held.read == list(range(8)), "a slice at a time"
    assert len(held.table) == 10
    held.read.clear()
    assert held.save() == {key: key for key in range(10)}
    assert held.read == [8, 9]


def test_a_row_that_changes_after_it_was_prepared_is_saved_as_it_is_last() -> None:
    held = Held()
    held.put(1, "old")
    held.put(2, "kept")
    held.put(3, "gone")
    held.table.prepare("held", 10)
    held.put(1, "new")
    del held.rows[3]
    held.table.touch(3)
    assert len(held.table) == 3
    assert held.save() == {1: "new", 2: "kept", 3: None}


def test_rows_that_were_not_committed_are_saved_again_without_being_encoded_again() -> None:
    held = Held()
    held.put(1, "a")
    held.put(2, "b")
    held.save()
    held.put(2, "c")
    held.read.clear()
    held.table.merge_back()
    assert held.save() == {1: "a", 2: "c"}
    assert held.read == [2]
    held.table.confirm()
    assert held.save() == {}


def test_a_row_that_cannot_be_encoded_is_left_out_and_logged_once_an_episode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Held()

    def saves(number: object) -> dict[int, object]:
        held.put(1, number)
        held.put(2, "good")
        saved = held.save()
        held.table.confirm()
        return saved

    for _ in range(3):
        assert saves(object()) == {2: "good"}
    assert held.save() == {}, "a commit without rows ends no episode"
    saves(object())
    assert len(caplog.records) == 1
    assert saves("well again") == {1: "well again", 2: "good"}
    saves(object())
    assert len(caplog.records) == 2

"""What is known of guilds is not walked over by the garbage collector again and again."""

from __future__ import annotations

import gc

import pytest

from exporter.gc_tuning import Heap


@pytest.fixture(autouse=True)
def collector():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_start_is_set_aside_as_it_grows():
    heap = Heap()
    gc.unfreeze()
    heap.look(0)
    assert gc.get_freeze_count() == 0
    kept: list[list[int]] = [[] for _ in range(1000)]
    heap.look(500)
    first = gc.get_freeze_count()
    assert first >= len(kept)
    more: list[list[int]] = [[] for _ in range(1000)]
    heap.look(900)
    assert gc.get_freeze_count() >= first + len(more)


def test_a_guild_now_and_then_is_not():
    heap = Heap()
    heap.look(1000)
    gc.unfreeze()
    heap.look(1005)
    assert gc.get_freeze_count() == 0


def test_looks_at_the_young_are_rarer_than_by_default():
    Heap.tune()
    assert gc.get_threshold()[0] > 700

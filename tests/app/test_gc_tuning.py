"""What is known of guilds is not walked over by the garbage collector again and again."""

from __future__ import annotations

import gc

import pytest

from exporter.gc_tuning import GcTuner


@pytest.fixture(autouse=True)
def collector():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_start_is_set_aside_as_it_grows():
    tuner = GcTuner()
    gc.unfreeze()
    tuner.freeze_growth(0)
    assert gc.get_freeze_count() == 0
    frozen_guilds: list[list[int]] = [[] for _ in range(1000)]
    tuner.freeze_growth(500)
    first = gc.get_freeze_count()
    assert first >= len(frozen_guilds)
    more: list[list[int]] = [[] for _ in range(1000)]
    tuner.freeze_growth(900)
    assert gc.get_freeze_count() >= first + len(more)


def test_a_guild_now_and_then_is_not():
    tuner = GcTuner()
    tuner.freeze_growth(1000)
    gc.unfreeze()
    tuner.freeze_growth(1005)
    assert gc.get_freeze_count() == 0


def test_looks_at_the_young_are_rarer_than_by_default():
    GcTuner.set_thresholds()
    assert gc.get_threshold()[0] > 700

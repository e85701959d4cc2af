"""A flush while dispatches go on coming: it waits for what came before it was asked for, and for no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter import pipeline as middle
from exporter.tracking.moderation.waiting_table import WINDOW_MS
from tests.site import GUILD, Site

STEP_MS = 100


async def test_a_flush_under_live_traffic_waits_only_for_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middle, "FLUSH_POLL_SECONDS", 0)
    site = Site(tmp_path)
    pipeline = await site.start()
    site.feed(pipeline, "GUILD_CREATE", {"id": str(GUILD), "name": "g", "member_count": 9_000})
    looks = 0
    decide = pipeline._decide

    def leave() -> None:
        user = {"id": str(1_000 + looks), "username": "p"}
        site.feed(pipeline, "GUILD_MEMBER_REMOVE", {"guild_id": str(GUILD), "user": user})

    def look() -> None:
        nonlocal looks
        looks += 1
        site.clock.advance(STEP_MS / 1000)
        leave()
        decide()

    monkeypatch.setattr(pipeline, "_decide", look)
    leave()
    assert await pipeline.flush()
    assert looks * STEP_MS == pytest.approx(WINDOW_MS, abs=2 * STEP_MS)
    leaves = await site.entries("GUILD_MEMBER_REMOVE")
    assert len([entry for entry in leaves if not entry.amends]) == looks + 1, "all of them are stored"
    await site.close()

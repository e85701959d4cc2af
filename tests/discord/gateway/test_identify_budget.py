"""IDENTIFYs are spaced and stay within the day's allowance, restarts included."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.discord.gateway.adapter import ApiClient
from exporter.discord.gateway.identify_budget import IdentifyGate, IdentifyLedger, daily_allowance, reserve
from exporter.discord.rest.client import GatewayBot, SessionStartLimit
from exporter.discord.rest.gateway_answer import GatewayReader
from exporter.telemetry import Telemetry, value
from tests.discord.harness import until

DAY_MS = 24 * 3600 * 1000
LIMIT = SessionStartLimit(total=1000, remaining=1000, reset_after=0, max_concurrency=1)


@given(times=st.lists(st.integers(0, 3 * DAY_MS), max_size=60).map(sorted), allowance=st.integers(1, 20))
def test_the_ledger_lets_no_day_have_more_than_the_allowance(times: list[int], allowance: int) -> None:
    ledger = IdentifyLedger(None, 1)
    sent: list[int] = []
    for now in times:
        if ledger.until_next(now, allowance) == 0:
            ledger.add(now)
            sent.append(now)
        assert sum(now - DAY_MS < moment <= now for moment in sent) <= allowance


@given(
    times=st.lists(st.integers(0, DAY_MS), min_size=1, max_size=40).map(sorted), allowance=st.integers(1, 9)
)
def test_the_wait_named_is_exactly_long_enough(times: list[int], allowance: int) -> None:
    ledger = IdentifyLedger(None, 1)
    for now in times:
        ledger.add(now)
    now = times[-1]
    wait = ledger.until_next(now, allowance)
    if wait > 0:
        assert ledger.until_next(now + round(wait * 1000) - 1, allowance) > 0
        assert ledger.until_next(now + round(wait * 1000), allowance) == 0


def test_a_restart_remembers_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "identify.json"
    before = IdentifyLedger(path, 1)
    for now in (1000, 2000, 3000):
        before.add(now)
    assert IdentifyLedger(path, 1).spent(4000) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["identify.json"]


def test_another_bot_has_its_own_allowance(tmp_path: Path) -> None:
    path = tmp_path / "identify.json"
    IdentifyLedger(path, 1).add(1000)
    assert IdentifyLedger(path, 2).spent(1000) == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"bot":1,"sent":["x"]}', b'{"bot":1}', b"\xff", b"[" * 100_000]
)
def test_a_broken_file_is_forgotten_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "identify.json"
    path.write_bytes(content)
    ledger = IdentifyLedger(path, 1)
    assert ledger.spent(0) == 0
    assert "cannot be read" in caplog.text
    ledger.add(5)
    assert IdentifyLedger(path, 1).spent(5) == 1


def test_a_file_that_cannot_be_written_costs_only_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = IdentifyLedger(tmp_path / "missing" / "identify.json", 1)
    ledger.add(5)
    assert ledger.spent(5) == 1
    assert "cannot be written" in caplog.text


def test_the_file_stays_small_whatever_happens(tmp_path: Path) -> None:
    path = tmp_path / "identify.json"
    path.write_text('{"bot":1,"sent":[' + ",".join(str(n) for n in range(20_000)) + "]}")
    IdentifyLedger(path, 1).add(20_000)
    assert path.stat().st_size < 40_000


def test_a_clock_stepped_back_blocks_no_longer_than_a_day() -> None:
    ledger = IdentifyLedger(None, 1)
    ledger.add(50 * DAY_MS)
    assert 0 < ledger.until_next(0, 1) <= DAY_MS / 1000


@pytest.mark.parametrize(
    ("total", "shards", "allowed", "kept"), [(1000, 1, 300, 50), (1000, 200, 600, 50), (10, 1, 3, 0)]
)
def test_the_allowance_is_a_share_that_still_starts_every_shard(
    total: int, shards: int, allowed: int, kept: int
) -> None:
    limit = SessionStartLimit(total=total, remaining=total, reset_after=0)
    assert daily_allowance(limit, shards) == allowed
    assert reserve(limit) == kept


class Gated:
    """A gate over time that passes only by its sleeps."""

    def __init__(self, limit: SessionStartLimit = LIMIT, *, ledger: IdentifyLedger | None = None) -> None:
        self.clock = ManualClock()
        self.limit = limit
        self.asked = 0
        self.telemetry = Telemetry()
        self.sent_at: list[tuple[int, float]] = []
        self.gate = IdentifyGate(
            self._fetch_gateway,
            ledger or IdentifyLedger(None, 1),
            self.telemetry,
            self.clock,
            shards=1,
            sleep=self._sleep,
        )

    async def _fetch_gateway(self) -> GatewayBot:
        self.asked += 1
        return GatewayBot("ws://gateway", 1, self.limit)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.clock.advance(seconds)

    async def identify(self, shard: int) -> None:
        async with self.gate.turn(shard) as url:
            assert url == "ws://gateway"
            for _ in range(20):
                await asyncio.sleep(0)  # connecting lets the others run
            self.gate.sent(shard)
            self.sent_at.append((shard, self.clock.monotonic()))


async def test_identifies_of_one_bucket_are_five_seconds_apart() -> None:
    gated = Gated()
    await asyncio.gather(*(gated.identify(shard) for shard in range(4)))
    assert gated.sent_at == [(0, 0.0), (1, 5.0), (2, 10.0), (3, 15.0)]


async def test_buckets_go_in_parallel() -> None:
    gated = Gated(SessionStartLimit(total=1000, remaining=1000, reset_after=0, max_concurrency=4))
    await asyncio.gather(*(gated.identify(shard) for shard in range(4)))
    assert gated.sent_at == [(shard, 0.0) for shard in range(4)]
    await gated.identify(6)
    assert gated.sent_at[-1] == (6, 5.0)


async def test_buckets_in_parallel_do_not_exceed_the_allowance_together() -> None:
    gated = Gated(SessionStartLimit(total=10, remaining=10, reset_after=0, max_concurrency=8))
    await asyncio.gather(*(gated.identify(shard) for shard in range(8)))
    day = 24 * 3600
    moments = sorted(moment for _, moment in gated.sent_at)
    assert len(moments) == 8
    assert all(later - earlier >= day for earlier, later in zip(moments, moments[3:], strict=False))


async def test_where_the_limit_is_unknown_the_own_count_decides() -> None:
    class Api:
        async def get(self, *_: object, **__: object) -> object:
            return {"url": "ws://gateway", "shards": 1, "session_start_limit": None}

    ledger = IdentifyLedger(None, 1)
    gated = Gated(ledger=ledger)
    gated.gate._fetch_gateway = partial(GatewayReader().fetch, cast("ApiClient", Api()))
    for _ in range(299):
        ledger.add(gated.clock.now_ms())
    await gated.identify(0)
    assert value(gated.telemetry.identifies_remaining) == 700
    await gated.identify(0)
    assert [moment for _, moment in gated.sent_at] == [0.0, pytest.approx(24 * 3600, abs=10)]


async def test_a_failed_attempt_gives_its_turn_to_the_next() -> None:
    gated = Gated()
    with pytest.raises(OSError, match="gone"):
        async with gated.gate.turn(0):
            raise OSError("gone")
    await gated.identify(1)
    assert gated.sent_at == [(1, 5.0)]


async def test_a_crash_loop_stops_at_the_allowance_and_goes_on_a_day_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gated = Gated()
    for _ in range(301):
        await gated.identify(0)
    assert gated.sent_at[299][1] == 299 * 5.0
    assert gated.sent_at[300][1] == pytest.approx(24 * 3600.0)
    assert "the day's IDENTIFYs are spent" in caplog.text
    assert value(gated.telemetry.gateway_identifies, "0") == 301


async def test_the_reserve_is_not_touched_until_discord_resets() -> None:
    gated = Gated(SessionStartLimit(total=1000, remaining=50, reset_after=90_000))
    identifying = asyncio.create_task(gated.identify(0))
    await until(lambda: gated.clock.monotonic() >= 91)
    gated.limit = LIMIT
    await identifying
    assert gated.sent_at[0][1] >= 90


async def test_the_rest_of_the_limit_is_counted_down_between_two_answers() -> None:
    gated = Gated(SessionStartLimit(total=1000, remaining=52, reset_after=10_000))
    left = gated.telemetry.identifies_remaining
    assert not left.values, "nothing is said of the limit before Discord did"
    await gated.identify(0)
    await gated.identify(0)
    assert value(left) == 50
    identifying = asyncio.create_task(gated.identify(0))
    await until(lambda: gated.clock.monotonic() >= 10)
    gated.limit = LIMIT
    await identifying
    assert [moment for _, moment in gated.sent_at[:2]] == [0.0, 5.0]
    assert gated.sent_at[2][1] > 10


async def test_the_limit_is_asked_for_again_only_after_a_minute() -> None:
    gated = Gated()
    for _ in range(12):
        await gated.identify(0)
    assert gated.asked == 1
    gated.clock.advance(60)
    await gated.identify(0)
    assert gated.asked == 2

"""Traffic: the same seed gives the same actions, activity is unequal, and the runner keeps its rate."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.behaviours.context import Context, day_curve
from discord_simulator.ledger import Ledger
from discord_simulator.runner import run_traffic
from discord_simulator.scheduler import Scheduler
from discord_simulator.seed import Shape
from discord_simulator.traffic import EVERYDAY, Traffic
from discord_simulator.world import World
from exporter.clock import Clock, ManualClock, SystemClock


def actions_of(stage: Any) -> list[tuple[Any, ...]]:
    """The recorded actions, without their times."""
    made_later = (
        "message_id",
        "audit_entry_id",
        "n",
        "at",
        "from",
        "to",
        "ms",
        "afk_ms",
        "channels",
        "of",
        "until",
    )
    threads = {line["channel_id"] for line in stage.lines() if line["type"] == "THREAD_CREATE"}
    return [
        tuple(
            (key, "thread" if value in threads else value)
            for key, value in line.items()
            if key not in made_later and isinstance(value, str | int | bool)
        )
        for line in stage.lines()
    ]


def test_the_same_seed_gives_the_same_bytes_at_the_same_time(make_stage: Callable[..., Any]) -> None:
    one, other = make_stage(), make_stage()
    for stage in (one, other):
        stage.world.record_guilds()
        stage.run(3000).finish()
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.dispatches == other.dispatches


def test_the_same_seed_gives_the_same_actions_at_another_time(make_stage: Callable[..., Any]) -> None:
    one, other = make_stage(), make_stage(wall_ms=1_790_000_123_456)
    for stage in (one, other):
        stage.world.record_guilds()
    one.run(3000).finish()
    traffic = Traffic(other.world, rate=100)
    for number in range(3000):
        other.clock.advance(random.Random(number).uniform(0, 0.02))
        traffic.step()
    traffic.finish()
    assert actions_of(one) == actions_of(other)
    assert len(actions_of(one)) > 3000


def test_another_seed_gives_other_actions(make_stage: Callable[..., Any]) -> None:
    one, other = make_stage(seed=1), make_stage(seed=2)
    for stage in (one, other):
        stage.run(200)
    assert actions_of(one) != actions_of(other)
    assert set(one.world.guilds).isdisjoint(other.world.guilds)


def test_every_behaviour_finds_a_target(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=5, members=60)
    done: Counter[str] = Counter()
    behaviours = {}
    for behaviour, weight in EVERYDAY.items():

        def counting(context: Context, behaviour: Any = behaviour) -> bool:
            found = behaviour(context)
            done[behaviour.__qualname__ + behaviour.__module__] += found
            return found

        behaviours[counting] = max(weight, 2)
    traffic = Traffic(stage.world, rate=20, behaviours=behaviours)
    for _ in range(12_000):
        stage.clock.advance(0.05)
        traffic.step()
    assert len(+done) == len(EVERYDAY), {name for name in done if not done[name]}


def test_few_members_write_most_messages(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=10, members=100)
    stage.run(5000)
    written = [
        line for line in stage.lines() if line["type"] == "MESSAGE_CREATE" and line["author"] == "human"
    ]
    for key in ("user_id", "parent_id", "guild_id"):
        counts = sorted(Counter(line[key] for line in written).values(), reverse=True)
        top = counts[: max(1, len(counts) // 5)]
        assert sum(top) > sum(counts) * 0.4, key


def test_members_write_in_conversations(make_stage: Callable[..., Any]) -> None:
    stage = make_stage()
    stage.run(2000)
    written = [d for kind, d in stage.take() if kind == "MESSAGE_CREATE"]
    replies = [data for data in written if data["type"] == 19]
    assert len(replies) > len(written) * 0.05
    assert {data["type"] for data in written} >= {0, 7, 19}


def test_users_join_in_bursts(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=2)
    stage.run(8000, rate=50)
    joined = Counter(
        (line["guild_id"], line["at"] // 4000) for line in stage.lines() if line["type"] == "GUILD_MEMBER_ADD"
    )
    assert max(joined.values()) >= 4


def test_actors_reasons_and_delays_vary(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=2, members=100)
    stage.run(12_000, rate=50)
    bans = [line for line in stage.lines() if line["type"] == "GUILD_BAN_ADD"]
    assert len({line["moderator_id"] for line in bans}) > 1
    assert len({line["reason"] for line in bans}) > 3
    entries = {line["audit_entry_id"]: line for line in stage.lines() if line["type"] == "AUDIT_LOG_ENTRY"}
    waits = [
        entries[line["audit_entry_id"]]["at"] - line["at"]
        for line in bans
        if line["audit_entry_id"] in entries
    ]
    assert min(waits) == 0
    assert 0 < max(waits) <= 2500


def test_a_world_in_an_outage_stands_still_and_recovers(make_stage: Callable[..., Any]) -> None:
    stage = make_stage()
    for guild_id in stage.view.guild_ids():
        stage.view.set_outage(guild_id, unavailable=True)
    before = stage.ledger.lines
    traffic = Traffic(
        stage.world, rate=100, behaviours={h: w for h, w in EVERYDAY.items() if h.__name__ != "add_guild"}
    )
    for _ in range(50):
        traffic.step()
    assert stage.ledger.lines == before
    traffic.finish()
    assert not any(stage.view.is_unavailable(guild_id) for guild_id in stage.view.guild_ids())


def test_memory_is_bounded(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=1)
    traffic = stage.run(20_000, rate=1000)
    guild = stage.guild
    assert all(len(channel.recent) <= 64 for channel in guild.channels())
    assert len(guild.threads) <= 12
    assert len(guild.audit) <= 1000
    assert len(traffic.context.conversations) <= 64
    assert len(guild.former_members) <= 50


@given(hour=st.floats(-100, 100))
def test_nights_are_quiet_but_never_silent(hour: float) -> None:
    assert 0.19 < day_curve(hour) < 1.81
    assert day_curve(20) > 4 * day_curve(5)


@given(count=st.integers(1, 10_000), seed=st.integers())
def test_a_rank_is_always_a_rank(count: int, seed: int) -> None:
    context = Context(World(Shape(guilds=0), Ledger(None, ManualClock()), ManualClock()), random.Random(seed))
    assert 0 <= context.rank(count) < count


def test_lower_ranks_are_likelier() -> None:
    context = Context(World(Shape(guilds=0), Ledger(None, ManualClock()), ManualClock()), random.Random(1))
    counts = Counter(context.rank(50) for _ in range(20_000))
    assert counts[0] > 1.5 * counts[1] > 2 * counts[5] > 4 * counts[40] > 0


def test_the_scheduler_keeps_order_and_time() -> None:
    scheduler = Scheduler()
    done: list[str] = []
    scheduler.after(2, lambda: done.append("late"))
    scheduler.after(1, lambda: done.append("first"))
    scheduler.after(1, lambda: done.append("second"))
    assert scheduler.pop_due() is None
    scheduler.now = 1
    while operation := scheduler.pop_due():
        operation()
    assert done == ["first", "second"]
    assert len(scheduler) == 1


def test_a_flush_completes_operations_and_drops_other_callbacks() -> None:
    scheduler = Scheduler()
    done: list[str] = []
    scheduler.after(5, lambda: done.append("echo of 1"), before_outage_of=1)
    scheduler.after(4, lambda: done.append("echo of 2"), before_outage_of=2)
    scheduler.after(3, lambda: done.append("plan"))
    scheduler.flush(2)
    scheduler.flush(2)
    assert done == ["echo of 2"]
    scheduler.flush_all()
    assert done == ["echo of 2", "echo of 1"]
    assert len(scheduler) == 0


# ── the driver ───────────────────────────────────────────────────────────────────────────────────────


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@pytest.fixture
def production(tmp_path: Any) -> Any:
    clock = SystemClock()
    ledger = Ledger(tmp_path / "ledger.jsonl", clock)
    world = World(Shape(seed=3, guilds=3, members=20), ledger, clock)
    yield world, ledger, tmp_path / "ledger.jsonl", clock
    ledger.close()


async def running(
    world: World,
    traffic: Traffic,
    ledger: Ledger,
    clock: Clock,
    *,
    publish: Callable[[Any], None] = lambda _dispatch: None,
    ready: asyncio.Event | None = None,
    duration: float | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """The runner at the rate of the traffic; a bot is ready from the start unless ``ready`` says so later."""
    if ready is None:
        ready = asyncio.Event()
        ready.set()
    await run_traffic(
        world,
        traffic,
        ledger,
        publish,
        version="0",
        rate=traffic.rate,
        duration=duration,
        ready=ready,
        clock=clock,
        stop_event=stop or asyncio.Event(),
    )


async def test_the_runner_writes_a_whole_ledger_and_ends_every_voice_session(production: Any) -> None:
    world, ledger, path, clock = production
    ready, stop = asyncio.Event(), asyncio.Event()
    seen: list[Any] = []
    traffic = Traffic(world, rate=2000)
    task = asyncio.create_task(
        running(world, traffic, ledger, clock, publish=seen.append, ready=ready, duration=0.3, stop=stop)
    )
    await asyncio.sleep(0)
    assert not seen
    assert ledger.lines == 4
    ready.set()
    await task
    text = path.read_text()
    assert text.startswith('{"n":1,')
    assert '"type":"END"' in text.splitlines()[-1]
    assert not any(guild.states for guild in world.guilds.values())
    assert len(seen) > 100
    assert 200 <= traffic.steps <= 620


async def test_the_runner_stops_on_request_even_before_it_is_ready(production: Any) -> None:
    world, ledger, path, clock = production
    stop = asyncio.Event()
    stop.set()
    await running(world, Traffic(world, rate=10), ledger, clock, ready=asyncio.Event(), stop=stop)
    assert '"type":"END"' in path.read_text().splitlines()[-1]


async def test_a_cancelled_runner_still_ends_the_ledger(production: Any) -> None:
    world, ledger, path, clock = production
    task = asyncio.create_task(running(world, Traffic(world, rate=500), ledger, clock))
    await until(lambda: ledger.counts["MESSAGE_CREATE"] >= 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert '"type":"END"' in path.read_text().splitlines()[-1]


async def test_after_a_stall_only_a_quarter_second_is_made_up_for() -> None:
    clock = ManualClock()
    ledger = Ledger(None, clock)
    world = World(Shape(seed=3, guilds=2, members=20), ledger, clock)
    stop = asyncio.Event()
    traffic = Traffic(world, rate=100)
    task = asyncio.create_task(running(world, traffic, ledger, clock, stop=stop))
    await asyncio.sleep(0.05)
    clock.advance(60)
    await until(lambda: traffic.steps > 0)
    assert traffic.steps == 25
    clock.advance(0.1)
    await until(lambda: traffic.steps > 25)
    assert traffic.steps == 35
    stop.set()
    await task


async def test_a_high_rate_lets_other_tasks_run() -> None:
    clock = ManualClock()
    ledger = Ledger(None, clock)
    world = World(Shape(seed=3, guilds=2, members=20), ledger, clock)
    stop = asyncio.Event()
    traffic = Traffic(world, rate=20_000)
    task = asyncio.create_task(running(world, traffic, ledger, clock, stop=stop))
    await asyncio.sleep(0.05)
    clock.advance(10)
    turns = 0
    while traffic.steps < 5000:
        await asyncio.sleep(0)
        turns += traffic.steps > 0
    assert turns >= 40
    stop.set()
    await task


async def test_a_rate_of_zero_lets_the_world_stand_still(production: Any) -> None:
    world, ledger, _path, clock = production
    traffic = Traffic(world, rate=0)
    await running(world, traffic, ledger, clock, duration=0.1)
    assert traffic.steps == 0
    assert ledger.counts == {"HEADER": 1, "GUILD": 3, "END": 1}

"""The simulator's world against the real pipeline and a real spool, without sockets and without waiting.

Two programs that share no code, the ledger and what the pipeline would deliver, must come to the same
numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from discord_simulator.ledger import Ledger
from discord_simulator.ports import Dispatch
from discord_simulator.seed import Shape
from discord_simulator.traffic import Traffic
from discord_simulator.verify.compare import ComparisonLine, compare
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.quantities import Expected, Key, ModerationRow, Observed, Quantity, Scope
from discord_simulator.verify.voice import AFK, BY_STATE, SHOWN
from discord_simulator.world import World
from discord_simulator.world_adapter import WorldAdapter
from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events.catalogue import full_catalogue
from exporter.model import Entry, Priority
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from exporter.tracking.moderation.waiting_table import WINDOW_MS
from tests.entry_data import fields_of

EVERY_INTENT = (1 << 26) - 1
SINK = "x"
SETTLED_SECONDS = WINDOW_MS // 1000 + 1
"""After a rest as long as this no departure waits for its cause, so that a flush has nothing to wait for."""
CATALOGUE = full_catalogue()
ACTIONS = frozenset({"ban", "unban", "kick"})
"""Compared row by row; the others need Discord's REST API to be complete, which is not available here."""
Cells = dict[Quantity, dict[Key, float]]

QUANTITIES: Mapping[tuple[str, str], str] = {
    ("messages", "human"): "messages",
    ("messages", "bot"): "bot_messages",
    ("messages", "webhook"): "webhook_messages",
    ("messages", "system"): "system_messages",
    ("message_edits", ""): "message_edits",
    ("message_deletes", "single"): "message_deletes",
    ("message_deletes", "bulk"): "message_deletes",
    ("reactions", "normal"): "reactions",
    ("reactions", "super"): "reactions",
    ("reactions_removed", ""): "reactions_removed",
    **{("voice_seconds", state): "voice_seconds" for state in ("active", "alone", "muted", "deafened")},
    ("voice_seconds", "afk"): AFK,
    ("voice_sessions", ""): "voice_sessions",
    ("member_joins", ""): "joins",
    **{
        ("member_leaves", reason): f"leaves: {reason}"
        for reason in ("leave", "kick", "ban", "prune", "unknown")
    },
    **{("moderation_actions", action): f"{action}s" for action in ("ban", "unban", "kick")},
}
STATES: Mapping[tuple[str, str], str] = {
    **{("voice_seconds", state): name for state, name in BY_STATE.items()},
    **{(name, ""): name for name in SHOWN.values()},
}
"""Counted by guild and member, besides being part of the above."""
BY_GUILD = {*QUANTITIES.values(), "leaves"}
BY_CHANNEL = {
    *("messages", "bot_messages", "webhook_messages", "system_messages", "message_edits", "message_deletes"),
    *("reactions", "reactions_removed", "voice_seconds", AFK),
}
OF_MEMBERS = {
    ("messages", "human"): "messages",
    ("reactions", "normal"): "reactions_given",
    ("reactions", "super"): "reactions_given",
    ("reactions_received", ""): "reactions_received",
    ("voice_sessions", ""): "voice_sessions",
    **{place: name for place, name in QUANTITIES.items() if place[0] == "voice_seconds"},
}


def amount_of(measure: str, amount: int) -> float:
    return amount / 1000 if measure in {"voice_seconds", *SHOWN.values()} else amount


def add(cells: Cells, name: str, scope: Scope, key: Key, amount: float) -> None:
    found = cells[Quantity(name, scope)]
    found[key] = found.get(key, 0) + amount


def empty(names: Iterable[str], scope: Scope) -> Cells:
    return {Quantity(name, scope): {} for name in names}


def read_snapshots(entries: Iterable[Entry]) -> Observed:
    cells = (
        empty({*BY_GUILD, *STATES.values()}, Scope.GUILD)
        | empty(BY_CHANNEL, Scope.CHANNEL)
        | empty(["reactions"], Scope.EMOJI)
    )
    for entry in entries:
        for measure, value, channel_id, emoji, amount in fields_of(entry)["series"]:
            total = amount_of(measure, amount)
            if state := STATES.get((measure, value)):
                add(cells, state, Scope.GUILD, (entry.guild_id,), total)
            name = QUANTITIES.get((measure, value))
            if name is None:
                continue
            add(cells, name, Scope.GUILD, (entry.guild_id,), total)
            if measure == "member_leaves":
                add(cells, "leaves", Scope.GUILD, (entry.guild_id,), total)
            if channel_id:
                add(cells, name, Scope.CHANNEL, (entry.guild_id, channel_id), total)
            if measure == "reactions":
                add(cells, name, Scope.EMOJI, (entry.guild_id, emoji), total)
    return Observed("snapshots", cells)


def read_members(store: str, rows: Iterable[tuple[int, str, str, int, int]]) -> Observed:
    cells = empty({*OF_MEMBERS.values(), *STATES.values()}, Scope.MEMBER)
    for guild_id, measure, value, user_id, amount in rows:
        place = (measure, value)
        for name in filter(None, (OF_MEMBERS.get(place), STATES.get(place))):
            add(cells, name, Scope.MEMBER, (guild_id, user_id), amount_of(measure, amount))
    return Observed(store, cells)


def of_snapshots(entries: Iterable[Entry]) -> Iterator[tuple[int, str, str, int, int]]:
    for entry in entries:
        for measure, value, user_id, amount in fields_of(entry)["members"]:
            yield entry.guild_id, measure, value, user_id, amount


def of_activity(entries: Iterable[Entry]) -> Iterator[tuple[int, str, str, int, int]]:
    for entry in entries:
        for user_id, _name, _first, _last, _new, deltas in fields_of(entry)["members"]:
            for measure, value, _channel, amount in deltas:
                yield entry.guild_id, measure, value, user_id, amount


def merge(entries: Iterable[Entry]) -> list[tuple[Entry, dict[str, Any]]]:
    """Records as a store holds them: opened once by key, then amended; a null never overwrites."""
    opened: dict[str, tuple[Entry, dict[str, Any]]] = {}
    for entry in entries:
        if not entry.amends:
            assert entry.key not in opened, f"{entry.key} is recorded twice"
            opened[entry.key] = (entry, fields_of(entry))
            continue
        known, data = opened[entry.key]
        assert (known.type, known.guild_id) == (entry.type, entry.guild_id)
        data.update({name: value for name, value in fields_of(entry).items() if value is not None})
    return list(opened.values())


def read_records(entries: Iterable[Entry]) -> Observed:
    names = (
        "joins",
        "leaves",
        *(f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")),
    )
    cells = empty(names, Scope.MEMBER)
    rows: list[ModerationRow] = []
    for entry, data in merge(entries):
        if "action" in data:
            named = (data.get("moderator_id"), data.get("reason"), data.get("audit_entry_id"))
            rows.append(
                ModerationRow(entry.guild_id, data["action"], data.get("target_user_id") or 0, *named)
            )
        elif data.get("event") == "join":
            add(cells, "joins", Scope.MEMBER, (entry.guild_id, data["user_id"]), 1)
        elif data.get("event") == "leave":
            for name in ("leaves", f"leaves: {data['reason']}"):
                add(cells, name, Scope.MEMBER, (entry.guild_id, data["user_id"]), 1)
    return Observed("records", cells, tuple(rows), ACTIONS)


def read_totals(pipeline: Pipeline) -> Observed:
    """What ``/metrics`` would say."""
    cells = empty((*BY_GUILD - {"leaves"}, *STATES.values(), "members"), Scope.GUILD)
    for (measure, value), name in (*QUANTITIES.items(), *STATES.items()):
        for guild_id, amount in pipeline.totals(measure, value).items():
            add(cells, name, Scope.GUILD, (guild_id,), amount_of(measure, amount))
    for guild_id, members in pipeline.gauges("members").items():
        add(cells, "members", Scope.GUILD, (guild_id,), members)
    return Observed("totals", cells, only_current_guilds=True)


@dataclass
class Run:
    """One world, its ledger, and one pipeline after another that watches it over the same spool."""

    path: Path
    seed: int
    rate: float
    guilds: int = 6
    members: int = 60

    async def __aenter__(self) -> Self:
        self.clock = ManualClock(1_760_000_000_000)
        self.ledger = Ledger(self.path / "ledger.jsonl", self.clock)
        shape = Shape(seed=self.seed, guilds=self.guilds, members=self.members)
        self.world = World(shape, self.ledger, self.clock, self.see)
        self.view = WorldAdapter(self.world)
        self.traffic = Traffic(self.world, rate=self.rate)
        self.dispatched = 0
        self.ledger.header(
            seed=self.seed, guilds=self.guilds, members=self.members, rate=self.rate, version="0"
        )
        self.world.record_guilds()
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.spool.close()
        self.ledger.close()

    async def begin(self) -> None:
        self.telemetry = Telemetry()
        self.spool = await Spool.open(self.path / "spool", SpoolConfig(reserve=0), self.clock, self.telemetry)
        await self.spool.register([SINK])
        self.pipeline = Pipeline(
            CATALOGUE,
            MetricsConfig(),
            BatchingConfig(),
            PrivacyConfig(),
            self.spool,
            self.clock,
            self.telemetry,
        )
        await self.pipeline.start()
        self.greet()

    async def restart(self) -> None:
        assert await self.pipeline.stop()
        await self.spool.close()
        await self.begin()

    def greet(self) -> None:
        """What Discord says first in a session."""
        guild_ids = self.view.guild_ids()
        ready = {
            "v": 10,
            "session_id": "s",
            "guilds": [{"id": str(guild_id), "unavailable": True} for guild_id in guild_ids],
            "shard": [0, 1],
        }
        self.accept("READY", orjson.dumps(ready))
        for guild_id in guild_ids:
            if not self.view.is_unavailable(guild_id):
                self.accept("GUILD_CREATE", self.view.guild_create(guild_id, EVERY_INTENT))

    def see(self, dispatch: Dispatch) -> None:
        allowed = (self.view.has_permission(dispatch.guild_id, name) for name in dispatch.permissions)
        if not dispatch.permissions or any(allowed):
            self.dispatched += 1
            self.accept(dispatch.type, dispatch.data)

    def accept(self, name: str, body: bytes) -> None:
        self.pipeline.accept(name, body, 0, self.clock.now_ms())

    async def act(self, steps: int) -> None:
        """Let people act; the pipeline ticks once a second."""
        second = self.clock.monotonic()
        for _ in range(steps):
            self.clock.advance(1 / self.rate)
            self.traffic.step()
            if self.clock.monotonic() - second >= 1:
                second = self.clock.monotonic()
                await self.pipeline.tick()

    async def rest(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            await self.pipeline.tick()

    async def finish(self) -> Expected:
        self.traffic.finish()
        self.ledger.end()
        self.ledger.flush()
        await self.rest(SETTLED_SECONDS)
        assert await self.pipeline.flush()
        assert not any(self.telemetry.rejected.values.values())
        assert not any(self.telemetry.dropped.values.values())
        return load_expected(self.path / "ledger.jsonl")

    async def observed(self) -> dict[str, Observed]:
        """What the sinks would be given, read as each of them would."""
        kinds: defaultdict[str, list[Entry]] = defaultdict(list)
        for lane in Priority:
            batch = await self.spool.read(SINK, lane, max_rows=1_000_000, max_bytes=2**31)
            for row in batch.rows if batch else ():
                kinds[row.entry.type].append(row.entry)
        snapshots, activity = kinds.pop("METRICS_SNAPSHOT"), kinds.pop("MEMBER_ACTIVITY_SNAPSHOT")
        records = [entry for entries in kinds.values() for entry in entries]
        found = (
            read_snapshots(snapshots),
            read_members("snapshots' members", of_snapshots(snapshots)),
            read_members("activity", of_activity(activity)),
            read_records(records),
        )
        return {each.store: each for each in found}


def differences(lines: Iterable[ComparisonLine]) -> list[str]:
    return [f"{line.quantity}: {each}" for line in lines for each in line.differences]


@pytest.mark.parametrize(("seed", "rate"), [(1, 5), (2, 20), (3, 50), (4, 20)])
async def test_everything_delivered_is_what_happened(tmp_path, seed, rate):
    """At rates at which no user is banned right after a leave, which would count as a removal by the ban."""
    async with Run(tmp_path, seed, rate) as run:
        await run.act(20_000)
        expected = await run.finish()
        lines = compare(expected, await run.observed() | {"totals": read_totals(run.pipeline)})
        assert differences(lines) == []
        assert expected.unseen == {}
        assert expected.complete
        # Nothing agrees by being absent.
        compared = {Quantity(line.quantity, line.scope) for line in lines if line.ledger}
        kept = {
            quantity
            for quantity, cells in expected.amounts.items()
            if any(amount.value for amount in cells.values()) and not quantity.name.startswith("actions: ")
        }
        assert compared >= kept
        assert {line.quantity for line in lines if line.ledger} >= {"ban rows", "unban rows", "kick rows"}
        assert run.dispatched > 20_000


DECIDED_BY_ECHOES = {
    "message_edits",
    *(f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")),
    *(f"{action}{what}" for action in ("ban", "unban", "kick") for what in ("s", " rows")),
}
"""What a second dispatch within seconds says more about: a process that ends forgets it waits for one."""


@pytest.mark.parametrize("seed", [5, 6])
async def test_restarts_in_the_middle_of_windows_and_voice_change_no_number(tmp_path, seed):
    async with Run(tmp_path, seed, 20) as run:
        for _ in range(15):
            await run.act(300)
            await run.restart()
        lines = compare(await run.finish(), await run.observed())
        exact = [line for line in lines if line.quantity not in DECIDED_BY_ECHOES]
        assert differences(exact) == []
        kept = {line.quantity for line in exact if line.ledger}
        assert kept >= {"messages", "reactions", "voice_seconds", "voice_sessions", "joins", "leaves"}

"""A ledger of real traffic, and an observer who counts exactly what was told and knows nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from exporter.clock import ManualClock
from exporter.simulator.ledger import Ledger
from exporter.simulator.population import Shape
from exporter.simulator.ports import Dispatch
from exporter.simulator.traffic import Traffic
from exporter.simulator.world import World
from exporter.verify.ledger import load_expected
from exporter.verify.quantities import Expected, Key, ModerationRow, Observed, Quantity, Scope

Cells = defaultdict[Key, float]


@dataclass(slots=True)
class Bystander:
    """Counts from dispatches alone, as a flawless bot with a clock would."""

    clock: ManualClock
    amounts: defaultdict[Quantity, Cells] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )
    rows: dict[tuple[int, str, int], ModerationRow] = field(default_factory=dict)
    done_rows: list[ModerationRow] = field(default_factory=list)
    parents: dict[int, int] = field(default_factory=dict)
    voice: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    edits: set[tuple[str, str]] = field(default_factory=set)
    entries: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, guild: int, amount: float = 1, **place: int | str) -> None:
        self.amounts[Quantity(name)][guild,] += amount
        for scope, key in place.items():
            self.amounts[Quantity(name, Scope(scope))][guild, key] += amount

    def see(self, dispatch: Dispatch) -> None:
        data = orjson.loads(dispatch.data)
        reader = getattr(self, dispatch.type.lower(), None)
        if reader is not None:
            reader(dispatch.guild_id, data)

    def booked(self, data: dict[str, Any]) -> int:
        channel = int(data["channel_id"])
        return self.parents.get(channel, channel)

    def thread_create(self, _guild: int, data: dict[str, Any]) -> None:
        self.parents[int(data["id"])] = int(data["parent_id"])

    def guild_create(self, guild: int, data: dict[str, Any]) -> None:
        self.amounts[Quantity("members")][guild,] = data["member_count"]

    def guild_delete(self, guild: int, data: dict[str, Any]) -> None:
        if not data.get("unavailable"):
            self.amounts[Quantity("members")].pop((guild,))
            for place in [place for place in self.voice if place[0] == guild]:
                self.leave_voice(*place)

    def message_create(self, guild: int, data: dict[str, Any]) -> None:
        author = int(data["author"]["id"])
        channel = self.booked(data)
        if data["type"] not in {0, 19}:
            self.add("system_messages", guild, channel=channel)
        elif "webhook_id" in data:
            self.add("webhook_messages", guild, channel=channel)
        elif data["author"].get("bot"):
            self.add("bot_messages", guild, channel=channel)
        else:
            self.add("messages", guild, channel=channel, member=author)

    def message_update(self, guild: int, data: dict[str, Any]) -> None:
        mark = (data["id"], data["edited_timestamp"])
        if mark[1] and mark not in self.edits:
            self.edits.add(mark)
            self.add("message_edits", guild, channel=self.booked(data))

    def message_delete(self, guild: int, data: dict[str, Any]) -> None:
        self.add("message_deletes", guild, channel=self.booked(data))

    def message_delete_bulk(self, guild: int, data: dict[str, Any]) -> None:
        self.add("message_deletes", guild, len(data["ids"]), channel=self.booked(data))

    def message_reaction_add(self, guild: int, data: dict[str, Any]) -> None:
        emoji = data["emoji"]["id"] or data["emoji"]["name"]
        self.add("reactions", guild, channel=self.booked(data), emoji=emoji)
        self.amounts[Quantity("reactions_given", Scope.MEMBER)][guild, int(data["user_id"])] += 1
        if author := data.get("message_author_id"):
            self.amounts[Quantity("reactions_received", Scope.MEMBER)][guild, int(author)] += 1

    def message_reaction_remove(self, guild: int, data: dict[str, Any]) -> None:
        self.add("reactions_removed", guild, channel=self.booked(data))

    def voice_state_update(self, guild: int, data: dict[str, Any]) -> None:
        user = int(data["user_id"])
        if data["channel_id"] is None:
            self.leave_voice(guild, user)
            return
        self.book_voice(guild, user)
        self.voice[guild, user] = (int(data["channel_id"]), self.clock.now_ms())

    def book_voice(self, guild: int, user: int) -> None:
        if (guild, user) in self.voice:
            channel, since = self.voice[guild, user]
            self.add(
                "voice_seconds", guild, (self.clock.now_ms() - since) / 1000, channel=channel, member=user
            )

    def leave_voice(self, guild: int, user: int) -> None:
        self.book_voice(guild, user)
        del self.voice[guild, user]
        self.add("voice_sessions", guild, member=user)

    def guild_member_add(self, guild: int, data: dict[str, Any]) -> None:
        self.add("joins", guild, member=int(data["user"]["id"]))
        self.amounts[Quantity("members")][guild,] += 1

    def guild_member_remove(self, guild: int, data: dict[str, Any]) -> None:
        self.add("leaves", guild, member=int(data["user"]["id"]))
        self.amounts[Quantity("members")][guild,] -= 1

    def guild_audit_log_entry_create(self, guild: int, data: dict[str, Any]) -> None:
        action = {20: "kick", 22: "ban", 23: "unban"}.get(data["action_type"])
        if action is not None:
            self.add(f"{action}s", guild)
            self.done_rows.append(
                ModerationRow(
                    guild,
                    action,
                    int(data["target_id"]),
                    int(data["user_id"]),
                    data.get("reason"),
                    int(data["id"]),
                )
            )


@dataclass(frozen=True, slots=True)
class Evidence:
    expected: Expected
    observed: Observed
    path: Path


@pytest.fixture(scope="session")
def make_evidence(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Evidence]:
    def make(seed: int) -> Evidence:
        clock = ManualClock(1_760_000_000_000)
        path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
        ledger = Ledger(path, clock)
        witness = Bystander(clock)
        world = World(Shape(seed=seed, guilds=4, members=40), ledger, clock, witness.see)
        ledger.header(seed=seed, guilds=4, members=40, rate=5, version="0")
        world.describe()
        for guild_id in world.guild_ids():
            witness.guild_create(guild_id, orjson.loads(world.guild_create(guild_id, 1)))
        traffic = Traffic(world, rate=5)
        for _ in range(6000):
            clock.advance(0.2)
            traffic.step()
        traffic.finish()
        ledger.end()
        ledger.close()
        amounts = {quantity: dict(cells) for quantity, cells in witness.amounts.items()}
        return Evidence(load_expected(path), Observed("bot", amounts, tuple(witness.done_rows)), path)

    return make


@pytest.fixture(scope="session")
def evidence(make_evidence: Callable[[int], Evidence]) -> Evidence:
    return make_evidence(11)

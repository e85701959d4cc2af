"""A ledger of real traffic, and a counter that sees the dispatches alone and counts them exactly."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from discord_simulator.guild import Guild
from discord_simulator.ledger import Ledger
from discord_simulator.objects import audit_object
from discord_simulator.ports import Dispatch
from discord_simulator.scenarios import SCENARIOS
from discord_simulator.seed import Shape
from discord_simulator.traffic import Traffic
from discord_simulator.verify.actions import COUNTED
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.quantities import (
    Expected,
    FieldChange,
    Key,
    ModerationRow,
    Observed,
    Quantity,
    Scope,
)
from discord_simulator.world import World
from discord_simulator.world_adapter import WorldAdapter
from exporter.clock import ManualClock

ACTIONS = {
    20: "kick",
    21: "prune",
    22: "ban",
    23: "unban",
    26: "member_move",
    27: "member_disconnect",
    28: "bot_add",
    72: "message_delete",
    73: "message_bulk_delete",
    143: "automod_block",
    144: "automod_flag",
    145: "automod_timeout",
}
CHANGES = {
    10 * tens + number: f"{part}_{verb}"
    for tens, part in ((1, "CHANNEL"), (3, "ROLE"), (6, "EMOJI"), (9, "STICKER"), (11, "THREAD"))
    for number, verb in enumerate(("CREATE", "UPDATE", "DELETE"))
}

Cells = defaultdict[Key, float]


@dataclass(slots=True)
class DispatchCounter:
    """Counts from dispatches alone, as a bot without a fault and with a clock would."""

    clock: ManualClock
    amounts: defaultdict[Quantity, Cells] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )
    timeouts: dict[tuple[int, int], int] = field(default_factory=dict)
    done_rows: list[ModerationRow] = field(default_factory=list)
    parents: dict[int, int] = field(default_factory=dict)
    voice: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    afk: dict[int, int] = field(default_factory=dict)
    edits: set[tuple[str, str]] = field(default_factory=set)
    bots: set[int] = field(default_factory=set)
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

    def counted_channel(self, data: dict[str, Any]) -> int:
        channel = int(data["channel_id"])
        return self.parents.get(channel, channel)

    def thread_create(self, _guild: int, data: dict[str, Any]) -> None:
        self.parents[int(data["id"])] = int(data["parent_id"])

    def guild_create(self, guild: int, data: dict[str, Any]) -> None:
        self.amounts[Quantity("members")][guild,] = data["member_count"]
        self.afk[guild] = int(data["afk_channel_id"] or 0)

    def guild_delete(self, guild: int, data: dict[str, Any]) -> None:
        if not data.get("unavailable"):
            self.amounts[Quantity("members")].pop((guild,))
            for place in [place for place in self.voice if place[0] == guild]:
                self.leave_voice(*place)

    def message_create(self, guild: int, data: dict[str, Any]) -> None:
        author = int(data["author"]["id"])
        if data["author"].get("bot") or "webhook_id" in data:
            self.bots.add(author)
        channel = self.counted_channel(data)
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
            self.add("message_edits", guild, channel=self.counted_channel(data))

    def message_delete(self, guild: int, data: dict[str, Any]) -> None:
        self.add("message_deletes", guild, channel=self.counted_channel(data))

    def message_delete_bulk(self, guild: int, data: dict[str, Any]) -> None:
        self.add("message_deletes", guild, len(data["ids"]), channel=self.counted_channel(data))

    def message_reaction_add(self, guild: int, data: dict[str, Any]) -> None:
        emoji = data["emoji"]["id"] or data["emoji"]["name"]
        self.add("reactions", guild, channel=self.counted_channel(data), emoji=emoji)
        self.amounts[Quantity("reactions_given", Scope.MEMBER)][guild, int(data["user_id"])] += 1
        author = data.get("message_author_id")
        if author and author != data["user_id"] and int(author) not in self.bots:
            self.amounts[Quantity("reactions_received", Scope.MEMBER)][guild, int(author)] += 1

    def message_reaction_remove(self, guild: int, data: dict[str, Any]) -> None:
        self.add("reactions_removed", guild, channel=self.counted_channel(data))

    def voice_state_update(self, guild: int, data: dict[str, Any]) -> None:
        user = int(data["user_id"])
        if data["channel_id"] is None:
            self.leave_voice(guild, user)
            return
        self.count_voice(guild, user)
        self.voice[guild, user] = (int(data["channel_id"]), self.clock.now_ms())

    def count_voice(self, guild: int, user: int) -> None:
        if (guild, user) in self.voice:
            channel, since = self.voice[guild, user]
            name = "afk_voice_seconds" if channel == self.afk[guild] else "voice_seconds"
            self.add(name, guild, (self.clock.now_ms() - since) / 1000, channel=channel, member=user)

    def leave_voice(self, guild: int, user: int) -> None:
        self.count_voice(guild, user)
        del self.voice[guild, user]
        self.add("voice_sessions", guild, member=user)

    def guild_member_add(self, guild: int, data: dict[str, Any]) -> None:
        self.add("joins", guild, member=int(data["user"]["id"]))
        self.amounts[Quantity("members")][guild,] += 1

    def guild_member_remove(self, guild: int, data: dict[str, Any]) -> None:
        self.add("leaves", guild, member=int(data["user"]["id"]))
        self.amounts[Quantity("members")][guild,] -= 1

    def guild_member_update(self, guild: int, data: dict[str, Any]) -> None:
        self.see_timeout(guild, int(data["user"]["id"]), data["communication_disabled_until"])

    def see_timeout(self, guild: int, user: int, until: str | None) -> None:
        """A timeout whose end passed before the next update of its member has expired."""
        ended = self.timeouts.pop((guild, user), None)
        if ended is not None and ended <= self.clock.now_ms():
            self.add_row(ModerationRow(guild, "timeout_expired", user))
        moment = round(dt.datetime.fromisoformat(until).timestamp() * 1000) if until else 0
        if moment > self.clock.now_ms():
            self.timeouts[guild, user] = moment

    def thread_update(self, guild: int, data: dict[str, Any]) -> None:
        if data["thread_metadata"]["archived"]:
            archived = frozenset({("archived", "false", "true")})
            self.done_rows.append(ModerationRow(guild, "THREAD_UPDATE", int(data["id"]), changes=archived))

    def guild_audit_log_entry_create(self, guild: int, data: dict[str, Any]) -> None:
        number, actor, target = data["action_type"], int(data["user_id"]), int(data["target_id"] or 0)
        if number in CHANGES:
            row = ModerationRow(guild, CHANGES[number], target, actor, data.get("reason"), int(data["id"]))
            self.done_rows.append(replace(row, changes=self.read_changes(CHANGES[number], data)))
            return
        action = ACTIONS.get(number) or self.read_member_update(data)
        if action is None:
            return
        options = data.get("options", {})
        self.add_row(
            ModerationRow(
                guild,
                action,
                0 if number == 73 else target,
                None if number > 142 else actor,
                data.get("reason"),
                int(data["id"]),
                int(options.get("members_removed") or options["count"]) if action in COUNTED else None,
            )
        )

    @staticmethod
    def read_changes(kind: str, data: dict[str, Any]) -> frozenset[FieldChange]:
        changes = data["changes"] if kind.endswith("UPDATE") else ()
        return frozenset(
            (each["key"], json.dumps(each.get("old_value")), json.dumps(each.get("new_value")))
            for each in changes
        )

    def read_member_update(self, data: dict[str, Any]) -> str | None:
        if data["action_type"] not in {24, 25}:
            return None
        (change,) = data["changes"]
        match change["key"]:
            case "communication_disabled_until":
                return "timeout" if "new_value" in change else "timeout_removed"
            case "$add":
                return "role_add"
            case "$remove":
                return "role_remove"
            case "nick":
                return None if data["user_id"] == data["target_id"] else "nick"
            case what:
                return f"voice_{'' if change['new_value'] else 'un'}{'mute' if what == 'mute' else 'deafen'}"

    def add_row(self, row: ModerationRow) -> None:
        self.done_rows.append(row)
        known = {"ban": "bans", "unban": "unbans", "kick": "kicks"}
        self.add(known.get(row.action, f"actions: {row.action}"), row.guild_id)

    def finish(self, guilds: Iterable[Guild]) -> None:
        """Read the audit log as REST shows it, with unpublished entries and final counts; end timeouts."""
        guilds = tuple(guilds)
        known = {row.audit_entry_id for row in self.done_rows}
        for guild in guilds:
            for entry in guild.audit:
                if entry.id not in known:
                    self.guild_audit_log_entry_create(guild.id, audit_object(entry))
        for guild, user in list(self.timeouts):
            self.see_timeout(guild, user, None)
        counts = {entry.id: entry.count for guild in guilds for entry in guild.audit if entry.count}
        self.done_rows = [
            replace(row, count=counts.get(row.audit_entry_id, row.count)) if row.count else row
            for row in self.done_rows
        ]


@dataclass(frozen=True, slots=True)
class Evidence:
    expected: Expected
    observed: Observed
    path: Path


@pytest.fixture(scope="session")
def make_evidence(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Evidence]:
    def make(seed: int, scenario: str | None = None, rate: float = 5) -> Evidence:
        clock = ManualClock(1_760_000_000_000)
        path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
        ledger = Ledger(path, clock)
        counter = DispatchCounter(clock)
        world = World(Shape(seed=seed, guilds=4, members=40), ledger, clock, counter.see)
        ledger.header(seed=seed, guilds=4, members=40, rate=5, version="0")
        world.record_guilds()
        view = WorldAdapter(world)
        for guild_id in view.guild_ids():
            counter.guild_create(guild_id, orjson.loads(view.guild_create(guild_id, 1)))
        traffic = Traffic(world, rate=rate)
        if scenario is not None:
            chosen = SCENARIOS[scenario]
            traffic = Traffic(
                world, rate=rate, behaviours=chosen.behaviours, begin=chosen.begin, settings=chosen.settings
            )
        guilds = dict(world.guilds)
        for _ in range(6000):
            clock.advance(1 / rate)
            traffic.step()
            guilds |= world.guilds
        traffic.finish()
        counter.finish(guilds.values())
        ledger.end()
        ledger.close()
        amounts = {quantity: dict(cells) for quantity, cells in counter.amounts.items()}
        return Evidence(load_expected(path), Observed("bot", amounts, tuple(counter.done_rows)), path)

    return make


@pytest.fixture(scope="session")
def evidence(make_evidence: Callable[[int], Evidence]) -> Evidence:
    return make_evidence(11)

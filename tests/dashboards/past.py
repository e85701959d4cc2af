"""Two months of a community as entries of the pipeline: members join, write, are moderated and leave.

Every panel has something to show, and numbers are the kind an admin would meet: busy evenings, a quiet
channel, a raid with its wave of bans, invites that bring people who stay and one that does not.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from exporter.aggregation.cells import Activity
from exporter.aggregation.config import MetricsConfig
from exporter.aggregation.snapshot_builder import Surroundings, activity_entry, metrics_entry
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Series
from exporter.events.records.snapshots import ALL_DETAILS
from exporter.model import Entry, Json
from tests.dashboards.behaviour import rebuild, rise, show_up, speak
from tests.dashboards.cells import DAY, HOUR, MINUTE, Cells, count
from tests.entry_data import entry_of

DISCORD_EPOCH = 1_420_070_400_000
MEADOW, ATTIC = 1_185_034_534_534_534_145, 1_185_034_534_534_534_147
"""Two guilds; either id rounds to another number in a browser."""

TEXT = ("general", "help", "introductions", "art", "music", "off-topic", "announcements", "archive-2024")
VOICE = ("Lounge", "Gaming", "Study room")
NAMES = (
    "Ada", "Bram", "Chidi", "Dana", "Elif", "Finn", "Gita", "Hana", "Ivo", "June", "Kofi", "Lena", "Mio",
    "Nour", "Otto", "Pia", "Quin", "Rosa", "Sam", "Tove", "Uma", "Vik", "Wren", "Xia", "Yara", "Zeno",
)  # fmt: skip
EMOJIS = ("👍", "😂", "❤️", "🎉", "🤔", "1185034534534534999")
REASONS = ("spam", "insults after two warnings", "advertising", "raid", None)


@dataclass(eq=False)
class Person:
    user_id: int
    name: str
    joined: int
    weight: float
    code: str | None
    left: int | None = None
    xp: int = 0


@dataclass
class Past:
    """One guild and what happened in it, hour by hour."""

    guild_id: int
    name: str
    start: int
    end: int
    chance: random.Random
    size: int
    people: list[Person] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    counters: list[tuple[int, Counter[Series], dict[str, int]]] = field(default_factory=list)
    """By the end of each hour: what was counted in it, and the gauges."""

    def __post_init__(self) -> None:
        self.text = {self.guild_id + 10 + place: name for place, name in enumerate(TEXT)}
        self.voice = {self.guild_id + 30 + place: name for place, name in enumerate(VOICE)}
        self.moderators = [self._person(self.start - 400 * DAY, None, 6.0) for _ in range(4)]
        for _ in range(self.size):
            joined = self.start - self.chance.randrange(1, 700) * DAY
            self._person(joined, None, self.chance.paretovariate(1.2))
        self.codes = {
            code: self.moderators[place % 4]
            for place, code in enumerate(("welcome", "reddit", "stream", "shady"))
        }

    def _person(self, joined: int, code: str | None, weight: float, age: int | None = None) -> Person:
        made = joined - (age if age is not None else self.chance.randrange(5, 2000) * DAY)
        number = len(self.people)
        name = f"{NAMES[number % len(NAMES)]}{number // len(NAMES) or ''}"
        found = Person((max(made, DISCORD_EPOCH) - DISCORD_EPOCH) << 22 | number, name, joined, weight, code)
        self.people.append(found)
        return found

    def record(self, kind: str, at: int, key: str, **data: Json) -> None:
        self.entries.append(
            entry_of(kind, data, guild=self.guild_id, at=at, key=f"{kind}:{self.guild_id}:{key}")
        )

    def tell(self) -> Iterator[Entry]:
        """Everything, in the order of time."""
        self._begin()
        hour = self.start
        while hour < self.end:
            self._hour(hour)
            hour += HOUR
        yield from self.entries

    def _begin(self) -> None:
        channels: list[Json] = [[self.guild_id + 1, "Community", 4, 0], [self.guild_id + 2, "Voice", 4, 0]]
        channels += [[key, name, 0, self.guild_id + 1] for key, name in self.text.items()]
        channels += [[key, name, 2, self.guild_id + 2] for key, name in self.voice.items()]
        self.record(
            "GUILD_SYNC", self.start, "sync", name=self.name, icon="", owner_id=self.moderators[0].user_id,
            member_count=len(self.people), premium_tier=2, premium_subscription_count=9, channels=channels,
        )  # fmt: skip
        for code, maker in self.codes.items():
            self.record(
                "INVITE_CREATE", self.start, code, code=code, channel_id=next(iter(self.text)),
                inviter_id=maker.user_id, inviter_username=maker.name, max_uses=0, max_age=0, uses=0,
                temporary=False, created_at=self.start,
            )  # fmt: skip

    def _hour(self, hour: int) -> None:
        counts: Cells = Counter()
        seen: dict[int, tuple[int, int]] = {}
        here = [person for person in self.people if person.left is None]
        newcomers = [*self._arrive(hour, counts), *self._raid(hour, counts)]
        self._moderate(hour, here, counts)
        self._leave(hour, here, counts)
        talkers = self._converse(hour, here + newcomers, counts, seen)
        rise(self, hour, here, counts)
        rebuild(self, hour, counts)
        show_up(self, hour, counts)
        size = sum(person.left is None for person in self.people)
        known = {"members": size, "online": size // 3, "boosts": 9, "voice_members": talkers}
        # A gauge that is declared and not simulated here has a value, as every gauge of a real guild has.
        gauges: dict[str, Json] = {name: known.get(name, 1) for name in full_catalogue().gauges}
        activity = Activity()
        activity.cells.update(counts)
        activity.seen.update(seen)
        names = {person.user_id: person.name for person in self.people}
        around = Surroundings(gauges, talkers, {}, self.text | self.voice, names)
        period, key = (hour, hour + HOUR), f"{self.guild_id}:{hour}"
        self.entries.append(
            metrics_entry(
                *(self.guild_id, period, f"metrics:{key}", activity, around), MetricsConfig(), ALL_DETAILS
            )
        )
        active = activity_entry(
            self.guild_id,
            period,
            f"activity:{key}",
            activity,
            names,
            [person.user_id for person in newcomers],
        )
        if active is not None:
            self.entries.append(active)
        totals: Counter[Series] = Counter()
        for (slot, *_), amount in counts.items():
            totals[slot] += amount
        self.counters.append((hour + HOUR, totals, {name: int(str(value)) for name, value in gauges.items()}))

    def busy(self, hour: int) -> float:
        """How awake the server is: evenings and weekends more."""
        of_day, of_week = hour // HOUR % 24, (hour // DAY + 4) % 7
        daily = 0.15 + math.exp(-(((of_day - 20) % 24 - 24 * ((of_day - 20) % 24 > 12)) ** 2) / 18)
        growth = 0.8 + 0.4 * (hour - self.start) / (self.end - self.start)
        return daily * (1.4 if of_week in {0, 6} else 1.0) * growth

    def _converse(
        self, hour: int, here: list[Person], counts: Cells, seen: dict[int, tuple[int, int]]
    ) -> int:
        chance, busy = self.chance, self.busy(hour)
        weights = [person.weight * math.exp(-(hour - person.joined) / (60 * DAY)) + 0.01 for person in here]
        channels = [
            key for key, name in self.text.items() if name != "archive-2024" or hour < self.start + 20 * DAY
        ]
        shares = [10, 6, 1, 4, 3, 8, 0.5, 2][: len(channels)]
        for person in chance.choices(here, weights, k=round(busy * self.size * chance.uniform(0.3, 0.7))):
            channel, at = chance.choices(channels, shares)[0], hour + chance.randrange(HOUR)
            count(counts, "messages", "human", channel, person.user_id)
            first, last = seen.get(person.user_id, (at, at))
            seen[person.user_id] = min(first, at), max(last, at)
            if chance.random() < 0.4:
                other = chance.choices(here, weights)[0]
                count(counts, "reactions", "normal", channel, other.user_id, emoji=chance.choice(EMOJIS))
                count(counts, "reactions_received", "", 0, person.user_id)
                seen.setdefault(other.user_id, (at, at))
            if chance.random() < 0.05:
                count(counts, "message_edits", "", channel)
            if chance.random() < 0.03:
                count(counts, "message_deletes", "single", channel)
        count(counts, "messages", "bot", channels[0], amount=chance.randrange(4))
        talkers = {person.user_id for person in chance.choices(here, weights, k=round(busy * self.size / 8))}
        speak(self, hour, talkers, counts, seen)
        return len(talkers)

    def _arrive(self, hour: int, counts: Cells) -> list[Person]:
        chance = self.chance
        found = []
        for _ in range(chance.choices((0, 1, 2), (7, 3, 1))[0] if self.busy(hour) > 0.4 else 0):
            code = chance.choices((*self.codes, None), (5, 4, 2, 0.3, 1))[0]
            stays = {"welcome": 2.5, "reddit": 0.8, "stream": 1.6}.get(code or "", 0.5)
            found.append(self._join(hour + chance.randrange(HOUR), code, stays * chance.random(), counts))
        return found

    def _raid(self, hour: int, counts: Cells) -> list[Person]:
        if not self.end - 2 * DAY - 3 * HOUR <= hour < self.end - 2 * DAY - 2 * HOUR:
            return []
        chance, found = self.chance, []
        for number in range(25):
            at = hour + 10 * MINUTE + number * 15_000
            person = self._join(at, "shady", 0.2, counts, age=chance.randrange(1, 5) * DAY)
            self._act("ban", at + 6 * MINUTE, person, counts, reason="raid")
            found.append(person)
        return found

    def _join(
        self, at: int, code: str | None, weight: float, counts: Cells, age: int | None = None
    ) -> Person:
        person = self._person(at, code, weight, age)
        maker = self.codes.get(code or "")
        key = f"{person.user_id}"
        self.record(
            "GUILD_MEMBER_ADD", at, key, event="join", user_id=person.user_id, username=person.name,
            bot=False, invite_code=code, inviter_id=maker and maker.user_id,
        )  # fmt: skip
        self.record(
            "INVITE_USE", at, key, invite_code=code, inviter_id=maker and maker.user_id,
            inviter_username=maker and maker.name, invitee_id=person.user_id, invitee_username=person.name,
            method="invite" if code else "unknown", confidence="exact" if code else "unknown", candidates=[],
        )  # fmt: skip
        count(counts, "member_joins", "")
        count(counts, "invite_uses", "invite" if code else "unknown")
        return person

    def _leave(self, hour: int, here: list[Person], counts: Cells) -> None:
        for person in here:
            tenure = (hour - person.joined) / DAY
            odds = 0.012 / (1 + tenure) if person.weight < 1.5 else 0.0002 / (1 + tenure)
            if person.left is None and person not in self.moderators and self.chance.random() < odds:
                self._go(person, hour + self.chance.randrange(HOUR), "leave", counts)

    def _go(self, person: Person, at: int, reason: str, counts: Cells) -> None:
        person.left = at
        self.record(
            "GUILD_MEMBER_REMOVE", at, f"{person.user_id}:{at}", event="leave", user_id=person.user_id,
            username=person.name, bot=False, reason=reason,
        )  # fmt: skip
        count(counts, "member_leaves", reason)

    def _moderate(self, hour: int, here: list[Person], counts: Cells) -> None:
        chance = self.chance
        rowdy = [person for person in here if person not in self.moderators and person.left is None][-40:]
        for action, odds in (
            ("timeout", 0.05), ("message_delete", 0.12), ("automod_block", 0.10), ("kick", 0.012),
            ("ban", 0.012), ("timeout_expired", 0.04), ("nick", 0.02),
        ):  # fmt: skip
            if rowdy and chance.random() < odds * 2 * self.busy(hour):
                target = chance.choice(rowdy[:: max(1, len(rowdy) // 12)])
                if target.left is None:
                    self._act(action, hour + chance.randrange(HOUR), target, counts)

    def _act(self, action: str, at: int, target: Person, counts: Cells, reason: str | None = None) -> None:
        chance = self.chance
        by = None if action.startswith("automod") else chance.choices(self.moderators, (6, 3, 2, 0.5))[0]
        kind = "GUILD_BAN_ADD" if action == "ban" else "GUILD_AUDIT_LOG_ENTRY_CREATE"
        kind = "AUTO_MODERATION_ACTION_EXECUTION" if by is None else kind
        self.record(
            kind, at, f"{action}:{target.user_id}:{at}", action=action, target_user_id=target.user_id,
            target_username=target.name, moderator_id=by and by.user_id, moderator_username=by and by.name,
            reason=reason or chance.choice(REASONS),
            channel_id=next(iter(self.text)), until=at + HOUR if action == "timeout" else None,
            audit_entry_id=(at - DISCORD_EPOCH) << 22 | len(self.entries),
        )  # fmt: skip
        count(counts, "moderation_actions", action)
        if action in {"ban", "kick"}:
            self._go(target, at, action, counts)


def pasts(now: int, *, days: int = 60, size: int = 70, seed: int = 7) -> tuple[Past, Past]:
    """A lively guild and a small one; the last hour ends at the full hour before ``now`` (ms)."""
    end = now // HOUR * HOUR
    chance = random.Random(seed)
    return (
        Past(MEADOW, "The Meadow", end - days * DAY, end, chance, size),
        Past(ATTIC, "Attic", end - days * DAY, end, chance, size // 4),
    )

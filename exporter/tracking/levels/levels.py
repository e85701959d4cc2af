"""Experience and levels: the XP of each member, kept here since a level depends on the whole sum.

The sums are saved in the commit that holds the counts derived from them: a crash reverts both or neither, so
nothing is earned twice. They are not read back from the stores, which may be unreachable for a day.

Invariant: at most ``levels.max_members`` members are remembered. The member idle the longest is forgotten
first and counted as such: in SQL the sum of their XP stays complete, and their level is the highest one
reached, but here they start again at 0, and reach no higher level before their new sum passes the old one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.catalogue import Catalogue
from exporter.events.facts.counting import Count, Record, Series
from exporter.events.levels import LEVEL_UP, LEVEL_UPS, XP, XP_GAIN
from exporter.events.messages import MESSAGES
from exporter.events.reactions import REACTIONS
from exporter.events.records.occurrences import LevelUpRecord
from exporter.events.voice import SECONDS
from exporter.telemetry import Telemetry
from exporter.tracking.levels.config import LevelsConfig

Member: TypeAlias = tuple[int, int]
"""Guild and user."""

_EARNING_STATES: Final = ("active", "muted")
"""Voice states that earn XP: a muted member takes part, a member alone or away does not."""

_MINUTE_MS = 60_000


@dataclass(slots=True)
class MemberXp:
    """XP of a member, when they last earned some, and voice time that does not fill a minute yet; in ms."""

    xp: int = 0
    message_at: int = 0
    reaction_at: int = 0
    voice_ms: int = 0


class Curve:
    """The XP needed for each level.

    From level n to the next it takes ``base + linear·n + quadratic·n²``; every member begins at level 0.
    """

    def __init__(self, config: LevelsConfig) -> None:
        self._config = config
        self._thresholds = [config.base]

    def level(self, xp: int) -> int:
        """The level reached with this XP."""
        while self._thresholds[-1] <= xp:
            number = len(self._thresholds)
            step = self._config.base + self._config.linear * number + self._config.quadratic * number**2
            self._thresholds.append(self._thresholds[-1] + step)
        return bisect_right(self._thresholds, xp)


class SavedXp(msgspec.Struct, frozen=True, array_like=True):
    """XP of a member as saved; times in ms."""

    xp: int
    message_at: int
    reaction_at: int
    voice_ms: int


class Levels(Component):
    """XP and levels of members.

    ``earners`` has an entry for each series that earns XP, none with levels off; ``names`` are names of
    users by id.
    """

    name = "levels"

    def __init__(
        self,
        emit: Emit,
        config: LevelsConfig,
        catalogue: Catalogue,
        names: Mapping[int, str],
        telemetry: Telemetry,
    ) -> None:
        super().__init__(emit)
        self._config = config
        self._curve = Curve(config)
        self._names = names
        self._telemetry = telemetry
        self._members: dict[Member, MemberXp] = {}
        self._table: SavedTable[Member, SavedXp] = SavedTable(
            "members", tuple[int, int], SavedXp, self._read, self._load
        )
        self._cooldown = round(config.cooldown * 1000)
        on = not catalogue.events.keys().isdisjoint({XP_GAIN, LEVEL_UP})
        self.earners: dict[Series, Callable[[MemberXp, Count], int]] = {}
        if on:
            self.earners[MESSAGES["human"]] = self._earn_by_message
            self.earners |= dict.fromkeys(REACTIONS.series_of.values(), self._earn_by_reaction)
            self.earners |= {SECONDS[state]: self._earn_by_voice for state in _EARNING_STATES}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Counts, where anything earns experience."""
        return {Count: self._take} if self.earners else {}

    def _take(self, count: Count) -> None:
        if count.series in self.earners:
            for earned in self.take(count):
                self.emit(earned)

    # ------------------------------------------------------------------ earning

    def take(self, count: Count) -> Iterator[Count | Record]:
        """Take a count; yields the XP earned by it, and the levels reached."""
        earn = self.earners.get(count.series)
        if earn is None or not count.user_id:
            return
        member = (count.guild_id, count.user_id)
        xp_of = self._members.pop(member, None) or MemberXp()
        self._members[member] = xp_of  # to the end: forgotten last
        gained = earn(xp_of, count)
        self._table.touch(member)
        if len(self._members) > self._config.max_members:
            self._drop(next(iter(self._members)))
        if gained:
            before = self._curve.level(xp_of.xp)
            xp_of.xp += gained
            yield Count(XP.series, count.guild_id, count.at, user_id=count.user_id, amount=gained)
            for level in range(before + 1, self._curve.level(xp_of.xp) + 1):
                yield from self._reach(count, level, xp_of.xp)

    def _reach(self, count: Count, level: int, xp: int) -> Iterator[Count | Record]:
        # Named by the level, so that one reached again by a forgotten member is not a second row.
        key = f"level:{count.guild_id}:{count.user_id}:{level}"
        name = self._names.get(count.user_id)
        data = LevelUpRecord(user_id=count.user_id, username=name, level=level, xp=xp)
        yield Record(LEVEL_UP, count.guild_id, count.at, key, data, count.user_id)
        yield Count(LEVEL_UPS.series, count.guild_id, count.at, person=count.user_id)

    def _earn_by_message(self, xp_of: MemberXp, count: Count) -> int:
        if count.at < xp_of.message_at + self._cooldown:
            return 0
        xp_of.message_at = count.at
        return self._config.message

    def _earn_by_reaction(self, xp_of: MemberXp, count: Count) -> int:
        if count.at < xp_of.reaction_at + self._cooldown:
            return 0
        xp_of.reaction_at = count.at
        return self._config.reaction

    def _earn_by_voice(self, xp_of: MemberXp, count: Count) -> int:
        minutes, xp_of.voice_ms = divmod(xp_of.voice_ms + count.amount, _MINUTE_MS)
        return minutes * self._config.voice_minute

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Member, SavedXp], ...]:
        """XP of each member."""
        return (self._table,)

    def _read(self, member: Member) -> SavedXp | None:
        held = self._members.get(member)
        if held is None:
            return None
        return SavedXp(held.xp, held.message_at, held.reaction_at, held.voice_ms)

    def _load(self, member: Member, saved: SavedXp) -> None:
        if not self.earners:
            return
        self._members[member] = MemberXp(saved.xp, saved.message_at, saved.reaction_at, saved.voice_ms)
        if len(self._members) > self._config.max_members:
            self._drop(next(iter(self._members)))

    def clear(self) -> None:
        """Forget the XP of all members."""
        self._members.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget people who opted out."""
        for member in [member for member in self._members if member[1] in people]:
            del self._members[member]
            self._table.touch(member)

    def _drop(self, member: Member) -> None:
        del self._members[member]
        self._table.touch(member)
        self._telemetry.levels_forgotten.inc()

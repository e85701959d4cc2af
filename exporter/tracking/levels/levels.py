"""Experience and levels: the XP of each member, kept here since a level depends on the whole sum.

The sums are saved in the commit that holds the counts derived from them: a crash reverts both or neither, so
nothing is earned twice. They are not read back from the stores, which may be unreachable for a day.

Invariant: at most ``levels.max_members`` members are remembered. The member idle the longest is forgotten
first and counted as such: in SQL the sum of their XP stays complete, and their level is the highest one
reached, but here they start again at 0, and reach no higher level before their new sum passes the old one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Mapping
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


class MemberXp(msgspec.Struct, array_like=True, gc=False):
    """XP of a member, when they last earned some, and voice time that does not fill a minute yet; in ms.

    Saved as it is.
    """

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
        self._table: SavedTable[Member, MemberXp] = SavedTable(
            "members", tuple[int, int], MemberXp, self._members.get, self._load
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
        return {Count: self.take} if self.earners else {}

    # ------------------------------------------------------------------ earning

    def take(self, count: Count) -> None:
        """Take a count; emits the XP earned by it, and the levels reached."""
        earn = self.earners.get(count.series)
        if earn is None or not count.user_id:
            return
        member = (count.guild_id, count.user_id)
        xp_of = self._members.pop(member, None) or MemberXp()
        self._members[member] = xp_of  # to the end: forgotten last
        gained = earn(xp_of, count)
        self._table.touch(member)
        if len(self._members) > self._config.max_members:
            self._drop_idle()
        if gained:
            before = self._curve.level(xp_of.xp)
            xp_of.xp += gained
            self.emit(Count(XP.series, count.guild_id, count.at, user_id=count.user_id, amount=gained))
            for level in range(before + 1, self._curve.level(xp_of.xp) + 1):
                self._reach(count, level, xp_of.xp)

    def _reach(self, count: Count, level: int, xp: int) -> None:
        # Named by the level, so that one reached again by a forgotten member is not a second row.
        key = f"level:{count.guild_id}:{count.user_id}:{level}"
        name = self._names.get(count.user_id)
        data = LevelUpRecord(user_id=count.user_id, username=name, level=level, xp=xp)
        self.emit(Record(LEVEL_UP, count.guild_id, count.at, key, data, count.user_id))
        self.emit(Count(LEVEL_UPS.series, count.guild_id, count.at, person=count.user_id))

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
    def tables(self) -> tuple[SavedTable[Member, MemberXp], ...]:
        """XP of each member."""
        return (self._table,)

    def _load(self, member: Member, saved: MemberXp) -> None:
        if self.earners:
            self._members[member] = saved
            if len(self._members) > self._config.max_members:
                self._drop_idle()

    def clear(self) -> None:
        """Forget the XP of all members."""
        self._members.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget people who opted out."""
        for member in [member for member in self._members if member[1] in people]:
            del self._members[member]
            self._table.touch(member)

    def _drop_idle(self) -> None:
        """Forget the member idle the longest, as there are too many."""
        member = next(iter(self._members))
        del self._members[member]
        self._table.touch(member)
        self._telemetry.levels_forgotten.inc()

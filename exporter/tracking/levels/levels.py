"""Experience and levels: what each member has earned, kept here since a level is a matter of the whole sum.

The sums are part of the journal, in the very part that holds the counts made of them: a crash takes back both
or neither, so nothing is earned twice. Only members who have earned something since the last part stand in
the next one. They are not read back from the stores, which may be away for a day, and are none of the
pipeline's business.

Invariant: at most ``levels.max_members`` members are remembered. Who has been idle the longest is forgotten
first and counted as such: in SQL the sum of what they earned stays whole, and their level is the highest one
reached, but here they start anew, and reach no higher one before they have caught up with themselves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from exporter.checkpoint.journal import SavedLevel
from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Record, Series
from exporter.events.levels import LEVEL_UP, LEVEL_UPS, XP, XP_GAIN
from exporter.events.messages import MESSAGES
from exporter.events.reactions import REACTIONS
from exporter.events.voice import SECONDS
from exporter.tracking.config import LevelsConfig

Member: TypeAlias = tuple[int, int]
"""Guild and user."""

_TALKING: Final = ("active", "muted")
"""States of voice that earn something: who listens takes part, who is alone or away does not."""

_MINUTE_MS = 60_000


@dataclass(slots=True)
class Standing:
    """What somebody has earned, when they last earned it, and voice that does not fill a minute yet; ms."""

    xp: int = 0
    message_at: int = 0
    reaction_at: int = 0
    voice_ms: int = 0


class Curve:
    """How much experience makes which level.

    From level n to the next it takes ``base + linear·n + quadratic·n²``; everybody begins at level 0.
    """

    def __init__(self, config: LevelsConfig) -> None:
        self._config = config
        self._thresholds = [config.base]

    def level(self, xp: int) -> int:
        """The level that so much experience makes."""
        while self._thresholds[-1] <= xp:
            number = len(self._thresholds)
            step = self._config.base + self._config.linear * number + self._config.quadratic * number**2
            self._thresholds.append(self._thresholds[-1] + step)
        return bisect_right(self._thresholds, xp)


class Levels:
    """What members have earned.

    ``earners`` has an entry for each slot that earns something, none with levels off; ``forget`` is told of
    each member who is forgotten; ``name_of`` knows names.
    """

    def __init__(
        self,
        config: LevelsConfig,
        catalogue: Catalogue,
        name_of: Callable[[int], str | None],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._curve = Curve(config)
        self._name_of = name_of
        self._forget = forget
        self._standings: dict[Member, Standing] = {}
        self._unsaved: dict[Member, None] = {}
        self._newest: dict[Member, int] = {}
        self._cooldown = round(config.cooldown * 1000)
        on = not catalogue.events.keys().isdisjoint({XP_GAIN, LEVEL_UP})
        self.earners: dict[Series, Callable[[Standing, Count], int]] = {}
        if on:
            self.earners[MESSAGES["human"]] = self._earn_by_message
            self.earners |= dict.fromkeys(REACTIONS.series_of.values(), self._earn_by_reaction)
            self.earners |= {SECONDS[state]: self._earn_by_voice for state in _TALKING}

    # ------------------------------------------------------------------ what is earned

    def take(self, count: Count) -> Iterator[Count | Record]:
        """Take what was counted; yields what it earned, and the levels reached by that."""
        earn = self.earners.get(count.series)
        if earn is None or not count.user_id:
            return
        member = (count.guild_id, count.user_id)
        standing = self._standings.pop(member, None) or Standing()
        self._standings[member] = standing  # to the end of the line
        gained = earn(standing, count)
        self._unsaved[member] = None
        if len(self._standings) > self._config.max_members:
            self._drop(next(iter(self._standings)))
        if gained:
            before = self._curve.level(standing.xp)
            standing.xp += gained
            yield Count(XP.series, count.guild_id, count.at, user_id=count.user_id, amount=gained)
            for level in range(before + 1, self._curve.level(standing.xp) + 1):
                yield from self._reach(count, level, standing.xp)

    def _reach(self, count: Count, level: int, xp: int) -> Iterator[Count | Record]:
        # Named by the level, so that one reached again by who was forgotten is not a second row.
        key = f"level:{count.guild_id}:{count.user_id}:{level}"
        name = self._name_of(count.user_id)
        data = {"user_id": count.user_id, "username": name, "level": level, "xp": xp}
        yield Record(LEVEL_UP, count.guild_id, count.at, key, data, count.user_id)
        yield Count(LEVEL_UPS.series, count.guild_id, count.at, person=count.user_id)

    def _earn_by_message(self, standing: Standing, count: Count) -> int:
        if count.at < standing.message_at + self._cooldown:
            return 0
        standing.message_at = count.at
        return self._config.message

    def _earn_by_reaction(self, standing: Standing, count: Count) -> int:
        if count.at < standing.reaction_at + self._cooldown:
            return 0
        standing.reaction_at = count.at
        return self._config.reaction

    def _earn_by_voice(self, standing: Standing, count: Count) -> int:
        minutes, standing.voice_ms = divmod(standing.voice_ms + count.amount, _MINUTE_MS)
        return minutes * self._config.voice_minute

    # ------------------------------------------------------------------ what is remembered

    @property
    def unsaved(self) -> int:
        """Members whose standing has changed since it was last taken."""
        return len(self._unsaved)

    def collect(self, forgotten: Iterable[Iterable[Member]] = ()) -> list[SavedLevel]:
        """What the next part says; ``forgotten`` are the members of parts forgotten with it (``stale``)."""
        members = dict.fromkeys(member for part in forgotten for member in part) | self._unsaved
        self._unsaved = {}
        found = ((member, self._standings.get(member)) for member in members)
        return [
            SavedLevel(*member, held.xp, held.message_at, held.reaction_at, held.voice_ms)
            for member, held in found
            if held is not None
        ]

    def put_back(self, saved: Iterable[SavedLevel]) -> None:
        """Take back what could not be committed."""
        self._unsaved |= {(each.guild_id, each.user_id): None for each in saved}

    def keep(self, number: int, saved: Iterable[SavedLevel]) -> tuple[Member, ...]:
        """Note that a part was committed; returns the members whose standing it holds."""
        members = tuple((each.guild_id, each.user_id) for each in saved)
        self._newest |= dict.fromkeys((member for member in members if member in self._standings), number)
        return members

    def stale(self, number: int, members: Iterable[Member]) -> list[Member]:
        """The members, of those a part holds, of whom no later part speaks."""
        return [member for member in members if self._newest.get(member) == number]

    def restore(self, saved: Iterable[SavedLevel]) -> None:
        """Take up standings of the process before; later parts replace earlier ones."""
        if not self.earners:
            return
        for each in saved:
            member = (each.guild_id, each.user_id)
            self._standings.pop(member, None)
            self._standings[member] = Standing(each.xp, each.message_at, each.reaction_at, each.voice_ms)
            if len(self._standings) > self._config.max_members:
                self._drop(next(iter(self._standings)))

    def leave_out(self, people: Container[int]) -> None:
        """Forget those who opted out meanwhile."""
        for member in [member for member in self._standings if member[1] in people]:
            del self._standings[member]
            self._newest.pop(member, None)

    def _drop(self, member: Member) -> None:
        del self._standings[member]
        self._newest.pop(member, None)
        self._forget()

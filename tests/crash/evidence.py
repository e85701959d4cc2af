"""What killed processes left behind, and what it says: acknowledged, lost, and how long a loss reaches back.

A life writes lines ``kind seconds numbers``: ``accepted``, when it takes in dispatches up to a number, and
``committed``, how long a commit took and which numbers it acknowledges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.crash.victim import Life


@dataclass(slots=True)
class Evidence:
    """Of one life."""

    first: int
    killed_at: float
    ban_every: int
    journal_interval: float
    accepted: list[tuple[int, float]] = field(default_factory=list)
    """Up to which number was accepted, and when that began."""
    acknowledged: set[int] = field(default_factory=set)
    longest_commit: float = 0.0

    @classmethod
    def read(cls, life: Life, killed_at: float) -> Evidence:
        """What a life left; nothing if it was killed before it wrote anything."""
        found = cls(life.first, killed_at, life.ban_every, life.journal_interval)
        path = life.evidence
        for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith("\n"):
                continue
            kind, seconds, *numbers = line.split()
            if kind == "accepted":
                found.accepted.append((int(numbers[0]), float(seconds)))
            else:
                found.longest_commit = max(found.longest_commit, float(seconds))
                found.acknowledged.update(map(int, numbers))
        return found

    @property
    def end(self) -> int:
        """The number behind the last one that it may have accepted."""
        return self.accepted[-1][0] if self.accepted else self.first

    @property
    def longest_pause(self) -> float:
        """The longest time in which its event loop did something else, or nothing on a busy machine."""
        times = [at for _, at in self.accepted]
        return max((later - at for at, later in pairwise((*times, self.killed_at))), default=0.0)

    def own(self) -> set[int]:
        """What it acknowledged of its own; the rest it took over from lives before."""
        return {number for number in self.acknowledged if number >= self.first}

    def lost(self, stored: set[int]) -> Loss:
        """What it accepted and no store has."""
        numbers = [number for number in range(self.first, self.end) if number not in stored]
        bans = [number for number in numbers if number % self.ban_every == 0]
        return Loss(
            len(numbers),
            self._age(numbers),
            self._age(bans),
            self.longest_commit,
            self.journal_interval,
            self.longest_pause,
        )

    def _age(self, numbers: list[int]) -> float:
        """Seconds from the moment the first of them was accepted to the kill."""
        if not numbers:
            return 0.0
        return self.killed_at - next(at for end, at in self.accepted if end > numbers[0])


@dataclass(frozen=True, slots=True)
class Loss:
    """What a kill cost. Times in seconds."""

    events: int
    age: float
    """Since the oldest event that is lost was accepted."""
    critical_age: float
    """The same of critical ones."""
    commit: float
    """The longest commit of that life."""
    interval: float
    pause: float

    def is_within(self, allowed: float) -> bool:
        """Whether nothing reaches back further than its window and this."""
        return self.age <= self.interval + allowed and self.critical_age <= allowed

    @property
    def is_bounded(self) -> bool:
        """Whether that is so for two commits, and a pause of the loop before them."""
        return self.is_within(2 * self.commit + self.pause)


@dataclass(slots=True)
class Tally:
    """The sums of a run, a line of the printed table."""

    store: str
    kills: int = 0
    early: int = 0
    """Of these, before the process was ready."""
    sent: int = 0
    acknowledged: int = 0
    missing: int = 0
    double: int = 0
    losses: list[Loss] = field(default_factory=list)

    HEADINGS = (
        *("store", "kills", "(early)", "accepted", "acknowledged", "missing", "double"),
        *("lost", "most", "oldest", "critical", "commit", "2 commits", "and pause"),
    )

    def columns(self) -> tuple[str, ...]:
        """As printed under ``HEADINGS``: losses as their sum, then their largest."""
        losses = self.losses or [Loss(0, 0, 0, 0, 0, 0)]
        return (
            self.store,
            *map(str, (self.kills, self.early, self.sent, self.acknowledged, self.missing, self.double)),
            str(sum(loss.events for loss in losses)),
            str(max(loss.events for loss in losses)),
            f"{max(loss.age for loss in losses):.2f} s",
            f"{max(loss.critical_age for loss in losses):.2f} s",
            f"{max(loss.commit for loss in losses):.2f} s",
            str(sum(loss.is_within(2 * loss.commit) for loss in losses)),
            str(sum(loss.is_bounded for loss in losses)),
        )


def table(tallies: list[Tally]) -> str:
    """The tallies, a line each."""
    rows = [Tally.HEADINGS, *(tally.columns() for tally in tallies)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows
    )

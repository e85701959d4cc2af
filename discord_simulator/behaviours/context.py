"""What habits share: the world, the random source, and the choice of places and people.

Activity is unequal, as it is in life: few guilds, channels and members account for most of it (Zipf's law),
and a guild sleeps at night, each in its own time zone.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.guild import Emoji
from discord_simulator.operations import audit
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import ChannelKind

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from discord_simulator.guild import Channel, Guild, Message
    from discord_simulator.vocabulary import AuditAction
    from discord_simulator.world import World

_DAY_SECONDS = 86_400
_START_HOUR = 19
"""Simulated time starts in the evening, when most people are there."""

_RECOUNT_SECONDS = 60.0
"""How often the day curve moves on."""

_TRIES = 4
"""Looks for a place with something to act on before a habit gives up."""

_UNICODE = tuple(Emoji(0, name) for name in words.UNICODE_EMOJI)


@dataclass(slots=True)
class Conversation:
    """A few people who talk in a channel for a while."""

    guild: Guild
    channel: Channel
    people: list[int]
    left: int


def usual_audit_delay(rng: random.Random) -> float | None:
    """An entry comes just before its event, with it, or within two seconds."""
    return rng.choice((-1.0, 0.0, 0.0, rng.uniform(0.05, 2.0)))


@dataclass(frozen=True, slots=True)
class BehaviourSettings:
    """How things go about in a scenario.

    Attributes:
        echo: draws when an audit entry is told of, as ``Actor.delay`` says.
        omens: share of removals whose entry is told of up to ``early_audit_seconds`` before.
        omen_seconds: simulated seconds.
        timeouts: shortest and longest timeout, in seconds of wall time; on ordinary days none ends in a run.
        invite_ages: seconds of wall time after which invites may expire.
    """

    audit_delay: Callable[[random.Random], float | None] = usual_audit_delay
    early_audit_share: float = 0.0
    early_audit_seconds: float = 5.0
    timeouts: tuple[float, float] = (3600.0, 7 * 86_400.0)
    invite_ages: tuple[float, ...] = (1800.0, 86_400.0, 604_800.0)


def day_curve(hour: float) -> float:
    """How much goes on at an hour of the day, against the average: quiet at 5, busy at 20."""
    return 1 + 0.8 * math.cos((hour - 20) * math.pi / 12)


class Context:
    """The world as habits see it."""

    def __init__(self, world: World, rng: random.Random, settings: BehaviourSettings | None = None) -> None:
        self.world = world
        self.rng = rng
        self.scheduler = world.scheduler
        self.settings = settings or BehaviourSettings()
        self.conversations: list[Conversation] = []
        self._guilds: list[Guild] = []
        self._weights: list[float] = []
        self._counted_for = -1
        self._counted_at = -math.inf

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.rng.random() < probability

    def rank(self, count: int) -> int:
        """A rank from 0 to ``count`` - 1, where rank r is as likely as 1 / (r + 1)."""
        return min(int(math.pow(count + 1, self.rng.random())) - 1, count - 1)

    def guild(self) -> Guild | None:
        """A guild by size and time of day; None while none is available."""
        self._recount()
        if not self._guilds:
            return None
        return self._guilds[bisect.bisect(self._weights, self.rng.random() * self._weights[-1])]

    def guilds(self) -> Sequence[Guild]:
        """Every guild that is available."""
        self._recount()
        return self._guilds

    def _recount(self) -> None:
        now = self.scheduler.now
        if self._counted_for == self.world.revision and now - self._counted_at < _RECOUNT_SECONDS:
            return
        self._counted_for, self._counted_at = self.world.revision, now
        hour = (_START_HOUR + now / 3600) % 24
        self._guilds = [guild for guild in self.world.guilds.values() if guild.is_visible]
        self._weights = list(
            itertools.accumulate(
                guild.member_count**0.9 * day_curve(hour + guild.timezone) for guild in self._guilds
            )
        )
        self.conversations = [talk for talk in self.conversations if talk.guild.is_visible]

    def member(self, guild: Guild) -> int:
        """A member by how active they are; rather one who is not timed out."""
        user_id = 0
        for _ in range(_TRIES):
            user_id = guild.members[self.rank(len(guild.members))]
            if user_id not in guild.timeouts:
                break
        return user_id

    def removable_member(self, guild: Guild) -> int | None:
        """A member who may go, chosen evenly; None if nobody was found."""
        for _ in range(_TRIES):
            user_id = guild.members[self.rng.randrange(len(guild.members))]
            if not guild.is_protected(user_id):
                return user_id
        return None

    def moderator(self, guild: Guild) -> int:
        """A moderator; the first does most of the work."""
        return guild.moderators[self.rank(len(guild.moderators))]

    def channel(self, guild: Guild) -> Channel:
        """Where people write: mostly the first text channels, sometimes a thread or a voice channel."""
        dice = self.rng.random()
        if guild.threads and dice < 0.15:  # noqa: PLR2004 - share of messages in threads
            return guild.threads[-1 - self.rank(len(guild.threads))]
        if dice > 0.97:  # noqa: PLR2004 - share of messages in voice channels
            return guild.voice[self.rank(len(guild.voice))]
        return guild.text[self.rank(len(guild.text))]

    def message(self, guild: Guild) -> Message | None:
        """A recent message, more likely a newer one; None if nothing was found."""
        for _ in range(_TRIES):
            recent = self.channel(guild).recent
            if recent:
                return recent[-1 - self.rank(len(recent))]
        return None

    def emoji(self, guild: Guild) -> Emoji:
        """A unicode or custom emoji; the first of each are the favourites."""
        choices = _UNICODE if self.chance(0.6) else guild.emojis
        return choices[self.rank(len(choices))]

    def acting_moderator(self, guild: Guild) -> Actor:
        """A moderator with a reason, or without one."""
        return Actor(self.moderator(guild), self.rng.choice(words.REASONS), self.audit_delay())

    def audit_delay(self) -> float | None:
        """When an audit entry is told of, as ``Actor.delay`` says."""
        return self.settings.audit_delay(self.rng)

    def moderate(
        self, guild: Guild, user_id: int, action: AuditAction, deed: Callable[[Actor], object]
    ) -> None:
        """Have it done by a moderator now or, where entries are told of long before, a while after that."""
        by = self.acting_moderator(guild)
        if not self.is_audit_early():
            deed(by)
            return
        by = audit.publish_early(self.world, guild, action, by, user_id)
        guild.announced_targets.add(user_id)

        def apply() -> None:
            guild.announced_targets.discard(user_id)
            deed(by)

        self.scheduler.after(
            self.rng.uniform(0, self.settings.early_audit_seconds), apply, before_outage_of=guild.id
        )

    def is_audit_early(self) -> bool:
        """Whether an entry is told of long before its deed."""
        return self.settings.early_audit_share > 0 and self.chance(self.settings.early_audit_share)

    @property
    def timeouts(self) -> tuple[float, float]:
        """Shortest and longest timeout, in seconds."""
        return self.settings.timeouts

    @property
    def invite_ages(self) -> tuple[float, ...]:
        """How long invites may be used, in seconds."""
        return self.settings.invite_ages

    def voice_channel(self, guild: Guild) -> Channel:
        """A voice channel other than the AFK channel."""
        places = [channel for channel in guild.voice if channel is not guild.afk]
        return places[self.rank(len(places))]


def is_thread(channel: Channel) -> bool:
    """Whether a channel is a thread."""
    return channel.kind is ChannelKind.THREAD

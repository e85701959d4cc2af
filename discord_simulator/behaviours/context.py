"""The context of all behaviours: the world, the random source, and the choice of guilds and members.

Activity is unequal: few guilds, channels and members account for most of it (Zipf's law), and a guild is less
active at night, each in its own time zone.
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
"""Simulated time starts in the evening, when activity is high."""

_UPDATE_SECONDS = 60.0
"""Simulated seconds after which the weights follow the day curve."""

_ATTEMPTS = 4
"""Attempts to find a member or message that can be acted on."""

_UNICODE = tuple(Emoji(0, name) for name in words.UNICODE_EMOJI)


@dataclass(slots=True)
class Conversation:
    """A conversation of a few members in a channel; ``remaining`` counts the messages to come."""

    guild: Guild
    channel: Channel
    participants: list[int]
    remaining: int


def usual_audit_delay(rng: random.Random) -> float | None:
    """Delay of an audit entry: just before its event, with it, or up to two seconds after."""
    return rng.choice((-1.0, 0.0, 0.0, rng.uniform(0.05, 2.0)))


@dataclass(frozen=True, slots=True)
class BehaviourSettings:
    """Parameters of the behaviours, which a scenario may change.

    Attributes:
        audit_delay: draws the delay of an audit entry, as in ``Actor.delay``.
        early_audit_share: share of removals whose audit entry is published before the removal.
        early_audit_seconds: longest time from such an entry to the removal, in simulated seconds.
        timeouts: shortest and longest timeout, in seconds of wall time; by default none ends in a run.
        invite_ages: lifetimes of invites, in seconds of wall time.
    """

    audit_delay: Callable[[random.Random], float | None] = usual_audit_delay
    early_audit_share: float = 0.0
    early_audit_seconds: float = 5.0
    timeouts: tuple[float, float] = (3600.0, 7 * 86_400.0)
    invite_ages: tuple[float, ...] = (1800.0, 86_400.0, 604_800.0)


def day_curve(hour: float) -> float:
    """Activity at an hour of the day, relative to the average; highest at 20."""
    return 1 + 0.8 * math.cos((hour - 20) * math.pi / 12)


class Context:
    """What behaviours draw their choices from, and perform operations on."""

    def __init__(self, world: World, rng: random.Random, settings: BehaviourSettings | None = None) -> None:
        self.world = world
        self.rng = rng
        self.scheduler = world.scheduler
        self.settings = settings or BehaviourSettings()
        self.conversations: list[Conversation] = []
        self._guilds: list[Guild] = []
        self._weights: list[float] = []
        self._weights_revision = -1
        self._weights_at = -math.inf

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def rank(self, count: int) -> int:
        """A rank from 0 to ``count`` - 1, where rank r is as likely as 1 / (r + 1)."""
        return min(int(math.pow(count + 1, self.rng.random())) - 1, count - 1)

    def guild(self) -> Guild | None:
        """A random guild, weighted by size and time of day; None while no guild is available."""
        self._update_weights()
        if not self._guilds:
            return None
        return self._guilds[bisect.bisect(self._weights, self.rng.random() * self._weights[-1])]

    def guilds(self) -> Sequence[Guild]:
        """All available guilds."""
        self._update_weights()
        return self._guilds

    def _update_weights(self) -> None:
        now = self.scheduler.now
        if self._weights_revision == self.world.revision and now - self._weights_at < _UPDATE_SECONDS:
            return
        self._weights_revision, self._weights_at = self.world.revision, now
        hour = (_START_HOUR + now / 3600) % 24
        self._guilds = [guild for guild in self.world.guilds.values() if guild.is_visible]
        self._weights = list(
            itertools.accumulate(
                guild.member_count**0.9 * day_curve(hour + guild.timezone) for guild in self._guilds
            )
        )
        self.conversations = [
            conversation for conversation in self.conversations if conversation.guild.is_visible
        ]

    def member(self, guild: Guild) -> int:
        """A random member, weighted by activity; one who is not timed out if found in a few attempts."""
        user_id = 0
        for _ in range(_ATTEMPTS):
            user_id = guild.members[self.rank(len(guild.members))]
            if user_id not in guild.timeouts:
                break
        return user_id

    def removable_member(self, guild: Guild) -> int | None:
        """A random member who is not protected, all equally likely; None if a few attempts find none."""
        for _ in range(_ATTEMPTS):
            user_id = guild.members[self.rng.randrange(len(guild.members))]
            if not guild.is_protected(user_id):
                return user_id
        return None

    def moderator(self, guild: Guild) -> int:
        """A random moderator; the first is the most likely."""
        return guild.moderators[self.rank(len(guild.moderators))]

    def channel(self, guild: Guild) -> Channel:
        """A random channel for messages: mostly the first text channels, sometimes a thread or voice."""
        draw = self.rng.random()
        if guild.threads and draw < 0.15:  # noqa: PLR2004 - share of messages in threads
            return guild.threads[-1 - self.rank(len(guild.threads))]
        if draw > 0.97:  # noqa: PLR2004 - share of messages in voice channels
            return guild.voice[self.rank(len(guild.voice))]
        return guild.text[self.rank(len(guild.text))]

    def message(self, guild: Guild) -> Message | None:
        """A random recent message, newer ones more likely; None if a few attempts find none."""
        for _ in range(_ATTEMPTS):
            recent = self.channel(guild).recent
            if recent:
                return recent[-1 - self.rank(len(recent))]
        return None

    def emoji(self, guild: Guild) -> Emoji:
        """A random unicode or custom emoji; the first of each are the most likely."""
        choices = _UNICODE if self.chance(0.6) else guild.emojis
        return choices[self.rank(len(choices))]

    def acting_moderator(self, guild: Guild) -> Actor:
        """A random moderator with a random reason and audit delay."""
        return Actor(self.moderator(guild), self.rng.choice(words.REASONS), self.audit_delay())

    def audit_delay(self) -> float | None:
        """A random delay of an audit entry, as in ``Actor.delay``."""
        return self.settings.audit_delay(self.rng)

    def moderate(
        self, guild: Guild, user_id: int, action: AuditAction, operation: Callable[[Actor], object]
    ) -> None:
        """Perform an operation as a moderator: now, or after its audit entry if that is published early."""
        by = self.acting_moderator(guild)
        if not self.is_audit_early():
            operation(by)
            return
        by = audit.publish_early(self.world, guild, action, by, user_id)
        guild.announced_targets.add(user_id)

        def apply() -> None:
            guild.announced_targets.discard(user_id)
            operation(by)

        self.scheduler.after(
            self.rng.uniform(0, self.settings.early_audit_seconds), apply, before_outage_of=guild.id
        )

    def is_audit_early(self) -> bool:
        """Draw whether an audit entry is published before its operation."""
        return self.settings.early_audit_share > 0 and self.chance(self.settings.early_audit_share)

    @property
    def timeouts(self) -> tuple[float, float]:
        """Shortest and longest timeout, in seconds."""
        return self.settings.timeouts

    @property
    def invite_ages(self) -> tuple[float, ...]:
        """Lifetimes of invites, in seconds."""
        return self.settings.invite_ages

    def voice_channel(self, guild: Guild) -> Channel:
        """A random voice channel other than the AFK channel."""
        channels = [channel for channel in guild.voice if channel is not guild.afk]
        return channels[self.rank(len(channels))]


def is_thread(channel: Channel) -> bool:
    """Whether a channel is a thread."""
    return channel.kind is ChannelKind.THREAD

"""The initial guilds and users, as a function of the seed alone.

The names of a user are a function of their id, so nothing is stored for users who never act.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from discord_simulator import vocabulary as words
from discord_simulator.guild import Channel, Emoji, Guild, Role, Webhook
from discord_simulator.invite import Invite, Vanity, make_code
from discord_simulator.snowflake import past_snowflake, snowflake_ms
from discord_simulator.vocabulary import ChannelKind

_MIX = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: spreads consecutive numbers over 64 bits."""

_FEWEST_MEMBERS = 4
"""An owner, a moderator and two members for a conversation."""

_INVITES = range(2, 6)
_DAY_MS = 86_400_000
_HIGHEST_TIER = 3
"""The boost level at which a guild gets a vanity URL."""

_WITH_AFK, _WITH_FORUM, _WITH_ICON = 0.6, 0.4, 0.8
"""Share of guilds with an AFK channel, a forum, an icon."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the world.

    Attributes:
        seed: the same seed gives the same world and the same order of actions.
        guilds: number of guilds at the start.
        members: members of a guild on average; few guilds are large and most are small.
        text_channels: text channels of the largest guilds.
    """

    seed: int = 0
    guilds: int = 10
    members: int = 50
    text_channels: int = 12


def mix(number: int) -> int:
    """64 pseudo-random bits that depend on ``number`` alone."""
    number = (number * _MIX) & 0xFFFFFFFFFFFFFFFF
    return number ^ (number >> 29)


class Population:
    """Builds guilds by number; the same shape gives the same guilds."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        rng = random.Random(f"{shape.seed}/bots")
        self.bot_id = past_snowflake(rng)
        self.bots = {self.bot_id: "Observer"} | {past_snowflake(rng): name for name in words.BOT_NAMES}
        # Guilds share users, so the pool is smaller than the sum of all members.
        self._pool = max(20, round(shape.guilds * shape.members * 0.8))
        self._scale = shape.guilds * shape.members / sum(self._weight(n) for n in range(shape.guilds) or (0,))

    @staticmethod
    def _weight(number: int) -> float:
        return math.pow(number + 1, -0.8)

    def user_id(self, number: int) -> int:
        """The id of the user of this number."""
        return past_snowflake(random.Random(mix(self.shape.seed << 32 ^ number)))

    def newcomer(self, rng: random.Random) -> int:
        """A random user; half of them are members of no guild at the start."""
        return self.user_id(rng.randrange(2 * self._pool))

    def username(self, user_id: int) -> str:
        """The name of a user or bot; names are rarely shared."""
        if bot := self.bots.get(user_id):
            return bot
        bits = mix(user_id)
        first = words.FIRST_NAMES[bits % len(words.FIRST_NAMES)]
        last = words.LAST_NAMES[(bits >> 8) % len(words.LAST_NAMES)]
        return f"{first}.{last}{(bits >> 16) % 1000}"

    def nickname(self, user_id: int, guild_id: int) -> str | None:
        """The initial nickname of a user in a guild, or None; one user in five has one."""
        bits = mix(user_id ^ guild_id)
        return words.NICKNAMES[(bits >> 8) % len(words.NICKNAMES)] if bits % 5 == 0 else None

    def guild(self, number: int) -> Guild:
        """The guild of this number in its initial state."""
        rng = random.Random(f"{self.shape.seed}/guild/{number}")
        guild_id = past_snowflake(rng)
        created_at = snowflake_ms(guild_id)
        size = max(_FEWEST_MEMBERS, round(self._scale * self._weight(number)))
        members = self._members(rng, size)
        voice = self._channels(rng, ChannelKind.VOICE, words.VOICE_NAMES, 1 + round(math.log10(size)))
        afk = Channel(past_snowflake(rng), ChannelKind.VOICE, "AFK") if rng.random() < _WITH_AFK else None
        text_channels = min(self.shape.text_channels, 2 + round(2 * math.log10(size)))
        text = self._channels(rng, ChannelKind.TEXT, words.TEXT_NAMES, text_channels)
        has_forum = rng.random() < _WITH_FORUM
        bots = [self.bot_id, *rng.sample(list(self.bots)[1:], rng.randint(1, 3))]
        guild = Guild(
            id=guild_id,
            name=self._guild_name(number),
            owner_id=members[0],
            created_at=created_at,
            joined_at=created_at + rng.randrange(_DAY_MS),
            timezone=rng.choice((-8, -5, 0, 1, 1, 2, 5, 9)),
            text=text,
            voice=[*voice, afk] if afk else voice,
            categories=self._channels(rng, ChannelKind.CATEGORY, ("Text", "Voice"), 2),
            forum=Channel(past_snowflake(rng), ChannelKind.FORUM, "ideas") if has_forum else None,
            afk=afk,
            roles=self._roles(rng, guild_id, bots),
            emojis=[
                Emoji(past_snowflake(rng), name, animated=rng.choice((True, False, False)))
                for name in rng.sample(words.EMOJI_NAMES, rng.randint(2, len(words.EMOJI_NAMES)))
            ],
            webhooks=[
                Webhook(past_snowflake(rng), name, rng.choice(text).id)
                for name in rng.sample(words.WEBHOOK_NAMES, rng.randint(1, 2))
            ],
            members=members,
            bots=bots,
            moderators=members[: round(math.log10(size)) + 1],
            icon=f"{rng.getrandbits(128):032x}" if rng.random() < _WITH_ICON else None,
            boosts=rng.choice((0, 0, 1, 3, 8, 15)),
            permissions=set(words.PERMISSIONS),
        )
        self._add_invites(guild, number)
        return guild

    def _add_invites(self, guild: Guild, number: int) -> None:
        """Add the initial invites of a guild, and a vanity URL at the highest boost level."""
        rng = random.Random(f"{self.shape.seed}/invites/{number}")
        for _ in range(rng.choice(_INVITES)):
            code = make_code(rng)
            guild.invites[code] = Invite(
                code,
                rng.choice(guild.text).id,
                rng.choice(guild.members[: len(guild.moderators) + 3]),
                guild.created_at + rng.randrange(_DAY_MS),
                uses=rng.randrange(200),
            )
        if guild.tier == _HIGHEST_TIER:
            guild.vanity = Vanity(f"guild-{number}", rng.randrange(1000))

    def _guild_name(self, number: int) -> str:
        name = words.GUILD_NAMES[(number + self.shape.seed) % len(words.GUILD_NAMES)]
        return name if number < len(words.GUILD_NAMES) else f"{name} {number}"

    def _members(self, rng: random.Random, size: int) -> list[int]:
        known: dict[int, None] = {}
        while len(known) < size:
            known[self.user_id(rng.randrange(2 * self._pool + size))] = None
        return list(known)

    @staticmethod
    def _channels(rng: random.Random, kind: ChannelKind, names: tuple[str, ...], count: int) -> list[Channel]:
        chosen = [names[n] if n < len(names) else f"{names[n % len(names)]}-{n}" for n in range(count)]
        return [
            Channel(past_snowflake(rng), kind, name, position=position)
            for position, name in enumerate(chosen)
        ]

    @staticmethod
    def _roles(rng: random.Random, guild_id: int, bots: list[int]) -> list[Role]:
        people = [
            Role(past_snowflake(rng), name, position)
            for position, name in enumerate(words.ROLE_NAMES, start=1)
        ]
        # Discord creates a role with the bot's name when a bot is added.
        own = Role(past_snowflake(rng), "Observer", len(people) + 1, bot_id=bots[0])
        return [Role(guild_id, "@everyone", 0), *people, own]

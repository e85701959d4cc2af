"""The world: every guild, and the two ways in which something that happens becomes known.

``record`` writes what happened to the ledger; ``tell`` publishes what a bot may see of it. Invariant: what is
told is never more than Discord would send, and nothing is told about a guild in an outage.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import orjson

from discord_simulator import answers
from discord_simulator.operations import guilds as deeds
from discord_simulator.payload import Renderer
from discord_simulator.ports import Dispatch, RestAnswer
from discord_simulator.scheduler import Agenda, Deadlines
from discord_simulator.seed import Population, Shape
from discord_simulator.snowflake import SnowflakeSource
from discord_simulator.vocabulary import PRIVILEGED_FLAGS, Intent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from discord_simulator.guild import Guild
    from discord_simulator.ledger import Ledger
    from discord_simulator.objects import Data
    from exporter.clock import Clock

NO_PERMISSION: frozenset[str] = frozenset()


def ignore(_dispatch: Dispatch) -> None:
    """Publish to nobody."""


class World:
    """State of every guild; implements the protocol half's ``WorldView``.

    Attributes:
        publish: called with each dispatch; the gateway puts itself here.
        agenda: what will happen later, in simulated time.
        began_with: an id; whatever was made while the simulator ran has a greater one.
        deadlines: what will happen at a moment of wall time.
    """

    def __init__(
        self,
        shape: Shape,
        ledger: Ledger,
        clock: Clock,
        publish: Callable[[Dispatch], None] = ignore,
    ) -> None:
        self.shape = shape
        self.ledger = ledger
        self.clock = clock
        self.publish = publish
        self.agenda = Agenda()
        self.deadlines = Deadlines()
        self.ids = SnowflakeSource()
        self.population = Population(shape)
        self.render = Renderer(self.population)
        self.rng = random.Random(f"{shape.seed}/world")
        self.guilds: dict[int, Guild] = {}
        self.began_with = self.ids.make(clock.now_ms())
        self.revision = 0
        self._numbered = 0
        for _ in range(shape.guilds):
            self.add_guild()

    # ── for deeds ────────────────────────────────────────────────────────────────────────────────────

    def add_guild(self) -> Guild:
        """Bring the next guild into being; the bot is in it from now on."""
        guild = self.population.guild(self._numbered)
        self._numbered += 1
        self.guilds[guild.id] = guild
        self.revision += 1
        return guild

    def drop_guild(self, guild: Guild) -> None:
        """Take a guild out of the bot's sight for good."""
        guild.gone = True
        del self.guilds[guild.id]
        self.revision += 1

    def now(self) -> int:
        """Wall time in ms since the Unix epoch."""
        return self.clock.now_ms()

    def record(self, type_: str, guild: Guild, at: int, **fields: object) -> int:
        """Write one line of the ledger about a guild; returns its number."""
        return self.ledger.write(type_, at, {"guild_id": str(guild.id), **fields})

    def tell(
        self,
        type_: str,
        guild: Guild,
        data: Data,
        intents: Intent,
        line: int = 0,
        *,
        permissions: frozenset[str] = NO_PERMISSION,
    ) -> None:
        """Publish a dispatch as the sight of ledger line ``line``."""
        if not guild.unavailable:
            self.publish(Dispatch(type_, guild.id, orjson.dumps(data), int(intents), permissions, line))

    def describe(self) -> None:
        """Write a GUILD line for every guild as it is now; the start of a ledger's arithmetic."""
        now = self.now()
        for guild in self.guilds.values():
            self.record("GUILD", guild, now, **deeds.facts(guild))

    # ── WorldView ────────────────────────────────────────────────────────────────────────────────────

    def guild_ids(self) -> Sequence[int]:
        """Every guild the bot is in."""
        return tuple(self.guilds)

    def guild_create(self, guild_id: int, intents: int) -> bytes:
        """JSON text of a full GUILD_CREATE ``d``.

        Raises:
            KeyError: the bot is not in this guild.
        """
        return orjson.dumps(
            self.render.guild_create(
                self.guilds[guild_id],
                everybody=bool(intents & Intent.GUILD_PRESENCES),
                voice=bool(intents & Intent.GUILD_VOICE_STATES),
            )
        )

    def is_unavailable(self, guild_id: int) -> bool:
        """Whether the guild is in an outage at this moment."""
        guild = self.guilds.get(guild_id)
        return guild is not None and guild.unavailable

    def application(self) -> dict[str, object]:
        """The application and its bot user. Every privileged intent is granted."""
        return {
            "id": str(self.population.bot_id),
            "name": "Observer",
            "icon": None,
            "description": "",
            "flags": PRIVILEGED_FLAGS,
            "bot_public": True,
            "bot_require_code_grant": False,
            "summary": "",
            "verify_key": "0" * 64,
            "team": None,
            "owner": self.render.plain_user(self.population.user_id(0)),
            "approximate_guild_count": len(self.guilds),
            "bot": self.render.plain_user(self.population.bot_id),
        }

    def rest(self, method: str, path: str, query: Mapping[str, str]) -> RestAnswer | None:
        """Answer a world-backed route; None for one the world does not know."""
        return answers.answer(self, method, path, query)

    def has_permission(self, guild_id: int, permission: str) -> bool:
        """Whether the bot holds a permission in the guild; in no guild it is not in."""
        guild = self.guilds.get(guild_id)
        return guild is not None and permission in guild.permissions

    def set_permission(self, guild_id: int | None, permission: str, granted: bool) -> None:  # noqa: FBT001 - the protocol's signature
        """Grant or withdraw a permission in one guild, or in all of them for None."""
        for guild in self.guilds.values() if guild_id is None else (self.guilds[guild_id],):
            deeds.permit(self, guild, permission, granted=granted)

    def set_outage(self, guild_id: int, unavailable: bool) -> None:  # noqa: FBT001 - the protocol's signature
        """Begin or end an outage; nothing happens if it is as asked already."""
        if unavailable:
            deeds.begin_outage(self, self.guilds[guild_id])
        else:
            deeds.end_outage(self, self.guilds[guild_id])

"""The world: the state of every guild, and the two ways in which an operation makes an event known.

``record`` writes the event to the ledger; ``publish`` dispatches what a bot may see of it. Invariant: a
dispatch never holds more than Discord would send, and none is published about a guild in an outage.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import orjson

from discord_simulator.payload import Renderer
from discord_simulator.ports import Dispatch
from discord_simulator.scheduler import Deadlines, Scheduler
from discord_simulator.seed import Population, Shape
from discord_simulator.snowflake import SnowflakeSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from discord_simulator.clock import Clock
    from discord_simulator.guild import Guild
    from discord_simulator.ledger import Ledger
    from discord_simulator.objects import Data
    from discord_simulator.vocabulary import Intent

NO_PERMISSION: frozenset[str] = frozenset()


def discard(_dispatch: Dispatch) -> None:
    """Accept a dispatch and do nothing with it: the default while no gateway is attached."""


class World:
    """State of every guild.

    Attributes:
        on_dispatch: called with each dispatch; the gateway sets it.
        scheduler: callbacks due at a simulated time.
        deadlines: callbacks due at a wall time.
        start_id: a snowflake; everything created while the simulator runs has a greater id.
        revision: rises with every change of which guilds exist or are available.
    """

    def __init__(
        self,
        shape: Shape,
        ledger: Ledger,
        clock: Clock,
        on_dispatch: Callable[[Dispatch], None] = discard,
    ) -> None:
        self.shape = shape
        self.ledger = ledger
        self.clock = clock
        self.on_dispatch = on_dispatch
        self.scheduler = Scheduler()
        self.deadlines = Deadlines()
        self.ids = SnowflakeSource()
        self.population = Population(shape)
        self.render = Renderer(self.population)
        self.rng = random.Random(f"{shape.seed}/world")
        self.guilds: dict[int, Guild] = {}
        self.start_id = self.ids.make(clock.now_ms())
        self.revision = 0
        self._next_number = 0
        for _ in range(shape.guilds):
            self.add_guild()

    def add_guild(self) -> Guild:
        """Create the next guild of the population; the bot is a member of it from now on."""
        guild = self.population.guild(self._next_number)
        self._next_number += 1
        self.guilds[guild.id] = guild
        self.revision += 1
        return guild

    def remove_guild(self, guild: Guild) -> None:
        """Remove a guild from the bot's guilds for good."""
        guild.removed = True
        del self.guilds[guild.id]
        self.revision += 1

    def now(self) -> int:
        """Wall time in ms since the Unix epoch."""
        return self.clock.now_ms()

    def record(self, type_: str, guild: Guild, at: int, **fields: object) -> int:
        """Write one line about a guild to the ledger; returns its number."""
        return self.ledger.write(type_, at, {"guild_id": str(guild.id), **fields})

    def publish(
        self,
        type_: str,
        guild: Guild,
        data: Data,
        intents: Intent,
        line: int = 0,
        *,
        permissions: frozenset[str] = NO_PERMISSION,
    ) -> None:
        """Dispatch an event; ``line`` is the number of the ledger line it makes visible, or 0."""
        if not guild.unavailable:
            self.on_dispatch(Dispatch(type_, guild.id, orjson.dumps(data), int(intents), permissions, line))

    def record_guilds(self) -> None:
        """Write a GUILD line for every guild as it is now: the initial state of a ledger."""
        now = self.now()
        for guild in self.guilds.values():
            self.record("GUILD", guild, now, **guild.ledger_fields())

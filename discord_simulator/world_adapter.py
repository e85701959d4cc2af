"""The world as the protocol side sees it: its state, REST routes, and the changes that faults ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from discord_simulator import rest_routes
from discord_simulator.operations import guilds
from discord_simulator.vocabulary import PRIVILEGED_FLAGS, Intent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from discord_simulator.ports import RestResponse
    from discord_simulator.world import World


class WorldAdapter:
    """Implements the port ``WorldView`` over a world and its operations."""

    __slots__ = ("_world",)

    def __init__(self, world: World) -> None:
        self._world = world

    def guild_ids(self) -> Sequence[int]:
        """Every guild the bot is in."""
        return tuple(self._world.guilds)

    def guild_create(self, guild_id: int, intents: int) -> bytes:
        """JSON text of a full GUILD_CREATE ``d``.

        Raises:
            KeyError: the bot is not in this guild.
        """
        return orjson.dumps(
            self._world.render.guild_create(
                self._world.guilds[guild_id],
                all_members=bool(intents & Intent.GUILD_PRESENCES),
                voice=bool(intents & Intent.GUILD_VOICE_STATES),
            )
        )

    def is_unavailable(self, guild_id: int) -> bool:
        """Whether the guild is in an outage at this moment."""
        guild = self._world.guilds.get(guild_id)
        return guild is not None and guild.unavailable

    def application(self) -> dict[str, object]:
        """The application and its bot user. Every privileged intent is granted."""
        population, render = self._world.population, self._world.render
        return {
            "id": str(population.bot_id),
            "name": "Observer",
            "icon": None,
            "description": "",
            "flags": PRIVILEGED_FLAGS,
            "bot_public": True,
            "bot_require_code_grant": False,
            "summary": "",
            "verify_key": "0" * 64,
            "team": None,
            "owner": render.plain_user(population.user_id(0)),
            "approximate_guild_count": len(self._world.guilds),
            "bot": render.plain_user(population.bot_id),
        }

    def rest(self, method: str, path: str, query: Mapping[str, str]) -> RestResponse | None:
        """Answer a route about the world; None for a route that is not about the world."""
        return rest_routes.answer(self._world, method, path, query)

    def has_permission(self, guild_id: int, permission: str) -> bool:
        """Whether the bot holds a permission in the guild; False for a guild it is not in."""
        guild = self._world.guilds.get(guild_id)
        return guild is not None and permission in guild.permissions

    def set_permission(self, guild_id: int | None, permission: str, granted: bool) -> None:  # noqa: FBT001 - the protocol's signature
        """Grant or withdraw a permission in one guild, or in all of them for None."""
        known = self._world.guilds
        for guild in known.values() if guild_id is None else (known[guild_id],):
            guilds.set_permission(self._world, guild, permission, granted=granted)

    def set_outage(self, guild_id: int, unavailable: bool) -> None:  # noqa: FBT001 - the protocol's signature
        """Begin or end an outage; does nothing if the guild is in that state already."""
        change = guilds.begin_outage if unavailable else guilds.end_outage
        change(self._world, self._world.guilds[guild_id])

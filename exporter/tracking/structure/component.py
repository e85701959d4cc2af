"""Structure as a component: what was done to roles, channels, threads, emoji and stickers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts import (
    GuildObjectChanged,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
)
from exporter.tracking.structure.guild_objects import GuildObjects


class StructureTracker(Component):
    """Compares the objects of each guild with what was known of them, and puts out what changed."""

    name = "structure"

    def __init__(self, emit: Emit, types: Iterable[str]) -> None:
        super().__init__(emit)
        self._objects = GuildObjects(types)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Objects of guilds."""
        return {
            GuildObjectUpserted: lambda fact, _: self._emit_all(self._objects.see(fact)),
            GuildObjectDeleted: lambda fact, _: self._emit_all(self._objects.lose(fact)),
            GuildObjectsListed: lambda fact, _: self._emit_all(self._objects.list_all(fact)),
        }

    def _emit_all(self, changes: Iterable[GuildObjectChanged]) -> None:
        for change in changes:
            self.emit(change)

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._objects.forget(guild_id)

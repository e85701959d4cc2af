"""People come online, go idle and leave. Discord docs, Gateway Events › Presence Update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.vocabulary import Intent

if TYPE_CHECKING:
    from discord_simulator.guild import Guild
    from discord_simulator.world import World

Status: TypeAlias = Literal["online", "idle", "dnd", "offline"]


def show(world: World, guild: Guild, user_id: int, status: Status) -> None:
    """A member's status changes; only sessions with the privileged intent are told."""
    line = world.record("PRESENCE_UPDATE", guild, world.now(), user_id=str(user_id), status=status)
    world.tell(
        "PRESENCE_UPDATE",
        guild,
        {
            # Only the id of the user is promised.
            "user": {"id": str(user_id)},
            "guild_id": str(guild.id),
            "status": status,
            "activities": [],
            "client_status": {} if status == "offline" else {"desktop": status},
        },
        Intent.GUILD_PRESENCES,
        line,
    )

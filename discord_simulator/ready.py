"""The first frames of a new session: READY, then a GUILD_CREATE for each guild of its shard.

All GUILD_CREATEs are built at the moment of IDENTIFY, so that later events apply to exactly that state.
Source: Discord docs, Gateway Events › Ready, Guild Create, Guild Members Chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import orjson

from discord_simulator.opcodes import APPLICATION_FLAGS, GUILDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.commands import RequestMembers
    from discord_simulator.ports import WorldView
    from discord_simulator.session import Session

_CHUNK_MEMBERS: Final = "1000"
"""Members in one chunk, as at Discord."""


def describe_application(world: WorldView, granted: int) -> dict[str, object]:
    """The application object, with the flags of the granted privileged intents."""
    application = world.application()
    flags = cast("int", application.get("flags", 0))
    for intent, flag in APPLICATION_FLAGS.items():
        flags = flags | flag if granted & intent else flags & ~flag
    return {**application, "flags": flags}


def push_ready(
    session: Session, world: WorldView, guild_ids: Sequence[int], *, resume_url: str, granted: int
) -> None:
    """Queue READY and the GUILD_CREATEs of a new session."""
    application = describe_application(world, granted)
    ready = {
        "v": 10,
        "user_settings": {},
        "user": application["bot"],
        "session_type": "normal",
        "session_id": session.session_id,
        "resume_gateway_url": resume_url,
        "relationships": [],
        "private_channels": [],
        "presences": [],
        "guilds": [{"id": str(guild_id), "unavailable": True} for guild_id in guild_ids],
        "guild_join_requests": [],
        "geo_ordered_rtc_regions": [],
        "application": {"id": application["id"], "flags": application["flags"]},
        "shard": list(session.shard),
        "_trace": ["simulator"],
    }
    session.push("READY", orjson.dumps(ready))
    if session.intents & GUILDS:
        for guild_id in guild_ids:
            if not world.is_unavailable(guild_id):
                session.push("GUILD_CREATE", world.guild_create(guild_id, session.intents))
    session.ready_seq = session.last_seq


def describe_members(world: WorldView, body: RequestMembers) -> bytes:
    """A GUILD_MEMBERS_CHUNK with the members requested by id, or the first thousand."""
    answer = world.rest("GET", f"/guilds/{body.guild_id}/members", {"limit": _CHUNK_MEMBERS})
    members = answer.body if answer is not None and isinstance(answer.body, list) else []
    missing: list[str] = []
    if body.user_ids is not None:
        wanted = {body.user_ids} if isinstance(body.user_ids, str) else set(body.user_ids)
        found = {member["user"]["id"]: member for member in members}
        members = [found[user_id] for user_id in sorted(wanted & found.keys())]
        missing = sorted(wanted - found.keys())
    chunk = {
        "guild_id": body.guild_id,
        "members": members,
        "chunk_index": 0,
        "chunk_count": 1,
        "not_found": missing,
        "presences": [],
    }
    if body.nonce is not None:
        chunk["nonce"] = body.nonce
    return orjson.dumps(chunk)

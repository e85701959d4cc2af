"""The invites of each guild as last read, kept packed: they are unpacked only after a join or a reading."""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from exporter.events.facts import InviteKnown

_DECODER = msgspec.msgpack.Decoder(list[InviteKnown])


class KnownInvites:
    """Invites by guild; a guild that is not in it was not read yet, or what was read is outdated."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def __contains__(self, guild_id: object) -> bool:
        return guild_id in self._packed

    def of(self, guild_id: int) -> dict[str, InviteKnown]:
        """A guild's invites by code."""
        return {invite.code: invite for invite in _DECODER.decode(self._packed[guild_id])}

    def put(self, guild_id: int, invites: Iterable[InviteKnown]) -> None:
        """Take all invites of a guild."""
        self._packed[guild_id] = msgspec.msgpack.encode(list(invites))

    def add(self, guild_id: int, invite: InviteKnown) -> None:
        """Add an invite; one that is known stays: a reading may have come first, and counted uses of it."""
        self.put(guild_id, ({invite.code: invite} | self.of(guild_id)).values())

    def remove(self, guild_id: int, codes: Container[str]) -> None:
        """Remove some of a guild's invites."""
        self.put(guild_id, (invite for code, invite in self.of(guild_id).items() if code not in codes))

    def forget(self, guild_id: int) -> None:
        """Forget all invites of a guild."""
        self._packed.pop(guild_id, None)

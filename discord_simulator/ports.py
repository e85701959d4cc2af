"""The seam between the protocol half of the simulator and its world.

The world knows what happens and never how it is sent; the protocol knows how a frame is sent and never what
is in it. A payload crosses the seam as JSON text, encoded once however many sessions receive it. What a
session may not see (an intent it did not ask for, a permission the bot lacks) is withheld, which is not
lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One gateway event that happened.

    Attributes:
        type: the event's name on the gateway, ``MESSAGE_CREATE``.
        guild_id: the guild it happened in; decides the shard.
        data: JSON text of the frame's ``d``.
        intents: bit mask; a session receives the event if it asked for any of these; 0 means always.
        permissions: names such as ``view_audit_log``; not delivered if the bot holds none of them in the
            guild. Empty means no permission is needed.
        ledger_id: number of the ledger line this is the sight of; 0 means none.
    """

    type: str
    guild_id: int
    data: bytes
    intents: int
    permissions: frozenset[str] = frozenset()
    ledger_id: int = 0


@dataclass(frozen=True, slots=True)
class RestResponse:
    """What a world-backed REST route answers; ``body`` can be written as JSON."""

    status: int
    body: object


class WorldView(Protocol):
    """What the protocol half needs of the world."""

    def guild_ids(self) -> Sequence[int]:
        """Every guild the bot is in, in any order."""
        ...

    def guild_create(self, guild_id: int, intents: int) -> bytes:
        """JSON text of a full GUILD_CREATE ``d``, holding no more than these intents allow."""
        ...

    def is_unavailable(self, guild_id: int) -> bool:
        """Whether the guild is in an outage at this moment."""
        ...

    def application(self) -> dict[str, object]:
        """The application: ``id``, ``name``, ``flags`` (privileged intents granted) and ``bot``, its user."""
        ...

    def rest(self, method: str, path: str, query: Mapping[str, str]) -> RestResponse | None:
        """Answer a world-backed route such as ``/guilds/1/bans``; None for a route it does not know."""
        ...

    def has_permission(self, guild_id: int, permission: str) -> bool:
        """Whether the bot holds a permission, by Discord's name (``view_audit_log``), in the guild."""
        ...

    def set_permission(self, guild_id: int | None, permission: str, granted: bool) -> None:  # noqa: FBT001 - the value
        """Grant or withdraw a permission in one guild, or in all of them for None."""
        ...

    def set_outage(self, guild_id: int, unavailable: bool) -> None:  # noqa: FBT001 - the value
        """Begin or end an outage; the world publishes GUILD_DELETE ``unavailable`` or GUILD_CREATE."""
        ...


class LossRecorder(Protocol):
    """Told by the protocol half what no bot can have seen; the ledger implements it."""

    def lost(self, ledger_ids: Sequence[int], reason: str) -> None:
        """These happened, but no session could ever see them."""
        ...

    def gap(self, shard: int, started_at: int, ended_at: int) -> None:
        """A shard had no live connection between these two wall times, in milliseconds."""
        ...

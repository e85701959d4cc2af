"""The interface between the protocol side of the simulator and its world.

The world decides what happens; the protocol side sends it and does not read the content of a payload. A
payload is passed as JSON text, encoded once for all sessions. An event that a session may not receive (an
intent it did not request, a permission the bot lacks) is withheld, which is not a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One gateway event.

    Attributes:
        type: the event's name on the gateway, ``MESSAGE_CREATE``.
        guild_id: the guild it belongs to; determines the shard.
        data: JSON text of the frame's ``d``.
        intents: bit mask; a session receives the event if it requested any of these; 0 means always.
        permissions: names such as ``view_audit_log``; the event is withheld if the bot holds none of them in
            the guild. Empty means no permission is needed.
        ledger_id: number of the ledger line that the event makes visible; 0 means none.
    """

    type: str
    guild_id: int
    data: bytes
    intents: int
    permissions: frozenset[str] = frozenset()
    ledger_id: int = 0


@dataclass(frozen=True, slots=True)
class RestResponse:
    """Response of a REST route; ``body`` can be encoded as JSON."""

    status: int
    body: object


class WorldView(Protocol):
    """The methods of the world that the protocol side calls."""

    def guild_ids(self) -> Sequence[int]:
        """Every guild the bot is in, in any order."""
        ...

    def guild_create(self, guild_id: int, intents: int) -> bytes:
        """JSON text of a full GUILD_CREATE ``d``, with the fields that these intents allow."""
        ...

    def is_unavailable(self, guild_id: int) -> bool:
        """Whether the guild is in an outage at this moment."""
        ...

    def application(self) -> dict[str, object]:
        """The application: ``id``, ``name``, ``flags`` (privileged intents granted) and ``bot``, its user."""
        ...

    def rest(self, method: str, path: str, query: Mapping[str, str]) -> RestResponse | None:
        """Answer a route about the world such as ``/guilds/1/bans``; None for any other route."""
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
    """Records what no bot can have received; the ledger implements it."""

    def lost(self, ledger_ids: Sequence[int], reason: str) -> None:
        """Record lines whose event no session can receive any more."""
        ...

    def gap(self, shard: int, started_at: int, ended_at: int) -> None:
        """Record that a shard had no live connection between two wall times in ms."""
        ...

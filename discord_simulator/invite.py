"""Invites of a guild: codes that bring people in, until they are used up, expire or are deleted."""

from __future__ import annotations

import random
from dataclasses import dataclass

from discord_simulator.snowflake import iso

CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_CODE_LENGTH = 8


@dataclass(slots=True, eq=False)
class Invite:
    """An invite that works. ``max_uses`` and ``max_age`` (seconds) are 0 for no limit, as at Discord."""

    code: str
    channel_id: int
    inviter_id: int
    created_at: int
    max_uses: int = 0
    max_age: int = 0
    temporary: bool = False
    uses: int = 0

    @property
    def expires_at(self) -> int | None:
        """When it ends by itself, in ms; None for never."""
        return self.created_at + self.max_age * 1000 if self.max_age else None

    @property
    def used_up(self) -> bool:
        """Whether nobody else may use it."""
        return 0 < self.max_uses <= self.uses

    def terms(self) -> dict[str, object]:
        """What both the gateway and REST say about it."""
        return {
            "code": self.code,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires_at) if self.expires_at else None,
            "max_age": self.max_age,
            "max_uses": self.max_uses,
            "temporary": self.temporary,
            "uses": self.uses,
        }


@dataclass(slots=True, eq=False)
class Vanity:
    """A guild's own address; nobody made it, and it is in no list of invites."""

    code: str
    uses: int = 0


def make_code(rng: random.Random) -> str:
    """A code as Discord makes them."""
    return "".join(rng.choices(CODE_LETTERS, k=_CODE_LENGTH))

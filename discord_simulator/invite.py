"""Invites of a guild: valid until they are used up, expire or are deleted."""

from __future__ import annotations

import random
from dataclasses import dataclass

from discord_simulator.snowflake import iso

CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_CODE_LENGTH = 8


@dataclass(slots=True, eq=False)
class Invite:
    """A valid invite. ``max_uses`` and ``max_age`` (seconds) are 0 for no limit, as at Discord."""

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
        """Expiry time in ms; None if it never expires."""
        return self.created_at + self.max_age * 1000 if self.max_age else None

    @property
    def used_up(self) -> bool:
        """Whether no further use is allowed."""
        return 0 < self.max_uses <= self.uses

    def terms(self) -> dict[str, object]:
        """The fields that both the gateway and REST send."""
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
    """The vanity URL of a guild; it has no inviter and is in no list of invites."""

    code: str
    uses: int = 0


def make_code(rng: random.Random) -> str:
    """A random code in Discord's format."""
    return "".join(rng.choices(CODE_LETTERS, k=_CODE_LENGTH))

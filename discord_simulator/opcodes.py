"""The numbers of Discord's gateway protocol.

Source: Discord docs, Topics › Opcodes and Status Codes; Gateway › Gateway Intents.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Opcode(IntEnum):
    """The type of a gateway frame."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    REQUEST_SOUNDBOARD_SOUNDS = 31


class CloseCode(IntEnum):
    """Why the gateway closed a connection."""

    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_API_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


SESSION_ENDING_CODES: Final = frozenset(
    {CloseCode.AUTHENTICATION_FAILED, CloseCode.INVALID_SEQ, CloseCode.SESSION_TIMED_OUT}
)
"""Codes after which a client has to start a new session, as Discord documents."""

CLIENT_ENDING_CODES: Final = frozenset({1000, 1001})
"""Codes by which a client ends its session (Discord docs, Gateway › Disconnecting)."""

API_VERSIONS: Final = frozenset({"9", "10"})
"""The supported API versions; older ones are deprecated or removed."""

MAX_COMMAND_BYTES: Final = 4096
"""Largest frame a client may send (Discord docs, Gateway › Sending Events)."""


def _mask(*bits: int) -> int:
    return sum(1 << bit for bit in bits)


GUILDS: Final = 1 << 0
GUILD_MEMBERS: Final = 1 << 1
GUILD_PRESENCES: Final = 1 << 8
MESSAGE_CONTENT: Final = 1 << 15

ALL_INTENTS: Final = _mask(*range(17), 20, 21, 24, 25)
PRIVILEGED_INTENTS: Final = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT

APPLICATION_FLAGS: Final = {GUILD_PRESENCES: 1 << 12, GUILD_MEMBERS: 1 << 14, MESSAGE_CONTENT: 1 << 18}
"""Application flag of each privileged intent: set if the intent was granted."""

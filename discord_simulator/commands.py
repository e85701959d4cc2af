"""Commands of a gateway client, decoded strictly: any other frame ends the connection, as at Discord.

Source: Discord docs, Gateway › Gateway Events › Send Events, and Gateway › Sending Events.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from discord_simulator.opcodes import ALL_INTENTS, MAX_COMMAND_BYTES, CloseCode

_NULL = msgspec.Raw(b"null")
_Value = TypeVar("_Value")


class ProtocolError(Exception):
    """The client violated the protocol; the connection is closed with ``code`` and ``reason``."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(f"{int(code)} {reason}")
        self.code = code
        self.reason = reason


class Command(msgspec.Struct, frozen=True):
    """One frame from a client; the body is decoded later, by its opcode."""

    op: int
    d: msgspec.Raw = _NULL


class Identify(msgspec.Struct, frozen=True):
    """Body of IDENTIFY."""

    token: str
    properties: dict[str, object]
    intents: int | msgspec.UnsetType = msgspec.UNSET
    shard: tuple[int, int] = (0, 1)
    large_threshold: Annotated[int, msgspec.Meta(ge=50, le=250)] = 50
    compress: bool = False
    presence: dict[str, object] | None = None


class Resume(msgspec.Struct, frozen=True):
    """Body of RESUME; disnake sends nulls if it lost a socket before READY, and expects INVALID_SESSION."""

    token: str
    session_id: str | None
    seq: int | None


class RequestMembers(msgspec.Struct, frozen=True):
    """Body of REQUEST_GUILD_MEMBERS."""

    guild_id: str
    query: str | None = None
    limit: int | None = None
    user_ids: str | list[str] | None = None
    presences: bool | None = None
    nonce: str | None = None


_COMMAND_DECODER = msgspec.json.Decoder(Command)


def decode_command(text: str) -> Command:
    """Split a text frame into opcode and body.

    Raises:
        ProtocolError: 4002, the frame is too long, is not JSON, or has no integer ``op``.
    """
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_COMMAND_BYTES:
        raise ProtocolError(
            CloseCode.DECODE_ERROR, f"Payload of {len(raw)} bytes exceeds {MAX_COMMAND_BYTES}."
        )
    try:
        return _COMMAND_DECODER.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolError(CloseCode.DECODE_ERROR, "Error while decoding payload.") from error


def decode_body(command: Command, shape: type[_Value]) -> _Value:
    """Decode the body of a command.

    Raises:
        ProtocolError: 4002, the body does not have the documented fields.
    """
    try:
        return msgspec.json.decode(command.d, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolError(CloseCode.DECODE_ERROR, f"Error while decoding payload: {error}") from error


def check_intents(intents: int | msgspec.UnsetType, granted: int, privileged: int) -> int:
    """Check the intents of an IDENTIFY and return them.

    Raises:
        ProtocolError: 4013 for missing or undefined bits, 4014 for privileged bits that were not granted.
    """
    if intents is msgspec.UNSET or intents < 0 or intents & ~ALL_INTENTS:
        raise ProtocolError(CloseCode.INVALID_INTENTS, "Invalid intent(s).")
    if intents & privileged & ~granted:
        raise ProtocolError(CloseCode.DISALLOWED_INTENTS, "Disallowed intent(s).")
    return intents


def check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """Check the shard ``[id, count]`` of an IDENTIFY and return it.

    Raises:
        ProtocolError: 4010.
    """
    if not 0 <= shard[0] < shard[1]:
        raise ProtocolError(CloseCode.INVALID_SHARD, "Invalid shard.")
    return shard

"""Reads a ledger file. Discord ids are strings in the file and integers here.

A simulator that was killed leaves an incomplete last line, which is ignored. Any other malformed line is an
error, since the ledger is the reference of the comparison.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from discord_simulator.verify.quantities import FieldChange


class LedgerError(Exception):
    """The ledger cannot be read; the message names the file and, if one is malformed, the line."""


class Change(msgspec.Struct, frozen=True):
    """The old and the new value of a field, as JSON."""

    old: msgspec.Raw = msgspec.Raw(b"null")
    new: msgspec.Raw = msgspec.Raw(b"null")

    def as_compared(self, name: str) -> FieldChange:
        """The change in the form in which rows are compared."""
        old, new = (json.dumps(msgspec.json.decode(value)) for value in (self.old, self.new))
        return (name, old, new)


class LedgerLine(msgspec.Struct, frozen=True):
    """One line of a ledger: the fields of all line types, of which each type uses some."""

    n: int
    at: int
    type: str
    guild_id: int = 0
    channel_id: int | None = None
    parent_id: int = 0
    message_id: int = 0
    user_id: int = 0
    message_author_id: int | None = None
    message_author_bot: bool = False
    target_user_id: int = 0
    moderator_id: int | None = None
    audit_entry_id: int | None = None
    author: str = ""
    emoji: str = ""
    action: str = ""
    until: int = 0
    member: bool = True
    target_id: int = 0
    name: str | None = None
    code: str | None = None
    method: str = ""
    cause: str = ""
    inviter_id: int | None = None
    knowable: bool = False
    reason: str | None = None
    audit_reason: str | None = None
    visible: bool = True
    unavailable: bool = False
    granted: bool = True
    count: int = 0
    member_count: int = 0
    ms: int = 0
    channels: dict[int, int] = {}
    states: dict[str, int] = {}
    shown: dict[str, int] = {}
    afk_channel_id: int | None = None
    changes: dict[str, Change] = {}
    started: int = msgspec.field(default=0, name="from")
    ended: int = msgspec.field(default=0, name="to")
    refs: list[int] = []
    shard: int = 0
    seed: int = 0
    rate: float = 0.0


_decode = msgspec.json.Decoder(LedgerLine, strict=False).decode


def read_lines(path: Path) -> Iterator[LedgerLine]:
    """Every whole line of a ledger file, in order.

    Raises:
        LedgerError: the file cannot be read, or a line other than the last is malformed.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                try:
                    yield _decode(text)
                except msgspec.DecodeError as error:
                    if not text.endswith(b"\n"):
                        return
                    msg = f"{path}, line {number}, is not a line of a ledger: {error}"
                    raise LedgerError(msg) from error
    except OSError as error:
        msg = f"cannot read the ledger {path}: {error.strerror}"
        raise LedgerError(msg) from error

"""What truly happened, one JSON line for each, in the order in which it happened.

The ledger is the oracle that every store is checked against. Invariants: ids are strings; ``n`` rises by one;
the first line is the HEADER; END comes after the last action and may only be followed by LOST and GAP, since
a bot can still fail to come back for what it has not fetched.

Every line has ``n``, ``at`` (wall time in ms) and ``type``; all but HEADER, LOST, GAP and END a ``guild_id``:

    HEADER            format, seed, guilds, members, rate, version, started_at
    GUILD             a guild at the start, and GUILD_CREATE one the bot was added to:
                      name, member_count, owner_id, afk_channel_id, bots
    GUILD_UPDATE      changes {field: {old, new}}, moderator_id, audit_entry_id
    GUILD_DELETE      the bot was removed: name, member_count
    OUTAGE            unavailable
    MESSAGE_CREATE    user_id, author (human, bot, webhook, system), channel_id, message_id and parent_id, the
                      channel it is booked on: a thread's parent, else the channel itself
    MESSAGE_UPDATE    an edit by the author; EMBED_RESOLVED is Discord's own update and never an edit
    MESSAGE_PIN       moderator_id
    MESSAGE_DELETE    user_id; moderator_id and audit_entry_id if it was not the author
    MESSAGE_DELETE_BULK          count, moderator_id, audit_entry_id
    MESSAGE_REACTION_ADD         emoji (id or text), user_id, message_author_id, super
    MESSAGE_REACTION_REMOVE      emoji, user_id
    MESSAGE_REACTION_REMOVE_ALL, MESSAGE_REACTION_REMOVE_EMOJI: count of reactions that went
    VOICE_STATE       user_id, channel_id or null, flags
    VOICE_SESSION     at its end: user_id, from, to, ms, afk_ms, channels {id: ms}, ended
    THREAD_CREATE     channel_id, parent_id, user_id
    GUILD_MEMBER_ADD  user_id, member_count afterwards
    GUILD_MEMBER_REMOVE          user_id, reason (leave, kick, ban, prune), moderator_id, audit_reason,
                                 audit_entry_id, member_count afterwards
    GUILD_BAN_ADD, GUILD_BAN_REMOVE: target_user_id, moderator_id, reason, audit_entry_id
    AUDIT_LOG_ENTRY   the bot is told of an entry: audit_entry_id, action_type, user_id, of (the deed's line),
                      visible (whether the bot had the permission)
    LOST              refs (lines no session could see), reason
    GAP               shard, from, to: no live connection
    END               counts {type: lines}
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.clock import Clock

FORMAT = 1
"""Raised when a reader of the ledger would have to know."""

_FLUSH_SECONDS = 1.0
"""What a killed simulator may leave out; the reader ignores a line that is cut."""

_BUFFER_BYTES = 1 << 20
"""Room for a second of lines at 5,000 a second; fuller than that, the file is written earlier."""


class Ledger:
    """Writes a ledger file; with no path it only numbers and counts.

    Implements the protocol half's ``Observer``.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._file: BinaryIO | None = path.open("wb", buffering=_BUFFER_BYTES) if path else None
        self._flushed_at = clock.monotonic()
        self.lines = 0
        self.counts: Counter[str] = Counter()

    def write(self, type_: str, at: int, fields: dict[str, object]) -> int:
        """Add one line and return its number. ``at`` is wall time in ms; ids in ``fields`` are strings."""
        self.lines += 1
        self.counts[type_] += 1
        if self._file is not None:
            line = {"n": self.lines, "at": at, "type": type_, **fields}
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        return self.lines

    def header(self, *, seed: int, guilds: int, members: int, rate: float, version: str) -> None:
        """The first line: how to do it again."""
        now = self._clock.now_ms()
        self.write(
            "HEADER",
            now,
            {
                "format": FORMAT,
                "seed": seed,
                "guilds": guilds,
                "members": members,
                "rate": rate,
                "version": version,
                "started_at": now,
            },
        )

    def end(self) -> None:
        """The last line, with the number of lines of each type."""
        self.write("END", self._clock.now_ms(), {"counts": dict(sorted(self.counts.items()))})
        self.flush()

    def lost(self, ledger_ids: Sequence[int], reason: str) -> None:
        """These lines happened, but no session could ever see them."""
        if refs := [number for number in ledger_ids if number]:
            self.write("LOST", self._clock.now_ms(), {"refs": refs, "reason": reason})
            self.flush()

    def gap(self, shard: int, started_at: int, ended_at: int) -> None:
        """A shard had no live connection between these two wall times, in milliseconds."""
        self.write("GAP", self._clock.now_ms(), {"shard": shard, "from": started_at, "to": ended_at})
        self.flush()

    def flush_if_due(self) -> None:
        """Hand what is buffered to the operating system once a second."""
        if self._clock.monotonic() - self._flushed_at >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        self._flushed_at = self._clock.monotonic()
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write everything out; safe to call twice. Later lines are numbered but not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None

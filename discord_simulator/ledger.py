"""The ledger: one JSON line per action of the simulation, in order.

The ledger is the reference that every store is compared with. Invariants: ids are strings; ``n`` rises by
one; the first line is the HEADER; END comes after the last action and may only be followed by LOST and GAP,
since a bot may still fail to resume a session and fetch its queued events.

Every line has ``n``, ``at`` (wall time in ms) and ``type``; all but HEADER, LOST, GAP and END a ``guild_id``:

    HEADER            format, seed, guilds, members, rate, version, started_at
    GUILD             a guild at the start, and GUILD_CREATE one the bot was added to:
                      name, member_count, owner_id, afk_channel_id, bots
    GUILD_UPDATE      changes {field: {old, new}}, moderator_id, audit_entry_id
    GUILD_DELETE      the bot was removed: name, member_count
    OUTAGE            unavailable
    MESSAGE_CREATE    user_id, author (human, bot, webhook, system), channel_id, message_id and parent_id, the
                      channel it is counted on: a thread's parent, else the channel itself
    MESSAGE_UPDATE    an edit by the author; EMBED_RESOLVED is Discord's own update and never an edit
    MESSAGE_PIN       moderator_id
    MESSAGE_DELETE    user_id; moderator_id and audit_entry_id if it was not the author
    MESSAGE_DELETE_BULK          count, moderator_id, audit_entry_id
    MESSAGE_REACTION_ADD         emoji (id or text), user_id, message_author_id, message_author_bot, super
    MESSAGE_REACTION_REMOVE      emoji, user_id
    MESSAGE_REACTION_REMOVE_ALL, MESSAGE_REACTION_REMOVE_EMOJI: count of removed reactions
    VOICE_STATE       user_id, channel_id or null, flags
    VOICE_SESSION     at its end: user_id, from, to, ms, afk_ms, channels {id: ms}, ended, states {state: ms}
                      (active, alone, muted, deafened, afk), shown {what: ms} (stream, video)
    THREAD_CREATE     channel_id, parent_id, user_id, target_id, name, moderator_id, audit_entry_id
    GUILD_MEMBER_ADD  user_id, member_count afterwards
    GUILD_MEMBER_REMOVE          user_id, reason (leave, kick, ban, prune), moderator_id, audit_reason,
                                 audit_entry_id, member_count afterwards
    GUILD_BAN_ADD, GUILD_BAN_REMOVE: target_user_id, moderator_id, reason, audit_entry_id
    MEMBER_ACTION     action, target_user_id, moderator_id, reason, audit_entry_id, and what the action has
                      besides: until (ms, of a timeout), role_ids, nick, channel_id, rule; AutoMod's
                      have visible (whether the bot receives the execution)
    OWN_NICK          user_id, nick, audit_entry_id
    TIMEOUT_EXPIRED   target_user_id, until, member (whether they still are one); Discord sends nothing
    AUDIT_LOG_ENTRY   an entry is published: audit_entry_id, action_type, user_id, of (line of its action),
                      visible (whether the bot had the permission, and the entry is sent at all)
    ROLE_, CHANNEL_, THREAD_, EMOJI_, STICKER_ with CREATE, UPDATE, DELETE: target_id, name, moderator_id,
                      audit_entry_id, changes {field: {old, new}}
    PRESENCE_UPDATE   user_id, status
    INVITE_CREATE     code, channel_id, inviter_id, max_uses, max_age, temporary, visible
    INVITE_DELETE     code, cause (deleted, used_up), moderator_id, audit_entry_id, visible
    INVITE_EXPIRED    code; Discord sends nothing
    INVITE_USE        how a user joined: user_id, code or null, method (invite, vanity, oauth, unknown),
                      inviter_id, knowable (whether the bot may read the counts that show it)
    PERMISSION        name, granted: the bot's own
    LOST              refs (lines that no session received), reason
    GAP               shard, from, to: no live connection
    END               counts {type: lines}

The rows that follow in ``moderation_logs``, one for each real action; ``count`` stands in their details:

    ban, unban, kick     GUILD_BAN_ADD, GUILD_BAN_REMOVE, GUILD_MEMBER_REMOVE
    prune                one for the entry (21): no target, count of members removed
    timeout, timeout_removed             MEMBER_ACTION (24); a timeout that is changed is a timeout again
    timeout_expired      TIMEOUT_EXPIRED: no moderator and no entry
    role_add, role_remove                MEMBER_ACTION (25); one for the entry, however many roles it names
    nick                 MEMBER_ACTION (24); OWN_NICK has an entry whose actor is its target, and is no row
    voice_mute, voice_unmute, voice_deafen, voice_undeafen: MEMBER_ACTION (24)
    member_move, member_disconnect       MEMBER_ACTION (26, 27); one for the entry, its final count. Discord
                         names no target: none, or one of the true targets
    message_delete       MESSAGE_DELETE with moderator_id (72); one for the entry with its final count. An
                         author's own and a bot's single ones have no entry
    message_bulk_delete  MESSAGE_DELETE_BULK (73): no target, count of messages
    automod_block, automod_flag, automod_timeout: MEMBER_ACTION (143 to 145); no moderator, since the entry
                         names the offender as its user, and no reason. The timeout has no entry 24
    bot_add              MEMBER_ACTION (28); the target is the bot

and in ``invite_tracking``: invite_code, inviter_id, inviter_username, invitee_id, invitee_username, method,
confidence (exact, probable, ambiguous, unknown) and candidates, one for each INVITE_USE.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from discord_simulator.clock import Clock

FORMAT = 1
"""Version of the format, raised by every incompatible change."""

_FLUSH_SECONDS = 1.0
"""How much a killed simulator may lose; the reader ignores an incomplete last line."""

_BUFFER_BYTES = 1 << 20
"""A second of lines at 5,000 lines/s; a full buffer is written earlier."""


class Ledger:
    """Writes a ledger file; without a path it only numbers and counts lines.

    Implements the port ``LossRecorder``.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._file: BinaryIO | None = path.open("wb", buffering=_BUFFER_BYTES) if path else None
        self._flushed_at = clock.monotonic()
        self.lines = 0
        self.counts: Counter[str] = Counter()

    def write(self, type_: str, at: int, fields: dict[str, object]) -> int:
        """Write one line and return its number. ``at`` is wall time in ms; ids in ``fields`` are strings."""
        self.lines += 1
        self.counts[type_] += 1
        if self._file is not None:
            line = {"n": self.lines, "at": at, "type": type_, **fields}
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        return self.lines

    def header(self, *, seed: int, guilds: int, members: int, rate: float, version: str) -> None:
        """Write the first line: what is needed to repeat the simulation."""
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
        """Write the END line, with the number of lines of each type."""
        self.write("END", self._clock.now_ms(), {"counts": dict(sorted(self.counts.items()))})
        self.flush()

    def lost(self, ledger_ids: Sequence[int], reason: str) -> None:
        """Record lines whose event no session can receive any more."""
        if refs := [number for number in ledger_ids if number]:
            self.write("LOST", self._clock.now_ms(), {"refs": refs, "reason": reason})
            self.flush()

    def gap(self, shard: int, started_at: int, ended_at: int) -> None:
        """Record that a shard had no live connection between two wall times in ms."""
        self.write("GAP", self._clock.now_ms(), {"shard": shard, "from": started_at, "to": ended_at})
        self.flush()

    def flush_if_due(self) -> None:
        """Pass the buffer to the operating system if a second has passed since the last time."""
        if self._clock.monotonic() - self._flushed_at >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Pass the buffer to the operating system."""
        self._flushed_at = self._clock.monotonic()
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write the buffer and close the file; may be called twice. Later lines are only counted."""
        if self._file is not None:
            self._file.close()
            self._file = None

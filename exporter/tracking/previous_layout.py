"""State saved by the layout before the checkpoint, as rows and increments of this one; read once at a start.

The previous layout wrote everything into one journal: each part held the amounts since the part before, and
what had changed of voice, marks, moderation and levels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from exporter.aggregation.increments import Increment, encode_increment
from exporter.spool.ports import JournalPart, StateRow
from exporter.state.shard_timeline import SavedTimeline
from exporter.tracking.levels.levels import SavedXp
from exporter.tracking.moderation.component import SavedMark
from exporter.tracking.previous_journal import Begun, SavedModeration, add_begun, decode_part
from exporter.tracking.voice.voice_sessions import SavedGuildVoice, SavedRun

log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode


class Converted(NamedTuple):
    """What a journal comes to; ``unread`` is how many parts could not be read and are lost."""

    rows: list[StateRow]
    increments: list[bytes]
    unread: int


def convert(parts: Iterable[JournalPart]) -> Converted:
    """The journal's parts, the oldest first, as rows and increments."""
    increments: list[bytes] = []
    rows: dict[tuple[str, object], msgspec.Struct | None] = {}
    moderation = SavedModeration()
    unread = 0
    for stored in parts:
        try:
            part = decode_part(stored.body)
        except msgspec.MsgspecError:
            unread += 1
            log.exception("journal part %d cannot be read; its counts are lost", stored.number)
            continue
        if isinstance(part, Begun):
            moderation = add_begun(moderation, part)
            continue
        moderation = part.moderation
        increments.append(encode_increment(Increment(part.steps, part.lengths)))
        for guild_id, (floor, recent) in part.marks.items():
            rows["moderation/marks", guild_id] = SavedMark(floor, recent)
        for guild_id, sessions in part.voice.guilds.items():
            rows["voice/guilds", guild_id] = SavedGuildVoice(part.voice.run, sessions) if sessions else None
        rows["voice/runs", part.voice.run] = SavedRun(part.voice.known_until)
        for held in part.levels:
            saved = SavedXp(held.xp, held.message_at, held.reaction_at, held.voice_ms)
            rows["levels/members", (held.guild_id, held.user_id)] = saved
    rows["moderation/open", 0] = moderation
    rows["shard_timeline/complete", 0] = SavedTimeline(moderation.told)
    return Converted(
        [
            StateRow(table, _encode(key), _encode(value))
            for (table, key), value in rows.items()
            if value is not None
        ],
        increments,
        unread,
    )

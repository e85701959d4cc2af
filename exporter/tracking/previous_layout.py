"""State saved by the layout before the checkpoint, as rows and increments of this one; read once at a start.

The previous layout wrote everything into one journal: each part held the amounts since the part before, and
what had changed of voice, marks, moderation and levels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from exporter.aggregation.increments import Increment, encode_increment
from exporter.events.structure import STRUCTURE_TYPES
from exporter.notation import counted
from exporter.spool.ports import NumberedBody, SpoolWriter, StateRow
from exporter.state.shard_timeline import SavedTimeline, TimeBounds
from exporter.tracking.levels.levels import MemberXp
from exporter.tracking.membership.evidence import PendingDeparture
from exporter.tracking.membership.prunes import PendingPrune
from exporter.tracking.moderation.aggregated_entries import AggregatedEntry
from exporter.tracking.moderation.audit_marks import SavedFloor, SavedTaken
from exporter.tracking.moderation.audit_matcher import PendingAction
from exporter.tracking.moderation.member_timeouts import MemberTimeouts, TimeoutChange
from exporter.tracking.previous_journal import Begun, Mark, SavedModeration, add_begun, decode_part
from exporter.tracking.voice.saved_sessions import SavedGuildVoice, SavedRun

log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode


Rows: TypeAlias = dict[tuple[str, object], msgspec.Struct | None]
"""Saved state by table and key; None for a row that is gone."""


class Converted(NamedTuple):
    """What a journal comes to; ``unread`` is how many parts could not be read and are lost."""

    rows: list[StateRow]
    increments: list[bytes]
    unread: int


async def take_over(spool: SpoolWriter) -> None:
    """Replace what the previous layout left in the spool by rows and increments of this one.

    Raises:
        SpoolError: the spool cannot be read, or does not take it.
    """
    if journal := await spool.journal():
        found = convert(journal)
        await spool.append((), state=found.rows, increments=found.increments, forget_journal=True)
        log.info("took over the state that the previous version saved: %s", counted(len(journal), "part"))


def convert(parts: Iterable[NumberedBody]) -> Converted:
    """The journal's parts, the oldest first, as rows and increments."""
    increments: list[bytes] = []
    rows: Rows = {}
    moderation = SavedModeration()
    marks: dict[int, Mark] = {}
    unread = 0
    for stored in parts:
        try:
            part = decode_part(stored.body)
        except Exception:  # whatever it is, the next start would meet it again
            unread += 1
            log.exception("journal part %d cannot be read; its counts are lost", stored.number)
            continue
        if isinstance(part, Begun):
            moderation = add_begun(moderation, part)
            continue
        moderation = part.moderation
        increments.append(encode_increment(Increment(part.steps, part.lengths)))
        marks |= part.marks
        for guild_id, sessions in part.voice.guilds.items():
            rows["voice/guilds", guild_id] = SavedGuildVoice(part.voice.run, sessions) if sessions else None
        rows["voice/runs", part.voice.run] = SavedRun(part.voice.known_until)
        for held in part.levels:
            saved = MemberXp(held.xp, held.message_at, held.reaction_at, held.voice_ms)
            rows["levels/members", (held.guild_id, held.user_id)] = saved
    rows.update(convert_moderation(moderation))
    rows.update(convert_marks(marks))
    rows["shard_timeline/complete", 0] = SavedTimeline(moderation.complete_until)
    return Converted(
        [
            StateRow(table, _encode(key), _encode(value))
            for (table, key), value in rows.items()
            if value is not None
        ],
        increments,
        unread,
    )


def convert_marks(marks: Mapping[int, Mark]) -> Rows:
    """How far each audit log was taken, by table and key."""
    rows: Rows = {}
    for guild_id, (floor, recent) in marks.items():
        rows["catch_up/floors", guild_id] = SavedFloor(floor)
        for entry_id in recent:
            rows["catch_up/recent", (guild_id, entry_id)] = SavedTaken()
    return rows


def convert_moderation(saved: SavedModeration) -> Rows:
    """What was open of moderation, by table and key."""
    rows: Rows = {}
    timeouts: dict[tuple[int, int], MemberTimeouts] = {}
    for one in saved.timeouts:
        member = timeouts.setdefault((one.guild_id, one.user_id), MemberTimeouts(one.name))
        member.insert(TimeoutChange(one.set_at, one.until))
    for place, member in timeouts.items():
        rows["moderation/timeouts", place] = member
    for group in saved.groups:
        key = (group.guild_id, group.action_type, group.entry_id)
        rows["moderation/aggregated", key] = AggregatedEntry(group.channel_id, group.amount)
    for action in saved.actions:
        component = "structure" if action.kind in STRUCTURE_TYPES else "moderation"
        explained = action.entry is not None
        rows[f"{component}/actions", action.key] = PendingAction(
            *(action.key, action.kind, action.guild_id, action.action, action.target_id, action.at),
            action.dedup_key,
            shown=not explained,
            explained=explained,
        )
    for gone in saved.departures:
        rows["membership/departures", gone.key] = PendingDeparture(
            *(gone.type, gone.guild_id, gone.at, gone.user_id, gone.name, gone.bot, gone.after),
            *(gone.entry, gone.banned, gone.before),
            moment=TimeBounds(*gone.moment) if gone.moment else None,
        )
    for prune in saved.prunes:
        prune_key = (prune.entry.guild_id, prune.entry.entry_id)
        rows["membership/prunes", prune_key] = PendingPrune(prune.entry, prune.remaining)
    return rows

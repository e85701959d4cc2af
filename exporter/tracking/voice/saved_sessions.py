"""Voice sessions as saved: a row for each guild, and one for each run of the process that has rows.

Only a guild that changed is written again. That sessions go on is said once for all of them, by the row of
the run: those saved as running lasted until its last commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from exporter.clock import Clock
from exporter.dispatch.component import SavedTable
from exporter.events.facts.guilds import VoiceState
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.voice.voice_sessions import GuildVoice, VoiceSession

SAVED_AT_ONCE = 1_000
"""Most guilds saved in one commit only because their known time advanced: some 5 ms of work."""

_FLAGS = ("bot", "self_mute", "self_deaf", "mute", "deaf", "suppress", "stream", "video")
"""Saved flags of a state, from the lowest bit on; new ones are appended."""


class SavedSession(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A member in voice: channel, start, until when settled and known to last, and state; times in ms.

    One that was ``running`` lasted until the last commit of the run that saved it. ``flags`` are the bits of
    ``_FLAGS``; ``session`` is as in the fact.
    """

    user_id: int
    channel_id: int
    since: int
    settled_until: int
    known_until: int
    running: bool
    flags: int
    session: int


class SavedGuildVoice(msgspec.Struct, frozen=True, array_like=True):
    """All sessions of a guild; ``run`` numbers the process that saved them."""

    run: int
    sessions: list[SavedSession]


class SavedRun(msgspec.Struct, frozen=True, array_like=True):
    """When a run last committed, in ms since the epoch: its running sessions lasted until then."""

    known_until: int


class VoiceTables:
    """The rows of all guilds with members in voice, and of this run and those before it."""

    def __init__(self, guilds: Mapping[int, GuildVoice], timeline: ShardTimeline, clock: Clock) -> None:
        self._open = guilds
        self._timeline = timeline
        self._clock = clock
        self._run = 1
        self._found: dict[int, SavedGuildVoice] = {}
        self._runs: dict[int, SavedRun] = {}
        self._advanced: dict[int, None] = {}
        self.guilds: SavedTable[int, SavedGuildVoice] = SavedTable(
            "guilds", int, SavedGuildVoice, self._read_guild, self._found.__setitem__
        )
        self.runs: SavedTable[int, SavedRun] = SavedTable(
            "runs", int, SavedRun, self._read_run, self._runs.__setitem__
        )

    @property
    def advanced(self) -> bool:
        """Whether more is known of guilds than was saved, though nothing changed in them."""
        return bool(self._advanced)

    def advance(self, guild_ids: Iterable[int]) -> None:
        """Note that more is known of guilds than was saved: they are saved some at a time."""
        self._advanced |= dict.fromkeys(guild_ids)

    def forget(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._advanced.pop(guild_id, None)

    def touch_advanced(self, *, running: bool) -> None:
        """Have some of those guilds saved by this commit, and that the run goes on if any session does."""
        for guild_id in tuple(islice(self._advanced, SAVED_AT_ONCE)):
            del self._advanced[guild_id]
            self.guilds.touch(guild_id)
        if running:
            self.runs.touch(self._run)

    def take_found(self) -> Iterator[VoiceSession]:
        """The sessions of the previous runs, unconfirmed; this run saves them anew."""
        self._run = max((self._run, *(run + 1 for run in self._runs)))
        unknown = SavedRun(0)
        for guild_id, saved in self._found.items():
            known_until = self._runs.get(saved.run, unknown).known_until
            for session in saved.sessions:
                yield _restore(guild_id, session, known_until)
            self.guilds.touch(guild_id)
        for run in self._runs:
            self.runs.touch(run)
        self._found.clear()
        self._runs.clear()

    def _read_guild(self, guild_id: int) -> SavedGuildVoice | None:
        guild = self._open.get(guild_id)
        if guild is None or not guild.sessions:
            return None
        connected = not self._timeline.is_silent(guild_id)
        return SavedGuildVoice(self._run, [_save(one, connected) for one in guild.sessions.values()])

    def _read_run(self, run: int) -> SavedRun | None:
        return SavedRun(self._clock.now_ms()) if run == self._run else None


def _save(session: VoiceSession, connected: bool) -> SavedSession:  # noqa: FBT001 - of one call
    state = session.state
    flags = sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(state, name))
    return SavedSession(
        state.user_id,
        state.channel_id,
        session.since,
        session.settled_until,
        session.accrued_until,
        session.confirmed and connected,
        flags,
        state.session,
    )


def _restore(guild_id: int, saved: SavedSession, run_until: int) -> VoiceSession:
    """A session of the previous run, unconfirmed; one that was running lasted until ``run_until``."""
    known_until = max(saved.known_until, run_until) if saved.running else saved.known_until
    flags = {name: bool(saved.flags >> bit & 1) for bit, name in enumerate(_FLAGS)}
    state = VoiceState(guild_id, saved.user_id, saved.channel_id, known_until, session=saved.session, **flags)
    return VoiceSession(saved.since, saved.settled_until, known_until, state, confirmed=False)

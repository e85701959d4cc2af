"""The journal's knowledge of voice: which guilds a part has to speak of, and what the parts say together.

A part speaks of the guilds where something changed since the part before, of some where only what is known
changed, and of those whose newest word stood in parts that are forgotten with it. Invariants: the newest part
that speaks of a guild has all its sessions; what a part says is booked is among the steps up to it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import islice

from exporter.checkpoint.journal import SavedSession, SavedVoice
from exporter.clock import Clock
from exporter.tracking.voice.ledger import VoiceLedger
from exporter.tracking.voice.voice_sessions import last_known

PORTION = 1_000
"""Guilds a part speaks of that could wait, and as many again that are carried over: some 5 ms of work."""


class VoiceJournal:
    """What the journal holds of a ledger's sessions."""

    def __init__(self, ledger: VoiceLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._run = 1
        self._newest: dict[int, int] = {}
        self._written: dict[int, int] = {}
        self._found: dict[int, tuple[int, list[SavedSession]]] = {}

    @property
    def due(self) -> bool:
        """Whether a part would say anything: a running session is known to go on by each that is written."""
        return bool(self._ledger.open or self._ledger.changed or self._ledger.touched)

    @property
    def full(self) -> bool:
        """Whether a part should be written soon, lest it become too large."""
        return len(self._ledger.changed) >= PORTION

    def take(self, forgotten: Iterable[Iterable[int]]) -> SavedVoice:
        """What the next part says; ``forgotten`` are the guilds of parts forgotten with it, see ``stale``."""
        ledger = self._ledger
        guild_ids = dict.fromkeys(guild_id for part in forgotten for guild_id in part)
        guild_ids |= ledger.changed | dict.fromkeys(islice(ledger.touched, PORTION))
        ledger.changed.clear()
        for guild_id in guild_ids:
            ledger.touched.pop(guild_id, None)
        sessions = {guild_id: ledger.save(guild_id) for guild_id in guild_ids}
        return SavedVoice(self._run, self._clock.now_ms(), sessions)

    def put_back(self, saved: SavedVoice) -> None:
        """Take back what could not be committed."""
        self._ledger.changed |= dict.fromkeys(saved.guilds)

    def keep(self, number: int, saved: SavedVoice) -> tuple[int, ...]:
        """Note that a part was committed; returns the guilds whose sessions it holds."""
        for guild_id, sessions in saved.guilds.items():
            if sessions:
                self._newest[guild_id] = number
            else:
                self._newest.pop(guild_id, None)
        return tuple(guild_id for guild_id, sessions in saved.guilds.items() if sessions)

    def stale(self, number: int, guild_ids: Iterable[int]) -> list[int]:
        """The guilds, of those a part holds, of which no later part speaks."""
        return [guild_id for guild_id in guild_ids if self._newest.get(guild_id) == number]

    # ------------------------------------------------------------------ the process before

    def replay(self, saved: SavedVoice) -> None:
        """Take one part after the other, the oldest first."""
        self._run = max(self._run, saved.run + 1)
        self._written[saved.run] = saved.known_until
        for guild_id, sessions in saved.guilds.items():
            self._found[guild_id] = (saved.run, sessions)

    def resume(self, left_out: Container[int] = ()) -> None:
        """Hand the ledger what the parts came to, without some people."""
        for guild_id, (run, sessions) in self._found.items():
            kept = [last_known(each, self._written[run]) for each in sessions if each.user_id not in left_out]
            self._ledger.restore(guild_id, kept)
            if len(kept) < len(sessions):
                self._ledger.changed[guild_id] = None
        self._found.clear()
        self._written.clear()

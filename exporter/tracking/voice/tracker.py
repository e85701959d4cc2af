"""Time in voice from voice states: who is in which channel, since when and in what state.

Time in progress accrues as it passes: it is added to the running totals, some guilds at a time. It is settled
into the windows when a state changes and when a window ends, cut at window edges so that each second lands in
the window it belongs to.

After an error sessions go on from where they were, as far as the last voice states of the members show.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.facts.guilds import (
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    SessionStarted,
    ShardStateChanged,
    VoiceChannelLeft,
    VoiceState,
)
from exporter.state.shard_timeline import ShardTimeline
from exporter.state.voice_states import VoiceStates
from exporter.tracking.voice.open_sessions import OpenSessions
from exporter.tracking.voice.saved_sessions import SAVED_AT_ONCE, VoiceTables
from exporter.tracking.voice.state_changes import ordered, switched
from exporter.tracking.voice.time_accumulator import VoiceTimeAccumulator
from exporter.tracking.voice.voice_sessions import GuildVoice, VoiceSession

ACCRUED_AT_ONCE = 2_000
"""Sessions whose time accrues in one step: about 2 ms, so that a small installation is always up to date."""

ROUNDS = 5
"""Most steps in which all sessions accrue: at one a second no total is older than this."""


class VoiceTracker(Component):
    """Open voice sessions of all guilds.

    ``timeline`` knows which shards are without a connection, ``states`` who is in voice as Discord says;
    ``window_ms`` is the length of the smallest window.
    """

    name = "voice"

    def __init__(
        self, emit: Emit, timeline: ShardTimeline, states: VoiceStates, clock: Clock, window_ms: int
    ) -> None:
        super().__init__(emit)
        self._timeline = timeline
        self._states = states
        self._clock = clock
        self.guilds: dict[int, GuildVoice] = {}
        self._interrupted: list[VoiceSession] | None = None
        self._has_run = False
        self._behind: set[int] = set()
        self._saved = VoiceTables(self.guilds, timeline, clock)
        self._touch = self._saved.guilds.touch
        self.time = VoiceTimeAccumulator(emit, self.guilds, timeline, window_ms, self.for_each, self._touch)
        self.sessions = OpenSessions(emit, self.guilds, self.time, self._touch)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Voice states, and facts that make them uncertain."""
        return {
            VoiceState: self.take,
            ShardStateChanged: self._follow_shard,
            SessionStarted: lambda fact: self.doubt(fact.guild_ids),
            GuildUpserted: self._take_guild,
            GuildUpdated: self._change_guild,
            GuildDeleted: self._delete_guild,
        }

    # ------------------------------------------------------------------ facts

    def take(self, state: VoiceState) -> None:
        """Take one state, and emit what the member or a moderator changed."""
        guild = self.guilds.get(state.guild_id)
        session = guild.sessions.get(state.user_id) if guild is not None else None
        if session is not None:
            before = session.state
            if before.channel_id != state.channel_id:
                self.emit(VoiceChannelLeft(state.guild_id, state.channel_id, state.at))
            if session.confirmed:
                for change in (*switched(before, state), *ordered(before, state)):
                    self.emit(change)
        self.sessions.apply(state)

    def _follow_shard(self, fact: ShardStateChanged) -> None:
        if fact.state not in {"lost", "settled"}:
            return
        guild_ids = [guild_id for guild_id in self.guilds if self._timeline.shard_of(guild_id) == fact.shard]
        if fact.state == "lost":
            # The last known moment: a member missing when the next session begins was there until now.
            self.for_each(guild_ids, partial(self.time.accrue_guild, self._timeline.cut_at(fact.shard)))
        self._saved.advance(guild_ids)
        behind = {guild_id for guild_id in self._behind if self._timeline.shard_of(guild_id) == fact.shard}
        self._behind -= behind
        self.for_each(behind, partial(self._catch_up, self._clock.now_ms()))

    def _take_guild(self, fact: GuildUpserted) -> None:
        self.time.set_afk_channel(fact.guild_id, fact.afk_channel_id)
        self.sessions.reconcile(fact.guild_id, fact.voice_states, fact.at)

    def _change_guild(self, fact: GuildUpdated) -> None:
        # Until now another channel may have been the AFK channel.
        self.time.settle_guilds(fact.at, (fact.guild_id,))
        self.time.set_afk_channel(fact.guild_id, fact.afk_channel_id)

    def _delete_guild(self, fact: GuildDeleted) -> None:
        if fact.unavailable:
            self.time.accrue_guilds(fact.at, (fact.guild_id,))
            self.doubt((fact.guild_id,))
            return
        self.sessions.reconcile(fact.guild_id, (), fact.at)
        self.guilds.pop(fact.guild_id, None)
        self.time.set_afk_channel(fact.guild_id, 0)

    def doubt(self, guild_ids: Iterable[int]) -> None:
        """Stop adding time in guilds whose states are about to be sent again."""
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            if guild is not None:
                for session in guild.sessions.values():
                    session.confirmed = False
                self._saved.advance((guild_id,))

    def accrue_some(self, at: int) -> None:
        """Accrue the time of the guilds that have waited longest; each within ``ROUNDS`` calls."""
        self.time.accrue_some(at, max(ACCRUED_AT_ONCE, -(-self.sessions.number // ROUNDS)))

    # ------------------------------------------------------------------ what is known

    def members(self, guild_id: int) -> int:
        """People in voice in a guild now."""
        guild = self.guilds.get(guild_id)
        return guild.present if guild else 0

    def peaks(self, guild_id: int) -> tuple[int, dict[int, int]]:
        """Most people in voice at once since the last reset: in the guild, and by channel."""
        guild = self.guilds.get(guild_id)
        return (guild.peak, guild.channel_peaks) if guild else (0, {})

    def reset_peaks(self, guild_id: int) -> None:
        """Restart the peaks from the members present; forget a guild without any."""
        guild = self.guilds.get(guild_id)
        if guild is None:
            return
        guild.reset_peaks()
        if not guild.sessions:
            del self.guilds[guild_id]

    @property
    def urgent(self) -> bool:
        """Many guilds changed: a commit now keeps the next one small."""
        return len(self._saved.guilds) >= SAVED_AT_ONCE

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """The sessions of each guild, and until when each run is known to have gone on."""
        return (self._saved.guilds, self._saved.runs)

    @property
    def unsaved(self) -> bool:
        """A running session is known to go on by each commit."""
        return bool(self.sessions.number or self._saved.advanced) or super().unsaved

    def save(self) -> Iterator[StateRow]:
        """The guilds that changed, some of those of which only more is known, and that this run goes on."""
        self._saved.touch_advanced(running=bool(self.sessions.number))
        return super().save()

    def clear(self) -> None:
        """Interrupt all sessions. Each is whole at any moment; what was counted of it is not reverted."""
        if self._has_run and self._interrupted is None:
            self._interrupted = [one for guild in self.guilds.values() for one in guild.sessions.values()]
        self.guilds.clear()
        self.sessions.number = 0

    def resume(self, now: int, wall: int) -> None:
        """Take up the sessions of the previous run, unconfirmed until their guild is seen.

        After an error the interrupted ones go on instead, as far as the members are in voice still.
        """
        del now
        interrupted = self._interrupted
        found = list(self._saved.take_found())
        for session in found if interrupted is None else interrupted:
            self.sessions.put(session)
        if interrupted is not None:
            self.for_each({*self.guilds, *self._states.guilds}, partial(self._catch_up, wall))
        self._interrupted, self._has_run = None, True

    def _catch_up(self, at: int, guild_id: int) -> None:
        """Take what Discord said while the component was suspended, once the shard is connected."""
        states = self._states.of(guild_id)
        if states is None:
            self.doubt((guild_id,))
        elif self._timeline.is_silent(guild_id):
            self._behind.add(guild_id)
        else:
            self.sessions.reconcile(guild_id, states, at)

    def reset_guild(self, guild_id: int) -> None:
        """Begin the sessions of a guild anew from what is known of its members."""
        guild = self.guilds.pop(guild_id, None)
        if guild is None:
            return
        self.sessions.number -= len(guild.sessions)
        at = self._clock.now_ms()
        for state in self._states.of(guild_id) or ():
            self.sessions.put(VoiceSession(at, at, at, state))
        self._touch(guild_id)

    def forget_people(self, people: Container[int]) -> None:
        """Forget the sessions of these people; no time of theirs is settled."""
        for guild in list(self.guilds.values()):
            for session in [one for user_id, one in guild.sessions.items() if user_id in people]:
                guild.vacate(session)
                self.sessions.remove(guild, session)
            if not guild.sessions:
                del self.guilds[guild.guild_id]

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._saved.forget(guild_id)

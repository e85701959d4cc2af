"""Voice sessions by guild.

A session has two cursors. Up to ``accrued_until`` its time is in the running totals, and it is known to have
lasted; up to ``settled_until`` its time is in the windows. The first is ahead, since totals are read every
few seconds, and windows and saved state need the time only when a state changes or a window ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from exporter.events.facts.guilds import VoiceState


class VoiceSession(msgspec.Struct, gc=False):
    """A member in voice. One not ``confirmed`` may have ended: no time is added until that is known."""

    since: int
    settled_until: int
    accrued_until: int
    state: VoiceState
    confirmed: bool = True


@dataclass(slots=True)
class GuildVoice:
    """A guild's members in voice. ``people`` leaves bots out; peaks are since the last reset."""

    guild_id: int
    sessions: dict[int, VoiceSession] = field(default_factory=dict)
    people: dict[int, set[int]] = field(default_factory=dict)
    present: int = 0
    peak: int = 0
    channel_peaks: dict[int, int] = field(default_factory=dict)

    def put(self, session: VoiceSession) -> None:
        """Add a member's session, or replace the one that was vacated."""
        state = session.state
        self.sessions[state.user_id] = session
        if state.bot:
            return
        people = self.people.setdefault(state.channel_id, set())
        people.add(state.user_id)
        self.present += 1
        self.peak = max(self.peak, self.present)
        self.channel_peaks[state.channel_id] = max(self.channel_peaks.get(state.channel_id, 0), len(people))

    def vacate(self, session: VoiceSession) -> None:
        """Remove a member from the people of their channel; the session stays."""
        state = session.state
        if state.bot:
            return
        people = self.people[state.channel_id]
        people.discard(state.user_id)
        self.present -= 1
        if not people:
            del self.people[state.channel_id]

    def only_other(self, user_id: int, channel_id: int) -> VoiceSession | None:
        """The one other person in a channel; None if there are more, or none."""
        people = self.people.get(channel_id, set())
        if len(people) - (user_id in people) != 1:
            return None
        (other,) = people - {user_id}
        return self.sessions[other]

    def is_alone(self, channel_id: int) -> bool:
        """Whether at most one person is in a channel."""
        return len(self.people.get(channel_id, ())) <= 1

    def reset_peaks(self) -> None:
        """Start new peaks from the members present."""
        self.peak = self.present
        self.channel_peaks = {channel: len(people) for channel, people in self.people.items()}

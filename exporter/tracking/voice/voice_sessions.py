"""Voice sessions by guild, in memory and as saved.

A session has two cursors. Up to ``accrued_until`` its time is in the running totals, and it is known to have
lasted; up to ``settled_until`` its time is in the windows. The first is ahead, since totals are read every
few seconds, and windows and saved state need the time only when a state changes or a window ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from exporter.events.facts.guilds import VoiceState

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

    def enter(self, user_id: int, channel_id: int) -> None:
        """Add a person to a channel."""
        people = self.people.setdefault(channel_id, set())
        people.add(user_id)
        self.present += 1
        self.peak = max(self.peak, self.present)
        self.channel_peaks[channel_id] = max(self.channel_peaks.get(channel_id, 0), len(people))

    def leave(self, user_id: int, channel_id: int) -> None:
        """Remove a person from a channel."""
        people = self.people[channel_id]
        people.discard(user_id)
        self.present -= 1
        if not people:
            del self.people[channel_id]

    def only_other(self, user_id: int, channel_id: int) -> VoiceSession | None:
        """The one other person in a channel; None if there are more, or none."""
        others = self.people.get(channel_id, set()) - {user_id}
        return self.sessions[others.pop()] if len(others) == 1 else None

    def is_alone(self, channel_id: int) -> bool:
        """Whether at most one person is in a channel."""
        return len(self.people.get(channel_id, ())) <= 1

    def reset_peaks(self) -> None:
        """Start new peaks from the members present."""
        self.peak = self.present
        self.channel_peaks = {channel: len(people) for channel, people in self.people.items()}


def save_session(session: VoiceSession, *, running: bool) -> SavedSession:
    """A session as saved; ``running`` as of ``SavedSession``."""
    state = session.state
    flags = sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(state, name))
    return SavedSession(
        state.user_id,
        state.channel_id,
        session.since,
        session.settled_until,
        session.accrued_until,
        running,
        flags,
        state.session,
    )


def restore_session(guild_id: int, saved: SavedSession) -> VoiceSession:
    """A session of the previous run, unconfirmed."""
    flags = {name: bool(saved.flags >> bit & 1) for bit, name in enumerate(_FLAGS)}
    state = VoiceState(
        guild_id, saved.user_id, saved.channel_id, saved.known_until, session=saved.session, **flags
    )
    return VoiceSession(saved.since, saved.settled_until, saved.known_until, state, confirmed=False)

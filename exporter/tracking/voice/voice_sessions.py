"""Who is in voice, guild by guild, as it is remembered and as it is kept in the journal.

A session has two cursors. Up to ``shown_until`` its time stands in the running totals, and it is known to
have gone on; up to ``booked_until`` its time stands in the windows. The first runs ahead, since totals are
read every few seconds, and windows and journal need the time only when something changes or a window ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from exporter.checkpoint.journal import SavedSession
from exporter.events.facts import VoiceState

_FLAGS = ("bot", "self_mute", "self_deaf", "mute", "deaf", "suppress", "stream", "video")
"""What a state is kept by, from the lowest bit on; a new one goes to the end."""


class Session(msgspec.Struct, gc=False):
    """A member in voice. One not ``confirmed`` may be over: nothing is added until that is known."""

    since: int
    booked_until: int
    shown_until: int
    state: VoiceState
    confirmed: bool = True


@dataclass(slots=True)
class GuildVoice:
    """A guild's members in voice. ``people`` leaves bots out; peaks are since the last reset."""

    guild_id: int
    sessions: dict[int, Session] = field(default_factory=dict)
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
        """Take a person out of a channel."""
        people = self.people[channel_id]
        people.discard(user_id)
        self.present -= 1
        if not people:
            del self.people[channel_id]

    def only_other(self, user_id: int, channel_id: int) -> Session | None:
        """The one person in a channel besides somebody; None if there are more, or none."""
        others = self.people.get(channel_id, set()) - {user_id}
        return self.sessions[others.pop()] if len(others) == 1 else None

    def is_alone(self, channel_id: int) -> bool:
        """Whether at most one person is in a channel."""
        return len(self.people.get(channel_id, ())) <= 1

    def reset_peaks(self) -> None:
        """Begin anew with who is there."""
        self.peak = self.present
        self.channel_peaks = {channel: len(people) for channel, people in self.people.items()}


def save_session(session: Session, *, running: bool) -> SavedSession:
    """A session for the journal; ``running`` as of ``SavedSession``."""
    state = session.state
    flags = sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(state, name))
    return SavedSession(
        state.user_id,
        state.channel_id,
        session.since,
        session.booked_until,
        session.shown_until,
        running,
        flags,
        state.session,
    )


def restore_session(guild_id: int, saved: SavedSession) -> Session:
    """A session of the process before, of which nobody knows whether it goes on."""
    flags = {name: bool(saved.flags >> bit & 1) for bit, name in enumerate(_FLAGS)}
    state = VoiceState(
        guild_id, saved.user_id, saved.channel_id, saved.known_until, session=saved.session, **flags
    )
    return Session(saved.since, saved.booked_until, saved.known_until, state, confirmed=False)


def last_known(saved: SavedSession, written_at: int) -> SavedSession:
    """A session of a process whose last part was written at that moment, in ms: if it ran, till then."""
    known_until = max(saved.known_until, written_at) if saved.running else saved.known_until
    return msgspec.structs.replace(saved, known_until=known_until)

"""Time in voice, with the tolerance of an observer.

A dispatch carries no time, so the length of a session is known within a second. A member who stays in a
channel over a gap is found there again, and the time is known. A session that begins, changes or ends in a
gap, or so shortly before it that a crash loses the change, may be off by the gap and that time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.verify.quantities import Amount

if TYPE_CHECKING:
    from discord_simulator.verify.ledger_reader import LedgerLine
    from discord_simulator.verify.visibility import Visibility

SESSION_SECONDS = 1.0
"""Tolerance of a session: its begin and its end are each observed within half a second."""

CRASH_LOSS_MS = 6_000
"""How much a crash may lose: the exporter's default interval of saves, and the save itself."""

AFTER_MS = 3_000
"""How long after a gap the GUILD_CREATEs may take to arrive."""

AFK = "afk_voice_seconds"
SHOWN = {"stream": "voice_stream_seconds", "video": "voice_video_seconds"}
STATES = ("active", "alone", "muted", "deafened", "afk")
BY_STATE = {state: f"voice_seconds: {state}" for state in STATES}
"""Names of quantities; ``voice_seconds`` itself excludes the AFK channel."""


@dataclass(frozen=True, slots=True)
class SessionTime:
    """One session: the number of sessions it may be counted as, its time by quantity, and by channel."""

    number: Amount
    kinds: dict[str, Amount]
    channels: dict[tuple[str, int], Amount]


@dataclass(slots=True)
class VoiceTime:
    """Collects the changes and ends of voice sessions."""

    visibility: Visibility
    _afk: dict[int, int] = field(default_factory=dict)
    _changes: defaultdict[tuple[int, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def set_afk_channel(self, line: LedgerLine) -> None:
        """Set the AFK channel of a guild."""
        self._afk[line.guild_id] = line.afk_channel_id or 0

    def change(self, line: LedgerLine) -> None:
        """Add a change of a voice state."""
        self._changes[line.guild_id, line.user_id].append(line.at)

    def end(self, line: LedgerLine) -> SessionTime:
        """The time of a session that ended."""
        found = self._changes.pop((line.guild_id, line.user_id), [])
        moments = [line.started, line.ended, *(at for at in found if at >= line.started)]
        gaps = self.visibility.gaps_between(
            line.guild_id, line.started - AFTER_MS, line.ended + CRASH_LOSS_MS
        )
        unclear = [
            (start, end)
            for start, end in gaps
            if any(start - CRASH_LOSS_MS <= at <= end + AFTER_MS for at in moments)
        ]
        slack = SESSION_SECONDS + _seconds(unclear)
        # Whether a member is alone depends on others, whose changes may be lost in any gap.
        wide_slack = SESSION_SECONDS + _seconds(gaps)
        afk = self._afk.get(line.guild_id)
        outside_afk = sum(spent for channel, spent in line.channels.items() if channel != afk)
        kinds = {"voice_seconds": _amount(outside_afk, slack)}
        if line.ms > outside_afk or unclear:
            kinds[AFK] = _amount(line.ms - outside_afk, slack)
        for spent, names in ((line.states, BY_STATE), (line.shown, SHOWN)):
            kinds |= {
                name: _amount(spent.get(what, 0), wide_slack)
                for what, name in names.items()
                if what in spent or gaps
            }
        channels = {
            (AFK if channel == afk else "voice_seconds", channel): _amount(spent, slack)
            for channel, spent in line.channels.items()
        }
        return SessionTime(Amount(1, min(1, len(unclear)), len(unclear)), kinds, channels)


def _amount(spent: int, slack: float) -> Amount:
    return Amount(spent / 1000, slack, slack)


def _seconds(gaps: list[tuple[int, int]]) -> float:
    return sum(end - start + CRASH_LOSS_MS for start, end in gaps) / 1000

"""Time in voice as the ledger has it, and how well an observer can know it.

A dispatch carries no time, so a session's length is known within a second. Somebody who stayed where they
were over a gap is found there again, and all of it is known. What began, changed or ended in a gap, or so
shortly before it that a crash may have forgotten it, may be off by the gap and that much.
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
"""Beginning and end of a session are each seen up to half a second late or early."""

FORGOTTEN_MS = 6_000
"""How much a crash may forget: the interval at which the exporter saves by default, and the save itself."""

AFTER_MS = 3_000
"""How long after a gap the guilds may still be on their way."""

AFK = "afk_voice_seconds"
SHOWN = {"stream": "voice_stream_seconds", "video": "voice_video_seconds"}
STATES = ("active", "alone", "muted", "deafened", "afk")
BY_STATE = {state: f"voice_seconds: {state}" for state in STATES}
"""Names of quantities; ``voice_seconds`` itself is without the AFK channel."""


@dataclass(frozen=True, slots=True)
class SessionTime:
    """One session: how many it may be taken for, its time by quantity, and by quantity and channel."""

    number: Amount
    kinds: dict[str, Amount]
    channels: dict[tuple[str, int], Amount]


@dataclass(slots=True)
class VoiceTime:
    """Takes the changes of sessions, and their ends."""

    visibility: Visibility
    _afk: dict[int, int] = field(default_factory=dict)
    _changes: defaultdict[tuple[int, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def see_guild(self, line: LedgerLine) -> None:
        """Note a guild's AFK channel."""
        self._afk[line.guild_id] = line.afk_channel_id or 0

    def change(self, line: LedgerLine) -> None:
        """Note when somebody's state changed."""
        self._changes[line.guild_id, line.user_id].append(line.at)

    def end(self, line: LedgerLine) -> SessionTime:
        """Add up a session that ended."""
        found = self._changes.pop((line.guild_id, line.user_id), [])
        moments = [line.started, line.ended, *(at for at in found if at >= line.started)]
        gaps = self.visibility.gaps_between(line.guild_id, line.started - AFTER_MS, line.ended + FORGOTTEN_MS)
        unclear = [
            (start, end)
            for start, end in gaps
            if any(start - FORGOTTEN_MS <= at <= end + AFTER_MS for at in moments)
        ]
        slack = SESSION_SECONDS + _seconds(unclear)
        # Whether somebody is alone depends on others, of whom something may have been missed in any gap.
        loose = SESSION_SECONDS + _seconds(gaps)
        afk = self._afk.get(line.guild_id)
        talked = sum(spent for channel, spent in line.channels.items() if channel != afk)
        kinds = {"voice_seconds": _amount(talked, slack)}
        if line.ms > talked or unclear:
            kinds[AFK] = _amount(line.ms - talked, slack)
        for spent, names in ((line.states, BY_STATE), (line.shown, SHOWN)):
            kinds |= {
                name: _amount(spent.get(what, 0), loose)
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
    return sum(end - start + FORGOTTEN_MS for start, end in gaps) / 1000

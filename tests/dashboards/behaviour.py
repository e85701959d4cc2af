"""What members do besides writing, in each hour of the past."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.dashboards.cells import HOUR, MEASURES, MINUTE, Cells, count

if TYPE_CHECKING:
    from tests.dashboards.past import Past, Person

STATES = (("active", 0.7), ("muted", 0.15), ("alone", 0.06), ("deafened", 0.04), ("afk", 0.05))
SWITCHES = {
    "voice_streams": (0.2, "voice_stream_seconds"),
    "voice_videos": (0.1, "voice_video_seconds"),
    "voice_self_mutes": (0.6, ""),
    "voice_self_deafens": (0.3, ""),
}
"""How often a member in voice does it, and the measure of the time it lasts."""
LEVEL = 100
"""Experience between two levels."""


def speak(
    past: Past, hour: int, talkers: Iterable[int], counts: Cells, seen: dict[int, tuple[int, int]]
) -> None:
    """Members are in voice for a while, and some of them share a screen or a camera."""
    chance = past.chance
    for person in talkers:
        channel, length = chance.choice([*past.voice]), chance.randrange(5, 60) * MINUTE
        for state, part in STATES:
            count(counts, "voice_seconds", state, channel, person, amount=round(length * part))
        count(counts, "voice_joins", "", channel)
        count(counts, "voice_sessions", "", 0, person)
        count(counts, "voice_session_seconds", "", 0, amount=length)
        if chance.random() < 0.2:
            count(counts, "voice_moves", "", channel)
        mood = chance.random()
        for switch, (often, shown) in SWITCHES.items():
            if mood < often:
                count(counts, switch, "on")
                count(counts, switch, "off")
                if shown:
                    count(counts, shown, "", channel, person, amount=length // 3)
        seen.setdefault(person, (hour, hour + length))


def rise(past: Past, hour: int, here: list[Person], counts: Cells) -> None:
    """Some earn experience, and with it levels."""
    for person in past.chance.sample(here, k=round(past.busy(hour) * len(here) / 6)):
        count(counts, "xp", "", 0, person.user_id, amount=20)
        person.xp += 20
        if person.xp % LEVEL == 0:
            count(counts, "level_ups", "")
            level = person.xp // LEVEL
            past.record(
                "LEVEL_UP", hour + MINUTE, f"{person.user_id}:{level}", user_id=person.user_id,
                username=person.name, level=level, xp=person.xp,
            )  # fmt: skip


def show_up(past: Past, hour: int, counts: Cells) -> None:
    """Statuses change with the time of day."""
    for status in MEASURES["presence_updates"].values:
        count(counts, "presence_updates", status, amount=round(past.busy(hour) * 20))


def rebuild(past: Past, hour: int, counts: Cells) -> None:
    """At times a moderator, or an unknown actor, changes a channel, a role or another object of the guild."""
    chance = past.chance
    if chance.random() < 0.04:
        change = chance.choice(MEASURES["structure_changes"].values)
        actor = chance.choice((*past.moderators, None))
        changed = {"name": {"old": "old", "new": "new"}} if change.endswith("_update") else {}
        past.record(
            change.upper(), hour + HOUR // 2, f"{hour}", target_id=past.guild_id + 10, name="general",
            actor_id=actor and actor.user_id, actor_username=actor and actor.name,
            reason=chance.choice(("tidying up", None)), changes=changed,
        )  # fmt: skip
        count(counts, "structure_changes", change)

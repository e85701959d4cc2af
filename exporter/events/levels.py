"""Levels: experience earned by activity, and the levels reached by it.

Neither is in any dispatch: experience is earned by messages, time in voice and reactions given, as far as
those are counted, by rules that are configured. The pipeline, which remembers when a member last earned
something, derives both.
"""

from __future__ import annotations

from exporter.events.records.occurrences import LevelUpRecord
from exporter.events.spec import Dimension, EventSpec, Family, Measure
from exporter.model import Priority

XP_GAIN = "XP_GAIN"
LEVEL_UP = "LEVEL_UP"

XP = Measure(
    name="xp",
    help="Experience members earned by their activity.",
    by=frozenset({Dimension.MEMBER}),
    member_columns={"": "xp"},
)
LEVEL_UPS = Measure(
    name="level_ups",
    help="Levels members reached.",
)

FAMILY = Family(
    "levels",
    "Experience and levels of members, by rules of your own.",
    (
        EventSpec(
            XP_GAIN,
            "A member earned experience; counted, not listed one by one.",
            default=False,
            measures=(XP,),
        ),
        EventSpec(
            LEVEL_UP,
            "A member reached a level.",
            priority=Priority.IMPORTANT,
            default=False,
            measures=(LEVEL_UPS,),
            table="level_ups",
            record=LevelUpRecord,
        ),
    ),
)

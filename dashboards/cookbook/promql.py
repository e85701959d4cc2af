"""Questions about what is live, and about all guilds at once."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook.page import GUILD, Recipe
from dashboards.names import GUILD_INFO, counter, gauge, label_value, meter

_HUMAN: Final = f'author="{label_value("messages", "human")}"'
_BOT: Final = f'state!="{label_value("voice_seconds", "bot")}"'

RECIPES: Final = (
    Recipe(
        "Which guilds talk most at the moment, by name?",
        f"topk(10,\n  sum by (guild_id) (rate({counter('messages')}{{{_HUMAN}}}[5m])) * 60\n"
        f"  * on (guild_id) group_left (guild_name) max by (guild_id, guild_name) ({GUILD_INFO})\n)",
        "Messages by people per minute. Names have a family of their own: a new name breaks no series.",
    ),
    Recipe(
        "How many hours did people talk today?",
        f"sum by (guild_id) (increase({counter('voice_seconds')}{{{_BOT}}}[24h])) / 3600",
        "Time in progress is counted as it passes, not when somebody leaves.",
    ),
    Recipe(
        "Does the guild grow or shrink?",
        f'{gauge("members")}{{guild_id="{GUILD}"}} - {gauge("members")}{{guild_id="{GUILD}"}} offset 7d',
    ),
    Recipe(
        "What share of the messages is written by bots?",
        f'sum(rate({counter("messages")}{{author="{label_value("messages", "bot")}"}}[1h]))\n'
        f"/ sum(rate({counter('messages')}[1h]))",
    ),
    Recipe(
        "Why do people go?",
        f'sum by (reason) (increase({counter("member_leaves")}{{guild_id="{GUILD}"}}[7d]))',
        "`increase` is an estimate. For exact numbers ask SQL.",
    ),
    Recipe(
        "Is anything I rely on blind for want of a permission?",
        f"sum by (feature, missing) ({meter('discord_exporter_blind')}) > 0",
    ),
    Recipe(
        "Is a store behind, and how far?",
        f"max by (sink) ({meter('discord_exporter_oldest_unsent_seconds')})",
    ),
)

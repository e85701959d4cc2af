"""Questions about live values, and about all guilds at once."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook.page import GUILD, Recipe
from dashboards.names import GUILD_INFO, counter, gauge, label_value, meter

_HUMAN: Final = f'author="{label_value("messages", "human")}"'
_BOT: Final = f'state!="{label_value("voice_seconds", "bot")}"'

RECIPES: Final = (
    Recipe(
        "Which guilds have the most messages now, by name?",
        f"topk(10,\n  sum by (guild_id) (rate({counter('messages')}{{{_HUMAN}}}[5m])) * 60\n"
        f"  * on (guild_id) group_left (guild_name) max by (guild_id, guild_name) ({GUILD_INFO})\n)",
        "Messages by people per minute. Names are in a family of their own, so a new name starts no new "
        "series.",
    ),
    Recipe(
        "How many hours were people in voice in the last 24 hours?",
        f"sum by (guild_id) (increase({counter('voice_seconds')}{{{_BOT}}}[24h])) / 3600",
        "Voice time is counted while a session is open, not when it ends.",
    ),
    Recipe(
        "How did the number of members change within a week?",
        f'{gauge("members")}{{guild_id="{GUILD}"}} - {gauge("members")}{{guild_id="{GUILD}"}} offset 7d',
    ),
    Recipe(
        "What share of the messages is sent by bots?",
        f'sum(rate({counter("messages")}{{author="{label_value("messages", "bot")}"}}[1h]))\n'
        f"/ sum(rate({counter('messages')}[1h]))",
    ),
    Recipe(
        "Why do members leave?",
        f'sum by (reason) (increase({counter("member_leaves")}{{guild_id="{GUILD}"}}[7d]))',
        "`increase` is an estimate. SQL has the exact numbers.",
    ),
    Recipe(
        "Which features are incomplete because a permission is missing?",
        f"sum by (feature, missing) ({meter('discord_exporter_blind')}) > 0",
    ),
    Recipe(
        "How old is the oldest undelivered entry of each sink?",
        f"max by (sink) ({meter('discord_exporter_oldest_unsent_seconds')})",
    ),
)

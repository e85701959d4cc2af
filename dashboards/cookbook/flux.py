"""Questions about single windows, by channel and emoji, and about years."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook.page import GUILD, Recipe
from dashboards.names import field, label_value
from exporter.sinks.influx.line_protocol import MEMBER_MEASUREMENT

_MESSAGES, _MESSAGES_FIELD = field("messages")
_REACTIONS, _REACTIONS_FIELD = field("reactions")
_VOICE, _VOICE_FIELD = field("voice_seconds")
_GUILD: Final = f'r.guild_id == "{GUILD}"'
_HUMAN: Final = f'r.author == "{label_value("messages", "human")}"'

RECIPES: Final = (
    Recipe(
        "How many messages per hour and channel?",
        f"""from(bucket: "discord")
  |> range(start: -24h)
  |> filter(fn: (r) => r._measurement == "{_MESSAGES}" and r._field == "{_MESSAGES_FIELD}")
  |> filter(fn: (r) => {_GUILD} and {_HUMAN})
  |> group(columns: ["channel_id"])
  |> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")""",
        "A point is the growth within its window: use the sum, not the mean.",
    ),
    Recipe(
        "Which emoji are used most?",
        f"""from(bucket: "discord")
  |> range(start: -7d)
  |> filter(fn: (r) => r._measurement == "{_REACTIONS}" and r._field == "{_REACTIONS_FIELD}")
  |> filter(fn: (r) => {_GUILD})
  |> group(columns: ["emoji"])
  |> sum()
  |> group()
  |> sort(columns: ["_value"], desc: true)
  |> limit(n: 15)""",
        "A custom emoji is shown by its id.",
    ),
    Recipe(
        "How many hours of voice per day and channel?",
        f"""from(bucket: "discord")
  |> range(start: -30d)
  |> filter(fn: (r) => r._measurement == "{_VOICE}" and r._field == "{_VOICE_FIELD}")
  |> filter(fn: (r) => {_GUILD})
  |> group(columns: ["channel_id"])
  |> aggregateWindow(every: 1d, fn: sum, createEmpty: false, timeSrc: "_start")
  |> map(fn: (r) => ({{r with _value: r._value / 3600.0}}))""",
    ),
    Recipe(
        "Who was most active in the last day?",
        f"""from(bucket: "discord_members")
  |> range(start: -24h)
  |> filter(fn: (r) => r._measurement == "{MEMBER_MEASUREMENT}" and r._field == "{_MESSAGES_FIELD}")
  |> filter(fn: (r) => {_GUILD})
  |> group(columns: ["user_id"])
  |> sum()
  |> group()
  |> sort(columns: ["_value"], desc: true)
  |> limit(n: 20)""",
        "Members have a bucket of their own, which stores 30 days. SQL has their names.",
    ),
    Recipe(
        "How many messages were there per month over the years?",
        f"""from(bucket: "discord_longterm")
  |> range(start: -3y)
  |> filter(fn: (r) => r._measurement == "{_MESSAGES}_1d" and r._field == "{_MESSAGES_FIELD}")
  |> filter(fn: (r) => {_GUILD} and {_HUMAN})
  |> group()
  |> aggregateWindow(every: 1mo, fn: sum, createEmpty: false, timeSrc: "_start")""",
        "Daily sums are stored without limit; `discord-exporter migrate` installs the tasks that write them.",
    ),
)

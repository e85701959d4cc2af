"""Parses the series that servers return and turns them into amounts; pure.

Sources: InfluxDB 2 docs, API › Query data, Annotated CSV; VictoriaMetrics docs, How to export data in JSON
line format.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from discord_simulator.verify.quantities import Key, Observed, Quantity, Scope
from discord_simulator.verify.voice import AFK, BY_STATE, SHOWN

MAX_DETAIL = 300
"""Largest number of characters of an answer that an error quotes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One stored series; ``name`` is measurement and field joined by an underscore."""

    name: str
    tags: Mapping[str, str]
    total: float


_GUILD = {
    "discord_messages_edits": "message_edits",
    "discord_messages_deletes": "message_deletes",
    "discord_reactions_added": "reactions",
    "discord_reactions_removed": "reactions_removed",
    "discord_voice_stream_seconds": SHOWN["stream"],
    "discord_voice_video_seconds": SHOWN["video"],
    "discord_voice_sessions": "voice_sessions",
    "discord_guild_joins": "joins",
    "discord_guild_leaves": "leaves",
}
_BY_TAG = {
    "discord_messages_messages": (
        "author",
        {
            "human": "messages",
            "bot": "bot_messages",
            "webhook": "webhook_messages",
            "system": "system_messages",
        },
    ),
    "discord_voice_seconds": ("state", BY_STATE),
    "discord_guild_leaves": (
        "reason",
        {reason: f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")},
    ),
    "discord_guild_moderation_actions": ("action", {"ban": "bans", "unban": "unbans", "kick": "kicks"}),
}
_BY_CHANNEL = frozenset(
    {
        *_BY_TAG["discord_messages_messages"][1].values(),
        *("message_edits", "message_deletes", "reactions", "reactions_removed", "voice_seconds", AFK),
    }
)
_MEMBER = "discord_member_activity_"
_BY_MEMBER = ("messages", "voice_seconds", AFK, "voice_sessions", "reactions_given", "reactions_received")


def read_csv(text: str) -> Iterator[Series]:
    """The rows of an annotated CSV: blocks with a header each, separated by empty lines.

    Raises:
        ValueError: the text is not such a table, or ends in an error, which InfluxDB sends with status 200.
    """
    names: list[str] = []
    for row in csv.reader(io.StringIO(text, newline="")):
        if not any(row) or row[0].startswith("#"):
            names = []
        elif not names:
            names = row
        else:
            cells = {name: cell for name, cell in zip(names, row, strict=False) if name and cell}
            if "error" in cells:
                msg = f"InfluxDB reports an error within its answer: {cells['error'][:MAX_DETAIL]}"
                raise ValueError(msg)
            try:
                name = f"{cells.pop('_measurement')}_{cells.pop('_field')}"
                total = float(cells.pop("_value"))
            except KeyError as error:
                msg = f"the answer is not a table of sums: column {error} is missing"
                raise ValueError(msg) from error
            yield Series(name, cells, total)


def read_export(text: str) -> Iterator[Series]:
    """The lines of an export, one series each.

    Raises:
        ValueError: a line is not a series.
    """
    # Not splitlines, which also splits at separators that the name of an emoji may contain.
    for line in filter(None, text.split("\n")):
        try:
            found = json.loads(line)
            tags = dict(found["metric"])
            yield Series(tags.pop("__name__"), tags, float(sum(found["values"])))
        except (LookupError, TypeError) as error:
            msg = f"the answer is not an export of series: {line[:MAX_DETAIL]}"
            raise ValueError(msg) from error


def read_series(series: Iterable[Series], store: str = "influxdb") -> Observed:
    """Sum the series to quantities by guild, channel and member."""
    amounts: defaultdict[Quantity, dict[Key, float]] = defaultdict(dict)
    kept = {
        "voice_seconds",
        AFK,
        *_GUILD.values(),
        *(name for _, names in _BY_TAG.values() for name in names.values()),
    }
    amounts |= {Quantity(name): {} for name in kept}
    amounts |= {Quantity(name, Scope.CHANNEL): {} for name in _BY_CHANNEL}
    amounts |= {Quantity(name, Scope.MEMBER): {} for name in _BY_MEMBER}
    for each in series:
        for quantity, key in _places(each):
            cells = amounts[quantity]
            cells[key] = cells.get(key, 0.0) + each.total
    return Observed(store, dict(amounts))


def _places(series: Series) -> Iterator[tuple[Quantity, Key]]:
    tags = series.tags
    if "guild_id" not in tags or tags.get("state") == "bot":
        return
    guild = int(tags["guild_id"])
    if series.name.startswith(_MEMBER):
        field = series.name.removeprefix(_MEMBER)
        if field in _BY_MEMBER and "user_id" in tags:
            yield Quantity(field, Scope.MEMBER), (guild, int(tags["user_id"]))
        return
    tag, names = _BY_TAG.get(series.name, ("", {}))
    total = _GUILD.get(series.name)
    if series.name == "discord_voice_seconds":
        total = AFK if tags.get("state") == "afk" else "voice_seconds"
    for name in filter(None, (total, names.get(tags.get(tag, "")))):
        yield Quantity(name), (guild,)
        if name in _BY_CHANNEL and "channel_id" in tags:
            yield Quantity(name, Scope.CHANNEL), (guild, int(tags["channel_id"]))

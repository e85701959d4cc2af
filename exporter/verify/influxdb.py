"""Reading InfluxDB back: the sum of every series, from InfluxDB's query API or VictoriaMetrics' export.

What is written as deltas is added up, so the sums of all windows are the ledger's totals. Sources: InfluxDB 2
docs, API › Query data, Annotated CSV; VictoriaMetrics docs, How to export data in JSON line format.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from exporter.verify.quantities import Key, Observed, Quantity, Scope

TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)
_FAR_FUTURE = "4102444800"
"""2100, in seconds: the points of a simulation lie well before it, whatever its clock says."""


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
    "discord_voice_seconds": "voice_seconds",
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
    "discord_guild_leaves": (
        "reason",
        {reason: f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune")},
    ),
    "discord_guild_moderation_actions": ("action", {"ban": "bans", "unban": "unbans", "kick": "kicks"}),
}
_BY_CHANNEL = frozenset(
    {
        *_BY_TAG["discord_messages_messages"][1].values(),
        *("message_edits", "message_deletes", "reactions", "reactions_removed", "voice_seconds"),
    }
)
_MEMBER = "discord_member_activity_"
_BY_MEMBER = ("messages", "voice_seconds", "voice_sessions", "reactions_given", "reactions_received")


async def read_influxdb(
    url: str, org: str, token: str, buckets: Iterable[str], store: str = "influxdb"
) -> Observed:
    """What the server holds.

    Raises:
        aiohttp.ClientError, OSError: it does not answer, or refuses.
        ValueError: it answers something else.
    """
    headers = {"Authorization": f"Token {token}"} if token else {}
    series: list[Series] = []
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
        for bucket in buckets:
            flux = f"from(bucket: {json.dumps(bucket)}) |> range(start: 0, stop: {_FAR_FUTURE}) |> sum()"
            body = {"query": flux, "type": "flux", "dialect": {"annotations": ["datatype"]}}
            async with session.post(f"{url}/api/v2/query", params={"org": org}, json=body) as answer:
                if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
                    # No InfluxDB, but something that takes its write API and keeps it all in one place.
                    return read_series(await _export(session, url), store)
                answer.raise_for_status()
                series += read_csv(await answer.text())
    return read_series(series, store)


async def _export(session: aiohttp.ClientSession, url: str) -> list[Series]:
    # Samples stay in memory for a moment before they can be exported.
    async with session.get(f"{url}/internal/force_flush"):
        pass
    query = {"match[]": '{__name__=~"discord_.*"}', "start": "0", "end": _FAR_FUTURE}
    async with session.get(f"{url}/api/v1/export", params=query, raise_for_status=True) as answer:
        return list(read_export(await answer.text()))


def read_csv(text: str) -> Iterator[Series]:
    """The rows of an annotated CSV: blocks with a header each, apart by empty lines."""
    names: list[str] = []
    for row in csv.reader(text.splitlines()):
        if not any(row) or row[0].startswith("#"):
            names = []
        elif not names:
            names = row
        else:
            cells = {name: cell for name, cell in zip(names, row, strict=False) if name and cell}
            if "error" in cells:
                raise ValueError(cells["error"])
            name = f"{cells.pop('_measurement')}_{cells.pop('_field')}"
            yield Series(name, cells, float(cells.pop("_value")))


def read_export(text: str) -> Iterator[Series]:
    """The lines of an export, one series each."""
    for line in text.splitlines():
        found = json.loads(line)
        tags = dict(found["metric"])
        yield Series(tags.pop("__name__"), tags, float(sum(found["values"])))


def read_series(series: Iterable[Series], store: str = "influxdb") -> Observed:
    """The series as quantities by guild, channel and member."""
    amounts: defaultdict[Quantity, dict[Key, float]] = defaultdict(dict)
    kept = {*_GUILD.values(), *(name for _, names in _BY_TAG.values() for name in names.values())}
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
        if field in _BY_MEMBER:
            yield Quantity(field, Scope.MEMBER), (guild, int(tags["user_id"]))
        return
    tag, names = _BY_TAG.get(series.name, ("", {}))
    for name in filter(None, (_GUILD.get(series.name), names.get(tags.get(tag, "")))):
        yield Quantity(name), (guild,)
        if name in _BY_CHANNEL and "channel_id" in tags:
            yield Quantity(name, Scope.CHANNEL), (guild, int(tags["channel_id"]))

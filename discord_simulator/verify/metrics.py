"""Reads ``/metrics`` as a scraper does, with the parser of Prometheus' client library."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from discord_simulator.verify.quantities import Key, Observed, Quantity
from discord_simulator.verify.voice import AFK, BY_STATE, SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class _Family:
    """The quantities of a metric family.

    Attributes:
        total: quantity of the sum of all samples, if any.
        label: label that ``split``, ``apart`` and ``left_out`` refer to.
        split: quantity of each value of the label.
        left_out: values of the label that are ignored.
        apart: quantity of each value that is not part of the total.
        optional: compare the family only if the exposition has it.
        others: prefix of the quantities of values that ``split`` does not contain; empty to ignore them.
    """

    total: str | None = None
    label: str = ""
    split: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    apart: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    others: str = ""

    def quantities(self) -> set[str]:
        """All quantities of the family that are known in advance."""
        named = {*self.split.values(), *self.apart.values()}
        return ({self.total} if self.total else set()) | named


_FAMILIES: Mapping[str, _Family] = {
    "discord_messages_total": _Family(
        label="author",
        split={
            "human": "messages",
            "bot": "bot_messages",
            "webhook": "webhook_messages",
            "system": "system_messages",
        },
    ),
    "discord_message_edits_total": _Family("message_edits"),
    "discord_message_deletes_total": _Family("message_deletes"),
    "discord_reactions_total": _Family("reactions"),
    "discord_reactions_removed_total": _Family("reactions_removed", optional=True),
    "discord_voice_seconds_total": _Family(
        "voice_seconds", "state", BY_STATE, left_out=frozenset({"bot"}), apart={"afk": AFK}
    ),
    "discord_voice_stream_seconds_total": _Family(SHOWN["stream"], optional=True),
    "discord_voice_video_seconds_total": _Family(SHOWN["video"], optional=True),
    "discord_voice_sessions_total": _Family("voice_sessions"),
    "discord_member_joins_total": _Family("joins"),
    "discord_member_leaves_total": _Family(
        "leaves",
        "reason",
        {reason: f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")},
    ),
    "discord_moderation_actions_total": _Family(
        label="action",
        split={"ban": "bans", "unban": "unbans", "kick": "kicks"},
        others="actions: ",
    ),
    "discord_guild_members": _Family("members"),
}


def read_metrics(text: str, store: str = "/metrics") -> Observed:
    """Read an exposition in the Prometheus text format.

    Raises:
        ValueError: the text is not in that format.
    """
    found: defaultdict[Quantity, dict[Key, float]] = defaultdict(dict)
    for family in _FAMILIES.values():
        found |= {Quantity(name): {} for name in family.quantities() if not family.optional}
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            known = _FAMILIES.get(sample.name)
            if known is None or "guild_id" not in sample.labels:
                continue
            value = sample.labels.get(known.label, "")
            if value in known.left_out:
                continue
            key: Key = (int(sample.labels["guild_id"]),)
            other = f"{known.others}{value}" if known.others else None
            total = None if value in known.apart else known.total
            for name in (total, known.apart.get(value), known.split.get(value, other)):
                if name is not None:
                    cells = found[Quantity(name)]
                    cells[key] = cells.get(key, 0) + sample.value
    return Observed(store, dict(found), only_current_guilds=True)

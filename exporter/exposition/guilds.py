"""The families of guilds as text, a block of guilds at a time.

A known guild has all of its counters from the start, at 0: ``increase()`` sees a series' first event only if
it saw the series before. No sample carries a user's id or name.

A block is written by joining the guilds' ids into one template and filling in the amounts with one ``%``,
so that most of the work is done by two calls into C for each thousand samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat

from exporter.events.catalogue import Catalogue
from exporter.events.spec import Gauge, Measure, Unit
from exporter.exposition.channels import ChannelBoard
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.other_bucket import Fold
from exporter.exposition.series_admission import Block, Roster
from exporter.exposition.source import Source
from exporter.exposition.text import Format, escape_label, header, labels, number

CHANNEL_MEASURES = ("messages", "voice_seconds")
"""What is worth a series for each channel; anything else by channel is in the other stores."""

OTHER = "other"


class GuildText:
    """Writes every family of guilds; knows which guilds and channels are shown and what the others did."""

    def __init__(self, source: Source, catalogue: Catalogue, config: ExpositionConfig) -> None:
        self._source = source
        self._measures = [measure for measure in catalogue.measures.values() if measure.metric]
        self._gauges = list(catalogue.gauges.values())
        names = CHANNEL_MEASURES if config.channels else ()
        self._boards = {
            measure.name: ChannelBoard(config.max_channels)
            for measure in self._measures
            if measure.name in names
        }
        self._folds = {(m.name, value): Fold() for m in self._measures for value in m.values}
        columns = len(self._folds) + len(self._gauges)
        per_guild = 1 + columns + len(self._boards) * (config.max_channels + 1)
        self.roster = Roster(max((config.max_series - columns) // per_guild, 0))
        self.series = 0
        """Series in the text written last."""

    def pieces(self, format_: Format) -> Iterator[str]:
        """The text in pieces, each about a thousand samples; amounts may change between two of them."""
        self._source.refresh()
        if self.roster.update(self._source.guilds()):
            for fold in self._folds.values():
                fold.keep(self.roster.folded)
            for board in self._boards.values():
                board.keep(self.roster)
        self.series = 0
        yield from self._info(format_)
        for gauge in self._gauges:
            yield from self._gauge(format_, gauge)
        for measure in self._measures:
            yield from self._counter(format_, measure)
        for measure in self._measures:
            if measure.name in self._boards:
                yield from self._channels(format_, measure, self._boards[measure.name])

    def _info(self, format_: Format) -> Iterator[str]:
        yield header(format_, "discord_guild_info", "gauge", "The guild's name, always 1.")
        names = self._source.guilds()
        for block in self.roster.blocks:
            self.series += len(block.ids)
            yield "".join(
                f'discord_guild_info{{guild_id="{text}",'
                f'guild_name="{escape_label(names.get(guild, ""))}"}} 1\n'
                for guild, text in zip(block.ids, block.texts, strict=True)
            )

    def _gauge(self, format_: Format, gauge: Gauge) -> Iterator[str]:
        yield header(format_, gauge.metric, "gauge", gauge.help)
        values = self._source.gauges(gauge.name)
        for block in self.roster.blocks:
            lines = [
                f'{gauge.metric}{{guild_id="{text}"}} {number(values[guild])}\n'
                for guild, text in zip(block.ids, block.texts, strict=True)
                if guild in values
            ]
            self.series += len(lines)
            yield "".join(lines)
        if self.roster.folded:
            total = sum(values.get(guild, 0) for guild in self.roster.folded)
            self.series += 1
            yield f'{gauge.metric}{{guild_id="{OTHER}"}} {number(total)}\n'

    def _counter(self, format_: Format, measure: Measure) -> Iterator[str]:
        yield header(format_, measure.metric or "", "counter", measure.help)
        for value in measure.values:
            head = f'{measure.metric}_total{{guild_id="'
            pair = f",{labels((measure.label,), (value,))}" if measure.label else ""
            tail = f'"{pair}}} '
            totals = self._source.totals(measure.name, value)
            for block in self.roster.blocks:
                self.series += len(block.ids)
                yield write_column(head, tail, block, totals, measure.unit)
            if self.roster.folded:
                fold = self._folds[measure.name, value]
                fold.take(self.roster.folded, totals)
            yield from self._other(measure, value, head, tail)

    def _other(self, measure: Measure, value: str, head: str, tail: str) -> Iterator[str]:
        # Once shown it stays, even when the last guild in it is gone: it may be needed again.
        fold = self._folds[measure.name, value]
        if self.roster.folded or fold.total:
            self.series += 1
            yield f"{head}{OTHER}{tail}{number(measure.unit.expose(fold.total))}\n"

    def _channels(self, format_: Format, measure: Measure, board: ChannelBoard) -> Iterator[str]:
        metric = (measure.metric or "").replace("discord_", "discord_channel_", 1)
        yield header(format_, metric, "counter", f"{measure.help.rstrip('.')}; all kinds, by channel.")
        totals = self._source.channel_totals(measure.name)
        nothing: Mapping[int, int] = {}
        for block in self.roster.blocks:
            lines = [
                f'{metric}_total{{guild_id="{text}",channel_id="{channel}"}} '
                f"{number(measure.unit.expose(amount))}\n"
                for guild, text in zip(block.ids, block.texts, strict=True)
                for channel, amount in board.read(guild, totals.get(guild, nothing))
            ]
            self.series += len(lines)
            yield "".join(lines)


def write_column(head: str, tail: str, block: Block, totals: Mapping[int, int], unit: Unit) -> str:
    """One sample for each guild of the block: ``head``, its id, ``tail``, its amount as people query it."""
    head, tail = head.replace("%", "%%"), tail.replace("%", "%%")
    amounts = map(totals.get, block.ids, repeat(0))
    if unit is Unit.COUNT:
        end = f"{tail}%d\n"
        values: tuple[int | float, ...] = tuple(amounts)
    else:
        end = f"{tail}%s\n"
        values = tuple([amount / unit.value if amount else 0 for amount in amounts])
    return f"{head}{(end + head).join(block.texts)}{end}" % values

"""The families of guilds as text, a block of guilds at a time.

A known guild has all of its counters from the start, at 0: ``increase()`` counts the first event of a series
only if the series existed before. A guild that the bot has left keeps its counters for a while, but neither
name nor states, so that guilds can be counted. No sample carries a user's id or name.

A block is written by joining the guilds' ids into one template and inserting the amounts with one ``%``, so
that two calls into C do most of the work for a thousand samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat

from exporter.events.catalogue import Catalogue
from exporter.events.spec import Gauge, Measure, Unit
from exporter.exposition.channels import ChannelTopK
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.other_bucket import OtherBucket
from exporter.exposition.series_admission import Block, SeriesAdmission
from exporter.exposition.source import Source
from exporter.exposition.text import TextFormat, escape_label, header, is_plain, number

CHANNEL_MEASURES = ("messages", "voice_seconds")
"""The measures exposed by channel; the others are stored by channel in InfluxDB and SQL only."""

OTHER = "other"


class GuildText:
    """Writes every guild family: guilds and channels with series of their own, and the sums of the others."""

    def __init__(self, source: Source, catalogue: Catalogue, config: ExpositionConfig) -> None:
        self._source = source
        self._measures = [measure for measure in catalogue.measures.values() if measure.metric]
        self._gauges = list(catalogue.gauges.values())
        names = CHANNEL_MEASURES if config.channels else ()
        self._channel_tops = {
            measure.name: ChannelTopK(config.max_channels)
            for measure in self._measures
            if measure.name in names
        }
        self._other_buckets = {(m.name, value): OtherBucket() for m in self._measures for value in m.values}
        columns = len(self._other_buckets) + len(self._gauges)
        per_guild = 1 + columns + len(self._channel_tops) * (config.max_channels + 1)
        self.admission = SeriesAdmission(max((config.max_series - columns) // per_guild, 0))
        self.series = 0
        """Series in the last text written."""

    def pieces(self, format_: TextFormat) -> Iterator[str]:
        """The text in pieces of about a thousand samples; amounts may change between two pieces."""
        self._source.refresh()
        if self.admission.update(self._source.guilds(), self._source.departed()):
            for bucket in self._other_buckets.values():
                bucket.keep(self.admission.excluded)
            for top in self._channel_tops.values():
                top.keep(self.admission)
        self.series = 0
        yield from self._info(format_)
        for gauge in self._gauges:
            yield from self._gauge(format_, gauge)
        for measure in self._measures:
            yield from self._counter(format_, measure)
        for measure in self._measures:
            if measure.name in self._channel_tops:
                yield from self._channels(format_, measure, self._channel_tops[measure.name])

    def _info(self, format_: TextFormat) -> Iterator[str]:
        yield header(format_, "discord_guild_info", "gauge", "The guild's name, always 1.")
        names, departed = self._source.guilds(), self._source.departed()
        for block in filter(None, (whole.without(departed) for whole in self.admission.blocks)):
            shown = tuple(map(names.get, block.ids, repeat("")))
            if not is_plain("".join(shown)):  # one look at all of a block, since nearly every name is
                shown = tuple(map(escape_label, shown))
            self.series += len(shown)
            yield fill('discord_guild_info{guild_id="', '",guild_name="%s"} 1\n', block, shown)

    def _gauge(self, format_: TextFormat, gauge: Gauge) -> Iterator[str]:
        yield header(format_, gauge.metric, "gauge", gauge.help)
        values = self._source.gauges(gauge.name)
        for block in self.admission.blocks:
            yield self._count(
                f'{gauge.metric}{{guild_id="{text}"}} {number(values[guild])}\n'
                for guild, text in zip(block.ids, block.texts, strict=True)
                if guild in values
            )
        if self.admission.excluded:
            total = sum(values.get(guild, 0) for guild in self.admission.excluded)
            self.series += 1
            yield f'{gauge.metric}{{guild_id="{OTHER}"}} {number(total)}\n'

    def _counter(self, format_: TextFormat, measure: Measure) -> Iterator[str]:
        yield header(format_, measure.metric or "", "counter", measure.help)
        for value in measure.values:
            head = f'{measure.metric}_total{{guild_id="'
            pair = f',{measure.label}="{escape_label(value)}"' if measure.label else ""
            tail = f'"{pair}}} '
            totals = self._source.totals(measure.name, value)
            for block in self.admission.blocks:
                self.series += len(block.ids)
                yield write_column(head, tail, block, totals, measure.unit)
            if self.admission.excluded:
                bucket = self._other_buckets[measure.name, value]
                bucket.take(self.admission.excluded, totals)
            yield from self._other(measure, value, head, tail)

    def _other(self, measure: Measure, value: str, head: str, tail: str) -> Iterator[str]:
        # Once exposed it stays, even when the last guild in it is gone: a counter must not disappear and
        # come back.
        bucket = self._other_buckets[measure.name, value]
        if self.admission.excluded or bucket.total:
            self.series += 1
            yield f"{head}{OTHER}{tail}{number(measure.unit.expose(bucket.total))}\n"

    def _channels(self, format_: TextFormat, measure: Measure, top: ChannelTopK) -> Iterator[str]:
        metric = (measure.metric or "").replace("discord_", "discord_channel_", 1)
        yield header(format_, metric, "counter", f"{measure.help.rstrip('.')}; all kinds, by channel.")
        totals = self._source.channel_totals(measure.name)
        nothing: Mapping[int, int] = {}
        for block in self.admission.blocks:
            yield self._count(
                f'{metric}_total{{guild_id="{text}",channel_id="{channel}"}} '
                f"{number(measure.unit.expose(amount))}\n"
                for guild, text in zip(block.ids, block.texts, strict=True)
                for channel, amount in top.read(guild, totals.get(guild, nothing))
            )

    def _count(self, samples: Iterable[str]) -> str:
        """The text of some samples, which are counted."""
        lines = list(samples)
        self.series += len(lines)
        return "".join(lines)


def write_column(head: str, tail: str, block: Block, totals: Mapping[int, int], unit: Unit) -> str:
    """One sample for each guild of the block: ``head``, its id, ``tail``, its amount as people query it."""
    head, tail = head.replace("%", "%%"), tail.replace("%", "%%")
    amounts = map(totals.get, block.ids, repeat(0))
    if unit is Unit.COUNT:
        return fill(head, f"{tail}%d\n", block, tuple(amounts))
    return fill(
        head, f"{tail}%s\n", block, tuple([amount / unit.value if amount else 0 for amount in amounts])
    )


def fill(head: str, end: str, block: Block, values: tuple[object, ...]) -> str:
    """A line for each guild of the block: ``head``, its id, and ``end`` with its value at the one ``%``."""
    return f"{head}{(end + head).join(block.texts)}{end}" % values

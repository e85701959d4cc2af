"""The composition root: creates every stage with its own part of the configuration, and starts it.

Stages start from the far end to the near one, so that no event is accepted before it can be stored: spool,
sinks, pipeline, web server, source. Stopped from the near end: source, pipeline, sinks, web server, spool.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
from functools import partial
from importlib.metadata import version
from typing import Final

from exporter import __version__
from exporter.clock import Clock, DiscordClock
from exporter.config.model import Config
from exporter.discord.rest.time_source import TimeSource
from exporter.discord.source import DiscordSource
from exporter.errors import SpoolError
from exporter.events.catalogue import full_catalogue
from exporter.events.records.snapshots import SnapshotDetail
from exporter.exposition.renderer import MetricsRenderer, RenderedMetrics
from exporter.gc_tuning import GcTuner
from exporter.notation import counted
from exporter.pipeline import Pipeline
from exporter.private_files import refuse_link, warn_if_shared
from exporter.screen.entries import without
from exporter.sinks.base import Sink
from exporter.sinks.registry import make_sink
from exporter.sinks.runner import Runner
from exporter.sinks.spec import SinkContext
from exporter.spool.config import SPOOL_DIRECTORY
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry, total, value
from exporter.web.server import WebServer
from exporter.web.status import (
    BlindFeature,
    ShardConnection,
    SinkStatus,
    SpoolStatus,
    Status,
)

log = logging.getLogger(__name__)

IDENTIFIES_FILE: Final = "identifies.json"

DRAIN_SECONDS: Final = 3.0
"""How long a stop waits for the sinks to take what is in the spool. What they do not take is kept and
delivered by the next process, so this buys freshness, never safety; the whole stop must end within 10 s."""

HEAP_SECONDS: Final = 5.0
"""How often the heap is looked at: a start brings a few hundred guilds in that time."""

FLUSH_SECONDS: Final = 30.0
"""How long a flush waits for the sinks, after up to 30 s for what is not decided; the caller waits for the
answer."""


def make_sinks(config: Config, clock: Clock) -> list[Sink]:
    """The sinks in use; each knows every event type, since the spool may hold entries of types now off.

    Raises:
        ConfigError: a sink cannot be made.
    """
    context = SinkContext(clock, full_catalogue())
    return [make_sink(spec, section, context) for spec, section in config.sinks.active()]


class Application:
    """The running program.

    ``start`` returns once every stage runs; ``wait`` ends with the source, which only a refusal by
    Discord or ``stop`` does.
    """

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = DiscordClock(clock)
        self._started_at = self._clock.now_ms()
        self.telemetry = Telemetry()
        self.telemetry.start_time.set(self._started_at / 1000)
        self.telemetry.build_info.labels(__version__, platform.python_version(), version("disnake")).set(1)
        self.catalogue = config.chosen(full_catalogue())
        self.port = 0
        self.loss = ""
        """What the stop could not save and why, once it has ended; empty where nothing is lost."""
        self._gc = GcTuner()
        self._stack = contextlib.AsyncExitStack()
        self._flushing = asyncio.Lock()

    async def start(self) -> None:
        """Start every stage.

        Raises:
            ConfigError: the web server's address cannot be used, or a file of data_dir is a link.
            SchemaError: the spool was written by a newer version.
            SpoolError: the spool cannot be used.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        config = self._config
        try:
            config.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"data_dir {config.data_dir} cannot be used ({error.strerror}); name another directory"
            raise SpoolError(msg) from error
        warn_if_shared(config.data_dir)
        refuse_link(config.data_dir / IDENTIFIES_FILE)
        self._spool = await Spool.open(
            config.data_dir / SPOOL_DIRECTORY, config.spool, self._clock, self.telemetry
        )
        self._stack.push_async_callback(self._spool.close)
        sinks = make_sinks(config, self._clock)
        await self._spool.register([sink.name for sink in sinks])
        people = config.privacy.opt_out
        self._runner = Runner(
            *(self._spool, sinks, config.delivery, self._clock, self.telemetry),
            # The spool may hold entries from before a person opted out.
            screen=partial(without, people=people) if people else None,
        )
        self._pipeline = Pipeline(
            self.catalogue,
            config.metrics,
            config.batching,
            config.privacy,
            self._spool,
            self._clock,
            self.telemetry,
            channels=config.sinks.prometheus.channels,
            submit=lambda request: self._source.submit(request),  # noqa: PLW0108 - the source needs the pipeline to be made
            clear_refusals=lambda guild_id: self._source.clear_refusals(guild_id),  # noqa: PLW0108 - as above
            catch_up=config.discord.catch_up,
            levels=config.levels,
            details=frozenset[SnapshotDetail]().union(*(sink.needs for sink in sinks)),
        )
        await self._pipeline.start()
        self._source = DiscordSource(
            config.discord,
            self.catalogue.intents,
            self._pipeline.accept,
            self.telemetry,
            self._clock,
            config.data_dir / IDENTIFIES_FILE,
            time_source=TimeSource(self._clock, self.telemetry),
        )
        self._renderer = MetricsRenderer(
            self._pipeline, self.telemetry, self.catalogue, config.sinks.prometheus
        )
        web = WebServer(config.web, render=self._render, status=self.status, flush=self._flush_or_fail)
        self._stack.push_async_callback(web.stop)
        self.port = await web.start()
        self._runner.start()
        self._stack.push_async_callback(self._stop_stages)
        self._gc.set_thresholds()
        self._running_pipeline = asyncio.create_task(self._pipeline.run())
        tuning = asyncio.create_task(self._tune_gc())
        self._stack.callback(tuning.cancel)
        self._serving = asyncio.create_task(self._source.run())
        log.info("discord-exporter %s started, listening on port %d", __version__, self.port)

    async def wait(self) -> None:
        """Run until stopped.

        Raises:
            CredentialsError: Discord refused the token, an intent or the shard layout.
        """
        done, _ = await asyncio.wait(
            (self._serving, self._running_pipeline), return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            if not task.cancelled():
                task.result()

    async def flush(self) -> bool:
        """Close all windows now and wait until every sink has stored what there is; False if one has not.

        What comes meanwhile is not waited for.
        """
        async with self._flushing:
            committed = await self._pipeline.flush()
            return await self._runner.drain(FLUSH_SECONDS) and committed

    async def stop(self) -> None:
        """Stop every stage; what is not delivered yet stays in the spool. Safe twice."""
        await self._stack.aclose()

    async def _tune_gc(self) -> None:
        while True:
            self._gc.freeze_growth(len(self._pipeline.guild_cache.guilds))
            await asyncio.sleep(HEAP_SECONDS)

    async def _stop_stages(self) -> None:
        await self._source.close()
        with contextlib.suppress(Exception):  # `wait` has raised it already, or was not called
            await self._serving
        self._running_pipeline.cancel()
        await asyncio.wait((self._running_pipeline,))  # `wait` has raised what it ended with
        saved = await self._save()
        with contextlib.suppress(SpoolError):
            # Where nothing was left to be saved, what was may be gone since.
            await self._spool.probe()
        displaced = self._spool.displaced
        if displaced:
            self.loss = f"what was counted may be lost: {displaced}"
        elif not saved:
            log.error("the spool takes nothing: what was counted since the last commit is lost")
            reason = self._pipeline.checkpoint.problem or "the log says why"
            self.loss = f"what was counted since the last commit is lost: the spool took nothing ({reason})"
        if not await self._runner.drain(DRAIN_SECONDS):
            kept = (
                "it may be lost with the spool's file"
                if displaced
                else "the spool keeps it for the next start"
            )
            log.warning("not everything could be delivered yet; %s", kept)
        await self._runner.stop()
        log.info("stopped")

    async def _save(self) -> bool:
        try:
            return await self._pipeline.stop()
        except Exception:
            # The sinks are still to be stopped in order, whatever this is.
            log.exception("the last counts could not be saved")
            return False

    def status(self) -> Status:
        """The current state, as shown by the status page."""
        meters = self.telemetry
        sinks = tuple(
            SinkStatus(
                name,
                up=not problem,
                pending=int(value(meters.pending, name)),
                oldest_age=value(meters.oldest_unsent, name) or None,
                last_error=problem,
            )
            for name, problem in self._runner.problems().items()
        )
        shards = tuple(
            ShardConnection(shard.id, shard.connected, shard.latency) for shard in self._source.shards
        )
        problem = self._pipeline.checkpoint.problem or self._spool.displaced
        spool = SpoolStatus(int(value(meters.spooled)), int(total(meters.spool_bytes)), problem)
        blind = tuple(
            BlindFeature(spot.type, spot.permission, f"in {counted(spot.guilds, 'guild')}: {spot.lost}")
            for spot in self._pipeline.blind()
            if spot.guilds
        )
        pending = {name: number for name, number in self._pipeline.undecided().items() if number}
        return Status(
            self._started_at,
            self._source.connected,
            shards,
            sinks,
            spool,
            blind,
            dict(self._pipeline.component_errors),
            self._source.rest_problem,
            pending,
        )

    async def _flush_or_fail(self) -> None:
        if not await self.flush():
            msg = "not everything could be stored"
            raise TimeoutError(msg)

    async def _render(self, accept: str, accept_encoding: str) -> RenderedMetrics:
        async with self._pipeline.checkpoint.between_commits():
            await self._runner.refresh()
            self.telemetry.unspooled.set(self._pipeline.checkpoint.waiting)
        return await self._renderer.render(accept, accept_encoding)

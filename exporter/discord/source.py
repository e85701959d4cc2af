"""The source of all dispatches: logs in, runs this process's shards, hands every payload to the intake.

Invariants: ``run`` ends only by ``close`` or with a ``CredentialsError``; anything else is logged and retried
with growing waits. Every IDENTIFY passes the gate that keeps Discord's limits.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import disnake
import msgspec

from exporter.clock import Clock
from exporter.discord.config import DiscordConfig
from exporter.discord.gateway.adapter import (
    ConnectionOnlyClient,
    GatewaySocket,
    RateLimitedError,
    set_api_base,
)
from exporter.discord.gateway.fatal_errors import (
    DISALLOWED_INTENTS,
    close_refused,
    cluster_too_large,
    read_token,
)
from exporter.discord.gateway.frame_reader import FrameReader, Intake
from exporter.discord.gateway.identify_budget import IdentifyGate, IdentifyLedger
from exporter.discord.gateway.shard import Shard, ShardSnapshot
from exporter.discord.gateway.timings import ConnectionTimings
from exporter.discord.intents import intent_mask, refused_intents
from exporter.discord.rest.client import RestClient, fetch_application
from exporter.discord.rest.failure import describe_failure
from exporter.discord.rest.gateway_answer import GatewayReader
from exporter.discord.rest.health import RestHealth
from exporter.discord.rest.time_source import TimeSource
from exporter.discord.rest.worker import RestWorker
from exporter.errors import CredentialsError
from exporter.events.rest_request import RestRequest
from exporter.events.spec import SHARD_STATE
from exporter.telemetry import Telemetry

_log = logging.getLogger(__name__)


_QUESTIONS: Final = 6
_BETWEEN_QUESTIONS: Final = 0.19
"""Seconds. An answer names whole seconds: six of them over one second tell its beginning to a fifth."""


class DiscordSource:
    """One process's share of the bot.

    ``intents`` maps each intent to ask for to the event types that need it (``Catalogue.intents``);
    ``state_path`` is the file that remembers IDENTIFYs over restarts.
    """

    def __init__(
        self,
        config: DiscordConfig,
        intents: Mapping[str, Sequence[str]],
        intake: Intake,
        telemetry: Telemetry,
        clock: Clock,
        state_path: Path | None = None,
        *,
        timings: ConnectionTimings | None = None,
        rng: random.Random | None = None,
        time_source: TimeSource | None = None,
    ) -> None:
        """Prepare; nothing is connected before ``run``. ``time_source`` learns Discord's time.

        Raises:
            ValueError: an intent is not one of Discord's.
        """
        self._config = config
        self._why = intents
        self._mask = intent_mask(intents)
        self._intake = intake
        self._telemetry = telemetry
        self._clock = clock
        self._time_source = time_source
        self._state_path = state_path
        self._timings = timings or ConnectionTimings()
        self._rng = rng or random.Random()
        rate = config.requests_per_second / config.cluster.count
        self._rest_worker = RestWorker(intake, telemetry, clock, self._rng, rate=rate)
        self._health = RestHealth(telemetry, clock)
        self._gateway_reader = GatewayReader()
        self._shards: dict[int, Shard] = {}
        self._is_logged_in = False
        self._closing = False
        self._serving: asyncio.Task[None] | None = None
        set_api_base(config.api_url)

    @property
    def connected(self) -> bool:
        """Whether every shard of this process has a session at this moment."""
        return bool(self._shards) and all(shard.connected for shard in self._shards.values())

    @property
    def shards(self) -> Sequence[ShardSnapshot]:
        """The state of each shard of this process; empty before their number is known."""
        return tuple(shard.status for shard in self._shards.values())

    @property
    def rest_problem(self) -> str:
        """Why the REST API has not been reachable for minutes; empty if it is."""
        return self._health.problem

    def submit(self, request: RestRequest) -> None:
        """Queue a REST request; its answer goes to the intake. See ``exporter.events.rest_request``."""
        self._rest_worker.submit(request)

    def clear_refusals(self, guild_id: int) -> None:
        """Forget refusals of a guild, since the bot's permissions there have changed."""
        self._rest_worker.clear_refusals(guild_id)

    async def run(self) -> None:
        """Receive until ``close`` is called.

        Raises:
            CredentialsError: Discord refused the token, an intent or the shard layout.
        """
        if self._closing:
            return
        self._serving = asyncio.create_task(self._serve_again(read_token(self._config.token)), name="source")
        try:
            await asyncio.wait({self._serving})
        finally:
            self._serving.cancel()
            await asyncio.wait({self._serving})
        if not self._serving.cancelled():
            self._serving.result()

    async def close(self) -> None:
        """End the sessions and let ``run`` return, within a few seconds, whatever the network does."""
        self._closing = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait({self._serving})

    async def _serve_again(self, token: str) -> None:
        """Run one client after the other, with growing waits; ends by cancellation or a refusal."""
        failures = 0
        while True:
            started = self._clock.monotonic()
            problem = "the client was cancelled"
            hold = 0.0
            self._is_logged_in = False
            try:
                await self._serve(token)
            except CredentialsError:
                raise
            except asyncio.CancelledError:
                if self._serving is None or self._serving.cancelling():
                    raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                problem = describe_failure(error)
                hold = error.retry_after if isinstance(error, RateLimitedError) else 0.0
                _log.debug("The client failed.", exc_info=True)
            good = self._clock.monotonic() - started >= self._timings.stable_after
            failures = 1 if good else failures + 1
            backoff = self._timings.reconnect if self._is_logged_in else self._timings.without_identify
            delay = max(backoff.wait(failures, self._rng), hold)
            _log.warning("Discord at %s: %s; next attempt in %.0f s.", self._config.api_url, problem, delay)
            await asyncio.sleep(delay)

    async def _serve(self, token: str) -> None:
        def identifying(shard: int) -> None:
            gate.sent(shard)  # assigned below, since it needs the client
            self._publish_state(shard, "identifying")

        client = ConnectionOnlyClient(
            partial(RestClient, self._telemetry, time_source=self._time_source, health=self._health),
            intents=self._mask,
            compress=self._config.compress,
            silence=self._config.heartbeat_timeout,
            attach=self._attach,
            identifying=identifying,
        )
        try:
            await client.login(token)
            await self._find_second(client)
            ledger = IdentifyLedger(self._state_path, client.bot_id)
            gate = IdentifyGate(
                partial(self._gateway_reader.fetch, client.http),
                ledger,
                self._telemetry,
                self._clock,
                spacing=self._timings.identify_spacing,
            )
            await self._run_shards(client, gate)
        except disnake.ConnectionClosed as error:
            refused = await self._ask_refused(client) if error.code == DISALLOWED_INTENTS else ()
            raise close_refused(error.code, self._why, refused) from error
        finally:
            await client.close()

    async def _find_second(self, client: ConnectionOnlyClient) -> None:
        """Find where Discord's seconds begin, before anything is dated, if the machine's clock is wrong."""
        if self._time_source is None:
            return
        for _ in range(_QUESTIONS if self._time_source.is_rough else 0):
            await asyncio.sleep(_BETWEEN_QUESTIONS)
            await client.http.get("/users/@me")
        self._time_source.settle()

    async def _run_shards(self, client: ConnectionOnlyClient, gate: IdentifyGate) -> None:
        """Run every own shard until the first refusal, which is raised."""
        wanted = self._config.shards
        total = (await gate.gateway()).shards if wanted == "auto" else wanted
        own = self._config.own_shards(total)
        if not own:
            raise cluster_too_large(self._config.cluster.index, self._config.cluster.count, total)
        client.set_shard_count(total)
        gate.shards = len(own)
        self._shards = {
            shard_id: Shard(
                shard_id,
                client,
                gate,
                self._telemetry,
                self._clock,
                self._timings,
                self._rng,
                self._publish_state,
            )
            for shard_id in own
        }
        self._is_logged_in = True
        _log.info("Connecting %d of %d shards.", len(own), total)
        tasks = [
            asyncio.create_task(shard.run(), name=f"shard {shard.id}") for shard in self._shards.values()
        ]
        tasks.append(asyncio.create_task(self._rest_worker.serve(client.http), name="rest worker"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        done.pop().result()

    def _attach(self, socket: GatewaySocket) -> None:
        shard = self._shards[socket.shard_id]
        shard.attach(socket)
        FrameReader(
            socket,
            self._intake,
            self._telemetry,
            self._clock,
            shard=shard.id,
            silence=self._config.heartbeat_timeout,
            established=shard.established,
            heard=partial(self._publish_state, shard.id, "heard"),
        )

    def _publish_state(self, shard: int, state: str) -> None:
        """Hand a shard's new connection state to the intake, as a dispatch."""
        news = msgspec.Raw(msgspec.json.encode({"shard": shard, "state": state}))
        try:
            self._intake(SHARD_STATE, news, shard, self._clock.now_ms())
        except Exception:  # noqa: BLE001 - the intake does not raise; if it did, the connection must stay up
            self._telemetry.rejected.labels(SHARD_STATE, "intake").inc()

    async def _ask_refused(self, client: ConnectionOnlyClient) -> tuple[str, ...]:
        """The intents Discord has not granted; empty if it does not say, the refusal being certain anyway."""
        try:
            return refused_intents(self._why, (await fetch_application(client.http)).flags)
        except Exception:  # noqa: BLE001 - only makes the message less exact
            _log.debug("The application's flags could not be read.", exc_info=True)
            return ()

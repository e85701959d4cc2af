"""A source under test: what reached its intake, and conditions a test can wait for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from exporter.backoff import Backoff
from exporter.clock import SystemClock
from exporter.discord.config import DiscordConfig
from exporter.discord.gateway.timings import ConnectionTimings
from exporter.discord.source import DiscordSource
from exporter.telemetry import Telemetry, value
from tests.discord.fake_gateway import Gateway

FAST = ConnectionTimings(
    identify_spacing=0.01,
    invalid_session=(0.0, 0.01),
    reconnect=Backoff(base=0.01, cap=0.05, floor=0.5),
    resume=Backoff(base=0.01, cap=0.05, floor=0.5),
    connect_timeout=5.0,
    ready_timeout=5.0,
    close_timeout=0.2,
)

TOKEN = "MTIz.dG9rZW4.c2VjcmV0"

INTENTS: Mapping[str, tuple[str, ...]] = {
    "guilds": (),
    "guild_members": ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"),
    "guild_messages": ("MESSAGE_CREATE",),
}

Received: TypeAlias = tuple[str, bytes, int, int]


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Harness:
    """Runs a source against a gateway."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        intents: Mapping[str, tuple[str, ...]] = INTENTS,
        state_path: Path | None = None,
        timings: ConnectionTimings = FAST,
        **config: object,
    ) -> None:
        self.telemetry = Telemetry()
        self.received: asyncio.Queue[Received] = asyncio.Queue()
        options: dict[str, object] = {"token": TOKEN, "api_url": gateway.url, **config}
        self.source = DiscordSource(
            DiscordConfig.model_validate(options),
            intents,
            self.take,
            self.telemetry,
            SystemClock(),
            state_path,
            timings=timings,
            rng=random.Random(1),
        )
        self.task = asyncio.create_task(self.source.run())

    def take(self, name: str, data: msgspec.Raw, shard: int, at: int) -> None:
        self.received.put_nowait((name, bytes(data), shard, at))

    async def next(self, name: str) -> Received:
        """The next dispatch of that name, passing over others."""
        async with asyncio.timeout(10):
            while (found := await self.received.get())[0] != name:
                pass
        return found

    def rejected(self, reason: str) -> float:
        return value(self.telemetry.rejected, "FRAME", reason)

    async def connected(self) -> None:
        await until(lambda: self.source.connected)

    async def stop(self) -> None:
        await asyncio.wait_for(self.source.close(), 10)
        await asyncio.wait_for(asyncio.wait({self.task}), 10)

"""Against the strict simulator of Discord: through every fault it can make, nothing is lost or seen twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from discord_simulator.ledger import Ledger
from discord_simulator.opcodes import GUILD_PRESENCES
from discord_simulator.ports import Dispatch
from discord_simulator.seed import Shape
from discord_simulator.server import Simulator
from discord_simulator.settings import SimulatorSettings
from discord_simulator.world import World
from discord_simulator.world_adapter import WorldAdapter
from exporter.clock import SystemClock
from exporter.discord.config import DiscordConfig
from exporter.discord.intents import INTENTS
from exporter.discord.preflight import inspect_online
from exporter.errors import CredentialsError
from exporter.telemetry import Telemetry, total, value
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Gateway
from tests.discord.harness import until

TOKEN = "simulated-token"


class Discord:
    """A running simulator, and its control endpoint."""

    def __init__(self, **settings: object) -> None:
        ledger = Ledger(None, SystemClock())
        self.world = World(Shape(seed=1, guilds=6, members=10), ledger, SystemClock())
        options: dict[str, object] = {
            "token": TOKEN,
            "heartbeat_interval_ms": 1_000,
            # How far apart two IDENTIFYs arrive depends on the machine; test_identify_budget tests the pace.
            "identify_window_s": 0.0,
            "shards": 2,
            **settings,
        }
        self.simulator = Simulator(
            WorldAdapter(self.world),
            ledger,
            SimulatorSettings(**options),
            clock=SystemClock(),  # type: ignore[arg-type]  # as named
        )
        self.origin = ""

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v10"

    async def start(self) -> None:
        self.origin = f"http://127.0.0.1:{await self.simulator.start()}"

    async def make(self, fault: str) -> None:
        async with aiohttp.ClientSession() as http, http.post(f"{self.origin}/control/{fault}") as answer:
            assert answer.status == 200, await answer.text()

    def say(self, number: int) -> None:
        guilds = tuple(self.world.guilds)
        guild = guilds[number % len(guilds)]
        body = json.dumps({"id": str(number), "guild_id": str(guild)}).encode()
        self.simulator.publish(Dispatch("MESSAGE_CREATE", guild, body, INTENTS["guild_messages"]))


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    running = Discord()
    await running.start()
    yield running
    await running.simulator.stop()


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("fault", ["drop", "reconnect", "invalidate?resumable=true", "half-open"])
async def test_nothing_is_lost_or_seen_twice_through_a_fault(
    discord: Discord, start: Start, fault: str, *, compress: bool
) -> None:
    harness = start(api_url=discord.url, token=TOKEN, compress=compress)
    await discord.simulator.gateway.all_ready(2)
    await harness.connected()  # a fault before READY is received ends no session that could be resumed
    for number in range(600):
        if number % 200 == 100 and (number == 100 or fault != "half-open"):
            await discord.make(fault)
        discord.say(number)
        await asyncio.sleep(0)
    await until(lambda: value(harness.telemetry.gateway_events, "MESSAGE_CREATE") >= 600)
    await harness.connected()
    seen = []
    while not harness.received.empty():
        name, data, shard, _ = harness.received.get_nowait()
        if name == "MESSAGE_CREATE":
            message = json.loads(data)
            assert shard == (int(message["guild_id"]) >> 22) % 2
            seen.append(int(message["id"]))
    assert sorted(seen) == list(range(600))
    assert total(harness.telemetry.gateway_identifies) == 2
    assert total(harness.telemetry.gateway_resumes) >= 2
    assert total(harness.telemetry.rejected) == 0


async def test_an_invalidated_session_starts_anew_and_gets_its_guilds_again(
    discord: Discord, start: Start
) -> None:
    harness = start(api_url=discord.url, token=TOKEN)
    await discord.simulator.gateway.all_ready(2)
    await until(lambda: value(harness.telemetry.gateway_events, "GUILD_CREATE") == 6)
    await discord.make("invalidate?resumable=false")
    await until(lambda: value(harness.telemetry.gateway_events, "GUILD_CREATE") == 12)
    assert total(harness.telemetry.gateway_identifies) == 4


async def test_a_rest_api_in_trouble_is_waited_for(discord: Discord, start: Start) -> None:
    await discord.make("rest?status=503&seconds=0.2")
    harness = start(api_url=discord.url, token=TOKEN)
    await discord.simulator.gateway.all_ready(2)
    await harness.connected()
    assert value(harness.telemetry.rest_requests, "/users/@me", "503") >= 1


async def test_a_token_the_simulator_does_not_know_is_refused(discord: Discord, start: Start) -> None:
    harness = start(api_url=discord.url, token="another")
    with pytest.raises(CredentialsError, match="refused the token"):
        await harness.task


async def test_an_intent_the_simulator_has_not_granted_is_named(start: Start) -> None:
    discord = Discord(privileged_intents=GUILD_PRESENCES)
    await discord.start()
    harness = start(
        api_url=discord.url, token=TOKEN, intents={"guilds": (), "guild_members": ("GUILD_MEMBER_ADD",)}
    )
    with pytest.raises(CredentialsError, match=r"intent guild_members \(GUILD_MEMBER_ADD\)"):
        await harness.task
    await discord.simulator.stop()


async def test_the_online_check_reads_what_the_simulator_shows(
    discord: Discord, gateway: Gateway, start: Start
) -> None:
    del gateway, start  # `start` puts disnake's address back when the test ends
    config = DiscordConfig.model_validate({"token": TOKEN, "api_url": discord.url})
    report = await inspect_online(config, ("guilds", "guild_members"), ("view_channel",), Telemetry())
    assert report.guilds == 6
    assert report.shards == 2
    assert report.refused == ()
    assert report.blind == ()

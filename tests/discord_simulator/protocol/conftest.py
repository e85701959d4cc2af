"""A small world, a recorder of losses, a raw gateway client and bare disnake bots."""

from __future__ import annotations

import asyncio
import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import disnake
import orjson
import pytest

from discord_simulator.ports import Dispatch, RestResponse
from discord_simulator.server import Simulator
from discord_simulator.settings import SimulatorSettings
from exporter.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

TIMEOUT_S = 10.0
TOKEN = "simulated-token"
MESSAGES = 1 << 9
QUIET_IDENTIFY = {"token": TOKEN, "properties": {"os": "t", "browser": "t", "device": "t"}, "intents": 513}


def guild_id(number: int) -> int:
    """A guild on shard ``number % n``, whatever ``n`` is."""
    return (number << 22) + 5


class SmallWorld:
    """A few guilds with one channel and one member each."""

    def __init__(self) -> None:
        self.guilds = [guild_id(number) for number in range(6)]
        self.outages: set[int] = set()
        self.outage_calls: list[tuple[int, bool]] = []
        self.denied: set[tuple[int | None, str]] = set()
        self.creates: list[tuple[int, int]] = []
        self.padding = ""

    def guild_ids(self) -> Sequence[int]:
        return tuple(self.guilds)

    def guild_create(self, guild: int, intents: int) -> bytes:
        self.creates.append((guild, intents))
        channel = {
            "id": str(guild + 1),
            "type": 0,
            "name": "talk",
            "position": 0,
            "permission_overwrites": [],
        }
        return orjson.dumps(
            {
                "id": str(guild),
                "name": f"guild {guild}",
                "description": self.padding,
                "owner_id": "7",
                "channels": [channel],
                "threads": [],
                "roles": [],
                "members": [],
                "voice_states": [],
                "presences": [],
                "member_count": 3,
                "large": False,
                "unavailable": False,
            }
        )

    def is_unavailable(self, guild: int) -> bool:
        return guild in self.outages

    def application(self) -> dict[str, object]:
        bot = {"id": "99", "username": "watcher", "discriminator": "0000", "avatar": None, "bot": True}
        return {"id": "99", "name": "watcher", "flags": (1 << 14) | (1 << 23), "bot": bot}

    def rest(self, method: str, path: str, query: Mapping[str, str]) -> RestResponse | None:
        if method != "GET" or not path.startswith("/guilds/"):
            return None
        number, *rest = path.removeprefix("/guilds/").split("/")
        if int(number) not in self.guilds:
            return RestResponse(404, {"message": "Unknown Guild", "code": 10004})
        if rest == ["members"]:
            users = [{"user": {"id": str(user), "username": "u"}, "roles": []} for user in (7, 8, 9)]
            return RestResponse(200, users[: int(query.get("limit", "1"))])
        if rest == ["bans"]:
            if self.has_permission(int(number), "ban_members"):
                return RestResponse(200, [])
            return RestResponse(403, {"message": "Missing Permissions", "code": 50013})
        guild = {"id": number, "name": "g", "icon": None, "features": [], "roles": []}
        return None if rest else RestResponse(200, guild)

    def has_permission(self, guild: int, permission: str) -> bool:
        return not {(guild, permission), (None, permission)} & self.denied

    def set_permission(self, guild: int | None, permission: str, granted: bool) -> None:  # noqa: FBT001 - the port's
        (self.denied.discard if granted else self.denied.add)((guild, permission))

    def set_outage(self, guild: int, unavailable: bool) -> None:  # noqa: FBT001 - the port's
        self.outage_calls.append((guild, unavailable))


class RecordedLosses:
    """Keeps what was reported as lost."""

    def __init__(self) -> None:
        self.reports: list[tuple[list[int], str]] = []
        self.gaps: list[tuple[int, int, int]] = []

    def lost(self, ledger_ids: Sequence[int], reason: str) -> None:
        self.reports.append((list(ledger_ids), reason))

    def gap(self, shard: int, started_at: int, ended_at: int) -> None:
        self.gaps.append((shard, started_at, ended_at))

    def ids(self, reason: str | None = None) -> list[int]:
        return [number for ids, why in self.reports if reason in (None, why) for number in ids]


class RawClient:
    """A gateway client that sends only what a test sends."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, compressed: bool) -> None:
        self.socket = socket
        self.session_id = ""
        self.seq = 0
        self.frames: list[dict[str, Any]] = []
        self._inflator = zlib.decompressobj() if compressed else None

    async def send(self, op: int, data: object = None) -> None:
        await self.socket.send_str(orjson.dumps({"op": op, "d": data}).decode())

    async def receive(self) -> dict[str, Any]:
        """The next frame; a closed socket fails the test."""
        message = await self.socket.receive(timeout=TIMEOUT_S)
        if self._inflator is None:
            assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code)
            text = message.data.encode()
        else:
            assert message.type is aiohttp.WSMsgType.BINARY, (message, self.socket.close_code)
            assert message.data.endswith(b"\x00\x00\xff\xff")
            text = self._inflator.decompress(message.data)
        frame: dict[str, Any] = orjson.loads(text)
        if frame.get("s"):
            self.seq = frame["s"]
        self.frames.append(frame)
        return frame

    async def until(self, event: str) -> dict[str, Any]:
        """Receive until a dispatch of this name."""
        while (frame := await self.receive()).get("t") != event:
            pass
        return frame

    async def until_op(self, op: int) -> dict[str, Any]:
        """Receive until a frame of this opcode."""
        while (frame := await self.receive())["op"] != op:
            pass
        return frame

    async def barrier(self) -> None:
        """Wait until the gateway has read everything sent before."""
        await self.send(1, self.seq or None)
        await self.until_op(11)

    async def close_code(self) -> int:
        """Read on until the gateway closes; its code."""
        while True:
            message = await self.socket.receive(timeout=TIMEOUT_S)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                assert self.socket.close_code is not None
                return self.socket.close_code

    async def identify(
        self, *, shard: tuple[int, int] = (0, 1), intents: int = 513, **changes: object
    ) -> None:
        await self.send(2, {**QUIET_IDENTIFY, "shard": shard, "intents": intents, **changes})

    async def ready(self, *, shard: tuple[int, int] = (0, 1), intents: int = 513) -> dict[str, Any]:
        """Identify, receive READY and every GUILD_CREATE; the READY."""
        await self.identify(shard=shard, intents=intents)
        frame = await self.until("READY")
        self.session_id = frame["d"]["session_id"]
        await self.barrier()
        return frame

    async def resume(self, session_id: str, seq: int | None) -> None:
        await self.send(6, {"token": TOKEN, "session_id": session_id, "seq": seq})

    def events(self) -> list[tuple[str, int]]:
        return [(frame["t"], frame["s"]) for frame in self.frames if frame["op"] == 0]

    def contents(self) -> list[str]:
        return [frame["d"]["content"] for frame in self.frames if frame["t"] == "MESSAGE_CREATE"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the REST API answered."""

    status: int
    headers: dict[str, str]
    body: Any


class Lab:
    """A running simulator and its clients."""

    def __init__(self, settings: SimulatorSettings, http: aiohttp.ClientSession) -> None:
        self.world = SmallWorld()
        self.losses = RecordedLosses()
        self.simulator = Simulator(
            self.world, self.losses, settings, clock=SystemClock(), rng=random.Random(1)
        )
        self.gateway = self.simulator.gateway
        self.counters = self.gateway.counters
        self.http = http
        self.port = 0
        self.clients: list[RawClient] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self, query: str = "v=10&encoding=json", *, autoclose: bool = True) -> RawClient:
        socket = await self.http.ws_connect(f"{self.url}/?{query}", max_msg_size=0, autoclose=autoclose)
        # A client without a reference is collected, and its socket with it.
        self.clients.append(RawClient(socket, compressed="zlib" in query))
        return self.clients[-1]

    async def connected(self, query: str = "v=10&encoding=json") -> RawClient:
        """Connect and take HELLO."""
        client = await self.connect(query)
        assert (await client.receive())["op"] == 10
        return client

    async def ready(self, *, shard: tuple[int, int] = (0, 1), intents: int = 513) -> RawClient:
        client = await self.connected()
        await client.ready(shard=shard, intents=intents)
        return client

    def publish_message(
        self, number: int, *, guild: int = 0, event: str = "MESSAGE_CREATE", **changes: Any
    ) -> None:
        """Publish a message whose content is its ledger number."""
        guild = guild or guild_id(0)
        self.simulator.publish(
            Dispatch(
                event,
                guild,
                describe_message(guild, number),
                changes.pop("intents", MESSAGES),
                ledger_id=number,
                **changes,
            )
        )

    async def control(self, path: str, body: bytes = b"") -> dict[str, Any]:
        async with self.http.post(f"{self.url}/control/{path}", data=body) as response:
            answer: dict[str, Any] = orjson.loads(await response.read())
            return {**answer, "status": response.status}

    async def state(self) -> dict[str, Any]:
        async with self.http.get(f"{self.url}/control/state") as response:
            answer: dict[str, Any] = orjson.loads(await response.read())
            return answer

    async def get(self, path: str, token: str | None = f"Bot {TOKEN}") -> Answer:
        headers = {} if token is None else {"Authorization": token}
        async with self.http.get(f"{self.url}/api/{path}", headers=headers) as response:
            return Answer(response.status, dict(response.headers), orjson.loads(await response.read()))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the simulator's own state."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                await asyncio.sleep(0.005)


def describe_message(guild: int, number: int) -> bytes:
    return orjson.dumps(
        {
            "id": str((number << 22) + 1),
            "channel_id": str(guild + 1),
            "guild_id": str(guild),
            "author": {"id": "7", "username": "ada", "discriminator": "0", "avatar": None},
            "content": str(number),
            "timestamp": "2024-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 0,
        }
    )


@pytest.fixture
async def make_lab() -> AsyncIterator[Callable[..., Awaitable[Lab]]]:
    """Start simulators with given settings; identify windows are off unless asked for."""
    labs: list[Lab] = []
    async with aiohttp.ClientSession() as http:

        async def make(**settings: Any) -> Lab:
            lab = Lab(SimulatorSettings(**{"identify_window_s": 0.0, **settings}), http)
            lab.port = await lab.simulator.start()
            labs.append(lab)
            return lab

        yield make
        for lab in labs:
            await lab.simulator.stop()


@pytest.fixture
async def lab(make_lab: Callable[..., Awaitable[Lab]]) -> Lab:
    """A simulator with Discord's own limits, save the identify window."""
    return await make_lab()


class Bot:
    """A bare disnake client, and the events it dispatched."""

    def __init__(self, client: disnake.Client) -> None:
        self.client = client
        self.messages: list[str] = []
        self.events: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        for event in ("ready", "resumed", "disconnect", "message"):
            client.add_listener(getattr(self, f"_on_{event}"), f"on_{event}")

    async def _on_ready(self) -> None:
        self._record("ready")

    async def _on_resumed(self) -> None:
        self._record("resumed")

    async def _on_disconnect(self) -> None:
        self._record("disconnect")

    async def _on_message(self, message: disnake.Message) -> None:
        self.messages.append(message.content)
        self._changed.set()

    def _record(self, what: str) -> None:
        self.events.append(what)
        self._changed.set()

    def start(self, token: str = TOKEN) -> asyncio.Task[None]:
        self.task = asyncio.create_task(self.client.start(token))
        return self.task

    async def until(self, condition: Callable[[Bot], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def stop(self) -> None:
        await self.client.close()
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)


class HastyClient(disnake.AutoShardedClient):
    """Identifies without disnake's pause of five seconds, through the hook disnake documents for it."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        pass


@pytest.fixture
async def make_bot(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Bot]]:
    """Make bots that connect to a lab; the address of the API is restored afterwards."""
    bots: list[Bot] = []

    def make(
        lab: Lab, kind: type[disnake.Client] = HastyClient, *, zlib: bool = False, **options: Any
    ) -> Bot:
        monkeypatch.setattr(disnake.http.Route, "BASE", f"{lab.url}/api/v10")
        options = {"intents": disnake.Intents.default(), "guild_ready_timeout": 0.05, **options}
        bot = Bot(kind(gateway_params=disnake.GatewayParams(zlib=zlib), **options))
        bots.append(bot)
        return bot

    yield make
    for bot in bots:
        await bot.stop()


def numbers(texts: Iterable[str]) -> list[int]:
    return [int(text) for text in texts]

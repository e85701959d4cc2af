"""CPU per MESSAGE_CREATE from the websocket's text on: our source and counting against a bare disnake bot.

The other side is the smallest bot there is: default intents, its guild and channels in cache as any bot has
them, and an ``on_message`` that adds one to a dictionary. Ours is the whole way of the exporter from the same
call on: frame, payload, facts and aggregation with everything switched on, and the stage's own tick.
Both run on disnake's own websocket object; only the network is left out.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import starmap

import disnake
from disnake.gateway import DiscordWebSocket, KeepAliveHandler
from disnake.user import ClientUser

from benchmarks.result import Result, compare
from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import SystemClock
from exporter.discord.gateway.adapter import GatewaySocket
from exporter.discord.gateway.frame_reader import FrameReader
from exporter.events.catalogue import full_catalogue
from exporter.model import Entry
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import Telemetry
from tests.memory_spool import MemorySpool

Message = str | bytes

MESSAGES = 6_000
"""In one round; about a tenth of a second of CPU on each side."""

TICK_EVERY = 2_000
"""Messages between two ticks of the pipeline, one second of a very busy bot."""

TARGET = 0.5

GUILD_ID = 800_000_000_000_000_000
CHANNELS = tuple(str(810_000_000_000_000_000 + n) for n in range(30))
MEMBERS = tuple(str(820_000_000_000_000_000 + n) for n in range(500))
DISCORD_EPOCH_MS = 1_420_070_400_000


def guild_create() -> dict[str, object]:
    """A guild of 30 channels, 20 roles and 500 members, of whom the gateway sends only the bot."""
    return {
        "id": str(GUILD_ID),
        "name": "Benchmark",
        "owner_id": MEMBERS[0],
        "member_count": len(MEMBERS),
        "unavailable": False,
        "roles": [
            {
                "id": str(GUILD_ID + n),
                "name": f"role {n}",
                "permissions": "0",
                "position": n,
                "color": 0,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
                "hoist": False,
                "managed": False,
                "mentionable": False,
            }
            for n in range(20)
        ],
        "channels": [
            {"id": channel, "type": 0, "name": f"channel-{channel[-2:]}", "position": 1}
            for channel in CHANNELS
        ],
        "members": [],
        "emojis": [],
        "features": [],
        "threads": [],
        "voice_states": [],
    }


def message_create(chance: random.Random, number: int, now_ms: int) -> dict[str, object]:
    """A message of about 1.5 kB as frame, as a chatty text channel brings it."""
    author = chance.choice(MEMBERS)
    mentioned = chance.choice(MEMBERS)
    return {
        "type": 0,
        "tts": False,
        "timestamp": "2026-03-01T12:00:00.123000+00:00",
        "pinned": False,
        "nonce": str(chance.getrandbits(60)),
        "mentions": [_user(mentioned) | {"member": _member()}],
        "mention_roles": [],
        "mention_everyone": False,
        "member": _member(),
        "id": str(((now_ms - DISCORD_EPOCH_MS) << 22) + number),
        "flags": 0,
        "embeds": [],
        "edited_timestamp": None,
        "content": "".join(chance.choices("etaoin shrdlu 🙂é", k=120)),
        "components": [],
        "channel_type": 0,
        "channel_id": chance.choice(CHANNELS),
        "author": _user(author),
        "attachments": [],
        "guild_id": str(GUILD_ID),
    }


def _user(user_id: str) -> dict[str, object]:
    return {
        "username": f"user{user_id[-4:]}",
        "public_flags": 0,
        "primary_guild": None,
        "id": user_id,
        "global_name": f"User {user_id[-4:]}",
        "discriminator": "0",
        "clan": None,
        "avatar_decoration_data": None,
        "avatar": "0123456789abcdef0123456789abcdef",
    }


def _member() -> dict[str, object]:
    return {
        "roles": [str(GUILD_ID + 3), str(GUILD_ID + 7)],
        "premium_since": None,
        "pending": False,
        "nick": None,
        "mute": False,
        "joined_at": "2024-05-06T07:08:09.123000+00:00",
        "flags": 0,
        "deaf": False,
        "communication_disabled_until": None,
        "banner": None,
        "avatar": None,
    }


def texts() -> list[str]:
    """The frames of one round."""
    chance = random.Random(1)
    now_ms = SystemClock().now_ms()
    return [
        json.dumps(
            {"t": "MESSAGE_CREATE", "s": n + 2, "op": 0, "d": message_create(chance, n, now_ms)},
            separators=(",", ":"),
            ensure_ascii=False,
        )
        for n in range(MESSAGES)
    ]


def deflated(frames: Sequence[str]) -> list[bytes]:
    """The same frames as one zlib stream, a flush after each."""
    stream = zlib.compressobj()
    return [stream.compress(frame.encode()) + stream.flush(zlib.Z_SYNC_FLUSH) for frame in frames]


class BareBot(disnake.Client):
    """Counts messages by author, and does nothing else."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop(), intents=disnake.Intents.default())
        self.counts: defaultdict[int, int] = defaultdict(int)
        self._connection.user = ClientUser(state=self._connection, data=_user("42"))  # type: ignore[arg-type]  # as sent
        self._connection._add_guild_from_data(guild_create())  # type: ignore[arg-type]  # noqa: SLF001 - what READY does

    async def on_message(self, message: disnake.Message) -> None:
        """Count."""
        self.counts[message.author.id] += 1


class DiscardingSpool(MemorySpool):
    """Takes what the pipeline commits and keeps nothing; messages alone commit next to nothing."""

    async def append(self, entries: Sequence[Entry], **_: object) -> Sequence[int]:
        """Forget everything."""
        del entries
        return ()


def websocket(loop: asyncio.AbstractEventLoop) -> DiscordWebSocket:
    """A websocket of disnake as it is after HELLO, without a socket."""
    ws = DiscordWebSocket(None, loop=loop)  # type: ignore[arg-type]  # nothing is sent
    ws.shard_id = 0
    ws._max_heartbeat_timeout = 60.0  # noqa: SLF001 - what from_client sets
    ws._keep_alive = KeepAliveHandler(ws=ws, interval=40.0, shard_id=0)  # noqa: SLF001 - what HELLO makes
    return ws


async def _feed(receive: Callable[[Message], Awaitable[None]], messages: Sequence[Message]) -> None:
    for number, message in enumerate(messages):
        await receive(message)
        if number % 10 == 0:
            await asyncio.sleep(
                0
            )  # the loop turns, and listeners of disnake's run, as between reads of a socket


class Sides:
    """Both sides on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, messages: Sequence[Message]) -> None:
        self._loop = loop
        self._messages = messages
        self._telemetry = Telemetry()
        self._clock = SystemClock()
        self._pipeline = Pipeline(
            full_catalogue(),
            MetricsConfig(),
            BatchingConfig(),
            PrivacyConfig(),
            DiscardingSpool(),
            self._clock,
            self._telemetry,
            channels=True,
        )
        self._pipeline.accept("GUILD_CREATE", json.dumps(guild_create()).encode(), 0, self._clock.now_ms())
        self._bot = loop.run_until_complete(self._make_bot())

    @staticmethod
    async def _make_bot() -> BareBot:
        return BareBot()

    async def _count_ours(self) -> None:
        ws = websocket(self._loop)
        socket = GatewaySocket(ws)
        reader = FrameReader(socket, self._pipeline.accept, self._telemetry, self._clock)
        reader._note_frame = socket.note_frame  # noqa: SLF001 - what HELLO sets
        for start in range(0, len(self._messages), TICK_EVERY):
            await _feed(ws.received_message, self._messages[start : start + TICK_EVERY])
            await self._pipeline.tick()
            self._pipeline.refresh()

    async def _count_theirs(self) -> None:
        ws = websocket(self._loop)
        bot = self._bot
        ws._connection = bot._connection  # noqa: SLF001 - what from_client sets
        ws._discord_parsers = bot._connection.parsers  # noqa: SLF001 - what from_client sets
        ws._dispatch = bot.dispatch  # noqa: SLF001 - what from_client sets
        await _feed(ws.received_message, self._messages)
        await asyncio.sleep(0)

    def ours(self) -> None:
        """One round of the exporter's way; fails if a message went uncounted."""
        self._pipeline._dispatcher.reader._repeats.forget_shard(0)  # noqa: SLF001 - each round has new messages
        before = self._counted()
        self._loop.run_until_complete(self._count_ours())
        _check(self._counted() - before)

    def _counted(self) -> int:
        return self._pipeline.totals("messages", "human").get(GUILD_ID, 0)

    def theirs(self) -> None:
        """One round of the bare bot's way; fails if a message went uncounted."""
        before = sum(self._bot.counts.values())
        self._loop.run_until_complete(self._count_theirs())
        _check(sum(self._bot.counts.values()) - before)


def _check(counted: float) -> None:
    if counted != MESSAGES:
        msg = f"{counted:.0f} of {MESSAGES} messages were counted"
        raise RuntimeError(msg)


def run() -> list[Result]:
    """CPU per message, as text and as a zlib stream."""
    frames = texts()
    streams: dict[str, Sequence[Message]] = {"text": frames, "zlib stream": deflated(frames)}
    return list(starmap(_compare, streams.items()))


def _compare(kind: str, messages: Sequence[Message]) -> Result:
    with asyncio.Runner() as runner:
        sides = Sides(runner.get_loop(), messages)
        return compare(
            f"MESSAGE_CREATE, {kind} to counted", sides.ours, sides.theirs, per=MESSAGES, target=TARGET
        )


if __name__ == "__main__":
    started = time.monotonic()
    for result in run():
        print(result)
    print(f"{sum(map(len, texts())) / MESSAGES:.0f} bytes a frame, {time.monotonic() - started:.0f} s")

"""A gateway and REST API that do exactly what a test says, for faults no honest server would show.

Each connection runs the next of ``scripts``; when they are used up, ``default``. Whatever a script does, the
commands the client sent are kept in ``commands``.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.discord.far_answers import FarAnswer

SESSION = "5e5510"
BOT = {"id": "4242", "username": "exporter", "discriminator": "0000", "avatar": None, "bot": True}


@dataclass
class Connection:
    """One websocket as the server sees it."""

    gateway: Gateway
    socket: web.WebSocketResponse
    deflate: Any
    interval: float = 41.25
    acknowledge: bool = True
    commands: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    close_code: int | None = None

    async def send(self, op: int, d: object = None, *, t: str | None = None, s: int | None = None) -> None:
        await self.send_text(json.dumps({"op": op, "d": d, "t": t, "s": s}))

    async def send_text(self, text: str | bytes) -> None:
        if self.deflate is None:
            await self.socket.send_str(text if isinstance(text, str) else text.decode())
            return
        raw = text.encode() if isinstance(text, str) else text
        await self.socket.send_bytes(self.deflate.compress(raw) + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    async def dispatch(self, name: str, d: object) -> None:
        self.gateway.sequence += 1
        await self.send(0, d, t=name, s=self.gateway.sequence)

    async def hello(self) -> None:
        await self.send(10, {"heartbeat_interval": self.interval * 1000})

    async def command(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.commands.get(), 10)

    async def ready(self) -> None:
        self.gateway.sequence = 0
        await self.dispatch(
            "READY",
            {
                "v": 10,
                "user": BOT,
                "guilds": [{"id": "1", "unavailable": True}],
                "session_id": SESSION,
                "resume_gateway_url": self.gateway.resume_url or self.gateway.ws_url + "/resume",
                "application": {"id": "4242", "flags": 0},
            },
        )

    async def resumed(self) -> None:
        await self.dispatch("RESUMED", {})

    async def welcome(self) -> dict[str, Any]:
        """HELLO, then READY or RESUMED as asked; returns the command that asked."""
        await self.hello()
        command = await self.command()
        await (self.ready() if command["op"] == 2 else self.resumed())
        self.gateway.live = self
        self.gateway.welcomed.release()
        return command

    async def close(self, code: int) -> None:
        await self.socket.close(code=code)

    async def read(self) -> None:
        """Keep what the client sends and answer heartbeats."""
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            command = json.loads(message.data)
            if command["op"] == 1:
                self.gateway.heartbeats += 1
                if self.acknowledge:
                    await self.send(11)
            else:
                self.gateway.commands.append(command)
                self.commands.put_nowait(command)
        self.close_code = self.socket.close_code
        self.gateway.close_codes.append(self.close_code)
        self.closed.set()


def answer(value: object, status: int = 200, content_type: str = "application/json") -> web.Response:
    """An answer as Discord spells it: without a charset."""
    return web.Response(
        body=json.dumps(value).encode(), status=status, headers={"Content-Type": content_type, "Via": "1.1"}
    )


Script = Callable[[Connection], Awaitable[object]]


async def serve(connection: Connection) -> None:
    """Welcome the client and stay."""
    await connection.welcome()
    await connection.closed.wait()


class Gateway:
    """The server; ``url`` is the base of its REST API."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.default: Script = serve
        self.resume_url = ""
        self.commands: list[dict[str, Any]] = []
        self.close_codes: list[int | None] = []
        self.paths: list[str] = []
        self.live: Connection | None = None
        self.welcomed = asyncio.Semaphore(0)
        self.heartbeats = 0
        self.sequence = 0
        self.interval = 41.25
        self.shards = 1
        self.limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        self.flags = 0
        self.guilds: list[dict[str, Any]] = []
        self.failures: list[web.Response] = []
        self.troubles: dict[str, list[FarAnswer]] = {}
        """What is answered first to requests of a path."""
        self.rest: list[str] = []
        self.url = ""
        self.ws_url = ""
        app = web.Application()
        app.router.add_get("/gw", self._socket)
        app.router.add_get("/gw/resume", self._socket)
        app.router.add_get("/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/api/v10"
        self.ws_url = f"ws://127.0.0.1:{port}/gw"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def connected(self) -> Connection:
        """The next connection that was welcomed."""
        await asyncio.wait_for(self.welcomed.acquire(), 10)
        assert self.live is not None
        return self.live

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.rest.append(path)
        if self.failures:
            return self.failures.pop(0)
        if self.troubles.get(path):
            return await self.troubles[path].pop(0)(request)
        answers: dict[str, Any] = {
            "users/@me": BOT,
            "gateway/bot": {
                "url": self.ws_url,
                "shards": self.shards,
                "session_start_limit": self.limit,
            },
            "oauth2/applications/@me": {"id": "4242", "flags": self.flags},
        }
        if path == "users/@me/guilds":
            after = int(request.query.get("after", 0))
            later = [guild for guild in self.guilds if int(guild["id"]) > after]
            return answer(later[: int(request.query["limit"])])
        if path not in answers:
            return answer({"message": "404: Not Found"}, 404)
        return answer(answers[path])

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        self.paths.append(request.path)
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        connection = Connection(self, socket, deflate, self.interval)
        script = self.scripts.pop(0) if self.scripts else self.default
        playing = asyncio.create_task(self._play(script, connection))
        try:
            await connection.read()
        finally:
            playing.cancel()
        return socket

    @staticmethod
    async def _play(script: Script, connection: Connection) -> None:
        try:
            await script(connection)
        except (ConnectionError, RuntimeError):
            return  # the client was faster to leave

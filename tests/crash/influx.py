"""InfluxDB's write API in front of VictoriaMetrics: it notes every point, and passes it on.

VictoriaMetrics stores times in milliseconds, and a point that is sent twice as two. So whether two points are
one to InfluxDB (same series, same nanosecond) is decided here, and whether they arrive, there.
"""

from __future__ import annotations

import gzip
import io
import re
from collections import defaultdict

import aiohttp
from aiohttp import web

MEMBER = re.compile(rb"guild_id=(\d+),user_id=(\d+).*?messages=(\d+)i.*? (\d+)$")


class Influx:
    """A server on loopback; ``store`` is where to pass everything on, if anywhere."""

    def __init__(self, store: str | None) -> None:
        self.url = ""
        self._store = store
        self._points: dict[int, dict[tuple[bytes, int, bytes], int]] = defaultdict(dict)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/api/v2/write", self._write)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def messages(self, guild: int) -> dict[int, int]:
        """How many messages the points of each member of a guild add up to."""
        sums: dict[int, int] = {}
        for (_, user, _), messages in self._points.pop(guild, {}).items():
            sums[user] = sums.get(user, 0) + messages
        return sums

    async def _write(self, request: web.Request) -> web.Response:
        body = await request.read()
        lines = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        if self._store is not None:
            url = f"{self._store}/api/v2/write?{request.query_string}"
            headers = {"Content-Encoding": "gzip"} if lines is not body else {}
            async with self._session.post(url, data=io.BytesIO(body), headers=headers) as response:
                if response.status >= 300:
                    return web.Response(status=response.status)
        bucket = request.query["bucket"].encode()
        for line in lines.splitlines():
            if found := MEMBER.search(line):
                guild, user, messages, at = found.groups()
                self._points[int(guild)][bucket, int(user), at] = int(messages)
        return web.Response(status=204)

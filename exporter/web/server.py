"""The HTTP server. It starts before Discord is connected and works through failures of all other parts.

Invariants: only ``POST /-/flush`` changes anything, and only for requests of this machine; every response has
the security headers; no response has the text of an exception; more than ``SCRAPE_LIMIT`` scrapes at once are
refused, so that they never pile up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from exporter import __version__
from exporter.clock import Clock, SystemClock
from exporter.errors import ConfigError
from exporter.web.config import WebConfig, is_loopback
from exporter.web.page import STYLE_HASH, write_page
from exporter.web.status import Status

_log = logging.getLogger(__name__)
_MALFORMED = logging.getLogger(f"{__name__}.malformed")
_MALFORMED.setLevel(logging.CRITICAL)
"""Where aiohttp logs malformed requests: any client can send them, so they must not fill the log."""

SCRAPE_LIMIT: Final = 4
"""Two Prometheus servers, a browser and one more; beyond that it is a mistake or an attack."""
FLUSH_TIMEOUT_S: Final = 65.0
"""A flush ends by itself after 60 s; this deadline is for one that hangs."""
MAX_HEADER_BYTES: Final = 8190
MAX_HEADERS: Final = 64
"""What Prometheus and browsers send is far below both."""
MAX_BODY_BYTES: Final = 1024
"""No route reads a body."""
KEEP_ALIVE_S: Final = 75.0
"""Longer than the usual scrape interval of 60 s, so that a scraper keeps its connection."""

SHUTDOWN_S: Final = 1.0
"""For scrapes in progress; the whole program must end within 10 s."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "discord-exporter",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", hdrs.ORIGIN)
"""A request with one of these comes through a proxy or a web page: its peer is loopback, its origin is
not."""


Render = Callable[[str, str], Awaitable[tuple[bytes, Mapping[str, str]]]]
"""Renders the metrics for the headers ``Accept`` and ``Accept-Encoding``: the body and its headers."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves ``/``, ``/metrics``, ``/healthz``, ``/readyz`` and ``POST /-/flush``."""

    def __init__(
        self,
        config: WebConfig,
        *,
        render: Render,
        status: Callable[[], Status],
        flush: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._render = render
        self._status = status
        self._flush = flush
        self._clock = clock or SystemClock()
        self._scrapes = 0
        self._flushing = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            ConfigError: the address cannot be bound.
        """
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            shutdown_timeout=SHUTDOWN_S,
            logger=_MALFORMED,
        )
        await runner.setup()
        host, port = self._config.address
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            problem = (
                f"web.listen: cannot listen on {self._config.listen} ({error.strerror or error}); "
                "stop what uses the address, or choose another"
            )
            raise ConfigError((problem,)) from error
        self._runner = runner
        bound = int(runner.addresses[0][1])
        _log.info("listening on %s:%d", host, bound)
        return bound

    async def stop(self) -> None:
        """Close the sockets; safe before ``start`` and twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY_BYTES)
        application.router.add_get("/", self._page)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_post("/-/flush", self._flush_now)
        application.on_response_prepare.append(_set_headers)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return _text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request bodies are not accepted")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            response = _text(HTTPStatus(answer.status), answer.reason)
            if hdrs.ALLOW in answer.headers:
                response.headers[hdrs.ALLOW] = answer.headers[hdrs.ALLOW]
            return response
        except Exception:  # noqa: BLE001 - no renderer may end the server, and no response shows its error
            _log.exception("cannot answer %s", request.path)
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")

    async def _page(self, _request: web.Request) -> web.Response:
        text = write_page(self._status(), version=__version__, now_ms=self._clock.now_ms())
        return web.Response(text=text, content_type="text/html")

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._scrapes >= SCRAPE_LIMIT:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, f"{SCRAPE_LIMIT} scrapes are already running")
        self._scrapes += 1
        try:
            body, headers = await self._render(
                request.headers.get(hdrs.ACCEPT, ""), request.headers.get(hdrs.ACCEPT_ENCODING, "")
            )
        finally:
            self._scrapes -= 1
        return web.Response(body=body, headers=headers)

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _text(HTTPStatus.OK, "alive")

    async def _readyz(self, _request: web.Request) -> web.Response:
        status = self._status()
        obstacles = status.obstacles()
        return web.json_response(
            {
                "ready": not obstacles,
                "reasons": [asdict(reason) for reason in obstacles],
                "degraded": status.degraded(),
            },
            status=HTTPStatus.SERVICE_UNAVAILABLE if obstacles else HTTPStatus.OK,
        )

    async def _flush_now(self, request: web.Request) -> web.Response:
        if not is_loopback(request.remote or "") or any(name in request.headers for name in _FORWARDED):
            return _text(HTTPStatus.FORBIDDEN, "flush is allowed from this machine only")
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S), self._flushing:
                await self._flush()
        except TimeoutError:
            return _text(HTTPStatus.GATEWAY_TIMEOUT, "a sink has not stored everything yet")
        return _text(HTTPStatus.OK, "flushed")


async def _set_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", content_type="text/plain")

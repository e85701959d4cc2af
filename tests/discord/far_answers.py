"""What Discord, Cloudflare and proxies answer that says nothing about the question, by a name."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

FarAnswer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE = "<!doctype html>\n<html><head><title>Attention</title></head><body>no</body></html>"


def _answer(status: int, body: str, kind: str, **headers: str) -> FarAnswer:
    async def respond(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body.encode(), headers={"Content-Type": kind, **named})

    return respond


def page(status: int, **headers: str) -> FarAnswer:
    """A page of a proxy."""
    return _answer(status, _PAGE, "text/html; charset=utf-8", **headers)


def discords(status: int, body: object, **headers: str) -> FarAnswer:
    """JSON, as Discord spells it."""
    return _answer(status, json.dumps(body), "application/json", Via="1.1 google", **headers)


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection is reset."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


_LIMITED = {"message": "You are being rate limited.", "retry_after": 0.02, "global": False}

TROUBLES: Mapping[str, FarAnswer] = {
    "429 json": discords(429, _LIMITED),
    "429 json for all": discords(429, _LIMITED | {"global": True}, X_RateLimit_Global="true"),
    "429 json without via": _answer(429, json.dumps(_LIMITED), "application/json"),
    "429 json of another shape": discords(429, {"retry_after": "soon"}),
    "429 json, no object": discords(429, [1]),
    "429 page": page(429),
    "429 page with via": page(429, Via="1.1 proxy"),
    "429 page, retry after": page(429, Retry_After="0.02"),
    "429 page, retry after a date": page(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "408 page": page(408),
    "400 page": page(400),
    "401 page": page(401),
    "403 page": page(403),
    "403 code 40333": discords(403, {"message": "internal network error", "code": 40333}),
    "403 code 40333, charset": _answer(403, '{"code": 40333}', "application/json; charset=utf-8"),
    "404 page": page(404),
    "500 json": discords(500, {"message": "500: Internal Server Error", "code": 0}),
    "502 page": page(502),
    "503 page": page(503),
    "503 page, retry after": page(503, Retry_After="0.02"),
    "503 page, retry after a date": page(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "521 page": page(521),
    "200 page": page(200),
    "200 no json": _answer(200, '{"code":', "application/json"),
    "200 nothing": _answer(200, "", "application/json"),
    "reset": reset,
}
"""None of them is about the bot's rights; ``retry_after`` is short, since tests wait for it."""

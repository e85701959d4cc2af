"""Reads ``GET /gateway/bot``; for what cannot be used in it stand Discord's defaults.

Without a connection everything is lost, and of the answer only the address is needed for one. How many
sessions may be begun is also counted here (``IdentifyLedger``).
"""

from __future__ import annotations

import logging
from typing import Any, Final, TypeVar

import msgspec

from exporter.discord.gateway.adapter import ApiClient
from exporter.discord.rest.client import (
    GatewayBot,
    SessionStartLimit,
    ShardCount,
    StartConcurrency,
    StartCount,
    fetch,
)

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_TOTAL: Final = 1000
"""Sessions a day of a bot that Discord grants no more. Discord docs, Gateway › Rate Limiting."""


class _Answer(msgspec.Struct, frozen=True):
    url: str
    shards: Any = None
    session_start_limit: Any = None


class GatewayReader:
    """Reads each answer, and says once what of it cannot be used, until that changes."""

    def __init__(self) -> None:
        self._said: list[str] = []

    async def fetch(self, rest: ApiClient) -> GatewayBot:
        """Where to connect, with how many shards, how often.

        Raises:
            CredentialsError: Discord does not know the token (any more).
            disnake.HTTPException, aiohttp.ClientError, OSError: no usable answer.
            msgspec.DecodeError: the answer is not JSON, or names no address.
        """
        answer = await fetch(rest, "/gateway/bot", _Answer)
        unusable: list[str] = []
        limit = answer.session_start_limit if isinstance(answer.session_start_limit, dict) else {}
        shards = _read(answer.shards, ShardCount, "shards", unusable)
        total, remaining, reset_after = (
            _read(limit.get(name), StartCount, f"session_start_limit.{name}", unusable)
            for name in ("total", "remaining", "reset_after")
        )
        concurrency = 1
        if "max_concurrency" in limit:
            name = "session_start_limit.max_concurrency"
            concurrency = _read(limit["max_concurrency"], StartConcurrency, name, unusable) or 1
        is_known = not (total is None or remaining is None or reset_after is None)
        if unusable and unusable != self._said:
            _log.warning(
                "Discord's answer to GET /gateway/bot has no usable %s; Discord's defaults are used.",
                ", ".join(unusable),
            )
        self._said = unusable
        return GatewayBot(
            answer.url,
            shards or 1,
            SessionStartLimit(total or 0, remaining or 0, reset_after or 0, concurrency)
            if is_known
            else SessionStartLimit(_TOTAL, _TOTAL, 0, concurrency),
            is_limit_known=is_known,
        )


def _read(value: object, kind: type[_T], name: str, unusable: list[str]) -> _T | None:
    """The value if it is as declared; None, and its name in the list, if not."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        unusable.append(name)
        return None

"""Reads what Discord's API says about the bot, for ``check --online``, within Discord's rate limits.

Invariant: a bounded number of requests, whatever the answers: the pages of the guild list are limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import disnake
import msgspec

from exporter.discord.config import DiscordConfig
from exporter.discord.gateway.adapter import set_api_base
from exporter.discord.gateway.fatal_errors import read_token
from exporter.discord.intents import granted_intents, refused_intents
from exporter.discord.rest.client import (
    RestClient,
    SessionStartLimit,
    fetch,
    fetch_application,
)
from exporter.discord.rest.failure import describe_failure
from exporter.discord.rest.gateway_answer import GatewayReader
from exporter.errors import ExporterError
from exporter.events.permissions import missing_permissions
from exporter.telemetry import Telemetry

_PAGE: Final = 200
"""Maximum of guilds in one answer of GET /users/@me/guilds."""

_MAX_PAGES: Final = 500
"""100,000 guilds; at one request a second, as the route's limit allows, some eight minutes."""


@dataclass(frozen=True, slots=True)
class BlindGuild:
    """A guild in which the bot lacks permissions, in the order they are required."""

    id: int
    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnlineReport:
    """What Discord says. ``refused`` are privileged intents requested and not granted.

    ``session_start_limit`` is None where Discord does not say. ``blind`` looks at the permissions of the
    bot's roles in each guild; a channel may still deny them.
    """

    bot_id: int
    bot_name: str
    application_id: int
    granted: tuple[str, ...]
    refused: tuple[str, ...]
    gateway: str
    shards: int
    session_start_limit: SessionStartLimit | None
    guilds: int
    blind: tuple[BlindGuild, ...]


class _User(msgspec.Struct, frozen=True):
    id: int
    username: str


class _ListedGuild(msgspec.Struct, frozen=True):
    id: int
    name: str = ""
    permissions: int | None = None


async def inspect_online(
    config: DiscordConfig,
    intents: Iterable[str],
    permissions: Sequence[str],
    telemetry: Telemetry,
    alternatives: Sequence[Sequence[str]] = (),
) -> OnlineReport:
    """Read from the API what the configuration would meet; nothing is changed and no session is started.

    Of the permissions of one of the ``alternatives`` one is enough.

    Raises:
        CredentialsError: there is no token, or Discord does not know it.
        ExporterError: the API cannot be reached or answers something else; the message says what.
    """
    token = read_token(config.token)
    set_api_base(config.api_url)
    rest = RestClient(telemetry, asyncio.get_running_loop())
    try:
        user = msgspec.convert(await rest.static_login(token), _User, strict=False)
        application = await fetch_application(rest)
        gateway = await GatewayReader().fetch(rest)
        guilds = await _list_guilds(rest)
    except (disnake.HTTPException, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
        msg = f"Discord's API at {config.api_url} gave no usable answer: {describe_failure(error)}"
        raise ExporterError(msg) from error
    finally:
        await rest.close()
    return OnlineReport(
        bot_id=user.id,
        bot_name=user.username,
        application_id=application.id,
        granted=tuple(sorted(granted_intents(application.flags))),
        refused=refused_intents(intents, application.flags),
        gateway=gateway.url,
        shards=gateway.shards,
        session_start_limit=gateway.session_start_limit if gateway.is_limit_known else None,
        guilds=len(guilds),
        blind=tuple(_blind(guilds, permissions, alternatives)),
    )


async def _list_guilds(rest: RestClient) -> list[_ListedGuild]:
    guilds: list[_ListedGuild] = []
    query: Mapping[str, str] = {"limit": str(_PAGE)}
    for _ in range(_MAX_PAGES):
        page = await fetch(rest, "/users/@me/guilds", list[_ListedGuild], query)
        guilds += page
        if len(page) < _PAGE:
            break
        query = {"limit": str(_PAGE), "after": str(page[-1].id)}
    return guilds


def _blind(
    guilds: Iterable[_ListedGuild], permissions: Sequence[str], alternatives: Sequence[Sequence[str]]
) -> Iterable[BlindGuild]:
    for guild in guilds:
        if guild.permissions is None:
            continue  # some proxies leave it out; unknown is not missing
        if missing := missing_permissions(permissions, guild.permissions, alternatives):
            yield BlindGuild(guild.id, guild.name, missing)

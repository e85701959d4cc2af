"""The ``discord`` section: which bot, which shards of it, and how to reach Discord."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from exporter.settings import Duration, Secret, Section
from exporter.tracking.moderation.config import CatchUpConfig

DISCORD_API = "https://discord.com/api/v10"

_MAX_SHARDS = 16_384
"""Far above any bot; a mistyped number does not become a day of IDENTIFYs."""


def _check_url(value: str) -> str:
    """The address without a trailing slash; messages repeat it only where it cannot hold a password."""
    if "@" in value:
        msg = f"an address must not carry a user or password; write for instance {DISCORD_API}"
        raise ValueError(msg)
    if not value.startswith(("https://", "http://")):
        msg = f"{value!r} is not an address; write for instance {DISCORD_API}"
        raise ValueError(msg)
    return value.rstrip("/")


class ClusterConfig(Section):
    """This process's share of the bot: the shards whose number modulo ``count`` is ``index``."""

    index: Annotated[int, Field(ge=0, description="Which of the processes this is, from 0.")] = 0
    count: Annotated[PositiveInt, Field(description="How many processes share the bot.")] = 1

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.index >= self.count:
            msg = f"index {self.index} must be below count {self.count}; processes are numbered from 0"
            raise ValueError(msg)
        return self


class DiscordConfig(Section):
    """How to be the bot."""

    token: Annotated[Secret | None, Field(description="The bot's token; better in DISCORD_TOKEN.")] = None
    api_url: Annotated[
        str,
        AfterValidator(_check_url),
        Field(description="Base of the REST API; the gateway's address is fetched there."),
    ] = DISCORD_API
    shards: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=1, le=_MAX_SHARDS)],
        Field(description="How many shards the whole bot has; auto takes the number Discord recommends."),
    ] = "auto"
    cluster: Annotated[
        ClusterConfig, Field(description="This process's share, when several share the bot.")
    ] = ClusterConfig()
    compress: Annotated[
        bool, Field(description="Ask for a zlib stream: a fifth of the traffic for a little CPU.")
    ] = True
    requests_per_second: Annotated[
        float,
        Field(
            gt=0,
            le=45,
            description="Requests to the REST API by the whole bot; Discord allows 50 a second.",
        ),
    ] = 20.0
    heartbeat_timeout: Annotated[
        Duration | None,
        Field(
            description="Silence after which a connection is taken for dead; "
            "by default one and a half of the heartbeat intervals Discord announces."
        ),
    ] = None

    catch_up: Annotated[
        CatchUpConfig, Field(description="The audit log of the time the program was away.")
    ] = CatchUpConfig()

    def own_shards(self, total: int) -> tuple[int, ...]:
        """The numbers of the shards this process holds, of ``total`` for the whole bot."""
        return tuple(range(self.cluster.index, total, self.cluster.count))

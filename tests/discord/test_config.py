"""The section takes what makes sense and says what does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.discord.config import DISCORD_API, DiscordConfig


def test_nothing_but_defaults_is_enough() -> None:
    config = DiscordConfig()
    assert config.api_url == DISCORD_API
    assert config.shards == "auto"
    assert config.token is None
    assert config.own_shards(3) == (0, 1, 2)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"shards": 0}, "shards"),
        ({"shards": "many"}, "shards"),
        ({"cluster": {"index": 2, "count": 2}}, "numbered from 0"),
        ({"cluster": {"count": 0}}, "count"),
        ({"api_url": "discord.com"}, "not an address"),
        ({"api_url": "https://user:canary@discord.com/api"}, "must not carry a user or password"),
        ({"heartbeat_timeout": "soon"}, "not a duration"),
        ({"tokne": "x"}, "tokne"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        DiscordConfig.model_validate(options)


def test_a_trailing_slash_changes_nothing() -> None:
    assert DiscordConfig.model_validate({"api_url": "http://x/api/v10/"}).api_url == "http://x/api/v10"


def test_the_token_is_never_printed() -> None:
    config = DiscordConfig.model_validate({"token": "s3cr3t"})
    assert "s3cr3t" not in repr(config) + str(config) + config.model_dump_json()


@pytest.mark.parametrize("total", [1, 2, 7, 16, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_a_cluster_holds_every_shard_exactly_once(total: int, count: int) -> None:
    held = [
        shard
        for index in range(count)
        for shard in DiscordConfig.model_validate({"cluster": {"index": index, "count": count}}).own_shards(
            total
        )
    ]
    assert sorted(held) == list(range(total))

"""The REST API: authentication, the routes of the bot itself, the world's answers, limits and faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from discord_simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Lab

UNAUTHORIZED = {"message": "401: Unauthorized", "code": 0}


@pytest.mark.parametrize("token", [None, "", "simulated-token", "Bot wrong", "Bearer simulated-token", "Bot"])
async def test_wrong_token_is_unauthorized(lab: Lab, token: str | None) -> None:
    response = await lab.get("v10/users/@me", token)
    assert (response.status, response.body) == (401, UNAUTHORIZED)


async def test_gateway_address_needs_no_token(lab: Lab) -> None:
    response = await lab.get("v10/gateway", None)
    assert response.body == {"url": f"ws://127.0.0.1:{lab.port}"}


async def test_gateway_for_bots_has_shards_and_the_start_limit(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(shards=3, session_limit=50, max_concurrency=16)
    await lab.ready()
    answer = (await lab.get("v10/gateway/bot")).body
    limit = answer.pop("session_start_limit")
    assert answer == {"url": f"ws://127.0.0.1:{lab.port}", "shards": 3}
    assert 0 < limit.pop("reset_after") <= 86_400_000
    assert limit == {"total": 50, "remaining": 49, "max_concurrency": 16}


@pytest.mark.parametrize(("guilds", "shards"), [(0, 1), (1000, 1), (1001, 2), (50_000, 50)])
async def test_a_shard_is_recommended_for_every_thousand_guilds(lab: Lab, guilds: int, shards: int) -> None:
    lab.world.guilds = list(range(guilds))
    answer = (await lab.get("v10/gateway/bot")).body
    assert answer["shards"] == shards


@pytest.mark.parametrize(("version", "status"), [(8, 400), (9, 200), (10, 200), (11, 400)])
async def test_only_current_versions_are_served(lab: Lab, version: int, status: int) -> None:
    response = await lab.get(f"v{version}/users/@me")
    assert response.status == status
    if status == 400:
        assert response.body == {"message": "Invalid API version", "code": 50041}


async def test_bot_user_is_the_worlds(lab: Lab) -> None:
    assert (await lab.get("v10/users/@me")).body == lab.world.application()["bot"]


@pytest.mark.parametrize("path", ["applications/@me", "oauth2/applications/@me"])
async def test_application_shows_the_granted_intents(
    make_lab: Callable[..., Awaitable[Lab]], path: str
) -> None:
    lab = await make_lab(privileged_intents=1 << 8)
    answer = (await lab.get(f"v10/{path}")).body
    assert (answer["id"], answer["flags"]) == ("99", (1 << 12) | (1 << 23))
    assert answer["approximate_guild_count"] == 6


async def test_guilds_of_the_bot_come_in_pages(lab: Lab) -> None:
    listed = (await lab.get("v10/users/@me/guilds")).body
    assert [guild["id"] for guild in listed] == [str(guild) for guild in lab.world.guilds]
    later = (await lab.get(f"v10/users/@me/guilds?after={lab.world.guilds[3]}")).body
    assert [guild["id"] for guild in later] == [str(guild) for guild in lab.world.guilds[4:]]


async def test_page_after_no_id_is_an_invalid_form(lab: Lab) -> None:
    response = await lab.get("v10/users/@me/guilds?after=x")
    assert (response.status, response.body["code"]) == (400, 50035)


async def test_world_answers_about_its_guilds(lab: Lab) -> None:
    response = await lab.get(f"v10/guilds/{lab.world.guilds[0]}/members?limit=2")
    members = response.body
    assert [member["user"]["id"] for member in members] == ["7", "8"]


async def test_missing_permission_is_forbidden_with_discords_code(lab: Lab) -> None:
    guild = lab.world.guilds[0]
    await lab.control(f"permission?name=ban_members&granted=false&guild={guild}")
    response = await lab.get(f"v10/guilds/{guild}/bans")
    assert (response.status, response.body) == (403, {"message": "Missing Permissions", "code": 50013})
    assert (await lab.get(f"v10/guilds/{lab.world.guilds[1]}/bans")).status == 200


@pytest.mark.parametrize("path", ["v10/nothing", "v10/guilds/5/nothing", "v10/"])
async def test_unknown_route_is_not_found(lab: Lab, path: str) -> None:
    response = await lab.get(path)
    assert (response.status, response.body) == (404, {"message": "404: Not Found", "code": 0})


async def test_unknown_guild_is_the_worlds_own_404(lab: Lab) -> None:
    assert (await lab.get("v10/guilds/12")).body == {"message": "Unknown Guild", "code": 10004}


async def test_requests_are_counted_by_route_and_status(lab: Lab) -> None:
    await lab.get(f"v10/guilds/{lab.world.guilds[0]}/bans")
    await lab.get(f"v10/guilds/{lab.world.guilds[1]}/bans")
    await lab.get("v10/whatever/1")
    await lab.get("v10/users/@me", None)
    assert (await lab.state())["counters"]["rest_requests"] == {
        "GET /guilds/{id}/bans 200": 2,
        "GET unknown 404": 1,
        "GET /users/@me 401": 1,
    }


async def test_every_answer_carries_its_buckets_headers(lab: Lab) -> None:
    response = await lab.get("v10/users/@me")
    limit = SimulatorSettings().rest_limit
    assert response.headers["X-RateLimit-Limit"] == str(limit)
    assert response.headers["X-RateLimit-Remaining"] == str(limit - 1)
    assert 0 < float(response.headers["X-RateLimit-Reset-After"]) <= 5
    assert float(response.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert len(response.headers["X-RateLimit-Bucket"]) == 32
    assert response.headers["Content-Type"] == "application/json"


async def test_exhausted_bucket_answers_429_and_recovers_after_retry_after(
    make_lab: Callable[..., Awaitable[Lab]],
) -> None:
    lab = await make_lab(rest_limit=2, rest_window_s=0.2)
    statuses = [(await lab.get("v10/users/@me")).status for _ in range(2)]
    response = await lab.get("v10/users/@me")
    answer = response.body
    assert (statuses, response.status) == ([200, 200], 429)
    assert (answer["message"], answer["global"]) == ("You are being rate limited.", False)
    assert response.headers["X-RateLimit-Scope"] == "user"
    assert response.headers["Retry-After"] == "1"
    assert (await lab.get("v10/gateway/bot")).status == 200
    await asyncio.sleep(answer["retry_after"])
    assert (await lab.get("v10/users/@me")).status == 200


async def test_global_limit_is_marked_as_such(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(rest_global_limit=1)
    await lab.get("v10/users/@me")
    response = await lab.get("v10/gateway/bot")
    answer = response.body
    assert (response.status, answer["global"]) == (429, True)
    assert (response.headers["X-RateLimit-Global"], response.headers["X-RateLimit-Scope"]) == (
        "true",
        "global",
    )


async def test_unauthorized_requests_use_no_quota(make_lab: Callable[..., Awaitable[Lab]]) -> None:
    lab = await make_lab(rest_limit=1)
    for _ in range(3):
        assert (await lab.get("v10/users/@me", "Bot wrong")).status == 401
    assert (await lab.get("v10/users/@me")).status == 200


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_failing_api_fails_every_route_for_its_time(lab: Lab, status: int) -> None:
    await lab.control(f"rest?status={status}&seconds=0.1")
    assert (await lab.get("v10/users/@me")).status == status
    assert (await lab.get("v10/gateway", None)).status == status
    await asyncio.sleep(0.11)
    assert (await lab.get("v10/users/@me")).status == 200


async def test_simulated_429_says_how_long_it_lasts(lab: Lab) -> None:
    await lab.control("rest?status=429&seconds=0.2")
    response = await lab.get("v10/users/@me")
    answer = response.body
    assert response.status == 429
    assert response.headers["X-RateLimit-Scope"] == "shared"
    assert 0 < answer["retry_after"] <= 0.201
    await asyncio.sleep(answer["retry_after"])
    assert (await lab.get("v10/users/@me")).status == 200


async def test_slow_api_answers_after_its_delay(lab: Lab) -> None:
    await lab.control("rest?delay=0.1&seconds=5")
    asking = asyncio.create_task(lab.get("v10/users/@me"))
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    assert (await asking).status == 200


async def test_trouble_with_the_api_leaves_the_gateway_alone(lab: Lab) -> None:
    await lab.control("rest?status=500&seconds=5")
    client = await lab.ready()
    lab.publish_message(1)
    await client.barrier()
    assert client.contents() == ["1"]

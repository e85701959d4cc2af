"""The unmodified disnake client accepts the simulator, through every kind of trouble."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import disnake
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.discord_simulator.protocol.conftest import Bot, Lab


async def start(lab: Lab, bot: Bot, *, shards: int | None = None) -> None:
    bot.start()
    await asyncio.wait_for(lab.gateway.all_ready(shards), 10)
    await bot.until(lambda bot: "ready" in bot.events)


@pytest.mark.parametrize("zlib", [True, False])
@pytest.mark.parametrize("kind", [disnake.Client, disnake.AutoShardedClient])
async def test_bare_client_becomes_ready_and_hears_messages(
    lab: Lab,
    make_bot: Callable[..., Bot],
    kind: type[disnake.Client],
    zlib: bool,  # noqa: FBT001 - a case
) -> None:
    bot = make_bot(lab, kind, zlib=zlib)
    await start(lab, bot)
    assert {guild.id for guild in bot.client.guilds} == set(lab.world.guilds)
    assert not any(guild.unavailable for guild in bot.client.guilds)
    for number in range(1, 101):
        lab.publish_message(number)
    await bot.until(lambda bot: len(bot.messages) == 100)
    assert bot.messages == [str(number) for number in range(1, 101)]
    assert bot.client.user is not None
    assert bot.client.user.id == 99
    assert lab.counters.closes == {}


async def test_recommended_shards_are_launched_and_hear_their_guilds(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot]
) -> None:
    lab = await make_lab(shards=3, max_concurrency=3, identify_window_s=5)
    bot = make_bot(lab)
    await start(lab, bot, shards=3)
    for number, guild in enumerate(lab.world.guilds, start=1):
        lab.publish_message(number, guild=guild)
    await bot.until(lambda bot: len(bot.messages) == 6)
    assert {guild.shard_id for guild in bot.client.guilds} == {0, 1, 2}
    assert lab.counters.identifies_refused == 0


@pytest.mark.parametrize("fault", ["drop", "reconnect", "invalidate?resumable=true"])
@pytest.mark.parametrize("zlib", [True, False])
async def test_client_resumes_and_misses_nothing(
    lab: Lab,
    make_bot: Callable[..., Bot],
    fault: str,
    zlib: bool,  # noqa: FBT001 - a case
) -> None:
    bot = make_bot(lab, zlib=zlib)
    await start(lab, bot)
    for number in range(1, 301):
        lab.publish_message(number)
        if number == 150:
            assert (await lab.control(fault))["met"] == 1
    await bot.until(lambda bot: "resumed" in bot.events and len(bot.messages) >= 300)
    assert bot.messages == [str(number) for number in range(1, 301)]
    assert (lab.counters.identifies, lab.counters.resumes) == (1, 1)
    assert lab.losses.ids() == []


async def test_client_leaves_a_half_open_socket_by_its_heartbeat_and_resumes(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot]
) -> None:
    lab = await make_lab(heartbeat_interval_ms=1_000, command_limit=100_000)
    bot = make_bot(lab, heartbeat_timeout=2.0)
    await start(lab, bot)
    lab.publish_message(1)
    await bot.until(lambda bot: bot.messages == ["1"])
    await lab.control("half-open")
    lab.publish_message(2)
    await bot.until(lambda bot: "resumed" in bot.events and len(bot.messages) == 2)
    assert bot.messages == ["1", "2"]
    assert lab.counters.identifies == 1
    assert lab.losses.ids() == []


async def test_client_identifies_anew_after_invalidation_and_the_ledger_knows_what_it_missed(
    lab: Lab, make_bot: Callable[..., Bot]
) -> None:
    bot = make_bot(lab)
    await start(lab, bot)
    for number in range(1, 201):
        lab.publish_message(number)
        if number == 100:
            await lab.control("invalidate?resumable=false")
    await lab.until(lambda: lab.counters.identifies == 2)
    lab.publish_message(201)
    await bot.until(lambda bot: "201" in bot.messages)
    assert sorted([*map(int, bot.messages), *lab.losses.ids()]) == list(range(1, 202))
    assert lab.losses.ids("no_session")
    assert lab.counters.resumes == 0


async def test_client_identifies_anew_when_its_session_expired(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot]
) -> None:
    lab = await make_lab(session_ttl_s=0.0)
    bot = make_bot(lab)
    await start(lab, bot)
    await lab.control("drop")
    await lab.until(lambda: lab.counters.identifies == 2)
    assert lab.counters.resumes_refused == 1


async def test_many_faults_in_a_row_lose_nothing(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(lab, zlib=True)
    await start(lab, bot)
    number = 0
    for round_number in range(6):
        for _ in range(50):
            number += 1
            lab.publish_message(number)
        await lab.control("drop" if round_number % 2 else "reconnect")
        await lab.until(lambda expected=round_number + 1: lab.counters.resumes >= expected)
    await bot.until(lambda bot: len(bot.messages) >= number)
    assert bot.messages == [str(seen) for seen in range(1, number + 1)]


async def test_wrong_token_is_a_login_failure(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    with pytest.raises(disnake.LoginFailure):
        await make_bot(lab).start("wrong")


@pytest.mark.parametrize("kind", [disnake.Client, disnake.AutoShardedClient])
async def test_privileged_intent_that_was_not_granted_is_reported(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot], kind: type[disnake.Client]
) -> None:
    lab = await make_lab(privileged_intents=0)
    bot = make_bot(lab, kind, intents=disnake.Intents(guilds=True, members=True), shard_count=1)
    with pytest.raises(disnake.PrivilegedIntentsRequired):
        await asyncio.wait_for(bot.start(), 10)


async def test_undefined_intent_ends_the_client_with_4013(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    intents = disnake.Intents(guilds=True)
    intents.value |= 1 << 29
    with pytest.raises(disnake.ConnectionClosed) as caught:
        await asyncio.wait_for(make_bot(lab, intents=intents).start(), 10)
    assert caught.value.code == 4013


async def test_token_revoked_while_connected_ends_the_client_with_4004(
    lab: Lab, make_bot: Callable[..., Bot]
) -> None:
    bot = make_bot(lab)
    await start(lab, bot)
    lab.gateway.admission.token_revoked = True
    await lab.control("drop")
    assert bot.task is not None
    with pytest.raises(disnake.ConnectionClosed) as caught:
        await asyncio.wait_for(bot.task, 10)
    assert caught.value.code == 4004


async def test_exhausted_session_limit_stops_the_client_before_it_identifies(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot]
) -> None:
    lab = await make_lab(session_limit=0)
    with pytest.raises(disnake.SessionStartLimitReached):
        await asyncio.wait_for(make_bot(lab).start(), 10)


async def test_client_waits_out_a_429_and_asks_again(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(lab)
    await start(lab, bot)
    await lab.control("rest?status=429&seconds=0.1")
    info = await bot.client.application_info()
    assert info.id == 99
    assert lab.counters.rest_requests["GET /oauth2/applications/@me 429"] >= 1


async def test_client_spaces_its_requests_by_the_headers(
    make_lab: Callable[..., Awaitable[Lab]], make_bot: Callable[..., Bot]
) -> None:
    lab = await make_lab(rest_limit=2, rest_window_s=0.1)
    bot = make_bot(lab)
    await start(lab, bot)
    guild = lab.world.guilds[0]
    for _ in range(5):
        await bot.client.fetch_guild(guild, with_counts=False)
    assert lab.counters.rest_requests["GET /guilds/{id} 200"] == 5
    assert lab.counters.rest_requests["GET /guilds/{id} 429"] == 0


async def test_forbidden_route_is_forbidden_to_disnake(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(lab)
    await start(lab, bot)
    guild = bot.client.get_guild(lab.world.guilds[0])
    assert guild is not None
    await lab.control("permission?name=ban_members&granted=false")
    with pytest.raises(disnake.Forbidden) as caught:
        await guild.bans().flatten()
    assert caught.value.code == 50013


async def test_client_that_closes_ends_its_session(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(lab)
    await start(lab, bot)
    await bot.stop()
    await lab.until(lambda: lab.counters.sessions_ended == 1)
    lab.publish_message(1)
    assert lab.losses.reports == [([1], "no_session")]


async def test_hostile_payload_does_not_end_the_bare_client(lab: Lab, make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(lab, enable_gateway_error_handler=True)
    await start(lab, bot)
    bot.client.on_gateway_error = _ignore
    await lab.control(f"inject?type=MESSAGE_CREATE&guild={lab.world.guilds[0]}", b'{"id": null}')
    lab.publish_message(1)
    await bot.until(lambda bot: bot.messages == ["1"])


async def _ignore(*_: object) -> None:
    """Swallow what disnake would print."""

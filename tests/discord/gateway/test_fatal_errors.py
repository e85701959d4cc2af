"""What no retry can change ends the run with one line a person can act on, and no further attempt."""

from __future__ import annotations

import pytest
from aiohttp import web

from exporter.discord.gateway.fatal_errors import FATAL_CODES, close_refused
from exporter.errors import CredentialsError
from tests.discord.conftest import Start
from tests.discord.fake_gateway import Connection, Gateway, answer
from tests.discord.harness import TOKEN

PORTAL = "Developer Portal › your application › Bot › Privileged Gateway Intents"


def _closing(code: int) -> object:
    async def script(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        await connection.close(code)

    return script


async def _refusal(gateway: Gateway, start: Start, **options: object) -> str:
    harness = start(**options)
    with pytest.raises(CredentialsError) as caught:
        await harness.task
    assert not harness.source.connected
    assert caught.value.exit_code == 78
    text = str(caught.value)
    assert "\n" not in text
    assert TOKEN not in text
    assert len(gateway.paths) <= 1
    return text


async def test_a_wrong_token_is_refused_before_a_socket_is_opened(gateway: Gateway, start: Start) -> None:
    gateway.failures = [answer({"message": "401: Unauthorized", "code": 0}, 401)]
    text = await _refusal(gateway, start)
    assert text == (
        "Discord refused the token (401 Unauthorized): copy the bot's current token into DISCORD_TOKEN or "
        "discord.token_file (Developer Portal › your application › Bot › Reset Token)"
    )
    assert gateway.rest == ["users/@me"]
    assert gateway.paths == []


async def test_a_token_revoked_after_the_login_is_refused_too(gateway: Gateway, start: Start) -> None:
    gateway.failures = [answer({"id": "1", "username": "b", "discriminator": "0", "avatar": None})]
    gateway.failures.append(answer({"message": "401: Unauthorized"}, 401))
    assert "refused the token" in await _refusal(gateway, start)


async def test_close_code_4004_is_a_wrong_token(gateway: Gateway, start: Start) -> None:
    gateway.scripts = [_closing(4004)]  # type: ignore[list-item]  # a script
    assert "Discord refused the token (close code 4004)" in await _refusal(gateway, start)


async def test_4014_names_the_intent_discord_has_not_granted_and_its_events(
    gateway: Gateway, start: Start
) -> None:
    gateway.flags = 1 << 13  # presences are granted, members are not
    gateway.scripts = [_closing(4014)]  # type: ignore[list-item]  # a script
    intents = {
        "guilds": (),
        "guild_members": ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"),
        "guild_presences": ("PRESENCE_UPDATE",),
    }
    text = await _refusal(gateway, start, intents=intents)
    assert text == (
        "Discord refused the privileged intent guild_members (GUILD_MEMBER_ADD, GUILD_MEMBER_REMOVE) (close "
        f"code 4014): switch on Server Members Intent under {PORTAL}, or set events.GUILD_MEMBER_ADD: false, "
        "events.GUILD_MEMBER_REMOVE: false"
    )


async def test_4014_names_every_privileged_intent_if_discord_does_not_say_which(
    gateway: Gateway, start: Start
) -> None:
    async def close_and_hide_flags(connection: Connection) -> None:
        await connection.hello()
        await connection.command()
        gateway.failures = [answer({"message": "no"}, 403)]
        await connection.close(4014)

    gateway.scripts = [close_and_hide_flags]
    intents = {"guild_members": ("GUILD_MEMBER_ADD",), "message_content": ("KEYWORDS",)}
    text = await _refusal(gateway, start, intents=intents)
    assert "guild_members (GUILD_MEMBER_ADD), message_content (KEYWORDS)" in text
    assert "Server Members Intent and Message Content Intent" in text
    assert "events.GUILD_MEMBER_ADD: false, events.KEYWORDS: false" in text


async def test_4013_lists_what_was_asked_for(gateway: Gateway, start: Start) -> None:
    gateway.scripts = [_closing(4013)]  # type: ignore[list-item]  # a script
    text = await _refusal(gateway, start)
    assert "close code 4013" in text
    assert "guild_messages (MESSAGE_CREATE)" in text
    assert "guilds (always needed)" in text


@pytest.mark.parametrize(("code", "word"), [(4010, "discord.shards"), (4011, "auto"), (4012, "update")])
async def test_a_refused_layout_or_version_says_what_to_do(
    gateway: Gateway, start: Start, code: int, word: str
) -> None:
    gateway.scripts = [_closing(code)]  # type: ignore[list-item]  # a script
    text = await _refusal(gateway, start)
    assert str(code) in text
    assert word in text


async def test_one_refused_shard_ends_all_of_them(gateway: Gateway, start: Start) -> None:
    gateway.shards = 2
    harness = start()
    first = await gateway.connected()
    second = await gateway.connected()
    await second.close(4004)
    with pytest.raises(CredentialsError):
        await harness.task
    await first.closed.wait()
    assert first.close_code == 1000


async def test_a_process_without_a_shard_says_so(gateway: Gateway, start: Start) -> None:
    text = await _refusal(gateway, start, cluster={"index": 1, "count": 2})
    assert "process 1 of 2 has no shard, the bot has only 1" in text
    assert gateway.paths == []


@pytest.mark.parametrize("token", [None, "", "  \n"])
async def test_no_token_says_where_to_put_one(gateway: Gateway, start: Start, token: str | None) -> None:
    assert "set DISCORD_TOKEN" in await _refusal(gateway, start, token=token)
    assert gateway.rest == []


@pytest.mark.parametrize("token", ["two words", "a\nb", "tökén", "a\x00b"])
async def test_a_token_that_cannot_be_one_is_not_sent_nor_printed(
    gateway: Gateway, start: Start, token: str
) -> None:
    text = await _refusal(gateway, start, token=token)
    assert "characters no token has" in text
    assert token not in text
    assert gateway.rest == []


def test_every_fatal_code_has_words() -> None:
    for code in FATAL_CODES:
        assert str(code) in str(close_refused(code, {"guilds": ()}))


async def test_a_server_error_at_login_is_no_refusal(gateway: Gateway, start: Start) -> None:
    gateway.failures = [web.Response(status=403, text="banned by Cloudflare for a while")]
    harness = start()
    await gateway.connected()
    assert not harness.task.done()

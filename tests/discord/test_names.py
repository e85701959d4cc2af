"""Intents, permissions and dispatches carry Discord's names and bits; labels stay within bounds."""

from __future__ import annotations

import disnake
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.discord.gateway.dispatches import LABELS
from exporter.discord.intents import (
    INTENTS,
    PRIVILEGED,
    granted_intents,
    intent_mask,
    refused_intents,
)
from exporter.discord.rest.client import route_label
from exporter.events.catalogue import full_catalogue
from exporter.events.permissions import PERMISSIONS, invite_url, missing_permissions, permission_mask
from exporter.events.rest_request import RequestKind
from exporter.events.spec import SHARD_STATE

DISNAKE_INTENTS = {
    "guild_members": "members",
    "guild_moderation": "moderation",
    "guild_expressions": "expressions",
    "guild_integrations": "integrations",
    "guild_webhooks": "webhooks",
    "guild_invites": "invites",
    "guild_voice_states": "voice_states",
    "guild_presences": "presences",
    "guild_message_reactions": "guild_reactions",
    "guild_message_typing": "guild_typing",
    "direct_messages": "dm_messages",
    "direct_message_reactions": "dm_reactions",
    "direct_message_typing": "dm_typing",
    "auto_moderation_configuration": "automod_configuration",
    "auto_moderation_execution": "automod_execution",
    "guild_message_polls": "guild_polls",
    "direct_message_polls": "dm_polls",
}


@pytest.mark.parametrize("name", INTENTS)
def test_an_intents_bit_is_the_one_disnake_uses(name: str) -> None:
    theirs = disnake.Intents.none()
    setattr(theirs, DISNAKE_INTENTS.get(name, name), True)
    assert theirs.value == INTENTS[name]


def test_every_intent_of_discords_is_known() -> None:
    assert intent_mask(INTENTS) == disnake.Intents.all().value


def test_an_unknown_intent_is_named() -> None:
    with pytest.raises(ValueError, match="not an intent of Discord's: guild_mesages, typo"):
        intent_mask(["guilds", "typo", "guild_mesages"])


def test_the_default_configuration_asks_for_neither_content_nor_presences() -> None:
    wanted = full_catalogue().switched({}).intents
    assert intent_mask(wanted) & intent_mask(["message_content", "guild_presences"]) == 0
    assert intent_mask(wanted) & intent_mask(["guilds"])


def test_every_intent_and_permission_an_event_declares_is_discords() -> None:
    catalogue = full_catalogue()
    assert intent_mask(catalogue.intents)
    assert permission_mask(catalogue.permissions)


@pytest.mark.parametrize(
    ("flags", "granted"),
    [
        (0, set()),
        (1 << 12, {"guild_presences"}),
        (1 << 15, {"guild_members"}),
        (1 << 18 | 1 << 14, {"message_content", "guild_members"}),
        (~0, set(PRIVILEGED)),
    ],
)
def test_application_flags_show_what_was_granted(flags: int, granted: set[str]) -> None:
    assert granted_intents(flags) == granted
    assert set(refused_intents(INTENTS, flags)) == set(PRIVILEGED) - granted
    assert refused_intents(["guilds"], flags) == ()


@pytest.mark.parametrize("name", sorted(PERMISSIONS.keys() - {"use_vad"}))
def test_a_permissions_bit_is_the_one_disnake_uses(name: str) -> None:
    assert disnake.Permissions.VALID_FLAGS[name] == PERMISSIONS[name]


def test_the_invite_link_asks_for_exactly_the_permissions() -> None:
    mask = permission_mask(["view_audit_log", "view_channel", "manage_guild"])
    assert mask == 128 + 1024 + 32
    assert invite_url(123, mask) == (
        "https://discord.com/oauth2/authorize?client_id=123&permissions=1184&scope=bot"
    )


def test_an_unknown_permission_is_named() -> None:
    with pytest.raises(ValueError, match="not a permission of Discord's: be_happy"):
        permission_mask(["ban_members", "be_happy"])


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (0, ("view_channel", "ban_members")),
        (1 << 10, ("ban_members",)),
        (1 << 10 | 1 << 2, ()),
        (1 << 3, ()),
    ],
)
def test_missing_permissions_are_named_and_an_administrator_lacks_none(
    granted: int, missing: tuple[str, ...]
) -> None:
    assert missing_permissions(["view_channel", "ban_members"], granted) == missing


def test_every_dispatch_the_catalogue_reads_has_its_own_label() -> None:
    answers = {f"REST_{kind}" for kind in RequestKind}
    assert set(full_catalogue().readers) - answers - {SHARD_STATE} <= set(LABELS)
    assert all(LABELS[name] == (name,) for name in LABELS)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/users/@me", "/users/@me"),
        ("/gateway/bot", "/gateway/bot"),
        ("/guilds/1/bans/2", "/guilds/{id}/bans/{id}"),
        ("/guilds/1/audit-logs", "/guilds/{id}/audit-logs"),
        ("/guilds/1/vanity-url", "/guilds/{id}/vanity-url"),
        ("/invites/my-server", "/invites/{id}"),
        ("/webhooks/1/s3cr3t-token", "/webhooks/{id}/{id}"),
        ("/channels/1/messages/2/reactions/%F0%9F%91%8D", "/channels/{id}/messages/{id}/reactions/{id}"),
    ],
)
def test_a_route_label_has_no_ids_codes_or_tokens(path: str, label: str) -> None:
    assert route_label(path) == label


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_route_label_is_made_of_known_words_only(path: str) -> None:
    segments = route_label(path).split("/")[1:]
    assert len(segments) <= 8
    assert all(segment == "{id}" or segment in path for segment in segments)
    assert all(segment.isascii() and len(segment) < 30 for segment in segments)

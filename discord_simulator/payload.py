"""Users, members, messages and guilds as objects of Discord's API.

Every field that Discord documents as always present is present, and no field that Discord would not send.
The text of users and members is cached, since most payloads repeat it.
Sources: Discord docs, Resources › User, Guild, Channel, Message, Voice, Emoji, Audit Log; Topics ›
Permissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from discord_simulator.objects import (
    Data,
    channel_object,
    emoji_object,
    link_embed,
    role_object,
    sticker_object,
    thread_object,
    webhook_user,
)
from discord_simulator.seed import Population, mix
from discord_simulator.snowflake import iso, snowflake_ms
from discord_simulator.vocabulary import Author, ChannelKind, MessageKind

if TYPE_CHECKING:
    from discord_simulator.guild import Guild, Message, VoiceState

_JOINED_WITHIN_MS = 120 * 86_400_000
"""Members at the start joined within this time after both the guild and the account were created."""

_RENDERINGS = 50_000
"""Users and members cached as JSON text; about 300 bytes each."""

_LARGE = 250
"""The largest ``large_threshold`` a client may ask for. Discord docs, Gateway Events › Identify."""


def roles_of(guild: Guild, user_id: int) -> list[int]:
    """Role ids of a member without @everyone: as changed since the start, else the initial ones."""
    if user_id in guild.given_roles:
        return guild.given_roles[user_id]
    if user_id in guild.bots:
        return [role.id for role in guild.roles if role.bot_id == user_id]
    if user_id in guild.moderators:
        return [guild.roles[1].id]
    bits = mix(user_id ^ guild.id)
    return [guild.roles[2 + bits % 3].id] if bits & 4 else []


def _features(guild: Guild) -> list[str]:
    return [*(("COMMUNITY", "NEWS") if guild.forum else ()), *(("VANITY_URL",) if guild.vanity else ())]


class Renderer:
    """Builds payloads and caches the text of users and members."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._users: dict[int, orjson.Fragment] = {}
        self._members: dict[tuple[int, int], orjson.Fragment] = {}

    def user(self, user_id: int) -> orjson.Fragment:
        """A user object."""
        if (known := self._users.get(user_id)) is not None:
            return known
        if len(self._users) >= _RENDERINGS:
            self._users.clear()
        rendered = self._users[user_id] = orjson.Fragment(orjson.dumps(self.plain_user(user_id)))
        return rendered

    def plain_user(self, user_id: int) -> Data:
        """A user object as a dictionary."""
        name = self._population.username(user_id)
        bits = mix(user_id)
        user: Data = {
            "id": str(user_id),
            "username": name,
            "discriminator": "0",
            "global_name": name.title() if bits & 1 else None,
            "avatar": f"{bits:032x}" if bits & 2 else None,
            "avatar_decoration_data": None,
            "collectibles": None,
            "primary_guild": None,
            "public_flags": 0,
        }
        if user_id in self._population.bots:
            user |= {"bot": True, "discriminator": f"{bits % 9999 + 1:04}", "global_name": None}
        return user

    def member(self, guild: Guild, user_id: int) -> orjson.Fragment:
        """A member object without its user, as messages carry it."""
        key = (guild.id, user_id)
        if (known := self._members.get(key)) is not None:
            return known
        if len(self._members) >= _RENDERINGS:
            self._members.clear()
        rendered = self._members[key] = orjson.Fragment(orjson.dumps(self.plain_member(guild, user_id)))
        return rendered

    def forget_member(self, guild: Guild, user_id: int) -> None:
        """Drop a member from the cache, because one of their fields changed."""
        self._members.pop((guild.id, user_id), None)

    def plain_member(self, guild: Guild, user_id: int) -> Data:
        """A member object without its user, as a dictionary."""
        bits = mix(user_id ^ guild.id)
        state = guild.states.get(user_id)
        boosting = guild.boosting.get(user_id)
        long_ago = max(guild.created_at, snowflake_ms(user_id)) + bits % _JOINED_WITHIN_MS
        since = guild.joined.get(user_id) or long_ago
        timeout = guild.timeouts.get(user_id)
        return {
            "nick": self.nickname(guild, user_id),
            "avatar": None,
            "banner": None,
            "roles": [str(role_id) for role_id in roles_of(guild, user_id)],
            "joined_at": iso(since),
            "premium_since": iso(boosting) if boosting else None,
            "deaf": state.deaf if state else False,
            "mute": state.mute if state else False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": iso(timeout.until) if timeout else None,
            "avatar_decoration_data": None,
        }

    def nickname(self, guild: Guild, user_id: int) -> str | None:
        """The nickname of a member in a guild, or None."""
        if user_id in guild.nicknames:
            return guild.nicknames[user_id]
        return self._population.nickname(user_id, guild.id)

    def whole_member(self, guild: Guild, user_id: int) -> Data:
        """A member object with its user."""
        return {**self.plain_member(guild, user_id), "user": self.user(user_id)}

    def voice_state(self, state: VoiceState, channel_id: int) -> Data:
        """A voice state without the guild's id; ``channel_id`` 0 means that the user has left voice."""
        return {
            "channel_id": str(channel_id) if channel_id else None,
            "user_id": str(state.user_id),
            "session_id": state.session_id,
            "deaf": state.deaf,
            "mute": state.mute,
            "self_deaf": state.self_deaf,
            "self_mute": state.self_mute,
            "self_stream": state.self_stream,
            "self_video": state.self_video,
            "suppress": False,
            "request_to_speak_timestamp": None,
        }

    def message(self, guild: Guild, message: Message) -> Data:
        """A message as the gateway sends it to a bot without the MESSAGE_CONTENT intent.

        Content and embeds are empty unless the message mentions the bot, as Discord documents.
        """
        data: Data = {
            "id": str(message.id),
            "channel_id": str(message.channel.id),
            "guild_id": str(guild.id),
            "type": message.kind,
            "content": message.content,
            "timestamp": iso(message.sent_at),
            "edited_timestamp": iso(message.edited_at) if message.edited_at else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [link_embed()] if message.embed and message.content else [],
            "components": [],
            "pinned": message.pinned,
            "flags": 32 if message.has_thread else 0,
            "channel_type": int(message.channel.kind),
        }
        if message.author is Author.WEBHOOK:
            data["webhook_id"] = str(message.author_id)
            data["author"] = webhook_user(message)
        else:
            data["author"] = self.user(message.author_id)
            data["member"] = self.member(guild, message.author_id)
            # Only messages that users write in a client have a nonce.
            if message.author is Author.HUMAN:
                data["nonce"] = str(message.id + 1)
        if message.content:
            data["mentions"] = [
                {
                    **self.plain_user(self._population.bot_id),
                    "member": self.plain_member(guild, self._population.bot_id),
                }
            ]
        if message.channel.kind is ChannelKind.THREAD:
            data["position"] = message.channel.sent
        if message.reply_to:
            self._refer(guild, message, data)
        return data

    def _refer(self, guild: Guild, message: Message, data: Data) -> None:
        if message.kind == MessageKind.THREAD_CREATED:
            data["message_reference"] = {
                "type": 0,
                "channel_id": str(message.reply_to),
                "guild_id": str(guild.id),
            }
            return
        data["message_reference"] = {
            "type": 0,
            "message_id": str(message.reply_to),
            "channel_id": str(message.channel.id),
            "guild_id": str(guild.id),
        }
        if message.kind == MessageKind.REPLY:
            target = next((m for m in message.channel.recent if m.id == message.reply_to), None)
            data["referenced_message"] = None
            if target is not None:
                plain = self.message(guild, target)
                plain.pop("referenced_message", None)
                plain.pop("member", None)
                data["referenced_message"] = plain

    def guild(self, guild: Guild) -> Data:
        """A guild object, as GUILD_UPDATE and REST carry it."""
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": guild.icon,
            "splash": None,
            "discovery_splash": None,
            "owner_id": str(guild.owner_id),
            "region": "deprecated",
            "afk_channel_id": str(guild.afk.id) if guild.afk else None,
            "afk_timeout": 300,
            "widget_enabled": False,
            "widget_channel_id": None,
            "verification_level": 1,
            "default_message_notifications": 1,
            "explicit_content_filter": 2,
            "roles": [role_object(guild, role) for role in guild.roles],
            "emojis": [emoji_object(emoji) for emoji in guild.emojis],
            "features": _features(guild),
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": str(guild.system_channel.id),
            "system_channel_flags": 0,
            "rules_channel_id": str(guild.text[0].id) if guild.forum else None,
            "max_presences": None,
            "max_members": 500_000,
            "vanity_url_code": guild.vanity.code if guild.vanity else None,
            "description": None,
            "banner": None,
            "premium_tier": guild.tier,
            "premium_subscription_count": guild.boosts,
            "preferred_locale": "en-US",
            "public_updates_channel_id": str(guild.text[-1].id) if guild.forum else None,
            "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50,
            "nsfw_level": 0,
            "stickers": [sticker_object(guild, sticker) for sticker in guild.stickers],
            "premium_progress_bar_enabled": False,
            "safety_alerts_channel_id": None,
            "incidents_data": None,
        }

    def guild_create(self, guild: Guild, *, all_members: bool, voice: bool) -> Data:
        """A GUILD_CREATE ``d``.

        Without the presence intent Discord sends only the bot and the members in voice, for guilds of any
        size; ``all_members`` adds the other members if the guild is not large.
        """
        large = guild.member_count > _LARGE
        present = (
            [*guild.members, *guild.bots] if all_members and not large else [guild.bots[0], *guild.states]
        )
        return {
            **self.guild(guild),
            "joined_at": iso(guild.joined_at),
            "large": large,
            "unavailable": False,
            "member_count": guild.member_count,
            "voice_states": [
                self.voice_state(state, state.channel_id) for state in guild.states.values() if voice
            ],
            "members": [self.whole_member(guild, user_id) for user_id in present],
            "channels": [channel_object(guild, channel) for channel in guild.channels()],
            "threads": [thread_object(guild, thread) for thread in guild.threads],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

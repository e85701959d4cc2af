"""Constants of Discord's API that the world uses, and the names of guilds, channels and users.

The names are difficult on purpose, within what Discord accepts: quotes, commas, equals signs, backslashes,
emoji and right-to-left scripts occur in real guilds, and each breaks some text format.
"""

from __future__ import annotations

import enum


class Intent(enum.IntFlag):
    """Discord docs, Gateway › List of Intents."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_EXPRESSIONS = 1 << 3
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    MESSAGE_CONTENT = 1 << 15
    AUTO_MODERATION_EXECUTION = 1 << 21


class ChannelKind(enum.IntEnum):
    """Discord docs, Resources › Channel › Channel Types."""

    TEXT = 0
    VOICE = 2
    CATEGORY = 4
    THREAD = 11
    FORUM = 15


class MessageKind(enum.IntEnum):
    """Discord docs, Resources › Message › Message Types."""

    DEFAULT = 0
    PIN = 6
    JOIN = 7
    BOOST = 8
    THREAD_CREATED = 18
    REPLY = 19
    AUTOMOD_ALERT = 24


class AuditAction(enum.IntEnum):
    """Discord docs, Resources › Audit Log › Audit Log Events."""

    GUILD_UPDATE = 1
    CHANNEL_CREATE = 10
    CHANNEL_UPDATE = 11
    CHANNEL_DELETE = 12
    MEMBER_KICK = 20
    MEMBER_PRUNE = 21
    MEMBER_BAN_ADD = 22
    MEMBER_BAN_REMOVE = 23
    MEMBER_UPDATE = 24
    MEMBER_ROLE_UPDATE = 25
    MEMBER_MOVE = 26
    MEMBER_DISCONNECT = 27
    BOT_ADD = 28
    ROLE_CREATE = 30
    ROLE_UPDATE = 31
    ROLE_DELETE = 32
    INVITE_CREATE = 40
    INVITE_DELETE = 42
    EMOJI_CREATE = 60
    EMOJI_UPDATE = 61
    EMOJI_DELETE = 62
    MESSAGE_DELETE = 72
    MESSAGE_BULK_DELETE = 73
    MESSAGE_PIN = 74
    STICKER_CREATE = 90
    STICKER_UPDATE = 91
    STICKER_DELETE = 92
    THREAD_CREATE = 110
    THREAD_UPDATE = 111
    THREAD_DELETE = 112
    AUTOMOD_BLOCK = 143
    AUTOMOD_FLAG = 144
    AUTOMOD_TIMEOUT = 145


class Author(enum.StrEnum):
    """Kind of author of a message, as messages are counted by it."""

    HUMAN = "human"
    BOT = "bot"
    WEBHOOK = "webhook"
    SYSTEM = "system"


VIEW_AUDIT_LOG = "view_audit_log"
BAN_MEMBERS = "ban_members"
MANAGE_GUILD = "manage_guild"
MANAGE_CHANNELS = "manage_channels"

PERMISSION_BITS = {
    BAN_MEMBERS: 1 << 2,
    MANAGE_CHANNELS: 1 << 4,
    MANAGE_GUILD: 1 << 5,
    VIEW_AUDIT_LOG: 1 << 7,
    "view_channel": 1 << 10,
}
"""Discord docs, Permissions › Bitwise Permission Flags."""

PERMISSIONS = frozenset(PERMISSION_BITS)
"""Permissions of the bot in every guild at the start."""

PRIVILEGED_FLAGS = 1 << 12 | 1 << 14 | 1 << 18
"""Presence, members and message content, all granted. Discord docs, Application › Application Flags."""

GUILD_NAMES = (
    "The Tavern",
    'Café "Zur Post", e.V.',
    "🎮 Game Night 🎲",
    "a=b, c=d",
    "C:\\Users\\gamers",
    "Rust & Python — friends",
    "日本語の会",
    "مجتمع المطورين",
    "{curly} [square] <angle>",
    "O'Brien's",
    "100% $HOME `whoami`",
    "semi;colon|pipe",
    "👩‍👩‍👧‍👦 family",
    "Ünïcödé Straße",
    "#hash @everyone",
)

TEXT_NAMES = (
    "general",
    "off-topic",
    "memes",
    "help",
    "announcements",
    "introductions",
    "games",
    "music-talk",
    "🐍-python",
    "art,pets=cute",
    "bot-commands",
    "long-reads",
)
VOICE_NAMES = ("Lounge", 'Stage "left"', "Gaming 1", "Gaming 2", "📚 Study room", "Music = loud")
THREAD_NAMES = ("Weekly plans", 'Bug: "it works here"', "🎂", "help = wanted, please", "Read me first")
ROLE_NAMES = ("Moderator", "Regular", "New", "🎨 Artist", "Night, owl")
EMOJI_NAMES = ("pog", "kek", "blobwave", "thisisfine", "partyparrot", "sadge", "ok_hand_2", "dance")
WEBHOOK_NAMES = ("GitHub", 'RSS "news", daily', "Uptime")
BOT_NAMES = ("Butler", "MusicBox", "ModMail", "DiceRoller", "PollMaker", "Starboard")
FIRST_NAMES = (
    "ada", "bob", "chen", "dora", "emre", "fay", "gus", "hana", "ivo", "jo", "kai", "lea", "mo", "nia",
    "oz", "pia", "quin", "rui", "sol", "tam", "uma", "vic", "wen", "xia", "yan", "zoe",
)  # fmt: skip
LAST_NAMES = (
    "ash", "birch", "cloud", "dune", "ember", "fox", "glen", "hawk", "iron", "jade", "kite", "lark", "moss",
    "night", "oak", "pike", "quartz", "rain", "stone", "tide",
)  # fmt: skip
NICKNAMES = ('"Doc"', "a, b = c", "🦊 fox", "x\\y", "李雷", "אבא", "Zoë", "the 'real' one")
UNICODE_EMOJI = ("👍", "❤️", "😂", "🔥", "👀", "🎉", "😮", "🙏", "🏳️‍🌈", "👍🏽", "1️⃣")
REASONS = (
    "spam",
    'said "hi", 40 times',
    "raid; see #log=7",
    "пропаганда",
    "🔨",
    "path C:\\temp, and a trailing backslash\\",
    "scam links",
    None,
)
PHRASES = ("what is the status?", "help, please", "are you =there=?", 'say "hello"')

"""The state of one guild.

Invariants: a user is in ``members`` or in ``bans`` or in neither, never in both; a user with a voice state is
a member; the messages in ``recent`` are not deleted; only the members and the bans grow without a bound, with
the number of actions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.vocabulary import Author, ChannelKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from discord_simulator.invite import Invite, Vanity

RECENT_MESSAGES = 64
"""Messages kept per channel, which members edit, delete and react to."""

AUDIT_ENTRIES = 20_000
"""Audit entries kept per guild: what moderators write in ten minutes without a pause, so that a slow reader
still finds the entries of its absence. Discord keeps the entries of 45 days, in any number."""

ACTIVE_THREADS = 12
"""Active threads per guild; a new one archives the oldest."""


@dataclass(slots=True, eq=False)
class Message:
    """A message that is not deleted. ``edited_at`` is 0 until the first edit."""

    id: int
    channel: Channel
    author_id: int
    author: Author
    kind: int
    sent_at: int
    content: str = ""
    edited_at: int = 0
    embed: bool = False
    pinned: bool = False
    has_thread: bool = False
    reply_to: int = 0
    webhook_name: str = ""
    reactions: dict[str, list[int]] = field(default_factory=dict)
    """Ids of the users who gave each emoji, in order, by emoji key."""


@dataclass(slots=True, eq=False)
class Channel:
    """A channel or an active thread."""

    id: int
    kind: ChannelKind
    name: str
    position: int = 0
    parent_id: int = 0
    owner_id: int = 0
    created_at: int = 0
    sent: int = 0
    recent: deque[Message] = field(default_factory=lambda: deque(maxlen=RECENT_MESSAGES))

    @property
    def activity_channel_id(self) -> int:
        """Id of the channel that activity is counted on: the parent of a thread, else this channel."""
        return self.parent_id if self.kind is ChannelKind.THREAD else self.id


@dataclass(slots=True, eq=False)
class VoiceState:
    """The voice session of a member.

    ``spent``, ``states`` and ``shown`` are milliseconds up to the time ``since``: by channel, by activity
    (active, alone, muted, deafened, afk) and by what was shown (stream, video).
    """

    user_id: int
    channel_id: int
    session_id: str
    joined_at: int
    since: int
    self_mute: bool = False
    self_deaf: bool = False
    self_stream: bool = False
    self_video: bool = False
    mute: bool = False
    deaf: bool = False
    spent: dict[int, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    """A role; the id of @everyone is the guild's id."""

    id: int
    name: str
    position: int
    bot_id: int = 0


@dataclass(frozen=True, slots=True)
class Emoji:
    """A custom emoji, or a unicode emoji with id 0."""

    id: int
    name: str
    animated: bool = False

    @property
    def key(self) -> str:
        """The id of a custom emoji, the text of a unicode one."""
        return str(self.id) if self.id else self.name


@dataclass(frozen=True, slots=True)
class Sticker:
    """A custom sticker of the guild."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook and the channel it posts to."""

    id: int
    name: str
    channel_id: int


@dataclass(slots=True, eq=False)
class AuditEntry:
    """An audit-log entry; the ``count`` of a grouped entry can still rise."""

    id: int
    at: int
    action: int
    user_id: int
    target_id: int
    reason: str | None = None
    channel_id: int = 0
    count: int = 0
    options: dict[str, str] = field(default_factory=dict)
    changes: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Timeout:
    """A timeout of a member; ``until`` is wall time in ms."""

    until: int
    entry_id: int


@dataclass(slots=True, eq=False)
class Guild:
    """A guild the bot is in."""

    id: int
    name: str
    owner_id: int
    created_at: int
    joined_at: int
    timezone: int
    text: list[Channel]
    voice: list[Channel]
    categories: list[Channel]
    forum: Channel | None
    afk: Channel | None
    roles: list[Role]
    emojis: list[Emoji]
    webhooks: list[Webhook]
    members: list[int]
    bots: list[int]
    moderators: list[int]
    icon: str | None = None
    boosts: int = 0
    unavailable: bool = False
    removed: bool = False
    permissions: set[str] = field(default_factory=set)
    threads: deque[Channel] = field(default_factory=lambda: deque(maxlen=ACTIVE_THREADS))
    joined: dict[int, int] = field(default_factory=dict)
    """Join time in ms, for members who joined while the simulator ran."""
    boosting: dict[int, int] = field(default_factory=dict)
    timeouts: dict[int, Timeout] = field(default_factory=dict)
    """Timeouts in force; Discord keeps the timeout of a member who left."""
    announced_targets: set[int] = field(default_factory=set)
    """Users whose audit entry is published already while the action is still to come."""
    nicknames: dict[int, str | None] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    """Valid invites by code, without the vanity URL."""
    vanity: Vanity | None = None
    stickers: list[Sticker] = field(default_factory=list)
    created_channels: list[Channel] = field(default_factory=list)
    """Channels created while the simulator ran; no message is written there, so they can be deleted."""
    given_roles: dict[int, list[int]] = field(default_factory=dict)
    """Roles of the members whose roles were changed while the simulator ran."""
    bans: dict[int, str | None] = field(default_factory=dict)
    former_members: deque[int] = field(default_factory=lambda: deque(maxlen=50))
    """Users who left and may join again."""
    states: dict[int, VoiceState] = field(default_factory=dict)
    audit: deque[AuditEntry] = field(default_factory=lambda: deque(maxlen=AUDIT_ENTRIES))
    _ranks: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ranks = {user_id: rank for rank, user_id in enumerate(self.members)}

    @property
    def is_visible(self) -> bool:
        """Whether the bot is a member of the guild and the guild is available."""
        return not (self.unavailable or self.removed)

    @property
    def member_count(self) -> int:
        """Number of members, bots included."""
        return len(self.members) + len(self.bots)

    @property
    def tier(self) -> int:
        """Boost level: 1, 2 and 3 need 2, 7 and 14 boosts."""
        return sum(self.boosts >= needed for needed in (2, 7, 14))

    @property
    def system_channel(self) -> Channel:
        """The channel of Discord's messages about joins and boosts."""
        return self.text[0]

    def ledger_fields(self) -> dict[str, object]:
        """What the ledger records about a guild when the bot can see it for the first time."""
        return {
            "name": self.name,
            "member_count": self.member_count,
            "owner_id": str(self.owner_id),
            "afk_channel_id": str(self.afk.id) if self.afk else None,
            "bots": [str(user_id) for user_id in self.bots],
        }

    def has_member(self, user_id: int) -> bool:
        """Whether a user is a member; False for bots."""
        return user_id in self._ranks

    def add_member(self, user_id: int, at: int) -> None:
        """Add a user as the least active member."""
        self._ranks[user_id] = len(self.members)
        self.members.append(user_id)
        self.joined[user_id] = at

    def remove_member(self, user_id: int) -> None:
        """Remove a user; the least active member takes the free rank."""
        rank = self._ranks.pop(user_id)
        last = self.members.pop()
        if last != user_id:
            self.members[rank] = last
            self._ranks[last] = rank
        self.joined.pop(user_id, None)

    def is_protected(self, user_id: int) -> bool:
        """Whether a member never leaves and is never removed: moderators, boosters, announced targets."""
        return user_id in self.moderators or user_id in self.boosting or user_id in self.announced_targets

    def channels(self) -> Iterator[Channel]:
        """All channels but threads."""
        yield from self.categories
        yield from self.text
        yield from self.voice
        if self.forum is not None:
            yield self.forum
        yield from self.created_channels

    def channel(self, channel_id: int) -> Channel | None:
        """The channel or active thread of this id, or None."""
        return next((c for c in (*self.channels(), *self.threads) if c.id == channel_id), None)

"""The state of one guild: what the world knows to be true, whoever may see it.

Invariants: a person is in ``members`` or in ``bans`` or in neither, never in both; whoever has a voice state
is a member; messages in a ring have not been deleted; nothing here grows without bound but the member list
and the bans, which grow as slowly as people act.
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
"""How far back in a channel people edit, delete and react."""

AUDIT_ENTRIES = 20_000
"""Entries kept per guild. Discord keeps 45 days of them, however many; this is what moderators write in ten
minutes without a pause, so that a slow reader still finds what was done in its absence."""

ACTIVE_THREADS = 12
"""Threads open at a time; a new one pushes out the oldest, as archiving does."""


@dataclass(slots=True, eq=False)
class Message:
    """A message that exists. ``edited_at`` is 0 while it has never been edited."""

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
    """Emoji key to the people who gave it, in order."""


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
        """The channel its activity belongs to: a thread's parent, else itself."""
        return self.parent_id if self.kind is ChannelKind.THREAD else self.id


@dataclass(slots=True, eq=False)
class VoiceState:
    """A member in voice.

    Up to ``since`` it holds milliseconds: ``spent`` by channel, ``states`` by what they did there, ``shown``
    by what they showed meanwhile.
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
    """A role; its id equals the guild's for @everyone."""

    id: int
    name: str
    position: int
    bot_id: int = 0


@dataclass(frozen=True, slots=True)
class Emoji:
    """A custom emoji with an id, or a unicode one without."""

    id: int
    name: str
    animated: bool = False

    @property
    def key(self) -> str:
        """What it is counted by."""
        return str(self.id) if self.id else self.name


@dataclass(frozen=True, slots=True)
class Sticker:
    """A sticker of the guild's own."""

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
    """An audit-log entry; ``count`` of a grouped one still rises."""

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
    """A member may not talk until a moment of wall time, in ms."""

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
    """When people joined, for those who did so while the simulator ran."""
    boosting: dict[int, int] = field(default_factory=dict)
    timeouts: dict[int, Timeout] = field(default_factory=dict)
    """Those in force; Discord keeps one for somebody who left."""
    announced_targets: set[int] = field(default_factory=set)
    """Those of whom the audit log says already what is about to be done to them."""
    nicknames: dict[int, str | None] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    """Those that work, by code; the vanity URL is not among them."""
    vanity: Vanity | None = None
    stickers: list[Sticker] = field(default_factory=list)
    created_channels: list[Channel] = field(default_factory=list)
    """Channels made while the simulator ran; nobody talks there, so they can go again."""
    given_roles: dict[int, list[int]] = field(default_factory=dict)
    """Nicknames and roles of those whose were changed while the simulator ran."""
    bans: dict[int, str | None] = field(default_factory=dict)
    former_members: deque[int] = field(default_factory=lambda: deque(maxlen=50))
    """People who left and may come back."""
    states: dict[int, VoiceState] = field(default_factory=dict)
    audit: deque[AuditEntry] = field(default_factory=lambda: deque(maxlen=AUDIT_ENTRIES))
    _ranks: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ranks = {user_id: rank for rank, user_id in enumerate(self.members)}

    @property
    def is_visible(self) -> bool:
        """Whether anything can happen here that the bot could see."""
        return not (self.unavailable or self.removed)

    @property
    def member_count(self) -> int:
        """People and bots."""
        return len(self.members) + len(self.bots)

    @property
    def tier(self) -> int:
        """Boost level; Discord asks for 2, 7 and 14 boosts."""
        return sum(self.boosts >= needed for needed in (2, 7, 14))

    @property
    def system_channel(self) -> Channel:
        """Where Discord announces joins and boosts."""
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
        """Whether a person is a member."""
        return user_id in self._ranks

    def add_member(self, user_id: int, at: int) -> None:
        """Add a person, as the least active one so far."""
        self._ranks[user_id] = len(self.members)
        self.members.append(user_id)
        self.joined[user_id] = at

    def remove_member(self, user_id: int) -> None:
        """Take a person out; the least active one moves up into the free rank."""
        rank = self._ranks.pop(user_id)
        last = self.members.pop()
        if last != user_id:
            self.members[rank] = last
            self._ranks[last] = rank
        self.joined.pop(user_id, None)

    def is_protected(self, user_id: int) -> bool:
        """Whether nobody removes this member and they do not leave: moderators, boosters and the doomed."""
        return user_id in self.moderators or user_id in self.boosting or user_id in self.announced_targets

    def channels(self) -> Iterator[Channel]:
        """Everything but threads."""
        yield from self.categories
        yield from self.text
        yield from self.voice
        if self.forum is not None:
            yield self.forum
        yield from self.created_channels

    def channel(self, channel_id: int) -> Channel | None:
        """A channel or active thread by id."""
        return next((c for c in (*self.channels(), *self.threads) if c.id == channel_id), None)

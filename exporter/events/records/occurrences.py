"""What happens once: a struct for each kind of occurrence.

An entry that amends an earlier one repeats only what it adds.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import UNSET, UnsetType

from exporter.events.records.values import Changes, Doc, Id, Int64, Milliseconds
from exporter.model import EntryData

_AuditEntryId = Annotated[Id | None, Doc("The audit-log entry that says so.")]
_Recovered = Annotated[bool | None, Doc("Found in the audit log afterwards, not seen live.")]
_Reason = Annotated[str | None, Doc("The reason given, if any.", personal=True)]
_KnownName = Annotated[str | None, Doc("That person's name, where known.", personal=True)]
_NameThen = Annotated[str | None, Doc("Name at that moment.", personal=True)]
_IsBot = Annotated[bool | None, Doc("Whether it is a bot.")]
_Code = Annotated[str, Doc("The invite's code.")]


ListedChannel: TypeAlias = tuple[Id, str, Int64, Id]
"""Id, name, type and parent of a channel; parent 0 for none."""


class GuildRecord(EntryData, frozen=True, kw_only=True):
    """A guild's settings; ``icon`` None says that it has none."""

    name: Annotated[str | None, Doc("Name.")] = None
    icon: Annotated[str | UnsetType | None, Doc("Hash of the icon; null for none.")] = UNSET
    owner_id: Annotated[Id | None, Doc("Who owns it.", personal=True)] = None
    member_count: Annotated[Int64 | None, Doc("Members at that moment.")] = None
    features: Annotated[list[str] | None, Doc("Discord's features, such as COMMUNITY.")] = None
    premium_tier: Annotated[Int64 | None, Doc("Boost level, 0 to 3.")] = None
    premium_subscription_count: Annotated[Int64 | None, Doc("Boosts.")] = None
    joined_at: Annotated[Milliseconds | None, Doc("When the bot joined, ms since the epoch.")] = None


class GuildSyncRecord(GuildRecord, frozen=True, kw_only=True):
    """A guild as it was found when a session started."""

    channels: Annotated[list[ListedChannel] | None, Doc("Channels: id, name, type, parent.")] = None


class GuildChannelsRecord(EntryData, frozen=True, kw_only=True):
    """Channels and threads of a guild that have changed, as they are now."""

    channels: Annotated[
        list[ListedChannel] | None, Doc("Those created or changed: id, name, type, parent.")
    ] = None
    deleted: Annotated[list[Id] | None, Doc("Those deleted.")] = None


class GuildUpdateRecord(GuildRecord, frozen=True, kw_only=True):
    """A guild's settings after a change."""

    changes: Annotated[Changes | None, Doc("Only what changed: old and new value by field.")] = None


class GuildDeleteRecord(EntryData, frozen=True, kw_only=True):
    """The bot was removed from a guild."""

    name: Annotated[str | None, Doc("Its name.")] = None


class MemberJoinRecord(EntryData, frozen=True, kw_only=True):
    """A member joined; the invite is added by an entry that amends."""

    event: Annotated[str | None, Doc("`join`")] = None
    user_id: Annotated[Id | None, Doc("Who joined.", personal=True)] = None
    username: _NameThen = None
    bot: _IsBot = None
    account_created_at: Annotated[
        Milliseconds | None, Doc("When the account was made, ms since the epoch.")
    ] = None
    invite_code: Annotated[str | None, Doc("The invite used, where that is certain.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made that invite.", personal=True)] = None


class MemberLeaveRecord(EntryData, frozen=True, kw_only=True):
    """A member left; the reason is decided later and added by an entry that amends."""

    event: Annotated[str | None, Doc("`leave`")] = None
    user_id: Annotated[Id | None, Doc("Who left.", personal=True)] = None
    username: _NameThen = None
    bot: _IsBot = None
    reason: Annotated[
        str | None, Doc("`leave`, `kick`, `ban` or `prune`; `unknown` where there is no evidence.")
    ] = None
    moderator_id: Annotated[Id | None, Doc("Who kicked, banned or pruned.", personal=True)] = None
    moderator_username: _KnownName = None
    audit_entry_id: _AuditEntryId = None
    recovered: _Recovered = None


class InviteRecord(EntryData, frozen=True, kw_only=True):
    """An invite was made; an entry that amends has the uses as they were read later."""

    code: _Code
    channel_id: Annotated[Id | None, Doc("Where it leads.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made it.", personal=True)] = None
    inviter_username: Annotated[str | None, Doc("That person's name.", personal=True)] = None
    max_uses: Annotated[Int64 | None, Doc("Uses allowed; 0 for no limit.")] = None
    max_age: Annotated[Int64 | None, Doc("Lifetime in seconds; 0 for ever.")] = None
    temporary: Annotated[bool | None, Doc("Whether members stay only while they are online.")] = None
    uses: Annotated[Int64 | None, Doc("Uses when last read; 0 for a new invite.")] = None
    created_at: Annotated[Milliseconds | None, Doc("When it was made, ms since the epoch.")] = None
    expires_at: Annotated[Milliseconds | None, Doc("When it ends by itself, ms since the epoch.")] = None


class InviteDeleteRecord(EntryData, frozen=True, kw_only=True):
    """An invite was revoked or used up."""

    code: _Code


class InviteUseRecord(EntryData, frozen=True, kw_only=True):
    """A member joined, and by which invite as far as that is known."""

    invitee_id: Annotated[Id | None, Doc("Who joined.", personal=True)] = None
    invitee_username: _NameThen = None
    invite_code: Annotated[str | None, Doc("The invite used, where known.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made it.", personal=True)] = None
    inviter_username: Annotated[str | None, Doc("That person's name.", personal=True)] = None
    method: Annotated[str | None, Doc("`invite`, `vanity`, `oauth` or `unknown`.")] = None
    confidence: Annotated[str | None, Doc("`exact`, `probable`, `ambiguous` or `unknown`.")] = None
    candidates: Annotated[list[str] | None, Doc("The codes it may have been, where more than one.")] = None


class ModerationRecord(EntryData, frozen=True, kw_only=True):
    """An action of a moderator or of AutoModeration on a member; bans and unbans have no more fields.

    The first entry of an action has ``action``; one that amends it repeats only what it adds.
    """

    action: Annotated[str | None, Doc("The action, as in `discord_moderation_actions_total`.")] = None
    target_user_id: Annotated[Id | None, Doc("The member it was done to.", personal=True)] = None
    target_username: _NameThen = None
    moderator_id: Annotated[Id | None, Doc("Who did it; null while or where unknown.", personal=True)] = None
    moderator_username: _KnownName = None
    reason: _Reason = None
    audit_entry_id: _AuditEntryId = None
    recovered: _Recovered = None


class VoiceOrderRecord(ModerationRecord, frozen=True, kw_only=True):
    """A member in voice was muted, unmuted, deafened or undeafened by a moderator."""

    nick: Annotated[str | None, Doc("The new nickname, where the same action set one.", personal=True)] = None
    old_nick: Annotated[str | None, Doc("The nickname before.", personal=True)] = None
    also: Annotated[list[str] | None, Doc("Further actions by the same audit-log entry.")] = None


class AutomodRecord(ModerationRecord, frozen=True, kw_only=True):
    """AutoModeration applied a rule."""

    rule_id: Annotated[Id | None, Doc("The rule that applied.")] = None
    rule: Annotated[str | None, Doc("Its name, from the audit log.")] = None
    channel_id: Annotated[Id | None, Doc("Where it applied.")] = None
    message_id: Annotated[Id | None, Doc("The message, where it was not blocked.")] = None


class AuditedActionRecord(ModerationRecord, frozen=True, kw_only=True):
    """An action known from the audit log, or from the state of a member."""

    until: Annotated[Milliseconds | None, Doc("Of a timeout: its end, ms since the epoch.")] = None
    roles: Annotated[list[Id] | None, Doc("Of role changes: the roles.")] = None
    roles_removed: Annotated[
        list[Id] | None, Doc("The roles taken where others were given by the same action.")
    ] = None
    nick: Annotated[str | None, Doc("Of a renaming: the new nickname.", personal=True)] = None
    old_nick: Annotated[str | None, Doc("The nickname before.", personal=True)] = None
    members_removed: Annotated[Int64 | None, Doc("Of a prune: the number of members removed.")] = None
    days: Annotated[Int64 | None, Doc("Of a prune: the days of inactivity it asked for.")] = None
    count: Annotated[Int64 | None, Doc("Of messages, moves and disconnections: how many, as last read.")] = (
        None
    )
    channel_id: Annotated[Id | None, Doc("Where; of moves, the destination.")] = None
    also: Annotated[list[str] | None, Doc("Further actions by the same audit-log entry.")] = None


class StructureRecord(EntryData, frozen=True, kw_only=True):
    """A part of a guild was created or deleted."""

    target_id: Annotated[Id | None, Doc("The part it was done to.")] = None
    name: Annotated[str | None, Doc("Its name, where known.")] = None
    actor_id: Annotated[Id | None, Doc("Who did it; null while or where unknown.", personal=True)] = None
    actor_username: _KnownName = None
    reason: _Reason = None
    audit_entry_id: _AuditEntryId = None
    recovered: _Recovered = None


class StructureUpdateRecord(StructureRecord, frozen=True, kw_only=True):
    """A part of a guild was changed."""

    changes: Annotated[
        Changes | None, Doc("Only what changed: old and new value by field, as the audit log names them.")
    ] = None


class ChannelUpdateRecord(StructureUpdateRecord, frozen=True, kw_only=True):
    """A channel was changed, or what it allows a role or member."""

    role_id: Annotated[Id | None, Doc("The role whose permissions in the channel were changed.")] = None


class LevelUpRecord(EntryData, frozen=True, kw_only=True):
    """A member reached a level."""

    user_id: Annotated[Id, Doc("Who reached it.", personal=True)]
    username: Annotated[str | None, Doc("Their name, where known.", personal=True)] = None
    level: Annotated[Int64, Doc("The level.")]
    xp: Annotated[Int64, Doc("The experience they had then.")]

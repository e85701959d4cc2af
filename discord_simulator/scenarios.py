"""Scenarios by name: each is a table of weights of behaviours, and may schedule callbacks at the start.

To add one, give it a line in ``SCENARIOS`` and its name to the options of ``simulate``. Invariant: the ledger
of a scenario is as complete as any; every join has its INVITE_USE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from discord_simulator import vocabulary as words
from discord_simulator.behaviours import chat, guild_admin, joins, membership, moderation, structure, voice
from discord_simulator.behaviours.context import BehaviourSettings
from discord_simulator.operations import guilds, invites, members
from discord_simulator.operations.audit import Actor
from discord_simulator.traffic import EVERYDAY, Behaviour

if TYPE_CHECKING:
    import random

    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild

_RAIDERS = 200
_RAID_SECONDS = 45.0
_BAN_SECONDS = 5.0
_RAID_EVERY = 70.0
"""The members of a raid join within a minute and are banned at once; the next raid begins after that."""

_FIRST_RAIDER = 10_000_000
"""Number of the first raider; no guild has users of such numbers."""

_ROTATE_SECONDS = 7.0
_UNPUBLISHED_SHARE = 0.1
"""Share of audit entries that are never published."""


def schedule_nothing(_context: Context) -> None:
    """Schedule no callback."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Weights of behaviours, what is scheduled at the start, and the settings of the behaviours."""

    help: str
    behaviours: Mapping[Behaviour, float]
    begin: Callable[[Context], None] = schedule_nothing
    settings: BehaviourSettings = field(default_factory=BehaviourSettings)


_MUCH_MODERATION: Final[Mapping[Behaviour, float]] = {
    moderation.time_out: 30,
    moderation.extend_timeout: 8,
    moderation.lift_timeout: 10,
    moderation.give_roles: 30,
    moderation.take_role: 20,
    moderation.set_nickname: 20,
    moderation.set_own_nickname: 10,
    moderation.mute_or_deafen: 25,
    moderation.move_members: 15,
    moderation.disconnect_members: 6,
    moderation.add_bot: 3,
    moderation.trigger_automod: 30,
    moderation.delete_as_bot: 10,
    chat.delete_as_moderator: 40,
    chat.delete_bulk: 5,
    voice.join: 60,
    membership.kick: 15,
    membership.ban: 20,
    membership.unban: 12,
    joins.join: 50,
}
"""Weights for a high share of moderation."""

_SHORT_TERMS: Final = BehaviourSettings(timeouts=(5.0, 40.0), invite_ages=(10.0, 30.0, 1800.0))
"""Timeouts and invites that expire within a run."""


def _late_audit_delay(rng: random.Random) -> float | None:
    """Delay of an audit entry: never, just before its event, or up to five seconds after."""
    return (
        None
        if rng.random() < _UNPUBLISHED_SHARE
        else rng.choice((-1.0, rng.uniform(0, 5), rng.uniform(0, 5)))
    )


# ── callbacks at the start ───────────────────────────────────────────────────────────────────────────


def _raid(context: Context, number: int = 0) -> None:
    """Many users join by one invite, or a new one if that was deleted; then all are banned."""
    context.scheduler.after(_RAID_EVERY, lambda: _raid(context, number + 1))
    target = max(context.guilds(), key=lambda guild: guild.member_count, default=None)
    if target is None:
        return
    guild = target
    inviter = Actor(context.member(guild))
    raid_invites = [invites.create(context.world, guild, guild.text[0], inviter)]
    first = _FIRST_RAIDER + number * _RAIDERS
    raiders = [context.world.population.user_id(first + each) for each in range(_RAIDERS)]
    by = Actor(context.moderator(guild), "raid")

    def join(user_id: int) -> None:
        if not guild.is_visible or guild.has_member(user_id) or user_id in guild.bans:
            return
        if raid_invites[-1].code not in guild.invites:
            raid_invites.append(invites.create(context.world, guild, guild.text[0], inviter))
        invites.join(context.world, guild, user_id, raid_invites[-1])

    def ban(user_id: int) -> None:
        if guild.is_visible and user_id not in guild.bans:
            members.ban(context.world, guild, user_id, by)

    for user_id in raiders:
        context.scheduler.after(context.rng.uniform(0, _RAID_SECONDS), partial(join, user_id))
        context.scheduler.after(_RAID_SECONDS + context.rng.uniform(1, _BAN_SECONDS), partial(ban, user_id))


def _rotate_permissions(context: Context) -> None:
    """Withdraw one permission in each guild, then grant it again and withdraw the next, repeatedly."""
    for number, guild in enumerate(tuple(context.world.guilds.values())):
        _rotate_permission(context, guild, number)


def _rotate_permission(context: Context, guild: Guild, number: int) -> None:
    names = sorted(words.PERMISSIONS)
    if guild.is_visible:
        for name in names:
            guilds.set_permission(context.world, guild, name, granted=name != names[number % len(names)])
    if not guild.removed:
        context.scheduler.after(_ROTATE_SECONDS, lambda: _rotate_permission(context, guild, number + 1))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "raid": Scenario("200 users join within a minute and all are banned.", EVERYDAY, _raid),
    "prune": Scenario(
        "Large prunes while other members leave, are kicked and join.",
        {
            **EVERYDAY,
            membership.prune: 3,
            membership.prune_large: 5,
            joins.join: 150,
            membership.leave: 25,
            membership.kick: 10,
        },
    ),
    "moderator-spree": Scenario(
        "Frequent moderation of every kind.", {**EVERYDAY, **_MUCH_MODERATION}, settings=_SHORT_TERMS
    ),
    "invite-storm": Scenario(
        "Bursts of joins by invites that are created, used up, deleted and expire.",
        {
            **EVERYDAY,
            joins.join: 120,
            joins.create_invite: 40,
            joins.create_personal_invite: 30,
            joins.delete_invite: 12,
            moderation.add_bot: 1,
            membership.leave: 120,
        },
        settings=_SHORT_TERMS,
    ),
    "voice-evening": Scenario(
        "Frequent voice sessions; members are muted, moved and disconnected.",
        {
            **EVERYDAY,
            voice.join: 200,
            voice.move: 80,
            voice.toggle: 200,
            moderation.mute_or_deafen: 40,
            moderation.move_members: 30,
            moderation.disconnect_members: 15,
        },
    ),
    "outage": Scenario(
        "Guilds become unavailable and available again all the time.",
        {**EVERYDAY, guild_admin.begin_outage: 8, voice.join: 60},
    ),
    "thread-heavy": Scenario(
        "Many threads and forum posts, and changes of structure.",
        {
            **EVERYDAY,
            chat.start_thread: 80,
            structure.rename_thread: 20,
            structure.delete_thread: 15,
            structure.change_roles: 15,
            structure.change_channels: 15,
            structure.change_emojis: 15,
            structure.change_stickers: 15,
            structure.update_presence: 30,
        },
    ),
    "no-permissions": Scenario(
        "The bot lacks one permission after another.",
        {**EVERYDAY, **_MUCH_MODERATION, joins.create_invite: 10},
        _rotate_permissions,
        _SHORT_TERMS,
    ),
    "late-audit": Scenario(
        "Audit entries are published before or up to five seconds after their events, or never.",
        {**EVERYDAY, **_MUCH_MODERATION},
        settings=BehaviourSettings(_late_audit_delay, early_audit_share=0.3, timeouts=(5.0, 40.0)),
    ),
}
"""Every scenario by its name on the command line."""

"""Days that are not ordinary, by name: each is a table of habits, and at times a plan, over the same deeds.

To add one, give it a line in ``SCENARIOS``. Invariant: in a scenario every join has its INVITE_USE; what is
true stands in the ledger as on any day.
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
"""A raid comes within a minute, is answered at once, and the next one leaves time to see it end."""

_FIRST_RAIDER = 10_000_000
"""Raiders are people of the population that no guild had before."""

_ROTATE_SECONDS = 7.0
_NEVER = 0.1
"""Share of late entries that are never told."""


def nothing(_scene: Context) -> None:
    """Plan nothing."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A table of habits with their weights, a plan made at the start, and the manners of the day."""

    help: str
    behaviours: Mapping[Behaviour, float]
    begin: Callable[[Context], None] = nothing
    settings: BehaviourSettings = field(default_factory=BehaviourSettings)


_STRICT: Final[Mapping[Behaviour, float]] = {
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
"""Moderators who hardly sleep."""

_SHORT: Final = BehaviourSettings(timeouts=(5.0, 40.0), invite_ages=(10.0, 30.0, 1800.0))
"""What ends by itself ends within the run."""


def _late_audit_delay(rng: random.Random) -> float | None:
    """Never, just before, or up to five seconds after."""
    return None if rng.random() < _NEVER else rng.choice((-1.0, rng.uniform(0, 5), rng.uniform(0, 5)))


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────


def _raid(context: Context, number: int = 0) -> None:
    """Many strangers come by one invite, or a new one if that was closed; when noticed, all are banned."""
    context.scheduler.after(_RAID_EVERY, lambda: _raid(context, number + 1))
    target = max(context.guilds(), key=lambda guild: guild.member_count, default=None)
    if target is None:
        return
    guild = target
    friend = Actor(context.member(guild))
    links = [invites.create(context.world, guild, guild.text[0], friend)]
    first = _FIRST_RAIDER + number * _RAIDERS
    raiders = [context.world.population.user_id(first + each) for each in range(_RAIDERS)]
    by = Actor(context.moderator(guild), "raid")

    def come(user_id: int) -> None:
        if not guild.is_visible or guild.has_member(user_id) or user_id in guild.bans:
            return
        if links[-1].code not in guild.invites:
            links.append(invites.create(context.world, guild, guild.text[0], friend))
        invites.join(context.world, guild, user_id, links[-1])

    def strike(user_id: int) -> None:
        if guild.is_visible and user_id not in guild.bans:
            members.ban(context.world, guild, user_id, by)

    for user_id in raiders:
        context.scheduler.after(context.rng.uniform(0, _RAID_SECONDS), partial(come, user_id))
        context.scheduler.after(
            _RAID_SECONDS + context.rng.uniform(1, _BAN_SECONDS), partial(strike, user_id)
        )


def _withdraw(context: Context) -> None:
    """Take a permission from each guild, then give it back and take the next, again and again."""
    for number, guild in enumerate(tuple(context.world.guilds.values())):
        _rotate(context, guild, number)


def _rotate(context: Context, guild: Guild, number: int) -> None:
    names = sorted(words.PERMISSIONS)
    if guild.is_visible:
        for name in names:
            guilds.set_permission(context.world, guild, name, granted=name != names[number % len(names)])
    if not guild.removed:
        context.scheduler.after(_ROTATE_SECONDS, lambda: _rotate(context, guild, number + 1))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "raid": Scenario("200 strangers join within a minute, and are all banned.", EVERYDAY, _raid),
    "prune": Scenario(
        "Large prunes among people who leave, are kicked and come.",
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
        "Moderators do everything they can.", {**EVERYDAY, **_STRICT}, settings=_SHORT
    ),
    "invite-storm": Scenario(
        "People come in bursts by invites that are made, used up, deleted and expire.",
        {
            **EVERYDAY,
            joins.join: 120,
            joins.create_invite: 40,
            joins.create_personal_invite: 30,
            joins.delete_invite: 12,
            moderation.add_bot: 1,
            membership.leave: 120,
        },
        settings=_SHORT,
    ),
    "voice-evening": Scenario(
        "Everybody is in voice; people are muted, moved and thrown out.",
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
        "Guilds fail and come back all the time.", {**EVERYDAY, guild_admin.begin_outage: 8, voice.join: 60}
    ),
    "thread-heavy": Scenario(
        "Threads and forum posts come and go, and guilds are rebuilt.",
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
        "The bot lacks one permission after the other.",
        {**EVERYDAY, **_STRICT, joins.create_invite: 10},
        _withdraw,
        _SHORT,
    ),
    "late-audit": Scenario(
        "Audit entries come before, after and never, up to five seconds off, in any moderation.",
        {**EVERYDAY, **_STRICT},
        settings=BehaviourSettings(_late_audit_delay, early_audit_share=0.3, timeouts=(5.0, 40.0)),
    ),
}
"""Every scenario by its name on the command line."""

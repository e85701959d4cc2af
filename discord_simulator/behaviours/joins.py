"""People make invites, take them back, and others come by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.behaviours.membership import newcomer
from discord_simulator.operations import invites
from discord_simulator.operations.audit import Actor

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild
    from discord_simulator.invite import Invite

_BURST = range(3, 15)
"""People who come at about the same time, as after a link was shared."""

_MOST = 40
"""Invites of a guild after which no more are made."""

_FEWEST = 3
"""Invites that nobody takes back."""

_USES = (0, 0, 0, 1, 1, 5, 10)
_BY_VANITY, _UNSEEN = 0.3, 0.1
"""Share of joins by the vanity URL, where there is one, and of those nobody can explain."""


def join(context: Context) -> bool:
    """Somebody joins; sometimes many do within seconds, most of them by the same invite."""
    guild = context.guild()
    if guild is None:
        return False
    if context.chance(0.05):
        shared = _some_invite(context, guild)
        for _ in range(context.rng.choice(_BURST)):
            context.scheduler.after(context.rng.uniform(0, 3), lambda: join_guild(context, guild, shared))
    return join_guild(context, guild)


def join_guild(context: Context, guild: Guild, invite: Invite | None = None) -> bool:
    """Somebody joins by this invite if it still works, or in another way."""
    user_id = newcomer(context, guild)
    if user_id is None:
        return False
    if invite is None or guild.invites.get(invite.code) is not invite:
        invite = _some_invite(context, guild)
    dice = context.rng.random()
    if guild.vanity and dice < _BY_VANITY:
        invites.join_by_vanity(context.world, guild, user_id)
    elif invite is None or dice > 1 - _UNSEEN:
        invites.join_untraced(context.world, guild, user_id)
    else:
        invites.join(context.world, guild, user_id, invite, delete_first=context.chance(0.5))
    return True


def _some_invite(context: Context, guild: Guild) -> Invite | None:
    there = list(guild.invites.values())
    return there[-1 - context.rank(len(there))] if there else None


def create_invite(context: Context) -> bool:
    """Somebody makes an invite; some hold for a few uses, or for a while."""
    guild = context.guild()
    if guild is None or len(guild.invites) >= _MOST:
        return False
    maker = Actor(context.member(guild), delay=context.audit_delay())
    channel = guild.text[context.rank(len(guild.text))]
    invites.create(
        context.world,
        guild,
        channel,
        maker,
        max_uses=context.rng.choice(_USES),
        max_age=round(context.rng.choice((0, *context.invite_ages))),
        temporary=context.chance(0.05),
    )
    return True


def create_personal_invite(context: Context) -> bool:
    """Somebody makes an invite for one person, who soon comes."""
    guild = context.guild()
    if guild is None or len(guild.invites) >= _MOST:
        return False
    maker = Actor(context.member(guild), delay=context.audit_delay())
    invite = invites.create(context.world, guild, guild.text[0], maker, max_uses=1, max_age=3600)

    def come() -> None:
        user_id = newcomer(context, guild)
        if user_id is not None and guild.invites.get(invite.code) is invite:
            invites.join(context.world, guild, user_id, invite, delete_first=context.chance(0.5))

    context.scheduler.after(context.rng.uniform(0.2, 6), come)
    return True


def delete_invite(context: Context) -> bool:
    """A moderator takes an invite back."""
    guild = context.guild()
    if guild is None or len(guild.invites) <= _FEWEST:
        return False
    invite = context.rng.choice(list(guild.invites.values()))
    invites.delete(context.world, guild, invite, Actor(context.moderator(guild), delay=context.audit_delay()))
    return True

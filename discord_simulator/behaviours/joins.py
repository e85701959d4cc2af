"""Behaviours with invites: created, deleted, and joins by them."""

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
"""Numbers of users who join within seconds, as after a link was shared."""

_MOST_INVITES = 40
"""Largest number of invites of a guild."""

_FEWEST_INVITES = 3
"""Number of invites below which none is deleted."""

_USES = (0, 0, 0, 1, 1, 5, 10)
_BY_VANITY, _UNTRACED = 0.3, 0.1
"""Share of joins by the vanity URL, where there is one, and of joins that raise no count."""


def join(context: Context) -> bool:
    """A user joins; sometimes several do within seconds, most of them by the same invite."""
    guild = context.guild()
    if guild is None:
        return False
    if context.chance(0.05):
        shared = _choose_invite(context, guild)
        for _ in range(context.rng.choice(_BURST)):
            context.scheduler.after(context.rng.uniform(0, 3), lambda: join_guild(context, guild, shared))
    return join_guild(context, guild)


def join_guild(context: Context, guild: Guild, invite: Invite | None = None) -> bool:
    """A user joins by this invite if it is still valid, or in another way."""
    user_id = newcomer(context, guild)
    if user_id is None:
        return False
    if invite is None or guild.invites.get(invite.code) is not invite:
        invite = _choose_invite(context, guild)
    draw = context.rng.random()
    if guild.vanity and draw < _BY_VANITY:
        invites.join_by_vanity(context.world, guild, user_id)
    elif invite is None or draw > 1 - _UNTRACED:
        invites.join_untraced(context.world, guild, user_id)
    else:
        invites.join(context.world, guild, user_id, invite, delete_first=context.chance(0.5))
    return True


def _choose_invite(context: Context, guild: Guild) -> Invite | None:
    valid = list(guild.invites.values())
    return valid[-1 - context.rank(len(valid))] if valid else None


def create_invite(context: Context) -> bool:
    """A member creates an invite; some have a limit of uses or a lifetime."""
    guild = context.guild()
    if guild is None or len(guild.invites) >= _MOST_INVITES:
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
    """A member creates an invite of a single use, by which a user joins within seconds."""
    guild = context.guild()
    if guild is None or len(guild.invites) >= _MOST_INVITES:
        return False
    maker = Actor(context.member(guild), delay=context.audit_delay())
    invite = invites.create(context.world, guild, guild.text[0], maker, max_uses=1, max_age=3600)

    def join_by_invite() -> None:
        user_id = newcomer(context, guild)
        if user_id is not None and guild.invites.get(invite.code) is invite:
            invites.join(context.world, guild, user_id, invite, delete_first=context.chance(0.5))

    context.scheduler.after(context.rng.uniform(0.2, 6), join_by_invite)
    return True


def delete_invite(context: Context) -> bool:
    """A moderator deletes an invite."""
    guild = context.guild()
    if guild is None or len(guild.invites) <= _FEWEST_INVITES:
        return False
    invite = context.rng.choice(list(guild.invites.values()))
    invites.delete(context.world, guild, invite, Actor(context.moderator(guild), delay=context.audit_delay()))
    return True

"""People make invites, take them back, and others come by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.behaviours.membership import newcomer
from discord_simulator.operations import invites
from discord_simulator.operations.audit import By

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Guild
    from discord_simulator.invitation import Invite

_BURST = range(3, 15)
"""People who come at about the same time, as after a link was shared."""

_MOST = 40
"""Invites of a guild after which no more are made."""

_FEWEST = 3
"""Invites that nobody takes back."""

_USES = (0, 0, 0, 1, 1, 5, 10)
_BY_VANITY, _UNSEEN = 0.3, 0.1
"""Share of joins by the vanity URL, where there is one, and of those nobody can explain."""


def arrive(scene: Scene) -> bool:
    """Somebody joins; sometimes many do within seconds, most of them by the same invite."""
    guild = scene.guild()
    if guild is None:
        return False
    if scene.chance(0.05):
        shared = _some_invite(scene, guild)
        for _ in range(scene.rng.choice(_BURST)):
            scene.agenda.after(scene.rng.uniform(0, 3), lambda: enter(scene, guild, shared))
    return enter(scene, guild)


def enter(scene: Scene, guild: Guild, invite: Invite | None = None) -> bool:
    """Somebody joins by this invite if it still works, or in another way."""
    user_id = newcomer(scene, guild)
    if user_id is None:
        return False
    if invite is None or guild.invites.get(invite.code) is not invite:
        invite = _some_invite(scene, guild)
    dice = scene.rng.random()
    if guild.vanity and dice < _BY_VANITY:
        invites.join_by_vanity(scene.world, guild, user_id)
    elif invite is None or dice > 1 - _UNSEEN:
        invites.join_unseen(scene.world, guild, user_id)
    else:
        invites.join(scene.world, guild, user_id, invite, gone_first=scene.chance(0.5))
    return True


def _some_invite(scene: Scene, guild: Guild) -> Invite | None:
    there = list(guild.invites.values())
    return there[-1 - scene.rank(len(there))] if there else None


def open_door(scene: Scene) -> bool:
    """Somebody makes an invite; some hold for a few uses, or for a while."""
    guild = scene.guild()
    if guild is None or len(guild.invites) >= _MOST:
        return False
    maker = By(scene.member(guild), delay=scene.echo_delay())
    channel = guild.text[scene.rank(len(guild.text))]
    invites.create(
        scene.world,
        guild,
        channel,
        maker,
        max_uses=scene.rng.choice(_USES),
        max_age=round(scene.rng.choice((0, *scene.invite_ages))),
        temporary=scene.chance(0.05),
    )
    return True


def call_friend(scene: Scene) -> bool:
    """Somebody makes an invite for one person, who soon comes."""
    guild = scene.guild()
    if guild is None or len(guild.invites) >= _MOST:
        return False
    maker = By(scene.member(guild), delay=scene.echo_delay())
    invite = invites.create(scene.world, guild, guild.text[0], maker, max_uses=1, max_age=3600)

    def come() -> None:
        user_id = newcomer(scene, guild)
        if user_id is not None and guild.invites.get(invite.code) is invite:
            invites.join(scene.world, guild, user_id, invite, gone_first=scene.chance(0.5))

    scene.agenda.after(scene.rng.uniform(0.2, 6), come)
    return True


def close_door(scene: Scene) -> bool:
    """A moderator takes an invite back."""
    guild = scene.guild()
    if guild is None or len(guild.invites) <= _FEWEST:
        return False
    invite = scene.rng.choice(list(guild.invites.values()))
    invites.delete(scene.world, guild, invite, By(scene.moderator(guild), delay=scene.echo_delay()))
    return True

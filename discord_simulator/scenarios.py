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
from discord_simulator.behaviours import building, chat, guild_admin, joins, membership, moderation, voice
from discord_simulator.behaviours.context import Manners
from discord_simulator.operations import guilds, invites, members
from discord_simulator.operations.audit import By
from discord_simulator.traffic import EVERYDAY, Habit

if TYPE_CHECKING:
    import random

    from discord_simulator.behaviours.context import Scene
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


def nothing(_scene: Scene) -> None:
    """Plan nothing."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A table of habits with their weights, a plan made at the start, and the manners of the day."""

    help: str
    habits: Mapping[Habit, float]
    begin: Callable[[Scene], None] = nothing
    manners: Manners = field(default_factory=Manners)


_STRICT: Final[Mapping[Habit, float]] = {
    moderation.time_out: 30,
    moderation.extend: 8,
    moderation.forgive: 10,
    moderation.promote: 30,
    moderation.demote: 20,
    moderation.rename: 20,
    moderation.rename_oneself: 10,
    moderation.silence: 25,
    moderation.move: 15,
    moderation.throw_out: 6,
    moderation.add_bot: 3,
    moderation.trip: 30,
    moderation.tidy: 10,
    chat.clean_up: 40,
    chat.sweep: 5,
    voice.come_in: 60,
    membership.kick: 15,
    membership.ban: 20,
    membership.unban: 12,
    joins.arrive: 50,
}
"""Moderators who hardly sleep."""

_SHORT: Final = Manners(timeouts=(5.0, 40.0), invite_ages=(10.0, 30.0, 1800.0))
"""What ends by itself ends within the run."""


def _late_echo(rng: random.Random) -> float | None:
    """Never, just before, or up to five seconds after."""
    return None if rng.random() < _NEVER else rng.choice((-1.0, rng.uniform(0, 5), rng.uniform(0, 5)))


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────


def _raid(scene: Scene, number: int = 0) -> None:
    """Many strangers come by one invite, or a new one if that was closed; when noticed, all are banned."""
    scene.agenda.after(_RAID_EVERY, lambda: _raid(scene, number + 1))
    target = max(scene.guilds(), key=lambda guild: guild.member_count, default=None)
    if target is None:
        return
    guild = target
    friend = By(scene.member(guild))
    links = [invites.create(scene.world, guild, guild.text[0], friend)]
    first = _FIRST_RAIDER + number * _RAIDERS
    raiders = [scene.world.population.user_id(first + each) for each in range(_RAIDERS)]
    by = By(scene.moderator(guild), "raid")

    def come(user_id: int) -> None:
        if not guild.open or guild.has(user_id) or user_id in guild.bans:
            return
        if links[-1].code not in guild.invites:
            links.append(invites.create(scene.world, guild, guild.text[0], friend))
        invites.join(scene.world, guild, user_id, links[-1])

    def strike(user_id: int) -> None:
        if guild.open and user_id not in guild.bans:
            members.ban(scene.world, guild, user_id, by)

    for user_id in raiders:
        scene.agenda.after(scene.rng.uniform(0, _RAID_SECONDS), partial(come, user_id))
        scene.agenda.after(_RAID_SECONDS + scene.rng.uniform(1, _BAN_SECONDS), partial(strike, user_id))


def _withdraw(scene: Scene) -> None:
    """Take a permission from each guild, then give it back and take the next, again and again."""
    for number, guild in enumerate(tuple(scene.world.guilds.values())):
        _rotate(scene, guild, number)


def _rotate(scene: Scene, guild: Guild, number: int) -> None:
    names = sorted(words.PERMISSIONS)
    if guild.open:
        for name in names:
            guilds.permit(scene.world, guild, name, granted=name != names[number % len(names)])
    if not guild.gone:
        scene.agenda.after(_ROTATE_SECONDS, lambda: _rotate(scene, guild, number + 1))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "raid": Scenario("200 strangers join within a minute, and are all banned.", EVERYDAY, _raid),
    "prune": Scenario(
        "Large prunes among people who leave, are kicked and come.",
        {
            **EVERYDAY,
            membership.prune: 3,
            membership.prune_many: 5,
            joins.arrive: 150,
            membership.depart: 25,
            membership.kick: 10,
        },
    ),
    "moderator-spree": Scenario(
        "Moderators do everything they can.", {**EVERYDAY, **_STRICT}, manners=_SHORT
    ),
    "invite-storm": Scenario(
        "People come in bursts by invites that are made, used up, deleted and expire.",
        {
            **EVERYDAY,
            joins.arrive: 120,
            joins.open_door: 40,
            joins.call_friend: 30,
            joins.close_door: 12,
            moderation.add_bot: 1,
            membership.depart: 120,
        },
        manners=_SHORT,
    ),
    "voice-evening": Scenario(
        "Everybody is in voice; people are muted, moved and thrown out.",
        {
            **EVERYDAY,
            voice.come_in: 200,
            voice.move: 80,
            voice.switch: 200,
            moderation.silence: 40,
            moderation.move: 30,
            moderation.throw_out: 15,
        },
    ),
    "outage": Scenario(
        "Guilds fail and come back all the time.", {**EVERYDAY, guild_admin.fail: 8, voice.come_in: 60}
    ),
    "thread-heavy": Scenario(
        "Threads and forum posts come and go, and guilds are rebuilt.",
        {
            **EVERYDAY,
            chat.open_thread: 80,
            building.rename_thread: 20,
            building.delete_thread: 15,
            building.change_roles: 15,
            building.change_channels: 15,
            building.change_emojis: 15,
            building.change_stickers: 15,
            building.show_presence: 30,
        },
    ),
    "no-permissions": Scenario(
        "The bot lacks one permission after the other.",
        {**EVERYDAY, **_STRICT, joins.open_door: 10},
        _withdraw,
        _SHORT,
    ),
    "late-audit": Scenario(
        "Audit entries come before, after and never, up to five seconds off, in any moderation.",
        {**EVERYDAY, **_STRICT},
        manners=Manners(_late_echo, omens=0.3, timeouts=(5.0, 40.0)),
    ),
}
"""Every scenario by its name on the command line."""

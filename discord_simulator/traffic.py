"""Traffic: draws one behaviour after another from a table of weights.

To add an activity, write a behaviour and give it a line in ``EVERYDAY``. A scenario is another table.
Invariant: the order of actions depends on the seed, the world's shape and the rate alone; a step takes
``1 / rate`` seconds of simulated time on any machine.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from discord_simulator.behaviours import chat, guild_admin, joins, membership, moderation, reactions, voice
from discord_simulator.behaviours.context import BehaviourSettings, Context
from discord_simulator.operations.guilds import end_outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.world import World

Behaviour: TypeAlias = Callable[[Context], bool]

EVERYDAY: Mapping[Behaviour, float] = {
    chat.post_message: 600,
    chat.post_as_bot: 40,
    chat.post_as_webhook: 20,
    chat.edit_message: 30,
    chat.delete_own_message: 12,
    chat.delete_as_moderator: 5,
    chat.delete_bulk: 0.6,
    chat.pin_message: 1,
    chat.start_thread: 2,
    reactions.add_reaction: 130,
    reactions.remove_reaction: 15,
    reactions.clear_reactions: 1,
    reactions.clear_emoji: 1,
    voice.join: 25,
    voice.move: 8,
    voice.toggle: 30,
    moderation.mute_or_deafen: 1.5,
    moderation.move_members: 0.8,
    moderation.disconnect_members: 0.3,
    moderation.time_out: 1,
    moderation.extend_timeout: 0.2,
    moderation.lift_timeout: 0.4,
    moderation.give_roles: 1,
    moderation.take_role: 0.5,
    moderation.set_nickname: 0.4,
    moderation.set_own_nickname: 1,
    moderation.trigger_automod: 1,
    moderation.delete_as_bot: 1,
    moderation.add_bot: 0.1,
    joins.join: 8,
    joins.create_invite: 0.6,
    joins.create_personal_invite: 0.5,
    joins.delete_invite: 0.3,
    membership.leave: 6,
    membership.kick: 1.5,
    membership.ban: 3,
    membership.unban: 1.5,
    membership.prune: 0.2,
    guild_admin.change_name_or_icon: 0.5,
    guild_admin.boost: 0.6,
    guild_admin.transfer_ownership: 0.03,
    guild_admin.add_guild: 0.15,
    guild_admin.remove_guild: 0.12,
    guild_admin.begin_outage: 0.2,
}
"""Ordinary traffic: each behaviour with its weight, about the number of actions among 1,000."""

_ATTEMPTS = 8
"""Draws per step before it is skipped, because no behaviour finds a target, as when all guilds fail."""


class Traffic:
    """Draws one action after another.

    Args:
        world: the world that the actions change.
        rate: actions per second; 0 for none.
        behaviours: weight of each behaviour.
        begin: called once before the first action, to schedule callbacks.
        settings: settings of the behaviours; None for the defaults.
    """

    def __init__(
        self,
        world: World,
        *,
        rate: float,
        behaviours: Mapping[Behaviour, float] = EVERYDAY,
        begin: Callable[[Context], None] | None = None,
        settings: BehaviourSettings | None = None,
    ) -> None:
        self.world = world
        self.context = Context(world, random.Random(f"{world.shape.seed}/traffic"), settings)
        self._begin = begin
        self.rate = rate
        self.steps = 0
        self._behaviours = tuple(behaviours)
        self._weights = tuple(itertools.accumulate(behaviours.values()))

    def step(self) -> None:
        """Run the callback that is due or, if none is, a behaviour."""
        scheduler = self.context.scheduler
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin(self.context)
        self.steps += 1
        scheduler.now = self.steps / self.rate
        self.world.deadlines.pass_to(self.world.now())
        if (callback := scheduler.pop_due()) is not None:
            callback()
            return
        for _ in range(_ATTEMPTS):
            draw = self.context.rng.random() * self._weights[-1]
            if self._behaviours[bisect.bisect(self._weights, draw)](self.context):
                return

    def finish(self) -> None:
        """End the traffic: publish pending audit entries, end outages, end voice sessions."""
        world = self.world
        world.deadlines.pass_to(world.now())
        self.context.scheduler.flush_all()
        for guild in tuple(world.guilds.values()):
            end_outage(world, guild)
        voice.disconnect_all(self.context)

"""Who does what next: a table of weighted habits.

To add an activity, write a habit and give it a line in ``EVERYDAY``. A scenario is another table. Invariant:
the order of actions depends on the seed, the world's shape and the rate alone; a step takes ``1 / rate``
seconds of simulated time however long it takes on the machine.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from discord_simulator.behaviours import chat, guild_admin, joins, membership, moderation, reactions, voice
from discord_simulator.behaviours.context import Manners, Scene
from discord_simulator.operations.guilds import end_outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.world import World

Habit: TypeAlias = Callable[[Scene], bool]

EVERYDAY: Mapping[Habit, float] = {
    chat.talk: 600,
    chat.bot_speaks: 40,
    chat.webhook_posts: 20,
    chat.edit: 30,
    chat.take_back: 12,
    chat.clean_up: 5,
    chat.sweep: 0.6,
    chat.pin: 1,
    chat.open_thread: 2,
    reactions.react: 130,
    reactions.unreact: 15,
    reactions.clear: 1,
    reactions.clear_emoji: 1,
    voice.come_in: 25,
    voice.move: 8,
    voice.switch: 30,
    moderation.silence: 1.5,
    moderation.move: 0.8,
    moderation.throw_out: 0.3,
    moderation.time_out: 1,
    moderation.extend: 0.2,
    moderation.forgive: 0.4,
    moderation.promote: 1,
    moderation.demote: 0.5,
    moderation.rename: 0.4,
    moderation.rename_oneself: 1,
    moderation.trip: 1,
    moderation.tidy: 1,
    moderation.add_bot: 0.1,
    joins.arrive: 8,
    joins.open_door: 0.6,
    joins.call_friend: 0.5,
    joins.close_door: 0.3,
    membership.depart: 6,
    membership.kick: 1.5,
    membership.ban: 3,
    membership.unban: 1.5,
    membership.prune: 0.2,
    guild_admin.redecorate: 0.5,
    guild_admin.boost: 0.6,
    guild_admin.hand_over: 0.03,
    guild_admin.appear: 0.15,
    guild_admin.disappear: 0.12,
    guild_admin.fail: 0.2,
}
"""What people do on an ordinary day, with how often it happens among 1,000 actions."""

_TRIES = 8
"""Draws before a step is given up because nobody finds anything to do, as in an outage of everything."""


class Traffic:
    """Draws one action after another.

    Args:
        world: where they happen.
        rate: actions per second; 0 draws nothing.
        habits: weights by habit.
        begin: called before the first action, to make plans.
        manners: how things go about; None for as on any day.
    """

    def __init__(
        self,
        world: World,
        *,
        rate: float,
        habits: Mapping[Habit, float] = EVERYDAY,
        begin: Callable[[Scene], None] | None = None,
        manners: Manners | None = None,
    ) -> None:
        self.world = world
        self.scene = Scene(world, random.Random(f"{world.shape.seed}/traffic"), manners)
        self._begin = begin
        self.rate = rate
        self.steps = 0
        self._habits = tuple(habits)
        self._weights = tuple(itertools.accumulate(habits.values()))

    def step(self) -> None:
        """Do what is due on the agenda or, if nothing is, something new."""
        agenda = self.scene.agenda
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin(self.scene)
        self.steps += 1
        agenda.now = self.steps / self.rate
        self.world.deadlines.pass_to(self.world.now())
        if (deed := agenda.pop_due()) is not None:
            deed()
            return
        for _ in range(_TRIES):
            draw = self.scene.rng.random() * self._weights[-1]
            if self._habits[bisect.bisect(self._weights, draw)](self.scene):
                return

    def finish(self) -> None:
        """Come to rest: outages end, every audit entry is told of, everybody leaves voice."""
        world = self.world
        world.deadlines.pass_to(world.now())
        self.scene.agenda.settle_all()
        for guild in tuple(world.guilds.values()):
            end_outage(world, guild)
        voice.send_everybody_home(self.scene)

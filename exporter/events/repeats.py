"""Which dispatches repeat another one: Discord delivers a dispatch zero to several times.

A dispatch repeats another one if the last that was received about the same thing said the same. So a reaction
that was given, taken back and given again counts twice, and one that was reported twice counts once.

Invariants: a thing is remembered for ``PERIOD_MS`` at least and twice that at most, and no more than twice
``MAX_THINGS`` of a shard. They are forgotten when a new session of the shard begins, those of a guild after
an outage of it: what happened meanwhile is not received.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec

from exporter.events.spec import CLEARED, Identity

PERIOD_MS: Final = 30_000
"""Discord delivers a dispatch again within seconds; after a minute the same words may be a new occurrence."""

SAME_BODY_MS: Final = 500
"""How long a dispatch that names no state is repeated by the same body: people do the same again, too, as one
whose messages AutoModeration blocks."""

MAX_THINGS: Final = 100_000
"""Things of one shard and period, about 20 MB: a shard receives at most some thousand dispatches a second."""


ThingOf: TypeAlias = Callable[[Any], Hashable]
IsRepeated: TypeAlias = Callable[[Any, bytes | msgspec.Raw, int, int], bool]


class _Memory:
    """What was last received about each thing, in the period that runs and in the one before.

    ``gaps`` counts how often dispatches of a guild may have been missed, where any were: its things of before
    a gap are not those of after it. ``guilds`` are those that were seen whole.
    """

    __slots__ = ("gaps", "guilds", "old", "young")

    def __init__(self) -> None:
        self.young: dict[Hashable, Hashable] = {}
        self.old: dict[Hashable, Hashable] = {}
        self.gaps: dict[int, int] = {}
        self.guilds: set[int] = set()

    def named(self, payload: Any, thing: Hashable) -> Hashable:
        """A thing of a payload, as another one than the same before a gap in its guild."""
        gaps = self.gaps.get(getattr(payload, "guild_id", 0))
        return thing if gaps is None else (thing, gaps)

    def last(self, thing: Hashable) -> Hashable:
        """What was last said of a thing, None if nothing was."""
        known = self.young.get(thing)
        return self.old.get(thing) if known is None else known

    def clear(self, scope: Hashable) -> bool:
        """Clear a scope: its number of changes becomes odd. Whether it was clear already."""
        changes = self._changes(scope)
        self.young[scope] = changes | 1
        return bool(changes & 1)

    def open(self, scope: Hashable) -> int:
        """The number of changes of a scope in which something happens, even from then on."""
        changes = self._changes(scope)
        self.young[scope] = changes = changes + (changes & 1)
        return changes

    def _changes(self, scope: Hashable) -> int:
        changes = self.last(scope)
        return changes if isinstance(changes, int) else 0

    def bounded(self) -> _Memory:
        """This memory, with space for another thing."""
        if len(self.young) > MAX_THINGS:
            self.age()
        return self

    def age(self) -> None:
        """Begin another period."""
        self.young, self.old = {}, self.young


class Repeats:
    """The memory of each shard; times are in ms of any clock."""

    def __init__(self) -> None:
        self._shards: defaultdict[int, _Memory] = defaultdict(_Memory)
        self._began = 0

    def __len__(self) -> int:
        return sum(len(memory.young) + len(memory.old) for memory in self._shards.values())

    def recogniser(self, identity: Identity) -> IsRepeated:
        """A function that says whether a dispatch repeats one received before.

        It takes what was decoded of the dispatch, its body, its shard and the time of receipt; the dispatch
        is the last of its thing from then on.
        """
        if identity.becomes is None:
            return partial(self._is_same_body, identity.thing)
        if identity.becomes == CLEARED:
            return partial(self._is_cleared, identity.thing)
        return self._state_recogniser(identity)

    def _is_same_body(
        self, thing_of: ThingOf, payload: Any, body: bytes | msgspec.Raw, shard: int, now: int
    ) -> bool:
        memory, said = self._shards[shard].bounded(), hash(bytes(body))
        thing = memory.named(payload, thing_of(payload))
        known = memory.last(thing)
        if isinstance(known, tuple) and known[0] == said and 0 <= now - known[1] < SAME_BODY_MS:
            return True
        memory.young[thing] = (said, now)
        return False

    def _is_cleared(
        self, thing_of: ThingOf, payload: Any, _: bytes | msgspec.Raw, shard: int, __: int
    ) -> bool:
        memory = self._shards[shard].bounded()
        return memory.clear(memory.named(payload, thing_of(payload)))

    def _state_recogniser(self, identity: Identity) -> IsRepeated:
        """The same for what becomes of a thing: the hot path, since each message does."""
        thing_of, state, scopes_of, find = identity.thing, identity.becomes, identity.scopes, self._shards

        def is_same_state(payload: Any, _: bytes | msgspec.Raw, shard: int, __: int) -> bool:
            memory, thing = find[shard], thing_of(payload)
            if len(memory.young) > MAX_THINGS:
                memory.age()
            if memory.gaps:
                thing = memory.named(payload, thing)
            known = memory.young.get(thing)
            if known is None:
                known = memory.old.get(thing)
            said: Hashable = state
            if scopes_of is not None:
                said = (state, *(memory.open(memory.named(payload, scope)) for scope in scopes_of(payload)))
            if known == said:
                return True
            memory.young[thing] = said
            return False

        return is_same_state

    def tick(self, now: int) -> None:
        """Begin another period when the one that runs is over."""
        if not 0 <= now - self._began < PERIOD_MS:
            self._began = now
            for memory in self._shards.values():
                memory.age()

    def forget_shard(self, shard: int) -> None:
        """A new session of a shard begins."""
        self._shards.pop(shard, None)

    def forget_guild(self, shard: int, guild_id: int, *, whole: bool) -> None:
        """Dispatches of a guild may have been missed; not if it is seen ``whole`` for the first time."""
        memory = self._shards[shard]
        if not whole or guild_id in memory.guilds:
            memory.gaps[guild_id] = memory.gaps.get(guild_id, 0) + 1
        memory.guilds.add(guild_id)
        if len(memory.guilds) > MAX_THINGS:
            self.forget_shard(shard)

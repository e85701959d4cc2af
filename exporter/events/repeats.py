"""Which dispatches repeat another one: Discord delivers a dispatch zero to several times.

A dispatch repeats another one if the last that was received about the same thing said the same. So a reaction
that was given, taken back and given again counts twice, and one that was reported twice counts once.

Invariants: a thing is remembered for ``PERIOD_MS`` at least and twice that at most, and no more than twice
``MAX_THINGS`` of a shard; they are forgotten when a new session of the shard begins, since what happened
between two sessions is not received.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
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


IsRepeated: TypeAlias = Callable[[Any, bytes | msgspec.Raw, int, int], bool]


class _Memory:
    """What was last received about each thing, in the period that runs and in the one before."""

    __slots__ = ("old", "young")

    def __init__(self) -> None:
        self.young: dict[Hashable, Hashable] = {}
        self.old: dict[Hashable, Hashable] = {}

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
        thing_of, state, scopes_of, find = identity.thing, identity.becomes, identity.scopes, self._shards

        def is_same_body(payload: Any, body: bytes | msgspec.Raw, shard: int, now: int) -> bool:
            memory, thing, said = find[shard].bounded(), thing_of(payload), hash(bytes(body))
            known = memory.last(thing)
            if isinstance(known, tuple) and known[0] == said and 0 <= now - known[1] < SAME_BODY_MS:
                return True
            memory.young[thing] = (said, now)
            return False

        def is_cleared(payload: Any, _: bytes | msgspec.Raw, shard: int, __: int) -> bool:
            return find[shard].bounded().clear(thing_of(payload))

        def is_same_state(payload: Any, _: bytes | msgspec.Raw, shard: int, __: int) -> bool:
            memory, thing = find[shard], thing_of(payload)
            if len(memory.young) > MAX_THINGS:
                memory.age()
            known = memory.young.get(thing)
            if known is None:
                known = memory.old.get(thing)
            said = state if scopes_of is None else (state, *map(memory.open, scopes_of(payload)))
            if known == said:
                return True
            memory.young[thing] = said
            return False

        if state is None:
            return is_same_body
        return is_cleared if state == CLEARED else is_same_state

    def tick(self, now: int) -> None:
        """Begin another period when the one that runs is over."""
        if not 0 <= now - self._began < PERIOD_MS:
            self._began = now
            for memory in self._shards.values():
                memory.age()

    def forget_shard(self, shard: int) -> None:
        """A new session of a shard begins."""
        self._shards.pop(shard, None)

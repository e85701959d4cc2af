"""The base of all facts, and what remains of one without the people who opted out.

The type of a field says whom it names (``Subject``, ``Named``), so a fact type that names people needs no
code of its own, and the screen asks every fact the same question. A fact within a fact, alone or in a tuple,
keeps what remains of it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from functools import cache
from typing import Annotated, Any, Final, Self, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

_SUBJECT: Final = "nothing remains of the fact"
_NAMED: Final = "the fact remains without the name"

Subject = Annotated[int, _SUBJECT]
"""The id of a user whom the fact is about: without them nothing remains of it."""

Named = Annotated[int, _NAMED]
"""The id of a user whom the fact names beside what it is about: it becomes 0."""

_Screen: TypeAlias = Callable[[Any, Container[int]], Any]
"""What remains of a field's value; None if nothing of the fact does, the value itself if all does."""


class Fact(msgspec.Struct, frozen=True):
    """Something Discord, or a component, says happened or is so. Immutable."""

    def without(self, people: Container[int]) -> Self | None:
        """What remains of the fact when these people (user ids) are left out; None if nothing does."""
        changed = {}
        for name, screen in _screens(type(self)):
            value = getattr(self, name)
            remaining = screen(value, people)
            if remaining is None:
                return None
            if remaining is not value:
                changed[name] = remaining
        return msgspec.structs.replace(self, **changed) if changed else self


class GuildFact(Fact, frozen=True):
    """A fact of one guild."""

    guild_id: int


class TimedFact(GuildFact, frozen=True):
    """A fact of one guild with its own time, in ms since the epoch."""

    at: int


class ElementsRejected(Fact, frozen=True):
    """Elements of one list in a dispatch could not be read and are left out; the rest of it is used.

    ``path`` names the list, ``first`` is the decoder's reason for the first of them, which quotes no value.
    """

    dispatch: str
    path: str
    number: int
    first: str


@cache
def _screens(kind: type[Fact]) -> tuple[tuple[str, _Screen], ...]:
    """The fields of a fact type that name people."""
    hints = get_type_hints(kind, include_extras=True)
    found = ((name, _screen_of(hints[name])) for name in kind.__struct_fields__)
    return tuple((name, screen) for name, screen in found if screen is not None)


def _screen_of(hint: Any) -> _Screen | None:
    arguments = get_args(hint)
    if get_origin(hint) is Annotated:
        return {_SUBJECT: _screen_subject, _NAMED: _screen_named}.get(arguments[1])
    if get_origin(hint) is tuple and _is_fact(arguments[0]):
        return _screen_each
    return _screen_fact if _is_fact(hint) else None


def _is_fact(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Fact)


def _screen_subject(user_id: int, people: Container[int]) -> int | None:
    return None if user_id in people else user_id


def _screen_named(user_id: int, people: Container[int]) -> int:
    return 0 if user_id in people else user_id


def _screen_fact(fact: Fact, people: Container[int]) -> Fact | None:
    return fact.without(people)


def _screen_each(facts: tuple[Fact, ...], people: Container[int]) -> tuple[Fact, ...]:
    remaining = tuple(fact.without(people) for fact in facts)
    if all(map(operator.is_, remaining, facts)):
        return facts
    return tuple(fact for fact in remaining if fact is not None)

"""The base of all facts: what opt-out needs to know of each."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

import msgspec


class Fact(msgspec.Struct, frozen=True):
    """Something Discord, or a component, says happened or is so. Immutable.

    A fact type that names a person overrides ``without``; the screen asks every fact the same question, so a
    new fact type needs no edit anywhere else.
    """

    def without(self, people: Container[int]) -> Self | None:
        """What remains of the fact when these people (user ids) are left out; None if nothing does."""
        del people
        return self


class ElementsRejected(Fact, frozen=True):
    """Elements of one list in a dispatch could not be read and are left out; the rest of it is used.

    ``path`` names the list, ``first`` is the decoder's reason for the first of them, which quotes no value.
    """

    dispatch: str
    path: str
    number: int
    first: str

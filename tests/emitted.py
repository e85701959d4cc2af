"""What a component put out, for tests that hold one component alone."""

from __future__ import annotations

from typing import TypeVar

from exporter.events.facts.base import Fact

F = TypeVar("F", bound=Fact)


class Emitted(list[Fact]):
    """The facts in order; an instance is itself the port that a component puts facts out by."""

    def __call__(self, fact: Fact) -> None:
        self.append(fact)

    def of(self, kind: type[F]) -> list[F]:
        """Those of one type."""
        return [fact for fact in self if type(fact) is kind]

    def take(self, kind: type[F]) -> list[F]:
        """Those of one type, and forget all."""
        found = self.of(kind)
        self.clear()
        return found


def discard(_: Fact) -> None:
    """A port behind which nothing is."""

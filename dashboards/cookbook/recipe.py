"""What a recipe is."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from dashboards.dialect import Dialect

GUILD = "1185034534534534145"
"""Stands in every query of one guild, to be replaced by the reader's own."""


class Language(enum.StrEnum):
    """What the answer is asked in; the value names Markdown's highlighting."""

    PROMQL = "promql"
    FLUX = "flux"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A question, the query, and what to know about the answer."""

    question: str
    language: Language
    query: str | Callable[[Dialect], str]
    note: str = ""

    def text(self, dialect: Dialect) -> str:
        """The query as the dialect of a database has it; other languages have no dialects."""
        return self.query if isinstance(self.query, str) else self.query(dialect)

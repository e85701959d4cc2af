"""What a recipe is, and the page that lists them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.sinks.sql.views.dialect import POSTGRESQL, SQLITE, Dialect

GUILD = "1185034534534534145"
"""The id of a guild in the queries, to be replaced by the reader."""


class Language(enum.StrEnum):
    """The query language; the value names Markdown's highlighting."""

    PROMQL = "promql"
    FLUX = "flux"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A question, the query that answers it, and a note."""

    question: str
    query: str | Callable[[Dialect], str]
    note: str = ""

    def text(self, dialect: Dialect) -> str:
        """The query in the dialect of a database; other languages have no dialects."""
        return self.query if isinstance(self.query, str) else self.query(dialect)


_TITLES = {
    Language.PROMQL: "PromQL: live values",
    Language.FLUX: "Flux: every window, and years",
    Language.SQL: "SQL: single events and members",
}

_INTRODUCTION = f"""\
# Cookbook

<!-- Written by `make dashboards`; change dashboards/cookbook, not this file. -->

Common questions and the queries that answer them; the tests run each query. Replace `{GUILD}` with the id
of your guild (in Discord: settings › advanced › developer mode, then *Copy Server ID*). The names are
explained in [metrics](metrics.md), [influxdb](influxdb.md) and [sql](sql.md).
"""


def page(sections: Mapping[Language, tuple[Recipe, ...]]) -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION]
    for language, recipes in sections.items():
        parts.append(f"## {_TITLES[language]}\n")
        parts += [_section(recipe, language) for recipe in recipes]
    return "\n".join(parts)


def _section(recipe: Recipe, language: Language) -> str:
    head = f"### {recipe.question}\n\n" + (f"{recipe.note}\n\n" if recipe.note else "")
    postgres, sqlite = (f"```{language}\n{recipe.text(sql)}\n```\n" for sql in (POSTGRESQL, SQLITE))
    return head + (postgres if postgres == sqlite else f"PostgreSQL:\n\n{postgres}\nSQLite:\n\n{sqlite}")

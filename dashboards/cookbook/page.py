"""The page of the cookbook."""

from __future__ import annotations

from dashboards.cookbook import flux, promql, sql
from dashboards.cookbook.recipe import GUILD, Language, Recipe
from dashboards.dialect import Postgres, Sqlite

SECTIONS = {Language.PROMQL: promql.RECIPES, Language.FLUX: flux.RECIPES, Language.SQL: sql.RECIPES}

_TITLES = {
    Language.PROMQL: "PromQL: what is live",
    Language.FLUX: "Flux: every window, and years",
    Language.SQL: "SQL: single events and people",
}

_INTRODUCTION = f"""\
# Cookbook

<!-- Written by `make dashboards`; change dashboards/cookbook, not this file. -->

Questions people ask and the queries that answer them; each is run by the tests. Put your guild's id in the
place of `{GUILD}` (in Discord: settings › advanced › developer mode, then *Copy Server ID*). The names
are explained in [metrics](metrics.md), [influxdb](influxdb.md) and [sql](sql.md).
"""


def page() -> str:
    """Markdown."""
    parts = [_INTRODUCTION]
    for language, recipes in SECTIONS.items():
        parts.append(f"## {_TITLES[language]}\n")
        parts += [_section(recipe) for recipe in recipes]
    return "\n".join(parts)


def _section(recipe: Recipe) -> str:
    note = f"{recipe.note}\n\n" if recipe.note else ""
    postgres, sqlite = recipe.text(Postgres()), recipe.text(Sqlite())
    if postgres == sqlite:
        return f"### {recipe.question}\n\n{note}{_block(recipe, postgres)}"
    return (
        f"### {recipe.question}\n\n{note}PostgreSQL:\n\n{_block(recipe, postgres)}\n"
        f"SQLite:\n\n{_block(recipe, sqlite)}"
    )


def _block(recipe: Recipe, text: str) -> str:
    return f"```{recipe.language}\n{text}\n```\n"

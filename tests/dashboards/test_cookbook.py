"""Every query of the cookbook is taken by what it is written for, and finds something."""

from __future__ import annotations

import promql_parser
import pytest

from dashboards.cookbook import SECTIONS
from dashboards.cookbook.page import GUILD, Language, page
from dashboards.cookbook.sql import USER
from exporter.sinks.sql.views.dialect import POSTGRESQL, SQLITE
from tests.dashboards.past import MEADOW, Past

SQL = list(SECTIONS[Language.SQL])
PROMQL = list(SECTIONS[Language.PROMQL])


def question(recipe):
    return recipe.question


def test_there_are_twenty_questions_and_each_stands_on_the_page():
    recipes = [recipe for section in SECTIONS.values() for recipe in section]
    assert len({recipe.question for recipe in recipes}) == len(recipes) >= 20
    assert all(f"### {recipe.question}" in page(SECTIONS) for recipe in recipes)


@pytest.fixture(scope="session")
def filled(databases, past: tuple[Past, Past]):
    """The databases, with ids of the page replaced as a reader would: the busiest person of the guild."""
    busiest = max((person for person in past[0].people), key=lambda person: (person.left or 0, person.weight))
    return databases, {GUILD: str(MEADOW), USER: str(busiest.user_id)}


def filled_in(text: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("recipe", SQL, ids=question)
def test_sql_finds_the_same_in_both_databases(recipe, filled):
    databases, ids = filled
    from_postgres = databases.ask_postgres(filled_in(recipe.text(POSTGRESQL), ids))
    from_sqlite = databases.ask_sqlite(filled_in(recipe.text(SQLITE), ids))
    assert from_postgres
    assert len(from_postgres) == len(from_sqlite)
    assert [list(row) for row in from_postgres] == [list(row) for row in from_sqlite]


@pytest.mark.parametrize("recipe", PROMQL, ids=question)
def test_promql_is_well_typed(recipe):
    promql_parser.parse(recipe.text(POSTGRESQL))

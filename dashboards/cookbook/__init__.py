"""Questions and the queries that answer them, as a page to copy from; the tests run each query."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook import flux, promql, sql
from dashboards.cookbook.page import Language

SECTIONS: Final = {
    Language.PROMQL: promql.RECIPES,
    Language.FLUX: flux.RECIPES,
    Language.SQL: sql.RECIPES,
}

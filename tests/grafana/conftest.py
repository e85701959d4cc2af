"""The running Grafana that GRAFANA_URL names; without it nothing here can be tested."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.grafana.api import Api
from tests.grafana.boards import Board, boards
from tests.grafana.browser import Visit, chromium, visit
from tests.grafana.far_ends import MissingError

DATABASES = {"discord-postgres": "full", "discord-sqlite": "lite"}


@pytest.fixture(scope="session")
def api() -> Api:
    url = os.environ.get("GRAFANA_URL")
    if not url:
        pytest.skip("GRAFANA_URL is not set: no Grafana to look at (`make pictures` starts one)")
    return Api(url.rstrip("/"), os.environ.get("GRAFANA_PASSWORD", "admin"))


@pytest.fixture(scope="session")
def variant(api) -> str:
    """Which of the two stacks this Grafana belongs to."""
    found = [DATABASES[source["uid"]] for source in api.get("/api/datasources") if source["uid"] in DATABASES]
    assert len(found) == 1, "Grafana is provisioned with provisioning/full or provisioning/lite, not both"
    return found[0]


@pytest.fixture(scope="session")
def every_board(variant) -> list[Board]:
    return boards(variant)


@pytest.fixture(scope="session")
def visits(api, every_board) -> list[Visit]:
    """Each dashboard opened once; pictures go to the directory that PICTURES names."""
    pictures = os.environ.get("PICTURES")
    try:
        with chromium() as browser:
            return [
                visit(browser, api, board, Path(pictures, f"{board.uid}.png") if pictures else None)
                for board in every_board
            ]
    except MissingError as missing:
        pytest.skip(str(missing))

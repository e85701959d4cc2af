from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import postgres
from tests.servers.victoria import Victoria, victoria
from tests.sinks.contract.harness import Harness
from tests.sinks.contract.harnesses import harnesses, running_guarded_victoria
from tests.sinks.sql.conftest import migrated_database, migrated_file

__all__ = ["migrated_database", "migrated_file", "postgres", "victoria"]


@pytest.fixture(scope="session")
def guarded_victoria() -> Iterator[Victoria]:
    with running_guarded_victoria() as server:
        yield server


@pytest.fixture(params=harnesses(), ids=lambda kind: kind.__name__.removesuffix("Harness").lower())
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """Each far end in turn, empty."""
    async with request.param.running(tmp_path, request) as running:
        yield running

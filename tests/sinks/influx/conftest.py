from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from exporter.events.catalogue import Catalogue, full_catalogue
from tests.servers.victoria import victoria  # noqa: F401 - a fixture
from tests.sinks.influx.far_end import FarEnd


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return full_catalogue()


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    server = FarEnd()
    await server.start()
    yield server
    await server.stop()

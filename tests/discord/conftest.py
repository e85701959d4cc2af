from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from disnake.http import Route

from tests.discord.fake_gateway import Gateway
from tests.discord.harness import Harness

Start = Callable[..., Harness]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    server = Gateway()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def start(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts sources that are closed when the test ends."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    running: list[Harness] = []

    def begin(**options: object) -> Harness:
        harness = Harness(gateway, **options)  # type: ignore[arg-type]  # passed on as they came
        running.append(harness)
        return harness

    yield begin
    for harness in running:
        await harness.stop()

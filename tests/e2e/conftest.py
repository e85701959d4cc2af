"""Processes are ended with the test that started them."""

from __future__ import annotations

import pytest

from tests.e2e.programs import Exporter, Simulation
from tests.faults.disk import faulty_disk, faulty_disk_library, small_volume
from tests.servers.postgres import postgres

__all__ = ["faulty_disk", "faulty_disk_library", "postgres", "small_volume"]


@pytest.fixture
async def simulation(tmp_path):
    simulation = Simulation(tmp_path)
    yield simulation
    await simulation.stop()


@pytest.fixture
async def exporter(tmp_path):
    exporter = Exporter(tmp_path, api_url="")
    yield exporter
    await exporter.stop()

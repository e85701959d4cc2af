"""What each event becomes in each store is what its golden says, and no event is without one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from exporter.reference.events import describe_event
from tests.goldens.page import EXPOSED, FOLDER, LINES, ROWS, read_page, write_page
from tests.goldens.scripts import SCRIPTS, script_of
from tests.goldens.stage import CATALOGUE
from tests.sinks.sql.conftest import migrate_apart

TYPES = pytest.mark.parametrize("kind", CATALOGUE.events)


def golden(kind: str) -> str:
    return (FOLDER / f"{kind}.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("goldens") / "empty.db"
    migrate_apart(f"sqlite:///{file}")
    return file


@TYPES
async def test_an_event_becomes_in_every_store_what_its_golden_says(
    kind: str, empty_file: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "discord.db"
    shutil.copy(empty_file, scratch)
    assert await write_page(kind, scratch) == golden(kind), "look at it, then: make goldens"


def test_every_type_has_a_golden_and_every_golden_and_script_a_type() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(CATALOGUE.events)
    assert SCRIPTS.keys() <= CATALOGUE.events.keys()


@TYPES
def test_what_is_played_is_what_the_type_is_read_from_or_made_of(kind: str) -> None:
    script = script_of(kind)
    read = {name for own in (kind, *script.alongside) for name in CATALOGUE.events[own].reads}
    core = {name for family in CATALOGUE.families for name in family.core}
    assert {step.dispatch for step in script.steps} & (read or core)


@TYPES
def test_every_type_is_seen_somewhere(kind: str) -> None:
    assert read_page(golden(kind)).keys() & {EXPOSED, LINES, ROWS}


@TYPES
def test_every_name_a_type_declares_is_in_its_golden(kind: str) -> None:
    found, declared = read_page(golden(kind)), describe_event(CATALOGUE.events[kind])
    for metric in declared.prometheus:
        assert re.search(rf"^{metric}\{{", found[EXPOSED], flags=re.MULTILINE), metric
    for place in declared.stores["influxdb"]:
        measurement, _, field = place.partition(".")
        pattern = rf"^{measurement},\S+ (\S+,)?{field or '[a-z_]+'}="
        assert re.search(pattern, found[LINES], flags=re.MULTILINE), place
    assert (f"type={kind} count=1i" in found[LINES]) is (
        "discord_events.count" in declared.stores["influxdb"]
    )
    for table in declared.stores["sql"]:
        assert re.search(rf"^{table}$", found[ROWS], flags=re.MULTILINE), table

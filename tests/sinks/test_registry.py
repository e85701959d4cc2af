"""What is found and refused as a sink."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from pydantic import Field

from exporter.clock import ManualClock
from exporter.config.model import config_type
from exporter.config.schema import config_schema
from exporter.errors import ConfigError
from exporter.events.catalogue import full_catalogue
from exporter.sinks import registry
from exporter.sinks.registry import GROUP, built_in_sinks, load_sinks, make_sink
from exporter.sinks.spec import SinkContext, SinkSection, SinkSpec

DECLARED = """
from exporter.sinks.spec import SinkSection, SinkSpec

class Wanting(SinkSection):
    path: str

def make(section, context):
    raise AssertionError

GOOD = SinkSpec(name="lake", title="Lake", help="A lake.", section=SinkSection, make=make)
TAKEN = SinkSpec(name="sql", title="SQL", help="Another.", section=SinkSection, make=make)
RESERVED = SinkSpec(name="prometheus", title="P", help="Pulls.", section=SinkSection, make=make)
MISNAMED = SinkSpec(name="My Lake", title="L", help="A lake.", section=SinkSection, make=make)
SECTIONLESS = SinkSpec(name="lake", title="L", help="A lake.", section=dict, make=make)
WANTING = SinkSpec(name="lake", title="L", help="A lake.", section=Wanting, make=make)
WORD = "lake"
"""


CONTEXT = SinkContext(ManualClock(), full_catalogue())


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a distribution on the path; its entry points are returned."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module: str, text: str, **points: str) -> list[EntryPoint]:
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
        lines = "".join(f"{name} = {module}:{value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
        return [point for point in entry_points(group=GROUP) if point.name in points]

    yield put
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def problems(points: list[EntryPoint]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_sinks(points)
    return caught.value.problems


def test_the_sinks_of_this_package_come_first_and_say_where_they_are_from(install):
    found = load_sinks(install("lake_sink", DECLARED, lake="GOOD"))
    assert [(sink.name, sink.origin) for sink in found] == [
        ("influxdb", "discord-exporter"),
        ("sql", "discord-exporter"),
        ("lake", "lake_sink 1.2"),
    ]
    assert found[:2] == built_in_sinks()


def test_one_line_adds_a_sink_of_this_package(install, monkeypatch):
    install("lake_sink", DECLARED)
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, "lake_sink:GOOD"))
    sinks = load_sinks(())
    assert [sink.name for sink in sinks] == ["influxdb", "sql", "lake"]
    assert "lake" in config_type(full_catalogue(), sinks)().sinks.model_dump()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("TAKEN", "its name sql is taken by discord-exporter"),
        ("RESERVED", "its name 'prometheus' cannot be used"),
        ("MISNAMED", "its name 'My Lake' cannot be used"),
        ("SECTIONLESS", "its section is not a SinkSection"),
        ("WANTING", "its section is not valid without settings (1 validation error for Wanting)"),
        ("WORD", "lake_sink:WORD is not a SinkSpec"),
        ("NOWHERE", "cannot be loaded (AttributeError: module 'lake_sink' has no attribute 'NOWHERE')"),
    ],
)
def test_a_declaration_that_cannot_be_used_names_its_distribution(install, value, problem):
    (line,) = problems(install("lake_sink", DECLARED, lake=value))
    assert line.startswith("sink plug-in lake of lake_sink 1.2: ")
    assert problem in line
    assert line.endswith("; repair or uninstall the distribution")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
    ],
)
def test_a_plug_in_that_cannot_be_imported_is_reported_without_a_traceback(install, text, problem):
    (line,) = problems(install("lake_sink", text, lake="GOOD"))
    assert problem in line
    assert "\n" not in line


def test_all_problems_are_reported_at_once_and_two_of_one_name_are_one(install):
    first = install("lake_sink", DECLARED, lake="GOOD", other="WORD")
    second = install("pond_sink", DECLARED, pond="GOOD")
    lines = problems([*first, *second])
    assert len(lines) == 2
    assert "its name lake is taken by lake_sink 1.2" in lines[1]


class LakeSection(SinkSection):
    """A lake."""

    depth: int = Field(default=3, ge=1, description="How deep.")


def test_a_section_of_another_distribution_is_part_of_the_configuration_and_of_its_schema():
    lake = SinkSpec(name="lake", title="Lake", help="A lake.", section=LakeSection, make=lambda *_: None)
    sinks = (*built_in_sinks(), lake)
    config = config_type(full_catalogue(), sinks).model_validate({"sinks": {"lake": {"depth": 7}}})
    assert config.sinks.of(lake).depth == 7
    assert [sink.name for sink, _ in config.sinks.active()] == ["sql", "lake"]
    schema = config_schema(sinks=sinks)
    assert "lake" in schema["$defs"]["SinksConfig"]["properties"]
    assert "depth" in schema["$defs"]["LakeSection"]["properties"]
    without = config_type(full_catalogue(), built_in_sinks())()
    with pytest.raises(TypeError, match="without the sink lake"):
        without.sinks.of(lake)


def test_sections_are_the_same_class_for_the_same_sinks():
    assert config_type(full_catalogue(), built_in_sinks()) is config_type(full_catalogue(), built_in_sinks())


class Nameless:
    """A sink without most of what one has."""

    name = "lake"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda *_: 1 / 0, "cannot be made (ZeroDivisionError: division by zero)"),
        (lambda *_: Nameless(), "is a Nameless, which is not a Sink named lake"),
        (
            lambda *_: built_in_sinks()[0].make(built_in_sinks()[0].section(), CONTEXT),
            "not a Sink named lake",
        ),
    ],
)
def test_a_sink_that_cannot_be_made_names_its_distribution(make, problem):
    lake = SinkSpec(
        name="lake", title="Lake", help="A lake.", section=LakeSection, make=make, origin="water 1"
    )
    with pytest.raises(ConfigError) as caught:
        make_sink(lake, LakeSection(), CONTEXT)
    (line,) = caught.value.problems
    assert line.startswith("sinks.lake: the sink of water 1 ")
    assert problem in line

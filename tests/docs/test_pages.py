"""The reference pages say what the code says, and the written pages name nothing that is not there."""

from __future__ import annotations

import pathlib
import re

import pytest

from exporter.cli.app import COMMANDS, GROUPS
from exporter.config.fields import settings
from exporter.config.model import config_type
from exporter.config.problems import dotted
from exporter.events.catalogue import Catalogue, families, full_catalogue
from exporter.events.spec import Dimension, EventSpec, Family, Measure
from exporter.markdown import page, table
from exporter.model import Priority
from exporter.reference.pages import write_pages
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.views import VIEWS
from exporter.telemetry import metric_specs

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = sorted(write_pages())
WRITTEN = sorted({*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"})


@pytest.mark.parametrize("name", GENERATED)
def test_the_committed_page_is_the_one_the_code_writes(name):
    assert (DOCS / name).read_text() == write_pages()[name], "run: make docs"


def test_every_event_and_all_its_fields_are_on_their_page():
    text = write_pages()["events.md"]
    for event in full_catalogue().events.values():
        assert f"\n### {event.type}\n" in text
        assert event.help in text
        for field in event.fields:
            assert f"| `{field.name}` |" in text


def test_every_metric_is_on_its_page():
    text = write_pages()["metrics.md"]
    for spec in metric_specs():
        assert f"| `{spec.name}{'_total' if spec.kind == 'counter' else ''}` | {spec.kind} |" in text
    for measure in full_catalogue().measures.values():
        if measure.metric:
            assert f"| `{measure.metric}_total` | counter |" in text


def test_every_measurement_and_table_and_setting_is_on_its_page():
    pages = write_pages()
    for measure in full_catalogue().measures.values():
        assert f"\n## {measure.measurement}\n" in pages["influxdb.md"]
        assert f"| `{measure.field}` |" in pages["influxdb.md"]
    for found in metadata.tables.values():
        assert f"\n### {found.name}\n" in pages["sql.md"]
        assert all(f"| `{column.name}` |" in pages["sql.md"] for column in found.columns)
    for view in VIEWS:
        section = pages["sql.md"].partition(f"\n### {view.name}\n")[2].partition("\n### ")[0]
        assert all(f"| `{c.name}` | {c.kind.type_name} | {c.comment} |" in section for c in view.columns)
    for setting in settings(config_type(full_catalogue())):
        if not setting.section:
            assert f"| `{dotted(setting.path)}` |" in pages["configuration.md"]


def test_a_new_event_appears_on_every_page_it_belongs_to():
    boiled = Measure(
        name="boils",
        help="Kettles boiled.",
        metric="discord_boils",
        measurement="discord_kitchen",
        field="boils",
        by=frozenset({Dimension.CHANNEL}),
    )
    spec = EventSpec(type="TEAPOT_BOILED", help="Water.", priority=Priority.SLOW, measures=(boiled,))
    pages = write_pages(Catalogue((*families(), Family("kitchen", "Tea.", (spec,)))))
    assert "### TEAPOT_BOILED" in pages["events.md"]
    assert "`discord_boils_total`" in pages["metrics.md"]
    assert "## discord_kitchen" in pages["influxdb.md"]
    assert "`events.TEAPOT_BOILED`" in pages["configuration.md"]
    assert '"TEAPOT_BOILED"' in pages["config.schema.json"]


def test_pages_have_no_broken_tables():
    for name, text in write_pages().items():
        widths: set[int] = set()
        for line in text.splitlines():
            if not line.startswith("|"):
                widths.clear()
                continue
            widths.add(len(re.findall(r"(?<!\\)\|", line)))
            assert len(widths) == 1, (name, line)


def test_a_cell_cannot_leave_its_row():
    assert table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"
    assert page("T", "", "text").endswith("\n\ntext\n")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?://)([^)#]*)(?:#[^)]*)?\)", path.read_text()):
        assert not target or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_every_metric_and_setting_the_pages_mention_exists(path):
    text = path.read_text()
    pages = write_pages()
    known = set(re.findall(r"discord_[a-z_]+", "".join(pages.values()))) | {
        "discord_exporter",
        "discord_simulator",
    }
    known |= set(re.findall(r'^    metric="(\w+)",$', text, flags=re.MULTILINE))  # of an example on the page
    # What follows a slash is a file.
    assert set(re.findall(r"(?<![/\w])discord_[a-z_]+\b", text)) <= known
    sections = "|".join(config_type(full_catalogue()).model_fields)
    for name in re.findall(rf"`((?:{sections})\.[a-z_.]+)(?::[^`]*)?`", text):
        assert f"`{name}" in pages["configuration.md"], name


def test_the_readme_lists_every_command():
    text = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"^\| `([a-z]+)` \|", text, flags=re.MULTILINE))
    assert listed == {*(command.__name__ for command in COMMANDS), *GROUPS}


def test_every_target_of_make_that_the_pages_name_is_one():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for path in WRITTEN:
        assert set(re.findall(r"`make ([a-z]+)", path.read_text())) <= targets


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_every_page_can_be_reached_from_the_readme(folder):
    reached = (ROOT / "README.md").read_text() + (DOCS / "architecture.md").read_text()
    for path in (ROOT / folder).glob("*.md"):
        assert f"{path.relative_to(ROOT)})" in reached or f"({path.relative_to(DOCS)}" in reached, path.name

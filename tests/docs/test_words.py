"""Words that hide what is meant, looked for in everything a person reads: identifiers, docstrings, comments,
texts.

``python -m tests.docs.test_words`` prints how many stand in each area, and where.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WORDS: Mapping[str, str] = {
    r"nobody|somebody": "name who: the operator, a member, no caller",
    r"(?:un)?told": "reported, logged, dispatched, known from",
    r"(?:an?|each|every|the|per|class) miss": "lookup ticket, gap, absence: say which",
    r"undone": "reverted, rolled back",
    r"blame[ds]?|blaming": "actor, attribution",
    r"in vain": "failed, without success",
    r"goodbye|farewell": "close",
    r"look(s|ed|ing)? after": "maintain, manage, update",
    r"deeds?": "operations",
    r"habits?": "behaviours",
    r"tongues?": "dialect",
    r"mingl(e[ds]?|ing)": "ambiguous",
    r"sight": "visibility",
    r"leftovers?": "remaining, expired",
    r"doors?": "joins, invites, entrance to the program: say which",
    r"process before": "previous run",
    r"graveyard": "closed sessions",
    r"books|booked|booking": "accounting, settle, record",
    r"rooms?": "space, capacity, quota",
    r"talk(s|ed|ing)?": "voice, conversation, request: say which",
    r"speaks? of|spoken of|spoke of": "mention, evidence",
    r"needs? a person": "operator action required",
    r"headcount": "member count",
    r"roster": "series admission",
    r"exposer": "metrics renderer",
    r"inquir(y|ies|er)": "REST request, REST worker",
    r"forgive[sn]?": "clear refusals",
    r"ballast": "reserve",
    r"bur(y|ied|ies)": "dead letter",
    r"timekeeper": "voice time accumulator",
    r"agenda": "scheduler",
    r"greetings?": "ready",
    r"pulse": "heartbeat",
    r"unfit": "invalid",
    r"put to discord": "requested from Discord",
    r"coming and going": "joins and leaves",
    r"who carries": "top members",
    r"who went, by why": "who left, by reason",
}
"""What to look for, in lower case and with the words of an identifier apart, and what to write instead."""

ALLOWED: Mapping[str, str] = {
    r"discord_exporter_inquiries_\w+": "names of metric families: queries and alerts use them",
    r"(?:TABLE|UPDATE|INTO|FROM|JOIN) books\b|`+books`*|\bbooks\.\w+": "a table of the spool: on disk",
    r"\bburied_at\b": "a column of the spool: on disk",
    r'"out of sight"': "a value of the ledger: its format stays",
    r'"music-talk"|Study room"': "names of channels: others would change the traffic of every seed",
    r'"(?:talk|talked|inquiries)",': "slugs of panels: the ids in links to panels follow from them",
}
"""What is no finding, and why."""

AREAS: Mapping[str, tuple[str, ...]] = {
    "spool": ("exporter/spool",),
    "sinks": ("exporter/sinks",),
    "discord": ("exporter/discord",),
    "events": ("exporter/events", "exporter/model.py"),
    "tracking": ("exporter/tracking",),
    "core": (
        "exporter/app.py",
        "exporter/process.py",
        "exporter/dispatch",
        "exporter/pipeline.py",
        "exporter/aggregation",
        "exporter/checkpoint",
        "exporter/screen",
        "exporter/state",
    ),
    "simulator": (
        "discord_simulator",
        "exporter/cli/demo_runner.py",
        "exporter/cli/progress.py",
        "exporter/cli/scrape.py",
        "exporter/cli/simulate.py",
        "exporter/cli/simulator_process.py",
        "exporter/cli/verification.py",
        "exporter/cli/verify.py",
    ),
    "dashboards": (
        "dashboards",
        "deploy/kubernetes/monitoring",
        "docs/cookbook.md",
        "docs/gallery.md",
        "docs/runbooks.md",
        "exporter/sinks/sql/views",
    ),
    "reference pages": (
        "docs/configuration.md",
        "docs/events.md",
        "docs/influxdb.md",
        "docs/metrics.md",
        "docs/sql.md",
    ),
    "exporter": ("exporter",),
    "docs": (
        "docs",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "config.yaml",
        "docker-compose.yml",
        "deploy",
        "scripts",
        "benchmarks",
        ".importlinter",
        "pyproject.toml",
    ),
    "tests": ("tests",),
}
"""Every part that people read; a file belongs to the area with its longest prefix."""

CLEAN: tuple[str, ...] = tuple(AREAS)
"""The areas in which none of the words may stand."""

PATTERN = re.compile("|".join(rf"\b(?:{word})\b" for word in WORDS))
UNSEARCHED = {".png", ".lock", ".svg"}
PASSED_OVER: Mapping[str, str] = {
    "docs/glossary.md": "says which word replaces which",
    "tests/docs/test_words.py": "has the list of the words",
}
"""Files which are not searched, and why."""


@dataclass(frozen=True)
class Finding:
    """A word at a place."""

    path: str
    line: int
    word: str

    def __str__(self) -> str:
        instead = next(
            instead for pattern, instead in WORDS.items() if re.fullmatch(f"(?:{pattern})", self.word)
        )
        return f"{self.path}:{self.line}: {self.word!r}; write: {instead}"


def words_in(text: str) -> Iterator[tuple[int, str]]:
    """Line and word of each finding in a text."""
    for number, line in enumerate(text.splitlines(), start=1):
        for allowed in ALLOWED:
            line = re.sub(allowed, " ", line)  # noqa: PLW2901 - one after the other
        apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", line).lower()
        for match in PATTERN.finditer(apart):
            yield number, match[0]


def area_of(path: str) -> str | None:
    """The area with the longest prefix of a path; None if the path is in none."""
    found = [
        (len(prefix), area)
        for area, prefixes in AREAS.items()
        for prefix in prefixes
        if path == prefix or path.startswith(f"{prefix}/")
    ]
    return max(found)[1] if found else None


def findings() -> Mapping[str, list[Finding]]:
    """Every finding by area."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    by_area: dict[str, list[Finding]] = {area: [] for area in AREAS}
    for path in listed.stdout.splitlines():
        area = area_of(path)
        file = ROOT / path
        if (
            area is None
            or path in PASSED_OVER
            or file.suffix in UNSEARCHED
            or (file.suffix == ".json" and area != "tests")  # written from modules that are searched
            or not file.is_file()
        ):
            continue
        by_area[area] += [Finding(path, line, word) for line, word in words_in(file.read_text())]
    return by_area


@pytest.fixture(scope="module")
def found():
    return findings()


@pytest.mark.parametrize("area", CLEAN)
def test_an_area_says_plainly_what_it_means(found, area):
    assert not found[area], "\n" + "\n".join(map(str, found[area]))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def tell_nobody() -> None:", "nobody"),
        ("class LeftoverBooks:", "leftover"),
        ('    """Looks after the\n   state."""', "looks after"),
        ("# what it was Told", "told"),
        ("## At the doors", "doors"),
    ],
)
def test_a_word_is_found_in_identifiers_comments_and_texts(text, word):
    assert word in [found for _, found in words_in(text)]


@pytest.mark.parametrize("text", ["an insight", "mushroom", "household", "discord_exporter_inquiries_asked"])
def test_a_part_of_another_word_and_an_allowed_name_are_none(text):
    assert not list(words_in(text))


def test_what_is_allowed_is_in_use():
    texts = [
        file.read_text()
        for pattern in (
            "exporter/**/*.py",
            "discord_simulator/**/*.py",
            "dashboards/**/*.py",
            "docs/*.md",
            "tests/fixtures/**/*.json",
        )
        for file in ROOT.glob(pattern)
    ]
    for allowed in ALLOWED:
        assert any(re.search(allowed, text) for text in texts), allowed


def test_every_area_has_files():
    listed = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("*") if path.is_file()]
    listed += [
        path.relative_to(ROOT).as_posix()
        for top in ("exporter", "docs", "discord_simulator", "dashboards", "tests")
        for path in (ROOT / top).rglob("*.*")
    ]
    assert {area_of(path) for path in listed} >= set(AREAS)


if __name__ == "__main__":
    for area, here in findings().items():
        print(f"{area}: {len(here)}{' (clean)' if area in CLEAN else ''}")
        for finding in here:
            print(f"  {finding}")

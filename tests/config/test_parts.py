"""The parts a configuration is read with: documents, references, problems, fields, and their small rules."""

from __future__ import annotations

import pathlib
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from exporter.config.event_toggles import contradictions, types_of
from exporter.config.fields import field_at, kind_of, section_at, settings
from exporter.config.problems import Problem, dotted, suggest
from exporter.config.references import Resolver
from exporter.config.yaml_source import MAX_DEPTH, YamlSource, read_yaml
from exporter.events.catalogue import full_catalogue
from exporter.notation import format_duration, format_size, parse_duration, parse_size
from exporter.settings import Duration, Secret, Section, Size

SECRET = ("discord", "token")


class Inner(Section):
    """What a kettle is made of."""

    litres: Annotated[int, Field(description="How much.")] = 2
    weight: Size = 1024


class Kettle(Section):
    """A section of every kind of setting."""

    on: bool = True
    wait: Duration = 90.0
    colour: Literal["red", "blue", "green"] = "red"
    names: tuple[str, ...] = ("a", "b")
    code: Secret | None = None
    place: pathlib.Path | None = None
    either: int | Literal["auto"] = "auto"
    inner: Inner = Inner(litres=5)
    table: Annotated[dict[str, Inner], Field(default_factory=dict)]


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def test_each_value_knows_its_line_and_an_absent_one_that_of_what_should_hold_it():
    document = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - y\nd: 2\n", "f")
    assert document.data == {"a": {"b": 1, "c": ["x", "y"]}, "d": 2}
    places = {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 1): 5, ("d",): 6}
    assert {path: document.line_of(path) for path in places} == places
    assert document.line_of(("a", "absent", "deeper")) == 1
    assert document.line_of(("absent",)) == 0
    assert document.line_of(()) == 0


def test_a_merge_brings_keys_that_may_be_overridden():
    text = "base: &base {x: 1, y: 2}\nmade:\n  <<: *base\n  z: 3\n"
    assert read_yaml(text, "f").data["made"] == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize("text", ["", "# only words\n", "{}"])
def test_an_empty_document_is_no_flaw(text):
    document = read_yaml(text, "f")
    assert document.data == {}
    assert document.flaws == []


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/name:os.system x",
        "a: *unknown",
        "a: [1",
        "a: 1\n---\nb: 2",
        "a: 2020-99-99",
        "a:\n\t- tab",
        "a: \x07",
    ],
)
def test_what_is_no_plain_data_is_one_flaw_on_one_line(text):
    document = read_yaml(text, "f")
    assert document.data == {}
    ((path, _line, what),) = document.flaws
    assert path == ()
    assert what.startswith("is not valid YAML: ")
    assert "\n" not in what


def test_depth_is_bounded():
    assert read_yaml("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), "f").flaws == []
    ((_, _, what),) = read_yaml("a: " + "[" * 200 + "]" * 200, "f").flaws
    assert "nested too deeply" in what


def test_a_key_that_stands_twice_names_both_lines_and_the_first_one_counts():
    document = read_yaml("a: 1\nb: 2\na: 3\n", "f")
    assert document.data == {"a": 1, "b": 2}
    assert document.flaws == [(("a",), 3, "is given twice, first on line 1")]


@given(st.text(max_size=200))
def test_whatever_stands_in_a_file_it_is_read_or_reported(text):
    document = read_yaml(text, "f")
    assert isinstance(document.data, dict)
    assert all("\n" not in what for _, _, what in document.flaws)


# ── references ───────────────────────────────────────────────────────────────────────────────────────


def resolve(
    data: dict[str, object], base: pathlib.Path = pathlib.Path(), **environ: str
) -> tuple[dict[str, object], list[str], Resolver]:
    reported: list[str] = []
    resolver = Resolver(
        environ,
        lambda path: path == SECRET,
        lambda path, what, advice: reported.append(f"{dotted(path)}: {what}; {advice}"),
        base,
        {SECRET: "DISCORD_TOKEN"},
    )
    return resolver.mapping(data), reported, resolver


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${C:-three}", "three"),
        ("${A:-three}", "one"),
        ("${EMPTY:-three}", "three"),
        ("${C:-a:-b}", "a:-b"),
        ("$${A}", "${A}"),
        ("$A", "$A"),
        ("${C:-}x", "x"),
    ],
)
def test_references_are_replaced_within_a_text(text, value):
    found, reported, _ = resolve({"a": {"b": [text]}}, A="one", B="two", EMPTY="")
    assert found == {"a": {"b": [value]}}
    assert reported == []


@pytest.mark.parametrize("text", ["${A B}", "${1A}", "${}", "${A-x}", "${:-x}"])
def test_a_malformed_reference_is_reported_as_it_stands(text):
    found, reported, _ = resolve({"a": text}, A="one")
    assert found == {}
    assert reported == [f"a: has a malformed reference {text}; write ${{NAME}} or ${{NAME:-x}}"]


def test_what_a_variable_holds_is_not_read_for_references_again():
    found, reported, _ = resolve({"a": "${A}"}, A="${B}", B="deeper")
    assert found == {"a": "${B}"}
    assert reported == []


def test_values_of_other_kinds_are_left_as_they_are():
    data: dict[str, object] = {"a": 1, "b": None, "c": True, "d": [1.5, None], "e": {}}
    assert resolve(data)[0] == data


@pytest.mark.parametrize("value", ["abc", "x${T}", "${T}x", "${T:-abc}", 12345, "$${T}"])
def test_a_secret_that_is_not_wholly_a_reference_is_refused_and_not_repeated(value):
    found, reported, _ = resolve({"discord": {"token": value}}, T="fine-fine")
    assert found == {"discord": {}}
    (line,) = reported
    assert line.startswith("discord.token: is a secret written into the file; ")
    assert "DISCORD_TOKEN" in line
    assert "abc" not in line
    assert "12345" not in line


def test_what_was_put_in_is_known_by_its_reference(tmp_path):
    (tmp_path / "secret").write_text("  from-a-file\n")
    _, reported, resolver = resolve({"discord": {"token_file": "secret"}, "a": "${A}"}, tmp_path, A="one")
    assert reported == []
    assert resolver.used == {"from-a-file": "<content of secret>", "one": "${A}"}


def test_the_name_of_a_secret_file_may_itself_be_a_reference(tmp_path):
    (tmp_path / "secret").write_text("from-a-file")
    found, _, _ = resolve({"discord": {"token_file": "${WHERE}"}}, tmp_path, WHERE="secret")
    assert found == {"discord": {"token": "from-a-file"}}


def test_only_secrets_can_be_named_as_files():
    assert resolve({"discord": {"name_file": "x"}})[0] == {"discord": {"name_file": "x"}}


# ── problems ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", "b"), "a.b"), (("a", 0, "b", 12), "a[0].b[12]")],
)
def test_a_path_is_written_as_people_do(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("f", 3, ("a", "b"), "is odd", "mend it"), "f:3 a.b: is odd; mend it"),
        (Problem("f", 0, ("a",), "is odd", ""), "f a: is odd"),
        (Problem("VAR", 0, (), "is odd", ""), "VAR: is odd"),
    ],
)
def test_a_problem_is_place_fault_and_advice_as_far_as_there_are_any(problem, line):
    assert str(problem) == line


@pytest.mark.parametrize(
    ("word", "known", "advice"),
    [
        ("mesages", ["messages", "voice"], "did you mean messages?"),
        ("MESAGES", ["messages", "voice"], "did you mean messages?"),
        ("x", ["b", "a"], "known are a, b"),
        ("x", [], "remove it"),
        ("x", [f"name{number}" for number in range(17)], "remove it"),
    ],
)
def test_advice_for_an_unknown_word(word, known, advice):
    assert suggest(word, known) == advice


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────


def test_each_kind_of_setting_is_described_in_words_with_its_default_as_in_yaml():
    reported = {dotted(each.path): (each.kind, each.default) for each in settings(Kettle)}
    assert reported == {
        "on": ("switch", "true"),
        "wait": ("duration", "90s"),
        "colour": ("red, blue or green", "red"),
        "names": ("list of texts", "[a, b]"),
        "code": ("secret", ""),
        "place": ("path", ""),
        "either": ("number or auto", "auto"),
        "inner": ("section", ""),
        "inner.litres": ("number", "5"),
        "inner.weight": ("size", "1KiB"),
        "table": ("table by event type", "{}"),
        "table.<type>.litres": ("number", "2"),
        "table.<type>.weight": ("size", "1KiB"),
    }


def test_a_path_leads_to_a_declaration_or_nowhere():
    assert kind_of(field_at(Kettle, ("inner", "litres"))) == "number"
    assert kind_of(field_at(Kettle, ("table", "any", "weight"))) == "size"
    for path in ((), ("absent",), ("on", "deeper"), ("table", "any"), ("names", 0), ("inner", 0)):
        assert field_at(Kettle, path) is None


def test_sections_are_found_also_within_a_table():
    assert section_at(Kettle, ()) is Kettle
    assert section_at(Kettle, ("inner",)) is Inner
    assert section_at(Kettle, ("table", "any")) is Inner
    for path in (("table",), ("on",), ("absent",), ("inner", "litres")):
        assert section_at(Kettle, path) is None


@given(st.integers(0, 10**9))
def test_whatever_duration_is_written_reads_back(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(
        milliseconds / 1000, rel=1e-5
    )


@given(st.integers(0, 2**50))
def test_whatever_size_is_written_reads_back(size):
    assert parse_size(format_size(size)) == size


# ── switches ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"track": None, "events": ["x"], "batching": 3},
        {"track": {"voice": False}},
        {"track": {"voice": True}, "events": {"VOICE_CHANNEL_JOIN": True}},
        {"track": {"voice": False}, "events": {"VOICE_CHANNEL_JOIN": False, "MESSAGE_CREATE": True}},
        {"track": {"voice": "off"}, "events": {"VOICE_CHANNEL_JOIN": True}},
        {"batching": {"types": {"MESSAGE_CREATE": {}}}},
    ],
)
def test_sections_that_agree_or_are_wrong_in_another_way_are_no_contradiction(data):
    assert list(contradictions(data, full_catalogue())) == []


@pytest.mark.parametrize(
    "switch", ["messages", "voice", "reactions", "invites", "moderation", "detailed_members"]
)
def test_every_type_asked_for_against_its_family_is_reported(switch):
    kinds = types_of(switch, full_catalogue())
    assert kinds
    data = {"track": {switch: False}, "events": dict.fromkeys(kinds, True)}
    reported = list(contradictions(data, full_catalogue()))
    assert [path for path, _, _ in reported] == [("events", kind) for kind in kinds]
    assert {what for _, what, _ in reported} == {f"is on, but track.{switch} is off"}


def test_a_document_made_by_hand_has_no_lines():
    assert YamlSource("demo", {"a": 1}).line_of(("a",)) == 0

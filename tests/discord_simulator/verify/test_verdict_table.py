"""The table: for a terminal, for a log, for a program."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from discord_simulator.verify.differences import ComparisonLine, Difference
from discord_simulator.verify.quantities import Expected, Scope
from discord_simulator.verify.table import as_json, plain, rich_table

GOOD = ComparisonLine("messages", Scope.GUILD, 3, 12_345, {"/metrics": 12_345, "sql": 12_345})
BAD = ComparisonLine(
    "voice_seconds",
    Scope.CHANNEL,
    2,
    10.5,
    {"sql": 7},
    differing=7,
    differences=(Difference("sql", "channel 1/2", "9.5 to 11.5", "7"),),
)


def rendered(*lines: ComparisonLine) -> str:
    out = io.StringIO()
    Console(file=out, width=120, no_color=True).print(rich_table(lines))
    return out.getvalue()


@pytest.mark.parametrize("render", [lambda *lines: plain(lines), rendered])
def test_each_store_has_a_column_and_what_it_does_not_keep_is_a_dash(render: object) -> None:
    text = render(GOOD, BAD)  # type: ignore[operator]  # a parametrised callable
    head = next(line for line in text.splitlines() if "ledger" in line and "sql" in line)
    assert head.index("/metrics") < head.index("sql")
    good = next(line for line in text.splitlines() if "messages" in line)
    assert good.count("12,345") == 3
    assert "ok" in good
    bad = next(line for line in text.splitlines() if "voice_seconds" in line)
    assert " - " in bad
    assert "10.50" in bad
    assert "7 differ" in bad


def test_differences_are_sentences_and_the_rest_is_counted() -> None:
    *_, first, rest = plain([GOOD, BAD]).splitlines()
    assert first == "voice_seconds: sql: channel 1/2: the ledger has 9.5 to 11.5, found 7"
    assert rest == "voice_seconds: 6 more differences by channel"


def test_columns_of_the_plain_table_are_even() -> None:
    lines = plain([GOOD]).splitlines()
    assert len({line.index("ledger") + 6 for line in lines[:1]} | {lines[1].index("12,345") + 6}) == 1


def test_json_says_whether_it_adds_up_and_keeps_ids_as_text() -> None:
    expected = Expected({}, unseen={"MESSAGE_CREATE": 2}, complete=False)
    document = json.loads(json.dumps(as_json(expected, [GOOD, BAD])))
    assert document["ok"] is False
    assert document["complete"] is False
    assert document["unseen"] == {"MESSAGE_CREATE": 2}
    assert [line["ok"] for line in document["lines"]] == [True, False]
    assert document["lines"][1]["differences"][0].startswith("sql: channel 1/2")
    assert as_json(expected, [GOOD])["ok"] is True


def test_an_empty_comparison_is_an_empty_table() -> None:
    assert plain([]).split() == ["quantity", "by", "keys", "ledger"]

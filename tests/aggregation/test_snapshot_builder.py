from __future__ import annotations

from collections import Counter
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aggregation.cells import Activity, Cell
from exporter.aggregation.config import MetricsConfig
from exporter.aggregation.snapshot_builder import Surroundings, activity_entry, metrics_entry
from exporter.events.facts.counting import Series
from exporter.events.messages import EDITS, MESSAGES
from exporter.events.reactions import REACTIONS, RECEIVED
from exporter.events.records.snapshots import ALL_DETAILS, SnapshotDetail
from exporter.events.voice import SECONDS, SESSION_TIME, SESSIONS
from exporter.model import Entry, Priority
from tests.entry_data import fields_of

PERIOD = (1_700_000_040_000, 1_700_000_100_000)
HUMAN, ACTIVE = MESSAGES["human"], SECONDS["active"]
AROUND = Surroundings({"members": 7}, 3, {20: 2}, {10: "general", 20: "voice"}, {1: "nelly", 2: "mason"})


def metrics(cells: dict[Cell, int], limits: MetricsConfig | None = None) -> dict[str, Any]:
    entry = metrics_entry(5, PERIOD, "key", Activity(cells), AROUND, limits or MetricsConfig(), ALL_DETAILS)
    assert isinstance(entry, Entry)
    assert (entry.type, entry.guild_id, entry.at, entry.key) == ("METRICS_SNAPSHOT", 5, PERIOD[0], "key")
    assert entry.priority is Priority.SLOW
    return fields_of(entry)


CELLS: dict[Cell, int] = {
    (HUMAN, 10, 1, ""): 4,
    (HUMAN, 11, 1, ""): 1,
    (HUMAN, 10, 2, ""): 2,
    (MESSAGES["bot"], 10, 0, ""): 3,
    (ACTIVE, 20, 1, ""): 90_000,
    (SECONDS["bot"], 20, 0, ""): 60_000,
    (REACTIONS["normal"], 10, 2, "🔥"): 5,
    (REACTIONS["super"], 10, 1, "41771983429993937"): 2,
    (RECEIVED.series, 0, 3, ""): 7,
    (SESSIONS.series, 0, 1, ""): 1,
    (SESSIONS.series, 0, 2, ""): 1,
    (SESSION_TIME.series, 0, 0, ""): 90_500,
    (EDITS.series, 10, 0, ""): 1,
}


def test_a_snapshot_says_all_that_the_seed_s_does() -> None:
    data = metrics(CELLS)
    assert (data["period_start"], data["period_end"], data["period_duration"]) == (*PERIOD, 60)
    assert ["messages", "human", 10, "", 6] in data["series"], "members are summed up"
    assert ["messages", "human", 1, 5] in data["members"], "channels are summed up"
    assert data["gauges"] == {"members": 7}
    assert data["sessions"] == {"count": 2, "average_seconds": 45.25}
    assert data["peak_voice"] == {"members": 3, "by_channel": {"20": 2}}


DETAILS = sorted(ALL_DETAILS - {SnapshotDetail.NEWCOMERS})


@pytest.mark.parametrize("wanted", DETAILS)
def test_only_the_details_that_a_sink_stores_are_computed(wanted: SnapshotDetail) -> None:
    entry = metrics_entry(5, PERIOD, "key", Activity(CELLS), AROUND, MetricsConfig(), {wanted})
    whole = metrics(CELLS)
    assert fields_of(entry) == {
        name: value for name, value in whole.items() if name not in DETAILS or name == wanted
    }


def test_without_details_a_snapshot_names_no_channel_and_no_member() -> None:
    around = Surroundings({"members": 7}, 3, {20: 2}, Unread(), Unread())
    entry = metrics_entry(5, PERIOD, "key", Activity(CELLS), around, MetricsConfig(), frozenset())
    data = fields_of(entry)
    assert data.keys() == {"period_start", "period_end", "period_duration", "series", "gauges"}
    assert data["series"] == metrics(CELLS)["series"]


class Unread(dict[int, str]):
    """Names that no one may look up."""

    def get(self, *_: object) -> NoReturn:
        raise AssertionError


def test_who_only_received_reactions_was_not_active() -> None:
    assert metrics(CELLS)["unique_users"] == 2


def test_the_score_is_messages_and_half_the_minutes_and_a_fifth_of_the_reactions() -> None:
    first, second = metrics(CELLS)["top_members"]
    assert (first["user_id"], first["username"]) == ("1", "nelly")
    assert first["activity_score"] == 5 + 0.5 * 1.5 + 0.2 * 2
    assert second["activity_score"] == 2 + 0.2 * 5
    assert (first["messages"], first["voice_minutes"], first["reactions"]) == (5, 1.5, 2)


def test_time_in_the_afk_channel_is_no_activity() -> None:
    asleep: dict[Cell, int] = {(SECONDS["afk"], 30, 9, ""): 3_600_000}
    data = metrics(CELLS | asleep)
    assert ["voice_seconds", "afk", 9, 3_600_000] in data["members"], "it is counted all the same"
    assert "9" not in [member["user_id"] for member in data["top_members"]]
    assert "30" not in [place["channel_id"] for place in data["top_channels"]]
    drowsy: dict[Cell, int] = {(SECONDS["afk"], 30, 1, ""): 3_600_000}
    first = metrics(CELLS | drowsy)["top_members"][0]
    assert (first["activity_score"], first["voice_minutes"]) == (5 + 0.5 * 1.5 + 0.2 * 2, 1.5)


def test_a_member_s_channels_are_listed_without_the_place_that_is_none() -> None:
    first, second = metrics(CELLS)["top_members"]
    assert [place["channel_id"] for place in second["top_channels"]] == ["10"]
    assert [place["channel_id"] for place in first["top_channels"]] == ["10", "11", "20"]
    assert first["top_channels"][0] == {
        "channel_id": "10",
        "channel_name": "general",
        "messages": 4,
        "voice_minutes": 0.0,
    }


def test_channels_are_ranked_with_names_where_known() -> None:
    top = metrics(CELLS)["top_channels"]
    assert [(place["channel_id"], place["channel_name"]) for place in top] == [
        ("10", "general"),
        ("20", "voice"),
        ("11", None),
    ]
    assert top[1]["peak_users"] == 2


def test_emojis_are_ranked_and_custom_ones_carry_their_id() -> None:
    assert metrics(CELLS)["top_emojis"] == [
        {"emoji": "🔥", "emoji_id": None, "count": 5},
        {"emoji": "41771983429993937", "emoji_id": "41771983429993937", "count": 2},
    ]


def test_tops_are_bounded() -> None:
    cells: dict[Cell, int] = {
        (series, 100 + n, 200 + n, f"{n}"): 1 for n in range(50) for series in (HUMAN, REACTIONS["normal"])
    }
    data = metrics(cells, MetricsConfig(max_top_members=4, max_top_channels=3, max_top_emojis=2))
    assert [len(data[top]) for top in ("top_members", "top_channels", "top_emojis")] == [4, 3, 2]


def test_an_empty_window_divides_by_nothing() -> None:
    data = metrics({})
    assert data["sessions"] == {"count": 0, "average_seconds": 0}
    assert data["top_members"] == data["series"] == []


SLOTS = st.sampled_from([HUMAN, ACTIVE, REACTIONS["normal"], RECEIVED.series, EDITS.series])
RANDOM_CELLS = st.dictionaries(
    st.tuples(SLOTS, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "🔥"])), st.integers(1, 10**9)
)


@given(RANDOM_CELLS)
def test_series_and_members_sum_to_the_cells(cells: dict[Cell, int]) -> None:
    def sums(rows: list[list[Any]]) -> Counter[tuple[str, str]]:
        total: Counter[tuple[str, str]] = Counter()
        for measure, value, *_rest, amount in rows:
            total[measure, value] += amount
        return total

    def expected(keep: Any) -> Counter[tuple[str, str]]:
        total: Counter[tuple[str, str]] = Counter()
        for cell, amount in cells.items():
            if keep(cell):
                total[cell[0].measure, cell[0].value] += amount
        return total

    data = metrics(cells)
    assert sums(data["series"]) == expected(lambda _cell: True)
    assert sums(data["members"]) == expected(lambda cell: cell[2])
    assert len({tuple(row[:4]) for row in data["series"]}) == len(data["series"])
    activity = activity_entry(5, PERIOD, "key", Activity(cells), {}, [])
    deltas = [row for member in fields_of(activity)["members"] for row in member[5]] if activity else []
    assert sums(deltas) == expected(lambda cell: cell[2])


def test_a_member_s_activity_has_name_times_and_whether_they_are_new() -> None:
    seen = {1: (PERIOD[0] + 5, PERIOD[0] + 9)}
    entry = activity_entry(5, PERIOD, "key", Activity(dict(CELLS), seen), {1: "nelly"}, [2])
    assert entry is not None
    members = {member[0]: member for member in fields_of(entry)["members"]}
    assert members[1][1:5] == ["nelly", PERIOD[0] + 5, PERIOD[0] + 9, False]
    assert members[2][4] is True
    assert ["reactions", "super", 10, 2] in members[1][5]


def test_without_an_active_member_there_is_no_member_snapshot() -> None:
    series: Series = MESSAGES["bot"]
    assert activity_entry(5, PERIOD, "key", Activity({(series, 10, 0, ""): 3}), {}, []) is None

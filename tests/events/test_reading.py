"""Null means absent, and a broken element of a list costs that element: over every place of every payload."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events import reading
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.facts.guilds import GuildUpserted
from exporter.events.facts.moderation import AuditPage
from exporter.events.reading import UNREADABLE, PayloadReader
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import Telemetry, total, value
from tests.events.conftest import load_cases
from tests.memory_spool import MemorySpool
from tests.tracking.hostile import places

CATALOGUE = full_catalogue()
AT = 1_700_000_000_000

NULL_HAS_A_MEANING = {("GUILD_MEMBER_UPDATE", "communication_disabled_until")}
"""Null is documented as "not timed out"; absence says nothing. Discord docs, Resources › Guild."""

PAIRS = {("READY", "shard")}
"""A pair of numbers, not a list: without one of them it says nothing."""

Place = tuple[Any, ...]
ABSENT = object()


def put(data: Any, place: Place, new: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    if new is ABSENT:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return data


def outcome(dispatch: str, data: Any) -> tuple[list[Fact], list[tuple[str, int]]] | None:
    """Facts, and by list how many elements were left out; None for a dispatch that is rejected."""
    try:
        facts = PayloadReader(dispatch, CATALOGUE.readers[dispatch]).read(json.dumps(data).encode(), AT)
    except UNREADABLE:
        return None
    kept: list[Fact] = []
    left_out = []
    for fact in facts:
        if isinstance(fact, ElementsRejected):
            assert fact.dispatch == dispatch
            left_out.append((fact.path, fact.number))
        else:
            # How many entries a page had is part of its paging, whether they could be read or not.
            kept.append(msgspec.structs.replace(fact, size=0) if isinstance(fact, AuditPage) else fact)
    return kept, left_out


def number_of(found: tuple[list[Fact], list[tuple[str, int]]]) -> int:
    """How many elements were left out."""
    return sum(number for _, number in found[1])


def name_of(dispatch: str, place: Place) -> tuple[str, Any]:
    return dispatch, place[0]


def test_null_in_a_field_is_as_if_it_were_absent(dispatch: str, case: dict[str, Any]) -> None:
    for place in places(case["d"]):
        if isinstance(place[-1], int) or name_of(dispatch, place) in NULL_HAS_A_MEANING:
            continue
        absent = outcome(dispatch, put(case["d"], place, ABSENT))
        assert outcome(dispatch, put(case["d"], place, None)) == absent, place


def test_an_empty_id_in_a_field_is_as_if_it_were_absent_or_rejects_what_it_names() -> None:
    (case,) = (case for case in load_cases()["VOICE_STATE_UPDATE"][:1])
    data = case["d"] | {"channel_id": ""}
    assert outcome("VOICE_STATE_UPDATE", data) == outcome("VOICE_STATE_UPDATE", data | {"channel_id": None})
    assert outcome("VOICE_STATE_UPDATE", data | {"user_id": ""}) is None


@pytest.mark.parametrize("broken", [None, 5, "x", [], {}, {"id": "x"}, {"user": {"id": None}}], ids=str)
def test_a_broken_element_costs_that_element(broken: Any, dispatch: str, case: dict[str, Any]) -> None:
    for place in places(case["d"]):
        if not isinstance(place[-1], int) or name_of(dispatch, place) in PAIRS:
            continue
        found = outcome(dispatch, put(case["d"], place, broken))
        assert found is not None, place
        rest = outcome(dispatch, put(case["d"], place, ABSENT))
        assert rest is not None, place
        if number_of(found) > number_of(rest):
            assert number_of(found) == number_of(rest) + 1, place
            assert found[0] == rest[0], place


def test_a_broken_part_of_an_element_costs_no_more_than_the_element(
    dispatch: str, case: dict[str, Any]
) -> None:
    for place in places(case["d"]):
        within = [n for n, key in enumerate(place) if isinstance(key, int)]
        if not within or name_of(dispatch, place) in PAIRS:
            continue
        for broken in (None, {}, "\x00", 2**64):
            assert outcome(dispatch, put(case["d"], place, broken)) is not None, (place, broken)


@pytest.mark.parametrize("broken", [5, {"id": None}, {"id": "5", "type": 0, "name": {}}], ids=str)
def test_a_list_with_too_many_broken_elements_is_given_up_and_counted(
    broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_TAKEN_APART", 10)
    good = GOOD["channels"]
    found = outcome("GUILD_CREATE", guild() | {"channels": [*[good, broken] * 11, *[good] * 5]})
    assert found is not None
    assert dict(found[1])["$.channels[]"] == 10 + 1 + 5
    (upserted,) = (fact for fact in found[0] if isinstance(fact, GuildUpserted))
    assert len([channel for channel in upserted.channels if channel.channel_id == int(good["id"])]) == 11


def test_a_hundred_thousand_broken_elements_keep_the_loop_busy_for_no_second() -> None:
    started = time.process_time()
    found = outcome("GUILD_CREATE", guild() | {"channels": [{"id": None}] * 100_000})
    assert time.process_time() - started < 1
    assert found is not None
    assert dict(found[1])["$.channels[]"] == 100_000


def guild() -> Any:
    return max((case["d"] for case in load_cases()["GUILD_CREATE"]), key=lambda data: len(json.dumps(data)))


LISTS = ["members", "voice_states", "channels", "threads", "roles", "emojis", "stickers"]
GOOD = {
    "members": {"user": {"id": "71", "username": "a name of a person"}, "roles": []},
    "voice_states": {"user_id": "72", "channel_id": "8", "session_id": "s"},
    "channels": {"id": "73", "type": 0, "name": "c"},
    "threads": {"id": "74", "type": 11, "name": "t", "parent_id": "73"},
    "roles": {"id": "75", "name": "r", "permissions": "0"},
    "emojis": {"id": "76", "name": "e"},
    "stickers": {"id": "77", "name": "s"},
}
BROKEN = [None, 5, {"id": None, "user_id": None, "user": {"id": "a name of a person"}}]


@given(st.lists(st.tuples(st.sampled_from(LISTS), st.sampled_from(BROKEN)), max_size=6))
def test_whatever_elements_of_a_guild_are_broken_the_guild_is_there(broken: list[tuple[str, Any]]) -> None:
    data = guild() | {name: [GOOD[name]] for name in LISTS}
    whole = outcome("GUILD_CREATE", data)
    spoilt = copy.deepcopy(data)
    for name, element in broken:
        spoilt[name].append(element)
    found = outcome("GUILD_CREATE", spoilt)
    assert whole is not None
    assert found is not None
    assert found[0] == whole[0]
    assert dict(found[1]) == {
        f"$.{name}[]": number for name in LISTS if (number := sum(1 for each, _ in broken if each == name))
    }


def test_voice_state_with_a_null_flag_keeps_its_member_in_voice() -> None:
    data = guild() | {"voice_states": [GOOD["voice_states"] | {"self_stream": None, "session_id": None}]}
    found = outcome("GUILD_CREATE", data)
    assert found is not None
    (upserted,) = (fact for fact in found[0] if isinstance(fact, GuildUpserted))
    assert [state.user_id for state in upserted.voice_states] == [72]
    assert not found[1]


async def test_what_is_left_out_is_counted_and_logged_once_without_what_it_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry, clock = Telemetry(), ManualClock()
    sections = MetricsConfig(), BatchingConfig(), PrivacyConfig()
    pipeline = Pipeline(CATALOGUE, *sections, MemorySpool(), clock, telemetry)
    await pipeline.start()
    data = guild() | {"members": [GOOD["members"], BROKEN[2], None]}
    for _ in range(3):
        pipeline.accept("GUILD_CREATE", json.dumps(data).encode(), 0, clock.now_ms())
    assert telemetry.rejected_elements.values == {("GUILD_CREATE", "$.members[]"): 6}
    assert value(telemetry.accepted, "GUILD_CREATE") == 3
    assert total(telemetry.rejected) == 0
    (line,) = (record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert "2 of $.members[] in a GUILD_CREATE" in line
    assert "Expected `int`, got `str` - at `$.members[1].user.id`" in line
    assert "a name of a person" not in caplog.text


async def test_a_flood_of_broken_elements_is_read_in_one_pass() -> None:
    data = guild() | {"members": [GOOD["members"], *[{"user": {"id": "x"}}] * 20_000]}
    found = outcome("GUILD_CREATE", data)
    assert found is not None
    assert found[1] == [("$.members[]", 20_000)]

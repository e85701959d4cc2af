"""The ledger adds up to the world: initial state plus what is written gives the state at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from discord_simulator.behaviours import guild_admin
from discord_simulator.ledger import Ledger
from discord_simulator.operations import guilds, voice
from discord_simulator.traffic import Traffic
from exporter.clock import ManualClock


@pytest.fixture(params=[1, 2, 3])
def ended(request: pytest.FixtureRequest, make_stage: Callable[..., Any]) -> Any:
    """A world after half an hour of busy traffic that has come to rest."""
    stage = make_stage(seed=request.param, guilds=5, members=40)
    stage.ledger.header(seed=request.param, guilds=5, members=40, rate=5, version="0")
    stage.world.record_guilds()
    stage.run(9000, rate=5).finish()
    stage.ledger.end()
    return stage


def by_type(stage: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in stage.lines():
        found[line["type"]].append(line)
    return found


def test_lines_are_numbered_in_time_and_ids_are_text(ended: Any) -> None:
    lines = ended.lines()
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    times = [line["at"] for line in lines]
    assert times == sorted(times)
    for line in lines:
        for key, value in line.items():
            if key.endswith("_id"):
                assert value is None or isinstance(value, str), (line["type"], key)


def test_the_last_line_counts_the_others(ended: Any) -> None:
    lines = ended.lines()
    assert lines[0]["type"] == "HEADER"
    assert lines[-1]["type"] == "END"
    assert lines[-1]["counts"] == dict(Counter(line["type"] for line in lines[:-1]))


def test_every_type_of_line_occurs(ended: Any) -> None:
    assert {
        "GUILD",
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "EMBED_RESOLVED",
        "MESSAGE_DELETE",
        "MESSAGE_DELETE_BULK",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "VOICE_STATE",
        "VOICE_SESSION",
        "GUILD_MEMBER_ADD",
        "GUILD_MEMBER_REMOVE",
        "GUILD_BAN_ADD",
        "GUILD_BAN_REMOVE",
        "AUDIT_LOG_ENTRY",
        "GUILD_UPDATE",
        "THREAD_CREATE",
    } <= by_type(ended).keys()


def test_member_counts_follow_from_joins_and_departures(ended: Any) -> None:
    lines = by_type(ended)
    counts = {line["guild_id"]: line["member_count"] for line in lines["GUILD"] + lines["GUILD_CREATE"]}
    for line in lines["GUILD_MEMBER_ADD"]:
        counts[line["guild_id"]] += 1
    for line in lines["GUILD_MEMBER_REMOVE"]:
        counts[line["guild_id"]] -= 1
    for guild in ended.world.guilds.values():
        assert counts[str(guild.id)] == guild.member_count == len(set(guild.members)) + len(set(guild.bots))
    for line in lines["GUILD_DELETE"]:
        assert counts[line["guild_id"]] == line["member_count"]


def test_bans_and_unbans_leave_the_guilds_ban_list(ended: Any) -> None:
    banned: Counter[tuple[str, str]] = Counter()
    for line in ended.lines():
        if line["type"] == "GUILD_BAN_ADD":
            banned[line["guild_id"], line["target_user_id"]] += 1
        elif line["type"] == "GUILD_BAN_REMOVE":
            banned[line["guild_id"], line["target_user_id"]] -= 1
    assert set(banned.values()) <= {0, 1}
    gone = {line["guild_id"] for line in by_type(ended)["GUILD_DELETE"]}
    left = {place for place, number in banned.items() if number and place[0] not in gone}
    assert left == {(str(g.id), str(user)) for g in ended.world.guilds.values() for user in g.bans}
    for guild in ended.world.guilds.values():
        assert not set(guild.bans) & set(guild.members)


def test_a_session_is_the_time_between_its_states(ended: Any) -> None:
    open_: dict[tuple[str, str], tuple[str, int]] = {}
    spent: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    last_session: dict[tuple[str, str], Counter[str]] = {}
    sessions = 0
    for line in ended.lines():
        place = (line.get("guild_id", ""), line.get("user_id", ""))
        if line["type"] == "VOICE_STATE":
            if place in open_:
                channel, since = open_.pop(place)
                spent[place][channel] += line["at"] - since
            if line["channel_id"] is not None:
                open_[place] = (line["channel_id"], line["at"])
            elif sessions_before := spent.pop(place, None):
                # The session's line comes just before the state that ends it.
                assert last_session[place] == +sessions_before
        elif line["type"] == "VOICE_SESSION":
            sessions += 1
            assert line["ms"] == sum(line["channels"].values()) == line["to"] - line["from"]
            last_session = {place: +Counter(line["channels"])}
    assert sessions > 100
    gone = {line["guild_id"] for line in by_type(ended)["GUILD_DELETE"]}
    assert {place[0] for place in open_} <= gone


def test_every_session_is_over_at_the_end(ended: Any) -> None:
    entered = sum(1 for _ in _entries(ended.lines()))
    assert entered == len(by_type(ended)["VOICE_SESSION"])
    assert not any(guild.states for guild in ended.world.guilds.values())


def _entries(lines: list[dict[str, Any]]) -> Any:
    inside: set[tuple[str, str]] = set()
    for line in lines:
        if line["type"] == "VOICE_STATE":
            place = (line["guild_id"], line["user_id"])
            if line["channel_id"] is not None and place not in inside:
                inside.add(place)
                yield place
            elif line["channel_id"] is None:
                inside.discard(place)


def test_every_audited_operation_is_in_the_log_published_once_and_in_the_ledger(ended: Any) -> None:
    lines = by_type(ended)
    published = Counter(line["audit_entry_id"] for line in lines["AUDIT_LOG_ENTRY"])
    assert set(published.values()) == {1}
    claimed = {
        line["audit_entry_id"]
        for kind in ("GUILD_BAN_ADD", "GUILD_BAN_REMOVE", "GUILD_MEMBER_REMOVE", "MESSAGE_DELETE_BULK")
        for line in lines[kind]
        if line["audit_entry_id"]
    }
    assert claimed <= published.keys()
    for guild in ended.world.guilds.values():
        assert {str(entry.id) for entry in guild.audit} <= published.keys()


def test_each_departure_has_exactly_one_reason_and_a_ban_is_accompanied_by_one(ended: Any) -> None:
    lines = by_type(ended)
    reasons = Counter(line["reason"] for line in lines["GUILD_MEMBER_REMOVE"])
    assert reasons.keys() <= {"leave", "kick", "ban", "prune"}
    assert reasons["leave"] > 0
    entries = {line["audit_entry_id"] for line in lines["GUILD_BAN_ADD"]}
    departures = {line["audit_entry_id"] for line in lines["GUILD_MEMBER_REMOVE"] if line["reason"] == "ban"}
    assert departures <= entries
    for line in lines["GUILD_MEMBER_REMOVE"]:
        assert (line["moderator_id"] is None) == (line["reason"] == "leave")


def test_edits_deletions_and_reactions_refer_to_messages_that_exist(ended: Any) -> None:
    written: dict[str, dict[str, Any]] = {}
    for line in ended.lines():
        kind = line["type"]
        if kind == "MESSAGE_CREATE":
            assert line["message_id"] not in written
            written[line["message_id"]] = line
        elif kind in {"MESSAGE_UPDATE", "EMBED_RESOLVED"} or kind.startswith("MESSAGE_REACTION"):
            original = written[line["message_id"]]
            assert (line["channel_id"], line["parent_id"]) == (original["channel_id"], original["parent_id"])
        elif kind == "MESSAGE_DELETE":
            del written[line["message_id"]]


def test_dispatches_carry_the_number_of_their_line(ended: Any) -> None:
    lines = ended.lines()
    names = {
        "VOICE_STATE_UPDATE": {"VOICE_STATE"},
        "GUILD_AUDIT_LOG_ENTRY_CREATE": {"AUDIT_LOG_ENTRY"},
        "GUILD_MEMBER_UPDATE": {"MEMBER_ACTION", "OWN_NICK"},
        "AUTO_MODERATION_ACTION_EXECUTION": {"MEMBER_ACTION"},
    }
    checked = 0
    for dispatch in ended.dispatches:
        if not dispatch.ledger_id:
            continue
        line = lines[dispatch.ledger_id - 1]
        allowed = names.get(dispatch.type, {dispatch.type}) | {"OUTAGE"}
        allowed |= {"EMBED_RESOLVED"} if dispatch.type == "MESSAGE_UPDATE" else set()
        assert line["type"] in allowed
        assert line["guild_id"] == str(dispatch.guild_id)
        checked += 1
    counted = Counter(dispatch.ledger_id for dispatch in ended.dispatches if dispatch.ledger_id)
    assert set(counted.values()) == {1}
    assert checked > 5000


def test_counted_operations_are_published_exactly_once(ended: Any) -> None:
    numbers = {dispatch.ledger_id for dispatch in ended.dispatches}
    unpublished = {"HEADER", "GUILD", "END", "VOICE_SESSION", "MESSAGE_PIN", "TIMEOUT_EXPIRED", "INVITE_USE"}
    for line in ended.lines():
        # Voice restrictions and added bots are published by a line of their own.
        published_elsewhere = line.get("action", "").startswith(("voice_", "member_", "bot_"))
        assert (line["n"] in numbers) == (line["type"] not in unpublished and not published_elsewhere), line


def test_nothing_happens_in_an_outage(ended: Any) -> None:
    out: set[str] = set()
    outages = 0
    for line in ended.lines():
        if line["type"] == "OUTAGE":
            outages += line["unavailable"]
            (out.add if line["unavailable"] else out.discard)(line["guild_id"])
        elif line["type"] != "END":
            assert line.get("guild_id") not in out, line
    assert not out


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


def test_lost_lines_and_gaps_are_written_at_once(tmp_path: Any) -> None:
    clock = ManualClock()
    path = tmp_path / "ledger"
    ledger = Ledger(path, clock)
    ledger.write("MESSAGE_CREATE", clock.now_ms(), {})
    assert path.read_bytes() == b""
    ledger.lost([0, 1], "session timed out")
    ledger.lost([0], "nothing of note")
    ledger.gap(2, 1000, 2500)
    ledger.close()
    ledger.close()
    _, lost, gap = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert (lost["type"], lost["refs"], lost["reason"]) == ("LOST", [1], "session timed out")
    assert (gap["type"], gap["shard"], gap["from"], gap["to"]) == ("GAP", 2, 1000, 2500)


def test_what_is_buffered_is_written_within_a_second(tmp_path: Any) -> None:
    clock = ManualClock()
    path = tmp_path / "ledger"
    ledger = Ledger(path, clock)
    ledger.write("MESSAGE_CREATE", clock.now_ms(), {})
    clock.advance(0.9)
    ledger.flush_if_due()
    assert path.read_bytes() == b""
    clock.advance(0.2)
    ledger.flush_if_due()
    assert orjson.loads(path.read_bytes())["n"] == 1
    ledger.close()


def test_a_ledger_without_a_file_numbers_and_counts(tmp_path: Any) -> None:
    ledger = Ledger(None, ManualClock())
    assert [ledger.write("A", 0, {}), ledger.write("B", 0, {}), ledger.write("A", 0, {})] == [1, 2, 3]
    assert ledger.counts == {"A": 2, "B": 1}
    ledger.close()
    assert list(tmp_path.iterdir()) == []


def test_a_removed_guilds_sessions_end_with_it(stage: Any) -> None:
    guild = next(iter(stage.world.guilds.values()))
    voice.join(stage.world, guild, guild.members[0], guild.voice[0])
    stage.clock.advance(2)
    traffic = Traffic(stage.world, rate=1, behaviours={guild_admin.remove_guild: 1})
    while guild.id in stage.world.guilds and len(stage.world.guilds) > 2:
        traffic.step()
    # The first and largest guild is never taken by chance.
    guilds.remove(stage.world, guild)
    session = next(line for line in stage.lines() if line["type"] == "VOICE_SESSION")
    assert (session["ms"], session["ended"]) == (2000, "out of sight")

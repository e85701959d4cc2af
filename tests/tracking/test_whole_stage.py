"""The stage with everything real in it: dispatches in, entries out of a spool on disk."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.events.voice import STATES
from exporter.model import Entry, Priority
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import total, value
from tests.entry_data import fields_of

EPOCH = 1_420_070_400_000
GUILD = 197038439483310086
CHANNEL, VOICE, THREAD = 197038439483310087, 197038439483310090, 1174000000000000001
AFK = 197038439483310091
NELLY, MASON = 80351110224678912, 53908232506183680
Payload = Callable[[str, str], dict[str, Any]]
SumSeries = Callable[[Sequence[Entry]], Counter[tuple[Any, ...]]]
Site = Any  # the class stands in conftest, which cannot be imported


SERIAL = itertools.count()


def snowflake(at: int) -> str:
    """An id of its own, made at a moment."""
    return str(((at - EPOCH) << 22) + next(SERIAL) % 4_096)


def message(payload: Payload, at: int, **fields: object) -> dict[str, Any]:
    return payload("MESSAGE_CREATE", "human") | {"id": snowflake(at)} | fields


async def begin(site: Site, payload: Payload) -> Any:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []})
    return pipeline


async def pass_time(site: Site, pipeline: Any, seconds: int) -> None:
    for _ in range(seconds):
        site.clock.advance(1)
        await pipeline.tick()


async def test_a_minute_of_a_guild_becomes_one_snapshot(
    site: Site, payload: Payload, sum_series: SumSeries
) -> None:
    pipeline = await begin(site, payload)
    for _ in range(3):
        site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms()))
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms(), channel_id=str(THREAD)))
    site.feed(pipeline, "MESSAGE_REACTION_ADD", payload("MESSAGE_REACTION_ADD", "unicode"))
    site.feed(pipeline, "MESSAGE_DELETE_BULK", payload("MESSAGE_DELETE_BULK", "three"))
    await pass_time(site, pipeline, 70)
    (entry,) = await site.entries("METRICS_SNAPSHOT")
    assert entry.at == 1_699_999_980_000
    assert sum_series([entry]) == {
        (GUILD, "messages", "human", CHANNEL, ""): 4,
        (GUILD, "reactions", "normal", CHANNEL, "🔥"): 1,
        (GUILD, "reactions_received", "", 0, ""): 1,
        (GUILD, "message_deletes", "bulk", CHANNEL, ""): 3,
    }
    assert fields_of(entry)["gauges"] == {"members": 7, "boosts": 3, "voice_members": 0}
    assert fields_of(entry)["top_channels"][0]["channel_name"] == "general"
    assert fields_of(entry)["top_members"][0]["username"] == "nelly"
    assert pipeline.totals("messages", "human") == {GUILD: 4}
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 4}}
    assert pipeline.guilds() == {GUILD: "Friendly place"}
    assert pipeline.gauges("members") == {GUILD: 7}


async def test_a_message_is_counted_in_the_window_of_its_id(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    earlier = site.clock.now_ms() - 25_000
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, earlier))
    await pipeline.flush()
    (entry,) = await site.entries("METRICS_SNAPSHOT")
    assert entry.at == earlier // 60_000 * 60_000 == 1_699_999_920_000


async def test_a_flush_waits_for_what_has_ended_and_for_nothing_that_ends_meanwhile(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    ends = (5, 15)  # seconds from now
    for number, end in enumerate(ends):
        until = datetime.fromtimestamp(site.clock.now_ms() / 1000 + end, UTC).isoformat()
        entry = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "timeout")
        entry |= {"id": str(int(entry["id"]) + number), "target_id": str(MASON + number)}
        entry["changes"][0]["new_value"] = until
        site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", entry)
    site.clock.advance(10)
    flush = asyncio.create_task(pipeline.flush())
    await asyncio.sleep(0)
    site.clock.advance(10)
    async with asyncio.timeout(10):
        assert await flush
    kept = [entry for entry in await site.entries() if fields_of(entry).get("action") == "timeout_expired"]
    assert [fields_of(entry)["target_user_id"] for entry in kept] == [MASON]


async def test_voice_leaves_with_its_window_and_not_a_second_time(
    site: Site, payload: Payload, sum_series: SumSeries
) -> None:
    site.clock.advance(2)  # so that the edge of a window falls between two regular settlements
    pipeline = await begin(site, payload)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    await pass_time(site, pipeline, 150)
    entries = await site.entries("METRICS_SNAPSHOT")
    assert [entry.at for entry in entries] == [1_699_999_980_000, 1_700_000_040_000]
    amounts = [sum_series([entry])[GUILD, "voice_seconds", "alone", VOICE, ""] for entry in entries]
    assert amounts == [38_000, 60_000]
    assert [fields_of(entry)["peak_voice"]["members"] for entry in entries] == [1, 1]


async def test_a_peak_is_that_of_its_own_window(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    enter = payload("VOICE_STATE_UPDATE", "enter")
    for user in (NELLY, MASON):
        site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"user_id": str(user)})
    await pass_time(site, pipeline, 10)
    site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"user_id": str(MASON), "channel_id": None})
    await pass_time(site, pipeline, 100)
    entries = await site.entries("METRICS_SNAPSHOT")
    assert [fields_of(entry)["peak_voice"]["members"] for entry in entries] == [2, 1]


async def test_a_refused_snapshot_keeps_its_peak_and_its_newcomers(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    at = site.clock.now_ms()
    joined = payload("GUILD_MEMBER_ADD", "person") | {"joined_at": "2023-11-14T22:13:20+00:00"}
    site.feed(pipeline, "GUILD_MEMBER_ADD", joined)
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, at))
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    site.clock.advance(5)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "leave"))
    site.full = True
    assert not await pipeline.flush()
    site.full = False
    assert await pipeline.flush()
    (metrics,) = await site.entries("METRICS_SNAPSHOT")
    assert fields_of(metrics)["peak_voice"] == {"members": 1, "by_channel": {str(VOICE): 1}}
    (members,) = await site.entries("MEMBER_ACTIVITY_SNAPSHOT")
    assert [(row[0], row[4]) for row in fields_of(members)["members"]] == [(NELLY, True)]
    assert not pipeline._recorder.newcomers


async def test_newcomers_are_not_gathered_for_a_snapshot_that_is_off(site: Site, payload: Payload) -> None:
    site.switches = {"MEMBER_ACTIVITY_SNAPSHOT": False}
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_MEMBER_ADD", payload("GUILD_MEMBER_ADD", "person"))
    assert not pipeline._recorder.newcomers


async def test_what_no_sink_stores_of_snapshots_is_neither_gathered_nor_written(
    site: Site, payload: Payload
) -> None:
    site.details = frozenset()
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_MEMBER_ADD", payload("GUILD_MEMBER_ADD", "person"))
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms()))
    assert not pipeline._recorder.newcomers
    assert await pipeline.flush()
    (metrics,) = await site.entries("METRICS_SNAPSHOT")
    assert fields_of(metrics).keys() == {"period_start", "period_end", "period_duration", "series", "gauges"}


async def test_a_ban_is_committed_at_once_and_amended_under_its_key(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_BAN_ADD", payload("GUILD_BAN_ADD", "person"))
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "ban"))
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person"))
    assert pipeline.checkpoint._entries._due == site.clock.monotonic()
    await pass_time(site, pipeline, 11)
    await pipeline.flush()
    first, second = await site.entries("GUILD_BAN_ADD")
    assert (first.key, first.amends, second.key, second.amends) == (first.key, False, first.key, True)
    assert first.priority is Priority.CRITICAL
    assert fields_of(second)["reason"] == "raid"
    assert pipeline.totals("moderation_actions", "ban") == {GUILD: 1}
    assert pipeline.totals("member_leaves", "ban") == {GUILD: 1}
    assert pipeline.gauges("members") == {GUILD: 6}


async def test_a_leave_is_settled_although_the_clock_is_set_back(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person"))
    site.clock.step(-86_400)
    await pass_time(site, pipeline, 131)
    assert pipeline.totals("member_leaves", "leave") == {GUILD: 1}


async def test_who_opted_out_appears_nowhere(site: Site, payload: Payload) -> None:
    site.privacy = PrivacyConfig(opt_out=frozenset({NELLY, MASON}))
    pipeline = await begin(site, payload)
    for dispatch, name in (
        ("MESSAGE_CREATE", "human"),
        ("MESSAGE_REACTION_ADD", "unicode"),
        ("VOICE_STATE_UPDATE", "enter"),
        ("GUILD_MEMBER_ADD", "person"),
        ("GUILD_BAN_ADD", "person"),
        ("GUILD_BAN_REMOVE", "person"),
        ("GUILD_AUDIT_LOG_ENTRY_CREATE", "ban"),
        ("GUILD_MEMBER_REMOVE", "person"),
    ):
        site.feed(pipeline, dispatch, payload(dispatch, name))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full"))
    other = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "kick")
    other |= {"target_id": "77", "user_id": str(MASON), "id": str(int(other["id"]) + 1)}
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", other)
    await pass_time(site, pipeline, 11)
    await pipeline.flush()
    entries = await site.entries()
    (kick,) = (entry for entry in entries if entry.type == "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert kick.data.moderator_id is None
    for entry in entries:
        for trace in (str(NELLY), str(MASON), "nelly", "mason"):
            assert trace not in f"{entry.key} {entry.data}", entry.type
    assert not {NELLY, MASON} & pipeline.guild_cache.people.keys()
    assert pipeline.voice.members(GUILD) == 0


async def test_nothing_is_counted_of_who_opted_out_whichever_way_it_is_reported(
    site: Site, payload: Payload
) -> None:
    site.privacy = PrivacyConfig(opt_out=frozenset({NELLY, MASON}))
    pipeline = await begin(site, payload)
    joined = payload("GUILD_MEMBER_ADD", "person")
    edited = datetime.fromtimestamp(site.clock.now_ms() / 1000, UTC).isoformat()
    for dispatch, data in (
        ("MESSAGE_CREATE", message(payload, site.clock.now_ms())),
        ("MESSAGE_CREATE", payload("MESSAGE_CREATE", "join announcement")),
        ("MESSAGE_UPDATE", payload("MESSAGE_UPDATE", "edit") | {"edited_timestamp": edited}),
        ("MESSAGE_REACTION_ADD", payload("MESSAGE_REACTION_ADD", "unicode") | {"message_author_id": "77"}),
        ("MESSAGE_REACTION_ADD", payload("MESSAGE_REACTION_ADD", "unicode") | {"user_id": "77"}),
        ("MESSAGE_REACTION_REMOVE", payload("MESSAGE_REACTION_REMOVE", "unicode")),
        ("VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter")),
        ("GUILD_MEMBER_ADD", joined | {"user": joined["user"] | {"id": str(NELLY)}}),
        ("GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person")),
        ("GUILD_BAN_ADD", payload("GUILD_BAN_ADD", "person")),
    ):
        site.feed(pipeline, dispatch, data)
    await pass_time(site, pipeline, 15)
    pipeline.refresh()
    counted = {
        f"{series.measure}/{series.value}": amounts
        for series, amounts in pipeline._counters.totals.by_guild.items()
        if any(amounts.values())
    }
    assert counted == {"reactions/normal": {GUILD: 1}}, "by 77, to a message of one who opted out"
    assert pipeline.guild_cache.people.keys() <= {77}
    assert total(site.telemetry.rejected) == 0


async def test_an_owner_who_opted_out_is_not_named(site: Site, payload: Payload) -> None:
    full = payload("GUILD_CREATE", "full")
    site.privacy = PrivacyConfig(opt_out=frozenset({int(full["owner_id"]), MASON}))
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_UPDATE", payload("GUILD_UPDATE", "renamed") | {"owner_id": "77"})
    site.feed(pipeline, "GUILD_UPDATE", payload("GUILD_UPDATE", "renamed") | {"owner_id": str(MASON)})
    await pipeline.flush()
    entries = await site.entries()
    assert [entry.type for entry in entries] == ["GUILD_SYNC", "GUILD_UPDATE", "GUILD_UPDATE"]
    assert fields_of(entries[1])["changes"]["owner_id"] == {"old": 0, "new": 77}
    for entry in entries:
        assert full["owner_id"] not in f"{fields_of(entry)}"
        assert str(MASON) not in f"{fields_of(entry)}"


async def test_who_opts_out_over_a_restart_leaves_the_open_windows_and_voice(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms()))
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    site.clock.advance(10)
    assert await pipeline.stop()
    site.privacy = PrivacyConfig(opt_out=frozenset({NELLY, MASON}))
    pipeline = await begin(site, payload)
    assert pipeline._counters.windows.cells < 4, "what is counted without a user stays"
    await pipeline.flush()
    for entry in await site.entries():
        for trace in (str(NELLY), str(MASON)):
            assert trace not in f"{fields_of(entry)}", entry.type
    assert pipeline.totals("voice_sessions", "") == {}


@pytest.mark.parametrize(
    ("kind", "dispatch", "case", "measure"),
    [
        ("MESSAGE_CREATE", "MESSAGE_CREATE", "human", "messages/human"),
        ("MESSAGE_UPDATE", "MESSAGE_UPDATE", "edit", "message_edits/"),
        ("GUILD_BAN_ADD", "GUILD_AUDIT_LOG_ENTRY_CREATE", "ban", "moderation_actions/ban"),
        ("GUILD_BAN_ADD", "GUILD_BAN_ADD", "person", "moderation_actions/ban"),
        ("VOICE_CHANNEL_JOIN", "VOICE_STATE_UPDATE", "enter", "voice_joins/"),
        ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_ADD", "super", "reactions/super"),
    ],
)
async def test_a_switch_decides_what_is_counted(
    site: Site, payload: Payload, kind: str, dispatch: str, case: str, measure: str
) -> None:
    for on in (True, False):
        site.switches = {kind: on}
        pipeline = await begin(site, payload)
        site.feed(pipeline, dispatch, payload(dispatch, case))
        pipeline.refresh()
        totals = {
            f"{series.measure}/{series.value}": sum(guilds.values())
            for series, guilds in pipeline._counters.totals.by_guild.items()
        }
        assert totals.get(measure, 0) == on


async def test_a_guild_removed_while_the_session_was_lost_is_closed(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    await pass_time(site, pipeline, 10)
    site.feed(pipeline, "READY", payload("READY", "without shards") | {"guilds": []})
    await pass_time(site, pipeline, 30)
    assert pipeline.totals("voice_seconds", "alone") == {GUILD: 10_000}
    assert pipeline.guilds() == {}
    await pipeline.flush()
    gone = [entry for entry in await site.entries("GUILD_DELETE") if entry.guild_id == GUILD]
    assert [fields_of(entry) for entry in gone] == [{"name": "Friendly place"}]


async def test_time_in_the_afk_channel_of_a_guild_that_is_gone_was_spent_there(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    state = payload("VOICE_STATE_UPDATE", "enter") | {"channel_id": str(AFK)}
    site.feed(pipeline, "VOICE_STATE_UPDATE", state)
    site.clock.advance(0.7)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD)})
    pipeline.refresh()
    assert pipeline.totals("voice_seconds", "afk") == {GUILD: 700}
    assert not pipeline.totals("voice_seconds", "alone")


async def test_voice_goes_on_over_a_restart(site: Site, payload: Payload, sum_series: SumSeries) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    await pass_time(site, pipeline, 20)
    assert await pipeline.stop()
    pipeline = await site.start()
    site.clock.advance(40)
    await pipeline.tick()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    state = {key: value for key, value in payload("VOICE_STATE_UPDATE", "enter").items() if key != "guild_id"}
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": [state]})
    site.clock.advance(15)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "leave"))
    await pipeline.flush()
    sums = sum_series(await site.entries())
    assert sums[GUILD, "voice_seconds", "alone", VOICE, ""] == 75_000
    assert sums[GUILD, "voice_joins", "", VOICE, ""] == 1
    assert sums[GUILD, "voice_sessions", "", 0, ""] == 1
    assert sums[GUILD, "voice_session_seconds", "", 0, ""] == 75_000


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_journalled_arrives_exactly_once_over_any_number_of_kills(
    site: Site, payload: Payload, sum_series: SumSeries, seed: int
) -> None:
    chance = random.Random(seed)
    site.metrics = MetricsConfig(snapshot_interval=10.0, member_activity_interval=30.0)
    site.batching = BatchingConfig(journal_interval=chance.choice([1.0, 3.0]))
    pipeline = await begin(site, payload)
    for _ in range(250):
        roll = chance.random()
        if roll < 0.5:
            at = site.clock.now_ms() - chance.choice([0, 0, 0, 15_000])
            guild = str(GUILD + chance.randrange(3))
            site.feed(pipeline, "MESSAGE_CREATE", message(payload, at, guild_id=guild))
            site.fed += 1
        elif roll < 0.9:
            site.clock.advance(chance.choice([0.2, 1, 4]))
            await pipeline.tick()
        elif roll < 0.95:
            site.full = not site.full
        else:
            if chance.random() < 0.5 and await pipeline.stop():
                assert site.sure == site.fed, "a stop in peace loses nothing"
            site.fed = site.sure
            pipeline = await begin(site, payload)
    site.full = False
    assert await pipeline.flush()
    entries = await site.entries()
    sums = sum_series(entries)
    assert sum(amount for cell, amount in sums.items() if cell[1] == "messages") == site.fed
    by_member = Counter[str]()
    for entry in entries:
        for member in fields_of(entry)["members"] if entry.type == "MEMBER_ACTIVITY_SNAPSHOT" else ():
            by_member.update({measure: amount for measure, _, _, amount in member[5]})
    assert by_member["messages"] == site.fed
    keys = [entry.key for entry in entries if entry.type.endswith("_SNAPSHOT")]
    assert len(keys) == len(set(keys))


async def test_the_running_stage_saves_by_itself_and_can_be_cancelled(
    site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.pipeline.TICK_SECONDS", 0.001)
    pipeline = await begin(site, payload)
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms()))
    site.fed += 1
    running = asyncio.create_task(pipeline.run())
    site.clock.advance(6)
    while not (site.sure == site.fed and await site.entries("GUILD_SYNC")):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert await pipeline.stop()


async def test_too_many_counters_close_their_windows_early(site: Site, payload: Payload) -> None:
    site.batching = BatchingConfig(max_cells=1000)
    pipeline = await begin(site, payload)
    for user in range(1, 1200):
        author = {"id": str(user), "username": "u"}
        site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms(), author=author))
    pipeline.refresh()
    assert pipeline._counters.windows.cells > 1000
    await pipeline.tick()
    assert pipeline._counters.windows.cells == 0
    (entry,) = await site.entries("METRICS_SNAPSHOT")
    assert fields_of(entry)["unique_users"] == 1199


async def test_while_the_disk_refuses_counters_are_bounded_and_what_is_shed_is_counted(
    site: Site, payload: Payload, sum_series: SumSeries
) -> None:
    site.batching = BatchingConfig(max_cells=1000)
    pipeline = await begin(site, payload)
    await pipeline.flush()
    site.full = True
    for second in range(10):
        for user in range(1, 301):
            author = {"id": str(300 * second + user), "username": "u"}
            site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms(), author=author))
        await pass_time(site, pipeline, 1)
    # What came before the disk was known to refuse is kept.
    assert pipeline._counters.windows.cells <= 1000 + 300 * len(pipeline._counters.windows.kinds)
    shed = value(site.telemetry.shed, "counts")
    assert shed > 0
    site.full = False
    await pass_time(site, pipeline, 2)
    await pipeline.flush()
    sums = sum_series(await site.entries())
    assert sum(amount for cell, amount in sums.items() if cell[1] == "messages") + shed == 3000


async def test_every_entry_is_offered_and_every_offer_spooled(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person"))
    await pass_time(site, pipeline, 130)
    await pipeline.flush()
    assert total(site.telemetry.offered) == (await site.spool.stats()).spooled
    assert pipeline.checkpoint.waiting == 0


async def test_a_replay_counts_voice_at_the_time_it_happened(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    entered = payload("VOICE_STATE_UPDATE", "enter")
    site.feed(pipeline, "VOICE_STATE_UPDATE", entered)
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "lost"})
    await pass_time(site, pipeline, 60)
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "resuming"})
    site.feed(pipeline, "MESSAGE_CREATE", message(payload, site.clock.now_ms() - 40_000))
    site.feed(pipeline, "VOICE_STATE_UPDATE", entered | {"channel_id": None})
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "settled"})
    await pass_time(site, pipeline, 10)
    seconds = sum(pipeline.totals("voice_seconds", state).get(GUILD, 0) for state in STATES)
    assert seconds == pytest.approx(20_000, abs=1_000)


async def test_an_audit_entry_in_a_replay_finds_the_ban_from_before_the_silence(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_BAN_ADD", payload("GUILD_BAN_ADD", "person"))
    await pass_time(site, pipeline, 60)
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "lost"})
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "resuming"})
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "ban"))
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "settled"})
    assert pipeline.totals("moderation_actions", "ban") == {GUILD: 1}


async def test_a_session_that_ends_unseen_is_counted_up_to_the_loss(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    await pass_time(site, pipeline, 5)
    site.clock.advance(3)
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "lost"})
    await pass_time(site, pipeline, 20)
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []})
    await pass_time(site, pipeline, 2)
    assert sum(pipeline.totals("voice_seconds", state).get(GUILD, 0) for state in STATES) == 8_000


async def test_an_answer_from_the_api_is_no_sign_of_life_of_the_connection(
    site: Site, payload: Payload
) -> None:
    """Or a replay would be dated from the answer on, and not from when the connection fell silent."""
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_MEMBER_ADD", payload("GUILD_MEMBER_ADD", "person"))
    silent_since = site.clock.now_ms()
    site.clock.advance(50)
    site.feed(pipeline, "REST_AUDIT_LOG", {"request": {"kind": "AUDIT_LOG", "guild_id": GUILD}, "status": 0})
    site.clock.advance(10)
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "lost"})
    site.feed(pipeline, "SHARD", {"shard": 0, "state": "resuming"})
    site.feed(pipeline, "GUILD_BAN_ADD", payload("GUILD_BAN_ADD", "person"))
    await pipeline.flush()
    (ban,) = await site.entries("GUILD_BAN_ADD")
    assert ban.at == silent_since


async def test_on_a_quiet_shard_what_is_not_decided_is_shown_at_once(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person"))
    shown: list[tuple[float, int]] = []
    for second in range(60):
        site.clock.advance(1)
        if second % 41 == 40:  # nothing is received but heartbeats
            site.feed(pipeline, "SHARD", {"shard": 0, "state": "heard"})
        await pipeline.tick()
        pipeline.refresh()
        pending = value(site.telemetry.pending_decisions, "membership")
        shown.append((pending, sum(pipeline.totals("member_leaves", "leave").values())))
    assert shown[0] == (1, 0)
    assert shown[-1] == (0, 1)
    assert all(pending + counted == 1 for pending, counted in shown), shown

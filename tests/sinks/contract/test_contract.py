"""What every sink promises, over a real far end of each kind; ``exporter.sinks.base`` has the contract."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from exporter.clock import SystemClock
from exporter.events.records.snapshots import ALL_DETAILS
from exporter.model import STORED, Batch, Entry, Outcome, Priority, Row, Verdict
from exporter.sinks.base import Sink
from exporter.sinks.registry import built_in_sinks
from exporter.sinks.runner import Runner
from exporter.sinks.runner_config import RunnerConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from tests.sinks.contract.harness import Harness, closing
from tests.sinks.contract.harnesses import harnesses
from tests.sinks.sql.entries import MINUTE, NOON, ban, metrics
from tests.spool.letters import dead_letters

REASON = re.compile(r"[a-z][a-z_]{0,39}")
"""Reasons are values of a label."""
MAX_DETAIL = 400
"""A detail is a part of one log line."""
FIRST_SECOND = NOON // 1000
LAST_ID = 2**63 - 1

HOSTILE = (
    "'; DROP TABLE moderation_logs; --",
    'quote " and back\\slash \\',
    "comma, equals=sign and space ",
    "line\nbreak\r\n\tand tab",
    "🧨 👩‍👩‍👧 ‮gnirts",  # noqa: PLE2502 - on purpose
    "%s %(x)s {0} ${HOME} $1",
    "discord_events,guild_id=1 count=1i 1",
    "<script>alert(1)</script>",
    "x" * 512,
)


@pytest.fixture
def guild() -> int:
    """A guild that no other test writes to, since some servers outlive a test."""
    return random.SystemRandom().randrange(10**17, 10**18)


class Lanes:
    """Makes rows as a spool does: positions rise, whatever the lane."""

    def __init__(self, guild: int, source: str = "spool-a", start: int = NOON) -> None:
        self.guild = guild
        self.source = source
        self._positions = itertools.count(1)
        self._seconds = itertools.count(start // 1000)
        self._minutes = itertools.count(start, MINUTE)

    def row(self, entry: Entry) -> Row:
        return Row(next(self._positions), entry)

    def bans(self, count: int) -> tuple[Row, ...]:
        """Bans, each in a second of its own."""
        seconds = itertools.islice(self._seconds, count)
        return tuple(
            self.row(ban(f"ban:{self.guild}:{second}", second * 1000, guild=self.guild)) for second in seconds
        )

    def windows(self, count: int) -> tuple[Row, ...]:
        """Windows of one message each."""
        series = ["messages", "human", 7, "", 1]
        starts = itertools.islice(self._minutes, count)
        return tuple(self.row(metrics(series, at=start, guild=self.guild)) for start in starts)

    def batch(self, rows: Sequence[Row]) -> Batch:
        return Batch(self.source, rows[0].entry.priority, tuple(rows))


@pytest.fixture
def lanes(guild: int) -> Lanes:
    return Lanes(guild)


@pytest.fixture
async def sink(harness: Harness) -> AsyncIterator[Sink]:
    async with harness.opened() as opened:
        yield opened


def seconds_of(rows: Sequence[Row]) -> list[int]:
    return [row.entry.at // 1000 for row in rows]


def is_explained(verdict: Verdict, harness: Harness) -> bool:
    """Whether a verdict names a reason fit for a label, and a detail fit for a log line, without a secret."""
    return (
        REASON.fullmatch(verdict.reason) is not None
        and len(verdict.detail) <= MAX_DETAIL
        and verdict.detail.isprintable()
        and not any(secret in verdict.detail for secret in harness.secrets)
    )


async def store(sink: Sink, batch: Batch) -> None:
    """Deliver until it is stored, as the runner does after an interruption."""
    async with asyncio.timeout(20):
        while (verdict := await sink.deliver(batch)) != STORED:
            assert verdict.outcome is Outcome.RETRY, verdict
            await asyncio.sleep(0)


def test_every_built_in_sink_has_a_harness() -> None:
    covered = {harness.spec.name for harness in harnesses()}
    assert covered == {sink.name for sink in built_in_sinks()} or len(harnesses()) == 1


class TestDeclaration:
    async def test_the_sink_has_the_declared_name_and_every_part_of_the_contract(
        self, harness: Harness
    ) -> None:
        sink = harness.make()
        assert isinstance(sink, Sink)
        assert sink.name == harness.spec.name
        assert sink.needs <= ALL_DETAILS

    async def test_a_section_without_settings_is_valid_and_no_secret_prints(self, harness: Harness) -> None:
        assert harness.spec.section() is not None
        for settings in (harness.settings(), harness.unusable_settings()):
            printed = repr(harness.spec.section.model_validate(settings))
            assert not [secret for secret in harness.secrets if secret in printed]


class TestStoring:
    async def test_what_is_stored_can_be_read_before_the_sink_is_closed(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans, windows = lanes.bans(3), lanes.windows(3)
        assert await sink.deliver(lanes.batch(bans)) == STORED
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await sink.deliver(lanes.batch(windows)) == STORED
        assert await harness.messages(lanes.guild) == 3

    async def test_a_lane_is_stored_in_order(self, harness: Harness, sink: Sink, lanes: Lanes) -> None:
        bans = lanes.bans(60)
        for start in range(0, 60, 7):
            assert await sink.deliver(lanes.batch(bans[start : start + 7])) == STORED
        assert await harness.records(lanes.guild) == seconds_of(bans)

    async def test_an_empty_batch_is_stored(self, sink: Sink, lanes: Lanes) -> None:
        assert await sink.deliver(Batch(lanes.source, Priority.CRITICAL, ())) == STORED

    async def test_lanes_are_independent_of_one_another(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        early, windows = lanes.bans(2), lanes.windows(2)
        assert await sink.deliver(lanes.batch(windows)) == STORED
        assert await sink.deliver(lanes.batch(early)) == STORED
        assert await harness.records(lanes.guild) == seconds_of(early)
        assert await harness.messages(lanes.guild) == 2

    async def test_spools_are_independent_of_one_another(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        other = Lanes(lanes.guild, "spool-b", NOON + 60 * MINUTE)
        for each in (lanes, other):
            assert await sink.deliver(each.batch(each.windows(2))) == STORED
        assert await harness.messages(lanes.guild) == 4

    async def test_hostile_texts_are_stored_as_they_are_or_break_nothing(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans = [
            lanes.row(ban(f"ban:{text}", second * 1000, guild=lanes.guild, reason=text))
            for second, text in enumerate(HOSTILE, FIRST_SECOND)
        ]
        emoji = metrics(*(["reactions", "normal", 7, text, 1] for text in HOSTILE), guild=lanes.guild)
        assert await sink.deliver(lanes.batch(bans)) == STORED
        assert await sink.deliver(lanes.batch([lanes.row(emoji)])) == STORED
        found = await harness.texts(lanes.guild)
        assert {text for text in HOSTILE if harness.holds(text)} <= found
        assert len(found) == len(HOSTILE)
        assert await harness.records(lanes.guild) == seconds_of(bans)

    async def test_the_largest_ids_are_stored(self, harness: Harness, sink: Sink, lanes: Lanes) -> None:
        second = FIRST_SECOND + lanes.guild % 10**6
        entry = ban(f"ban:{second}", second * 1000, guild=LAST_ID, target_user_id=LAST_ID)
        window = metrics(["messages", "human", LAST_ID, "", 1], at=second * 1000, guild=LAST_ID)
        before = await harness.messages(LAST_ID)
        assert await sink.deliver(lanes.batch([lanes.row(entry)])) == STORED
        assert await sink.deliver(lanes.batch([lanes.row(window)])) == STORED
        assert second in await harness.records(LAST_ID)
        assert await harness.messages(LAST_ID) == before + 1


class TestOnce:
    async def test_a_batch_that_comes_again_has_one_effect(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans, windows = lanes.bans(3), lanes.windows(3)
        for rows in (bans, windows, bans, windows):
            assert await sink.deliver(lanes.batch(rows)) == STORED
        async with harness.opened() as restarted:
            for rows in (bans, windows):
                assert await restarted.deliver(lanes.batch(rows)) == STORED
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await harness.messages(lanes.guild) == 3

    async def test_parts_that_overlap_have_one_effect(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans, windows = lanes.bans(8), lanes.windows(8)
        for part in (slice(0, 3), slice(1, 5), slice(0, 2), slice(2, 8)):
            assert await sink.deliver(lanes.batch(bans[part])) == STORED
            assert await sink.deliver(lanes.batch(windows[part])) == STORED
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await harness.messages(lanes.guild) == 8

    async def test_a_delivery_cancelled_at_any_point_has_one_effect_once_it_is_repeated(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans, windows = list(lanes.bans(1)), list(lanes.windows(1))
        await store(sink, lanes.batch(bans))
        await store(sink, lanes.batch(windows))
        cancelled = 0
        # Later with each try, until the delivery ends before it is cancelled.
        for steps in (0, *(2**power for power in range(24))):
            parts = lanes.bans(2), lanes.windows(2)
            hits = [await self.cancel_after(steps, sink, lanes.batch(rows)) for rows in parts]
            for all_rows, rows in zip((bans, windows), parts, strict=True):
                await store(sink, lanes.batch(rows))
                all_rows.extend(rows)
            cancelled += sum(hits)
            if not any(hits):
                break
        else:
            pytest.fail("no delivery ended")
        assert cancelled >= 4  # two before they began, two while they waited for the far end
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await harness.messages(lanes.guild) == len(windows)

    async def cancel_after(self, steps: int, sink: Sink, batch: Batch) -> bool:
        task = asyncio.create_task(sink.deliver(batch))
        for _ in range(steps):
            if task.done():
                break
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            assert (await task).outcome in (Outcome.STORED, Outcome.RETRY)
        return task.cancelled()


class TestBadRow:
    async def test_a_bad_row_is_rejected_by_position_or_asked_for_alone(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bad = lanes.row(harness.bad_entry(lanes.guild))
        verdict = await sink.deliver(lanes.batch([bad]))
        if verdict.outcome is Outcome.STORED:
            ((position, reason),) = verdict.rejected
            assert position == bad.position
            assert REASON.fullmatch(reason)
        else:
            assert verdict.outcome is Outcome.PARTIAL_FAILURE
            assert is_explained(verdict, harness)

    async def test_a_bad_row_becomes_a_dead_letter_and_holds_up_no_other(
        self, harness: Harness, lanes: Lanes, tmp_path: Path
    ) -> None:
        entry = harness.bad_entry(lanes.guild)
        make = lanes.bans if entry.priority is Priority.CRITICAL else lanes.windows
        good = [row.entry for row in make(20)]
        async with running(harness, tmp_path) as (spool, runner):
            await spool.append([*good[:10], entry, *good[10:]])
            assert await runner.drain(20)
            (letter,) = dead_letters(spool, limit=10)
        assert letter.key == entry.key
        assert REASON.fullmatch(letter.reason)
        assert len(await harness.records(lanes.guild)) + await harness.messages(lanes.guild) == 20


class TestAbsence:
    async def test_a_far_end_that_is_away_is_a_retry_and_the_batch_is_stored_once_it_is_back(
        self, harness: Harness, sink: Sink, lanes: Lanes
    ) -> None:
        bans, windows = lanes.bans(6), lanes.windows(6)
        assert await sink.deliver(lanes.batch(bans[:2])) == STORED
        await harness.go_away()
        for rows in (bans[2:], windows):
            verdict = await sink.deliver(lanes.batch(rows))
            assert verdict.outcome is Outcome.RETRY
            assert is_explained(verdict, harness)
        await harness.come_back()
        await store(sink, lanes.batch(bans[2:]))
        await store(sink, lanes.batch(windows))
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await harness.messages(lanes.guild) == 6

    async def test_a_sink_opens_and_answers_while_the_far_end_is_away(
        self, harness: Harness, lanes: Lanes
    ) -> None:
        bans = lanes.bans(1)
        await harness.go_away()
        async with harness.opened() as sink:
            verdict = await sink.deliver(lanes.batch(bans))
            assert verdict.outcome is Outcome.RETRY
            assert is_explained(verdict, harness)
            await harness.come_back()
            await store(sink, lanes.batch(bans))
        assert await harness.records(lanes.guild) == seconds_of(bans)

    async def test_through_the_runner_all_lanes_survive_an_absence_in_order(
        self, harness: Harness, lanes: Lanes, tmp_path: Path
    ) -> None:
        async with running(harness, tmp_path) as (spool, runner):
            bans, windows = lanes.bans(40), lanes.windows(40)
            entries = [row.entry for pair in zip(bans, windows, strict=True) for row in pair]
            await spool.append(entries[:30])
            assert await runner.drain(20)
            await harness.go_away()
            await spool.append(entries[30:])
            async with asyncio.timeout(20):
                while not runner.problems()[harness.spec.name]:
                    await asyncio.sleep(0.005)
            await harness.come_back()
            assert await runner.drain(30)
            assert runner.problems() == {harness.spec.name: ""}
            assert dead_letters(spool, limit=1) == []
        assert await harness.records(lanes.guild) == seconds_of(bans)
        assert await harness.messages(lanes.guild) == 40

    async def test_what_an_operator_has_to_correct_is_said_so_and_no_secret_is_shown(
        self, harness: Harness, lanes: Lanes
    ) -> None:
        async with closing(harness.make_unusable()) as sink:
            await sink.open()
            verdict = await sink.deliver(lanes.batch(lanes.bans(1)))
            probe = await sink.probe()
        assert verdict.outcome is Outcome.NEEDS_OPERATOR
        assert is_explained(verdict, harness)
        assert not probe.ok
        assert not [secret for secret in harness.secrets if secret in probe.detail]
        assert await harness.records(lanes.guild) == []


class TestLifetime:
    async def test_closing_is_safe_before_opening_and_twice_and_opening_again_works(
        self, harness: Harness, lanes: Lanes
    ) -> None:
        async with closing(harness.make()) as sink:
            for step in (sink.close, sink.open, sink.open, sink.close, sink.close, sink.open):
                await step()
            assert await sink.deliver(lanes.batch(lanes.bans(1))) == STORED

    async def test_a_sink_that_is_closed_answers_retry(self, harness: Harness, lanes: Lanes) -> None:
        async with closing(harness.make()) as sink:
            never_opened = await sink.deliver(lanes.batch(lanes.bans(1)))
            await sink.open()
            await sink.close()
            closed = await sink.deliver(lanes.batch(lanes.bans(1)))
        for verdict in (never_opened, closed):
            assert verdict.outcome is Outcome.RETRY
            assert is_explained(verdict, harness)
        assert await harness.records(lanes.guild) == []

    async def test_a_probe_changes_nothing(self, harness: Harness, lanes: Lanes) -> None:
        async with closing(harness.make()) as sink:
            empty = await harness.contents()
            probe = await sink.probe()
            assert probe.ok, probe.detail
            assert await harness.contents() == empty
            await sink.open()
            assert await sink.deliver(lanes.batch(lanes.bans(2))) == STORED
            stored = await harness.contents()
            assert stored != empty
            probe = await sink.probe()
            assert probe.ok, probe.detail
            assert probe.detail.isprintable()
            assert not [secret for secret in harness.secrets if secret in probe.detail]
            assert await harness.contents() == stored
            assert await sink.deliver(lanes.batch(lanes.bans(2))) == STORED

    async def test_a_probe_of_a_far_end_that_is_away_says_so(self, harness: Harness) -> None:
        await harness.go_away()
        async with closing(harness.make()) as sink:
            probe = await sink.probe()
        assert probe.ok is not harness.probe_notices_absence
        assert probe.detail.isprintable()


@contextlib.asynccontextmanager
async def running(harness: Harness, tmp_path: Path) -> AsyncIterator[tuple[Spool, Runner]]:
    """The real spool and runner over the sink, without long waits."""
    clock, telemetry = SystemClock(), Telemetry()
    spool = await Spool.open(tmp_path / "spool", SpoolConfig(reserve=0), clock, telemetry)
    sink = harness.make()
    await spool.register([sink.name])
    settings = {
        "retry_base": 0.01,
        "retry_cap": 0.05,
        "blocked_wait": 0.05,
        "max_rows": 7,
        "max_rows_slow": 7,
    }
    runner = Runner(spool, [sink], RunnerConfig.model_validate(settings), clock, telemetry)
    runner.start()
    try:
        yield spool, runner
    finally:
        await runner.stop()
        await spool.close()

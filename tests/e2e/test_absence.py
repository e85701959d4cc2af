"""What moderators did while the exporter was away is in the log once, marked as recovered.

The simulator does in seconds what takes people ten minutes; at ``TEST_SCALE=10`` that is 3,000 actions, at
five a second.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from discord_simulator.verify.actions import Actions
from discord_simulator.verify.compare import compare
from discord_simulator.verify.database import read_database
from discord_simulator.verify.ledger_reader import LedgerLine, read_lines
from discord_simulator.verify.quantities import Expected
from discord_simulator.verify.visibility import Visibility
from exporter.events.payload import snowflake_ms
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from tests.e2e.programs import until
from tests.scale import scaled

pytestmark = pytest.mark.timeout(scaled(180))

AWAY = scaled(300)
"""Moderators' actions without the exporter."""

SLOW = scaled(60)
"""Seconds for what takes as long as there are actions."""

ENTRY = "AUDIT_LOG_ENTRY"

UNCOMMITTED_MS = 2_000
"""What a kill may take with it of what Discord has sent: what was under way, and two commits."""


def entries(simulation) -> int:
    return simulation.ledger.read_bytes().count(f'"type":"{ENTRY}"'.encode())


def caught_up(exporter) -> int:
    return exporter.log.read_text().count("caught up on the audit logs")


def recovered(exporter) -> list[int]:
    """Audit entries of the rows marked as recovered."""
    with sqlite3.connect(exporter.database) as log:
        query = "SELECT audit_entry_id FROM moderation_logs WHERE recovered ORDER BY 1"
        return [entry for (entry,) in log.execute(query)]


async def begin(simulation, exporter, *options: str) -> None:
    await simulation.start(
        *("--scenario", "moderator-spree", "--rate", "400", "--guilds", "3", "--seed", "31"), *options
    )
    exporter.api_url = simulation.url
    await exporter.start()

    async def watched() -> bool:
        return (await exporter.metrics()).total("discord_moderation_actions_total") >= 100

    await until(watched, "the first actions")


async def stay_away(simulation) -> None:
    """Return when the actions of ten minutes have been done."""
    before = entries(simulation)

    async def done() -> bool:
        return entries(simulation) - before >= AWAY

    await until(done, "the actions during the absence", SLOW)


async def until_caught_up(exporter) -> None:
    async def back() -> bool:
        return caught_up(exporter) >= 1

    await until(back, "the end of catching up", SLOW)


def read_back(visibility: Visibility, lines: tuple[LedgerLine, ...], kills: Sequence[int] = ()) -> Visibility:
    """What can be known when audit logs have been read after the gaps: every entry, however it was missed.

    The log of a guild the bot was removed from cannot be read, and of one it was added to meanwhile nothing
    from before is read on purpose. What a guild was sent right before a kill (``kills``, in ms) is read back
    afterwards as well, if it is not removed before; but not when a timeout by AutoModeration ends: its entry
    does not say, and the update that did was lost with the process.
    """
    closed = {line.guild_id for line in lines if line.type in {"GUILD_DELETE", "GUILD_CREATE"}}
    kept = {line.audit_entry_id for line in lines if line.type == ENTRY and line.guild_id in closed}
    removed = {line.guild_id: line.at for line in lines if line.type == "GUILD_DELETE"}
    underway = [
        line
        for line in lines
        if any(
            kill - UNCOMMITTED_MS <= line.at <= kill
            and (kill < removed.get(line.guild_id or 0, 0) or line.action == "automod_timeout")
            for kill in kills
        )
    ]
    unread = {line.audit_entry_id or 0 for line in underway if line.type == ENTRY}
    return replace(
        visibility,
        unpublished_entries=visibility.unpublished_entries & kept | unread,
        lost=visibility.lost | {line.n for line in underway},
    )


async def assert_every_action_is_one_row(simulation, exporter, kills: Sequence[int] = ()) -> None:
    """The ledger's actions and the log's rows, as if nothing had been missed that can be read back."""
    lines = tuple(read_lines(simulation.ledger))
    visibility = read_back(Visibility.of(lines), lines, kills)
    missed = {
        line.audit_entry_id
        for line in lines
        if line.type == ENTRY
        and line.audit_entry_id not in visibility.unpublished_entries
        and any(start < snowflake_ms(line.audit_entry_id) and line.at < end for start, end in visibility.gaps)
    }
    assert len(missed) > AWAY / 2, "or nothing was missed"
    actions = Actions(visibility)
    for line in lines:
        actions.take(line)
    # Of entries that go on counting only a guild's newest hundred are read again, and here are more.
    rows = [replace(row, row=replace(row.row, count=None)) for row in actions.rows()]
    expected = Expected({}, rows=tuple(rows))
    engine = make_engine(SqlConfig(dsn=f"sqlite:///{exporter.database}"))
    try:
        found = await read_database(engine)
    finally:
        await engine.dispose()
    assert found.rows is not None
    kept = tuple(replace(row, count=None) for row in found.rows)
    differing = compare(expected, {"sql": replace(found, amounts={}, rows=kept, uses=None)})
    wrong = [(line.quantity, line.differing, line.differences) for line in differing if not line.ok]
    assert wrong == []
    ids = recovered(exporter)
    assert len(ids) == len(set(ids))
    known = {row.row.audit_entry_id for row in rows if not row.optional}
    # A question for another purpose may bring an entry before its guild is known to be behind.
    assert len(known & missed - set(ids)) <= len(missed) // 50, "what only the audit log has is marked"


async def test_ten_minutes_of_moderation_are_read_back_after_a_stop(simulation, exporter):
    await begin(simulation, exporter)
    assert await exporter.terminate() == 0
    await stay_away(simulation)
    exporter.port = 0
    await exporter.start()
    await simulation.control("stop")
    await until_caught_up(exporter)
    await simulation.over()
    await exporter.verify(simulation.ledger, "--stores", "sql")
    await assert_every_action_is_one_row(simulation, exporter)


async def test_a_kill_in_the_middle_of_catching_up_loses_and_repeats_nothing(simulation, exporter):
    await begin(simulation, exporter)
    assert await exporter.terminate() == 0
    await stay_away(simulation)
    await simulation.control("rest", delay="0.3", seconds="120")
    kills = []
    for _ in range(2):
        before = len(recovered(exporter))
        exporter.port = 0
        await exporter.start(ready=False)

        async def some(before: int = before) -> bool:
            return len(recovered(exporter)) > before

        await until(some, "the first pages")
        await exporter.stop()
        kills.append(time.time_ns() // 1_000_000)
        assert not caught_up(exporter), "it was in the middle"
    await simulation.control("rest", seconds="0")
    exporter.port = 0
    await exporter.start()
    await simulation.control("stop")
    await until_caught_up(exporter)
    await simulation.over()
    await exporter.flush()
    await assert_every_action_is_one_row(simulation, exporter, kills)


def unexplained_bans(exporter) -> set[str]:
    """Keys of the rows of bans whose entry has not come."""
    with sqlite3.connect(exporter.database) as log:
        if not log.execute("SELECT 1 FROM sqlite_master WHERE name = 'moderation_logs'").fetchone():
            return set()  # the sink has not opened yet
        query = "SELECT event_key FROM moderation_logs WHERE action = 'ban' AND audit_entry_id IS NULL"
        return {key for (key,) in log.execute(query)}


def bans(exporter) -> list[int | None]:
    """The entries of all bans' rows."""
    with sqlite3.connect(exporter.database) as log:
        query = "SELECT audit_entry_id FROM moderation_logs WHERE action = 'ban' ORDER BY 1"
        return [entry for (entry,) in log.execute(query)]


async def test_a_ban_seen_right_before_a_kill_and_explained_after_it_is_one_row(simulation, exporter):
    await simulation.start("--scenario", "late-audit", "--rate", "100", "--guilds", "3", "--seed", "8")
    exporter.api_url = simulation.url
    await exporter.start()
    assert await exporter.terminate() == 0, "what is known of the guilds is saved"
    exporter.port = 0
    await exporter.start()
    await until_caught_up(exporter)

    async def waiting() -> set[str]:
        return unexplained_bans(exporter)

    killed = await until(waiting, "a ban without its entry")
    await exporter.stop()
    exporter.port = 0
    await exporter.start()

    async def explained() -> bool:
        return caught_up(exporter) >= 2 and not killed & unexplained_bans(exporter)

    await until(explained, "the entries of the bans")
    await simulation.control("stop")
    await simulation.over()
    true = sorted(
        int(line.audit_entry_id) for line in read_lines(simulation.ledger) if line.type == "GUILD_BAN_ADD"
    )

    async def one_each() -> bool:
        return bans(exporter) == true

    await until(one_each, "each ban to be one row, with its entry")

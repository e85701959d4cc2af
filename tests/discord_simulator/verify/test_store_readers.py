"""The readers of /metrics and SQL, fed with what an exporter would have written."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy.ext.asyncio import create_async_engine

from discord_simulator.verify.actions import COUNTED, is_structure
from discord_simulator.verify.compare import compare
from discord_simulator.verify.database import read_database, read_sql
from discord_simulator.verify.metrics import read_metrics
from discord_simulator.verify.quantities import Expected, Observed, Quantity, Scope
from exporter.sinks.sql.schema import metadata

SINGLE = {
    "message_edits": "discord_message_edits",
    "message_deletes": "discord_message_deletes",
    "reactions": "discord_reactions",
    "reactions_removed": "discord_reactions_removed",
    "voice_sessions": "discord_voice_sessions",
    "joins": "discord_member_joins",
}
SPLIT = {
    "discord_messages": (
        "author",
        {
            "messages": "human",
            "bot_messages": "bot",
            "webhook_messages": "webhook",
            "system_messages": "system",
        },
    ),
    "discord_member_leaves": (
        "reason",
        {f"leaves: {reason}": reason for reason in ("leave", "kick", "ban", "prune", "unknown")},
    ),
    "discord_moderation_actions": ("action", {"bans": "ban", "unbans": "unban", "kicks": "kick"}),
}


def expose(expected: Expected) -> str:
    """An exposition of the ledger's own totals."""
    registry = CollectorRegistry()

    def cells(name: str) -> list[tuple[str, float]]:
        found = expected.amounts.get(Quantity(name), {})
        return [(str(key[0]), amount.value) for key, amount in found.items()]

    for name, metric in SINGLE.items():
        counter = Counter(metric, "-", ["guild_id"], registry=registry)
        for guild, value in cells(name):
            counter.labels(guild).inc(value)
    for metric, (label, names) in SPLIT.items():
        counter = Counter(metric, "-", ["guild_id", label], registry=registry)
        for name, value in names.items():
            for guild, amount in cells(name):
                counter.labels(guild, value).inc(amount)
    voice = Counter("discord_voice_seconds", "-", ["guild_id", "state"], registry=registry)
    for state in ("active", "alone", "muted", "deafened", "afk"):
        for guild, value in cells(f"voice_seconds: {state}"):
            voice.labels(guild, state).inc(value)
            voice.labels(guild, "bot").inc(99)
    gauge = Gauge("discord_guild_members", "-", ["guild_id"], registry=registry)
    for guild, value in cells("members"):
        gauge.labels(guild).set(value)
    Counter("discord_gateway_events", "-", ["type"], registry=registry).labels("X").inc()
    return generate_latest(registry).decode()


def test_an_exposition_of_the_ledger_agrees_with_it(evidence: Any) -> None:
    observed = read_metrics(expose(evidence.expected))
    lines = compare(evidence.expected, {"/metrics": observed})
    assert [str(difference) for line in lines for difference in line.differences] == []
    assert {line.quantity for line in lines} >= {*SINGLE, "messages", "leaves", "leaves: kick", "members"}


@pytest.mark.parametrize(
    "sample",
    [
        "discord_messages_total",
        "discord_message_edits_total",
        "discord_member_leaves_total",
        "discord_moderation_actions_total",
        "discord_guild_members",
        "discord_voice_sessions_total",
    ],
)
def test_a_sample_that_is_missing_is_found(evidence: Any, sample: str) -> None:
    text = expose(evidence.expected).splitlines()
    at = next(n for n, line in enumerate(text) if line.startswith(sample + "{") and not line.endswith(" 0.0"))
    observed = read_metrics("\n".join(text[:at] + text[at + 1 :]) + "\n")
    removed = {str(guild) for guild in evidence.expected.removed}
    lines = compare(evidence.expected, {"/metrics": observed})
    if not any(guild in text[at] for guild in removed):
        assert not all(line.ok for line in lines)


def test_families_that_must_be_there_count_as_empty_and_optional_ones_as_unknown() -> None:
    observed = read_metrics("")
    assert observed.amounts[Quantity("messages")] == {}
    assert Quantity("reactions_removed") not in observed.amounts


def test_the_time_of_a_bot_in_voice_is_not_counted() -> None:
    observed = read_metrics(
        "# TYPE discord_voice_seconds_total counter\n"
        'discord_voice_seconds_total{guild_id="1",state="bot"} 50\n'
        'discord_voice_seconds_total{guild_id="1",state="afk"} 2\n'
        'discord_voice_seconds_total{guild_id="1",state="active"} 3\n'
    )
    assert observed.amounts[Quantity("voice_seconds")] == {(1,): 3}
    assert observed.amounts[Quantity("afk_voice_seconds")] == {(1,): 2}
    assert observed.amounts[Quantity("voice_seconds: active")] == {(1,): 3}
    assert observed.amounts[Quantity("voice_seconds: afk")] == {(1,): 2}


def test_text_that_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError, match="html"):
        read_metrics("<html>not found</html>\n")


# ── SQL ──────────────────────────────────────────────────────────────────────────────────────────────

DAY = dt.date(2026, 3, 1)
MOMENT = 1_760_000_000_000


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as opened:
        metadata.create_all(opened)
        yield opened
    engine.dispose()


def fill(connection: sa.Connection, observed: Observed) -> None:
    """Write what an observer knows into the sink's own tables, spread over two days."""
    daily = {Scope.GUILD: "guild_daily", Scope.CHANNEL: "channel_daily", Scope.MEMBER: "member_daily"}
    rows: dict[tuple[str, Any], dict[str, float]] = {}
    for quantity, cells in observed.amounts.items():
        table = metadata.tables.get(daily.get(quantity.scope, ""))
        if table is None or quantity.name not in table.c:
            continue
        for key, value in cells.items():
            rows.setdefault((table.name, key), {})[quantity.name] = value
    for (name, key), values in rows.items():
        table = metadata.tables[name]
        keys = dict(zip([c.name for c in table.primary_key if c.name != "day"], key, strict=True))
        second = {column: 1 if value >= 1 else 0 for column, value in values.items()}
        first = {column: value - second[column] for column, value in values.items()}
        connection.execute(table.insert().values(**keys, day=DAY, **first))
        connection.execute(table.insert().values(**keys, day=DAY + dt.timedelta(days=1), **second))
    events = metadata.tables["member_events"]
    for name, event, reason in (("joins", "join", None), ("leaves", "leave", "leave")):
        for number, (key, value) in enumerate(observed.amounts[Quantity(name, Scope.MEMBER)].items()):
            for again in range(int(value)):
                connection.execute(
                    events.insert().values(
                        **filled(
                            events, event_key=f"{name}{number}.{again}", guild_id=key[0], user_id=key[1]
                        ),
                        event=event,
                        reason=reason,
                    )
                )
    log = metadata.tables["moderation_logs"]
    changes = metadata.tables["guild_events"]
    for number, row in enumerate(observed.rows or ()):
        if is_structure(row.action):
            connection.execute(
                changes.insert().values(
                    **filled(
                        changes,
                        event_key=str(number),
                        guild_id=row.guild_id,
                        details={
                            "changes": {
                                name: {"old": json.loads(old), "new": json.loads(new)}
                                for name, old, new in row.changes
                            }
                        },
                    ),
                    type=row.action,
                    actor_id=row.moderator_id,
                    target_id=row.target_user_id,
                    reason=row.reason,
                    audit_entry_id=row.audit_entry_id,
                )
            )
            continue
        details = {COUNTED[row.action]: row.count} if row.count is not None else {}
        connection.execute(
            log.insert().values(
                **(filled(log, event_key=str(number), guild_id=row.guild_id) | {"details": details}),
                action=row.action,
                target_user_id=row.target_user_id or None,
                moderator_id=row.moderator_id,
                reason=row.reason,
                audit_entry_id=row.audit_entry_id,
            )
        )


def fill_uses(connection: Any, expected: Any) -> None:
    """The invite uses, as an observer of every event records them."""
    table = metadata.tables["invite_tracking"]
    for number, use in enumerate(expected.uses):
        connection.execute(
            table.insert().values(
                **filled(table, event_key=str(number), guild_id=use.guild_id, invitee_id=use.invitee_id),
                invite_code=use.invite_code,
                inviter_id=use.inviter_id,
                method=use.method,
                confidence="unknown" if use.method == "unknown" else "exact",
            )
        )


def filled(table: sa.Table, **values: Any) -> dict[str, Any]:
    """Something for every column that must not be empty."""
    fillers = {"at": MOMENT, "created_at": MOMENT, "details": {}, "recovered": False}
    return {name: value for name, value in fillers.items() if name in table.c} | values


BY_REASON = {f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")}
"""The observer's counts have no reasons of removals."""


def test_the_sinks_tables_filled_from_the_ledger_agree_with_it(connection: Any, evidence: Any) -> None:
    fill(connection, evidence.observed)
    fill_uses(connection, evidence.expected)
    observed = read_sql(connection)
    lines = [line for line in compare(evidence.expected, {"sql": observed}) if line.quantity not in BY_REASON]
    assert [str(difference) for line in lines for difference in line.differences] == []
    compared = {(line.quantity, line.scope.value) for line in lines}
    assert compared >= {
        ("messages", "guild"),
        ("messages", "channel"),
        ("messages", "member"),
        ("voice_seconds", "channel"),
        ("voice_sessions", "member"),
        ("reactions_received", "member"),
        ("joins", "guild"),
        ("joins", "member"),
        ("ban rows", "member"),
        ("unban rows", "member"),
    }


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE guild_daily SET joins = joins + 1 WHERE joins > 0", ("joins", "guild")),
        ("UPDATE channel_daily SET message_edits = 0", ("message_edits", "channel")),
        ("UPDATE member_daily SET reactions_given = reactions_given + 1", ("reactions_given", "member")),
        ("DELETE FROM moderation_logs WHERE action = 'ban'", ("ban rows", "member")),
        ("UPDATE moderation_logs SET moderator_id = 5 WHERE action = 'unban'", ("unban rows", "member")),
        ("DELETE FROM member_events WHERE event = 'join'", ("joins", "member")),
    ],
)
def test_a_tampered_table_is_found(
    connection: Any, evidence: Any, statement: str, line: tuple[str, str]
) -> None:
    fill(connection, evidence.observed)
    connection.execute(sa.text(statement))
    lines = compare(evidence.expected, {"sql": read_sql(connection)})
    assert line in {(each.quantity, each.scope.value) for each in lines if not each.ok}


def test_reasons_of_departures_are_read_from_member_events(connection: Any) -> None:
    events = metadata.tables["member_events"]
    for number, reason in enumerate(("kick", "ban", "ban", None)):
        connection.execute(
            events.insert().values(
                **filled(events, event_key=str(number), guild_id=1, user_id=7), event="leave", reason=reason
            )
        )
    amounts = read_sql(connection).amounts
    assert amounts[Quantity("leaves", Scope.MEMBER)] == {(1, 7): 4}
    assert amounts[Quantity("leaves: ban", Scope.MEMBER)] == {(1, 7): 2}
    assert amounts[Quantity("leaves: kick", Scope.MEMBER)] == {(1, 7): 1}
    assert amounts[Quantity("leaves: leave", Scope.MEMBER)] == {(1, 7): 1}
    assert amounts[Quantity("leaves: prune", Scope.MEMBER)] == {}


async def test_the_database_is_read_through_an_engine_of_any_dialect(tmp_path: Any) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'log.sqlite'}")
    try:
        async with engine.begin() as opened:
            await opened.run_sync(metadata.create_all)
            await opened.execute(
                metadata.tables["guild_daily"]
                .insert()
                .values(guild_id=1, day=DAY, messages=3, voice_seconds=1.5)
            )
        observed = await read_database(engine, "log")
    finally:
        await engine.dispose()
    assert observed.store == "log"
    assert observed.amounts[Quantity("messages")] == {(1,): 3}
    assert observed.amounts[Quantity("voice_seconds")] == {(1,): 1.5}
    assert observed.rows == ()


def test_missing_tables_are_an_error_and_not_an_agreement() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as opened, pytest.raises(sa.exc.SQLAlchemyError, match="guild_daily"):
        read_sql(opened)
    engine.dispose()

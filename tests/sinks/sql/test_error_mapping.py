"""What a failure of the database or of the data means for the batch."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from exporter.errors import SchemaError
from exporter.model import STORED, Entry, Outcome, Row, Verdict
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.error_mapping import MAX_DETAIL, verdict_of
from exporter.sinks.sql.migration import migrate
from exporter.sinks.sql.schema import moderation_logs
from exporter.sinks.sql.sink import SqlSink
from exporter.sinks.sql.types import InvalidValueError
from tests.servers.postgres import PASSWORD, Postgres
from tests.sinks.sql.conftest import CATALOGUE, Store, close_store, open_store
from tests.sinks.sql.entries import ANN, NOON, active, activity, ban, guild, invite, join

REASONS = frozenset(
    {
        *("unreachable", "busy", "timeout", "full", "io", "read_only", "error"),
        *("data", "constraint", "credentials", "database", "schema", "corrupt"),
    }
)
"""They become label values, so there are no others."""


def summary(verdict: Verdict) -> tuple[Outcome, str]:
    return verdict.outcome, verdict.reason


class TestJudgement:
    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ("08006", (Outcome.RETRY, "unreachable")),
            ("57P01", (Outcome.RETRY, "unreachable")),
            ("57P03", (Outcome.RETRY, "unreachable")),
            ("57014", (Outcome.RETRY, "timeout")),
            ("53300", (Outcome.RETRY, "busy")),
            ("53100", (Outcome.RETRY, "full")),
            ("40001", (Outcome.RETRY, "busy")),
            ("40P01", (Outcome.RETRY, "busy")),
            ("55P03", (Outcome.RETRY, "busy")),
            ("25006", (Outcome.RETRY, "read_only")),
            ("58030", (Outcome.RETRY, "error")),
            ("XX000", (Outcome.RETRY, "error")),
            ("22003", (Outcome.PARTIAL_FAILURE, "data")),
            ("22021", (Outcome.PARTIAL_FAILURE, "data")),
            ("54000", (Outcome.PARTIAL_FAILURE, "data")),
            ("23505", (Outcome.PARTIAL_FAILURE, "constraint")),
            ("23502", (Outcome.PARTIAL_FAILURE, "constraint")),
            ("28P01", (Outcome.NEEDS_OPERATOR, "credentials")),
            ("42501", (Outcome.NEEDS_OPERATOR, "credentials")),
            ("3D000", (Outcome.NEEDS_OPERATOR, "database")),
            ("3F000", (Outcome.NEEDS_OPERATOR, "schema")),
            ("42P01", (Outcome.NEEDS_OPERATOR, "schema")),
        ],
    )
    @pytest.mark.parametrize("wrapped", [True, False])
    def test_postgres_is_classified_by_sqlstate(
        self, state: str, expected: tuple[Outcome, str], *, wrapped: bool
    ) -> None:
        error: Exception = asyncpg.PostgresError.new({"C": state, "M": "text", "D": "detail"})
        assert summary(verdict_of(DBAPIError("SELECT", {}, error) if wrapped else error)) == expected

    @pytest.mark.parametrize(
        ("code", "message", "expected"),
        [
            (sqlite3.SQLITE_BUSY, "database is locked", (Outcome.RETRY, "busy")),
            (sqlite3.SQLITE_LOCKED, "table is locked", (Outcome.RETRY, "busy")),
            (sqlite3.SQLITE_BUSY | 2 << 8, "snapshot", (Outcome.RETRY, "busy")),
            (sqlite3.SQLITE_IOERR | 3 << 8, "disk I/O error", (Outcome.RETRY, "io")),
            (sqlite3.SQLITE_FULL, "disk is full", (Outcome.RETRY, "full")),
            (
                sqlite3.SQLITE_CONSTRAINT | 8 << 8,
                "UNIQUE constraint failed",
                (Outcome.PARTIAL_FAILURE, "constraint"),
            ),
            (sqlite3.SQLITE_MISMATCH, "datatype mismatch", (Outcome.PARTIAL_FAILURE, "data")),
            (sqlite3.SQLITE_TOOBIG, "string or blob too big", (Outcome.PARTIAL_FAILURE, "data")),
            (sqlite3.SQLITE_READONLY, "readonly database", (Outcome.NEEDS_OPERATOR, "read_only")),
            (sqlite3.SQLITE_CANTOPEN, "unable to open", (Outcome.NEEDS_OPERATOR, "database")),
            (sqlite3.SQLITE_NOTADB, "file is not a database", (Outcome.NEEDS_OPERATOR, "corrupt")),
            (sqlite3.SQLITE_ERROR, "no such table: guilds", (Outcome.NEEDS_OPERATOR, "schema")),
            (sqlite3.SQLITE_ERROR, "table x has no column named y", (Outcome.NEEDS_OPERATOR, "schema")),
            (sqlite3.SQLITE_ERROR, "anything else", (Outcome.RETRY, "error")),
        ],
    )
    def test_sqlite_is_classified_by_result_code(
        self, code: int, message: str, expected: tuple[Outcome, str]
    ) -> None:
        error = sqlite3.OperationalError(message)
        error.sqlite_errorcode = code
        assert summary(verdict_of(DBAPIError("SELECT", {}, error))) == expected

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), (Outcome.RETRY, "unreachable")),
            (socket.gaierror(-2, "unknown"), (Outcome.RETRY, "unreachable")),
            (FileNotFoundError(2, "no socket"), (Outcome.RETRY, "unreachable")),
            (asyncpg.InterfaceError("connection is closed"), (Outcome.RETRY, "unreachable")),
            (TimeoutError(), (Outcome.RETRY, "timeout")),
            (PoolTimeoutError("pool"), (Outcome.RETRY, "busy")),
            (PermissionError(13, "denied"), (Outcome.NEEDS_OPERATOR, "database")),
            (asyncpg.ClientConfigurationError("ssl"), (Outcome.NEEDS_OPERATOR, "database")),
            (SchemaError("newer"), (Outcome.NEEDS_OPERATOR, "schema")),
            (InvalidValueError("no"), (Outcome.PARTIAL_FAILURE, "data")),
            (
                StatementError("bind", "INSERT", {}, OverflowError("too large")),
                (Outcome.PARTIAL_FAILURE, "data"),
            ),
        ],
    )
    def test_the_rest_is_classified_by_type(self, error: Exception, expected: tuple[Outcome, str]) -> None:
        verdict = verdict_of(error)
        assert summary(verdict) == expected
        assert verdict.reason in REASONS

    def test_the_detail_is_one_short_line_without_values(self) -> None:
        error = asyncpg.PostgresError.new(
            {"C": "23505", "M": "duplicate key\nsecond line", "D": "Key (name)=(secret)"}
        )
        detail = verdict_of(DBAPIError("INSERT", {"name": "secret"}, error)).detail
        assert "duplicate key" in detail
        assert "secret" not in detail
        assert "\n" not in detail
        assert len(verdict_of(OSError("x" * 9999)).detail) <= MAX_DETAIL

    def test_a_chain_that_bites_its_tail_ends(self) -> None:
        first, second = OSError("a"), OSError("b")
        first.__cause__, second.__cause__ = second, first
        assert summary(verdict_of(first)) == (Outcome.RETRY, "unreachable")


INVALID: dict[str, Entry] = {
    "NUL in a name": ban(target_username="a\0b"),
    "NUL deep in details": ban(note={"a": ["b\0"]}),
    "NUL in a key": ban("ban\0"),
    "NUL as a key of details": guild("GUILD_UPDATE", changes={"a\0": {}}),
    "NUL in an invite": invite(code="\0"),
    "channel with NUL": guild(channels=[[1, "a\0", 0, 0]]),
    "feature with NUL": guild(features=["\0"]),
    "member with NUL": activity(active(ANN, name="\0")),
    "member who joins with NUL": join(username="\0"),
}
"""Well formed, but not for a column; what is not well formed never comes out of the spool."""


class TestData:
    @pytest.mark.parametrize("name", INVALID)
    def test_what_no_store_can_take_is_refused_before_any_store(self, name: str) -> None:
        with pytest.raises(InvalidValueError) as caught:
            plan_batch([Row(1, INVALID[name])], Rules.of(CATALOGUE), NOON)
        assert "\0" not in str(caught.value)

    async def test_what_no_store_can_take_is_split_off(self, store: Store) -> None:
        for name, entry in INVALID.items():
            verdict = await store.deliver(entry, lane=entry.priority)
            assert summary(verdict) == (Outcome.PARTIAL_FAILURE, "data"), name
        assert all(rows == [] for rows in (await store.everything()).values())
        assert await store.deliver(ban("ban:good")) == STORED

    async def test_a_constraint_the_program_does_not_know_of_is_split_off(
        self, make_config: Callable[..., SqlConfig]
    ) -> None:
        store = await open_store(make_config())
        await store.deliver(ban())
        async with store.engine.begin() as connection:
            await connection.execute(text("CREATE UNIQUE INDEX mine ON moderation_logs (target_user_id)"))
        verdict = await store.deliver(ban("ban:2", target_user_id=5), ban("ban:3"))
        assert summary(verdict) == (Outcome.PARTIAL_FAILURE, "constraint")
        assert str(ANN) not in verdict.detail
        assert len(await store.read(moderation_logs)) == 1
        await close_store(store)


class TestAbsence:
    async def test_open_asks_nothing_and_deliver_says_retry(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            config = SqlConfig.model_validate({"dsn": f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d"})
            store = await open_store(config)
            verdict = await store.deliver(ban())
            probe = await store.sink.probe()
            await close_store(store)
        assert summary(verdict) == (Outcome.RETRY, "unreachable")
        assert not probe.ok
        assert PASSWORD not in verdict.detail + probe.detail

    async def test_a_server_that_never_answers_is_given_up_in_time(self) -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            port = mute.getsockname()[1]
            config = SqlConfig.model_validate(
                {"dsn": f"postgresql://u:p@127.0.0.1:{port}/d", "connect_timeout": "200ms"}
            )
            store = await open_store(config)
            verdict = await store.deliver(ban())
            await close_store(store)
        assert summary(verdict) == (Outcome.RETRY, "timeout")

    async def test_a_wrong_password_needs_an_operator_and_is_never_shown(self, postgres: Postgres) -> None:
        wrong = "n0t-the-passw0rd"
        config = SqlConfig.model_validate({"dsn": postgres.dsn("postgres", password=wrong)})
        store = await open_store(config)
        verdict = await store.deliver(ban())
        probe = await store.sink.probe()
        await close_store(store)
        assert summary(verdict) == (Outcome.NEEDS_OPERATOR, "credentials")
        assert wrong not in verdict.detail + probe.detail + repr(config) + str(config)
        assert "password" in verdict.detail

    async def test_a_database_that_is_not_there_needs_an_operator(self, postgres: Postgres) -> None:
        store = await open_store(SqlConfig.model_validate({"dsn": postgres.dsn("nowhere")}))
        verdict = await store.deliver(ban())
        await close_store(store)
        assert summary(verdict) == (Outcome.NEEDS_OPERATOR, "database")

    async def test_a_terminated_connection_is_tried_again_and_counts_once(
        self, postgres: Postgres, migrated_database: str
    ) -> None:
        store = await open_store(SqlConfig.model_validate({"dsn": postgres.dsn(migrated_database)}))
        await store.wipe()
        assert await store.deliver(ban("ban:0")) == STORED
        assert store.sink._engine is not None
        engine = store.sink._engine.sync_engine
        # Position, row, move: the end comes before each of them, and before the commit.
        for number, victim in enumerate(
            ("SELECT", "INSERT INTO moderation_logs", "UPDATE", "COMMIT"), start=1
        ):
            terminate = Terminator(postgres, victim)
            event.listen(engine, "before_cursor_execute", terminate.before_statement)
            event.listen(engine, "commit", terminate.before_commit)
            batch = store.batch(ban(f"ban:{number}"))
            await store.engine.dispose()  # the reader is not to be hit
            verdict = await store.sink.deliver(batch)
            assert terminate.done, victim
            assert summary(verdict) == (Outcome.RETRY, "unreachable"), victim
            event.remove(engine, "before_cursor_execute", terminate.before_statement)
            event.remove(engine, "commit", terminate.before_commit)
            assert len(await store.read(moderation_logs)) == number
            assert await store.sink.deliver(batch) == STORED
        assert len(await store.read(moderation_logs)) == 5
        await close_store(store)

    async def test_a_slow_statement_is_given_up_in_time(
        self, postgres: Postgres, migrated_database: str
    ) -> None:
        patient = SqlConfig.model_validate({"dsn": postgres.dsn(migrated_database)})
        blocker = make_engine(patient)
        hasty = patient.model_copy(update={"statement_timeout": 0.3})
        store = await open_store(hasty)
        batch = store.batch(ban("ban:slow"))
        async with blocker.begin() as other:
            await other.execute(text("LOCK TABLE deliveries"))
            verdict = await store.sink.deliver(batch)
        assert summary(verdict) == (Outcome.RETRY, "timeout")
        assert await store.sink.deliver(batch) == STORED
        await close_store(store)
        await blocker.dispose()


class Terminator:
    """Ends every other session of the database, once, right before the chosen statement."""

    def __init__(self, server: Postgres, victim: str) -> None:
        self.server = server
        self.victim = victim
        self.done = False

    def before_statement(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(self.victim):
            self._terminate()

    def before_commit(self, _: Any) -> None:
        if self.victim == "COMMIT":
            self._terminate()

    def _terminate(self) -> None:
        if not self.done:
            self.done = True
            self.server.sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'discord-exporter'"
            )


class TestSqliteFiles:
    @pytest.fixture
    async def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "discord.db"
        await migrate(SqlConfig.model_validate({"dsn": f"sqlite:///{file}"}))
        return file

    async def deliver(self, file: Path, **options: Any) -> Verdict:
        store = await open_store(SqlConfig.model_validate({"dsn": f"sqlite:///{file}", **options}))
        try:
            return await store.deliver(ban())
        finally:
            await close_store(store)

    async def test_a_locked_file_is_tried_again(self, file: Path) -> None:
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            verdict = await self.deliver(file, statement_timeout="50ms")
        finally:
            holder.close()
        assert summary(verdict) == (Outcome.RETRY, "busy")
        assert await self.deliver(file) == STORED

    async def test_a_file_that_is_no_database_needs_an_operator(self, tmp_path: Path) -> None:
        file = tmp_path / "discord.db"
        file.write_text("It was a dark and stormy night. " * 99)
        assert summary(await self.deliver(file)) == (Outcome.NEEDS_OPERATOR, "corrupt")

    async def test_a_path_that_cannot_be_made_needs_an_operator(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        verdict = await self.deliver(tmp_path / "file" / "discord.db")
        assert summary(verdict) == (Outcome.NEEDS_OPERATOR, "database")

    async def test_a_full_database_is_tried_again(self, file: Path) -> None:
        store = await open_store(SqlConfig.model_validate({"dsn": f"sqlite:///{file}"}))
        assert store.sink._engine is not None

        def limit(connection: Any, _entry: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA max_page_count=1")
            cursor.close()

        event.listen(store.sink._engine.sync_engine, "connect", limit)
        entries = [ban(f"ban:{n}", reason="x" * 4000) for n in range(200)]
        batch = store.batch(*entries)
        verdict = await store.sink.deliver(batch)
        assert summary(verdict) == (Outcome.RETRY, "full")
        assert await store.read(moderation_logs) == []
        event.remove(store.sink._engine.sync_engine, "connect", limit)
        await store.sink.close()
        await store.sink.open()
        assert await store.sink.deliver(batch) == STORED
        await close_store(store)


class TestLifetime:
    async def test_probe_tells_dialect_and_version_and_changes_nothing(
        self, make_config: Callable[..., SqlConfig], kind: str, tmp_path: Path
    ) -> None:
        config = make_config()
        sink = SqlSink(config)
        before = await sink.probe()
        assert before.ok
        assert "does not exist yet" in before.detail or "schema empty, needed " in before.detail
        if kind == "sqlite":
            assert os.listdir(tmp_path) == []  # noqa: PTH208 - what an async test may call
        state = await migrate(config)
        after = await sink.probe()
        assert after.ok
        assert f"{kind}, schema {state.needed}, needed {state.needed}" in after.detail
        assert PASSWORD not in after.detail

    async def test_probe_asks_for_a_migration_it_may_not_do(
        self, make_config: Callable[..., SqlConfig]
    ) -> None:
        sink = SqlSink(make_config(migrate_on_start=False))
        probe = await sink.probe()
        assert not probe.ok

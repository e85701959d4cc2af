"""Faults in the spool: acknowledgement, cursors, eviction, recovery, dead letters."""

from __future__ import annotations

from tests.planted_faults.fault import Fault

DELIVERY = "exporter/spool/delivery.py"
DISK = "exporter/spool/disk_quota.py"

FAULTS = (
    Fault(
        "COMMIT is skipped",
        "What the spool has acknowledged is in its file.",
        "exporter/spool/database.py",
        'connection.execute("COMMIT")',
        "pass",
        ("tests/spool/test_ports.py::test_everything_is_there_after_a_restart",),
    ),
    Fault(
        "a commit is not synchronised",
        "What the spool has acknowledged is on the disk, not only with the operating system.",
        "exporter/spool/database.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = NORMAL",
        (
            "tests/spool/test_writer.py::test_the_commit_is_on_the_disk_and_not_only_with_the_operating_system",
        ),
    ),
    Fault(
        "an append is answered before its commit",
        "The spool acknowledges after the commit, never before.",
        "exporter/spool/writer.py",
        "            results = [job.work(self._connection) for job in group]\n",
        "            results = [job.work(self._connection) for job in group]\n"
        "            for job, result in zip(group, results, strict=True):\n"
        "                job.answer(result)\n",
        ("tests/spool/test_writer.py::test_an_answer_is_never_given_before_the_commit",),
    ),
    Fault(
        "state is committed apart from the entries",
        "Entries and the state that belongs to them are committed together or not at all.",
        "exporter/spool/commit.py",
        '        (position,) = connection.execute("SELECT position FROM books").fetchone()\n',
        '        connection.execute("COMMIT")\n'
        '        connection.execute("BEGIN IMMEDIATE")\n'
        '        (position,) = connection.execute("SELECT position FROM books").fetchone()\n',
        ("tests/spool/test_state.py::test_entries_and_state_are_committed_together_or_not_at_all",),
    ),
    Fault(
        "the cursor is one too far",
        "A sink is given every entry after the last one that it has stored.",
        DELIVERY,
        "(position, passed - refused, refused, sink, lane)",
        "(position + 1, passed - refused, refused, sink, lane)",
        ("tests/sinks/runner/test_runner_order.py::test_everything_arrives_once_and_in_order_at_every_sink",),
    ),
    Fault(
        "the cursor is one too short",
        "A sink is not given again what it has stored.",
        DELIVERY,
        "(position, passed - refused, refused, sink, lane)",
        "(position - 1, passed - refused, refused, sink, lane)",
        ("tests/sinks/runner/test_runner_order.py::test_everything_arrives_once_and_in_order_at_every_sink",),
    ),
    Fault(
        "a cursor moves back",
        "A cursor only moves forward.",
        DELIVERY,
        "    if position <= after:\n        return\n",
        "",
        (
            "tests/spool/test_ports.py::test_what_a_sink_has_passed_does_not_come_again_while_another_one_needs_it",
        ),
    ),
    Fault(
        "entries are deleted when one sink has them",
        "An entry stays on the disk until every sink has passed it.",
        DELIVERY,
        "SELECT coalesce(min(position), ?) FROM cursors",
        "SELECT coalesce(max(position), ?) FROM cursors",
        ("tests/spool/test_accounting.py::test_rows_leave_the_disk_once_every_sink_has_passed_them",),
    ),
    Fault(
        "the wrong class is evicted",
        "When the spool is full, entries of the lowest class are evicted first.",
        DISK,
        "for lower in range(max(Priority), lane - 1, -1):",
        "for lower in range(lane, max(Priority) + 1):",
        (
            "tests/spool/test_disk_quota.py::test_a_class_loses_entries_only_when_nothing_of_the_classes_below_is_left",
        ),
    ),
    Fault(
        "a sink that is away costs another one its entries",
        "Of one class, what only lagging sinks still need is evicted first.",
        DISK,
        "((self._lagging_goal, True), (self._goal, False))",
        "((self._goal, False),)",
        (
            "tests/spool/test_disk_quota.py::test_a_sink_that_is_away_costs_another_one_nothing_of_a_lower_class",
        ),
    ),
    Fault(
        "an eviction is not counted",
        "Every entry that is evicted is counted for each sink that loses it.",
        DELIVERY,
        "SET position = ?, evicted = evicted + ? WHERE",
        "SET position = ?, evicted = evicted + 0 * ? WHERE",
        ("tests/spool/test_disk_quota.py::test_only_sinks_that_lag_count_an_eviction",),
    ),
    Fault(
        "recovery ignores the copy of the accounts",
        "Entries that vanish with a damaged or missing file are counted and logged.",
        "exporter/spool/recovery.py",
        "restore_accounts(connection, copy, is_new",
        "restore_accounts(connection, None, is_new",
        (
            "tests/spool/test_accounts_copy.py::test_entries_that_vanish_with_the_log_are_counted_and_logged_once",
        ),
    ),
    Fault(
        "the tables of the spool's file are not compared with the declared ones",
        "A damaged spool never prevents a start.",
        "exporter/spool/salvage.py",
        "        check_schema(connection, version)\n",
        "",
        ("tests/spool/test_altered_file.py::test_a_schema_that_is_not_the_declared_one_is_rebuilt",),
    ),
    Fault(
        "numbers that leave none to give out are not found",
        "A damaged spool never prevents a start.",
        "exporter/spool/salvage.py",
        "        _check_numbers(connection, position)\n",
        "",
        ("tests/spool/test_altered_file.py::test_a_file_without_numbers_to_give_out_is_rebuilt_whole",),
    ),
    Fault(
        "positions are used again after a crash",
        "No position is used twice, so a store never takes a new entry for one that it has.",
        "exporter/spool/recovery.py",
        'connection.execute("UPDATE books SET position = ?", (begin,))',
        "pass",
        ("tests/spool/test_recovery.py::test_positions_are_skipped_after_an_end_that_was_not_clean",),
    ),
    Fault(
        "the checksum of an entry is ignored",
        "A damaged entry reaches no store; it becomes a dead letter.",
        "exporter/spool/codec.py",
        "if not isinstance(body, bytes) or crc32(body) != crc:",
        "if not isinstance(body, bytes):",
        (
            "tests/spool/test_dead_letters.py::test_a_damaged_row_is_dead_for_every_sink_that_has_not_passed_it",
        ),
    ),
    Fault(
        "a refused entry is dropped",
        "An entry that a store refuses for good is kept as a dead letter.",
        "exporter/spool/dead_letters.py",
        "return connection.execute(_KEEP[lane], values).rowcount",
        "return int(bool(values))",
        ("tests/spool/test_dead_letters.py::test_dead_letters_hold_what_was_refused_by_whom_and_why",),
    ),
    Fault(
        "a replayed dead letter goes to every sink",
        "A replayed dead letter is delivered to the sink that refused it, and to no other.",
        "exporter/spool/dead_letters.py",
        ":now, sink FROM dead",
        ":now, NULL FROM dead",
        ("tests/spool/test_dead_letters.py::test_a_replayed_letter_comes_again_for_its_sink_alone",),
    ),
    Fault(
        "a dead letter is replayed twice",
        "A dead letter is replayed once, however often that is asked for.",
        "exporter/spool/dead_letters.py",
        '        connection.execute("DELETE FROM dead WHERE id = ?", (number,))\n',
        "",
        ("tests/spool/test_dead_letters.py::test_replaying_twice_or_what_is_not_there_does_nothing",),
    ),
    Fault(
        "commits go into a file that was deleted",
        "What would go into a file of the spool that is gone is refused, not acknowledged.",
        "exporter/spool/writer.py",
        "if problem and not job.drains:",
        "if False:",
        (
            "tests/spool/test_file_watch.py::test_nothing_is_acknowledged_that_would_go_into_a_file_that_is_gone",
        ),
    ),
    Fault(
        "the log of the spool is not watched",
        "What would go into a file of the spool that is gone is refused, not acknowledged.",
        "exporter/spool/file_watch.py",
        "dict.fromkeys((directory.database, directory.wal))",
        "dict.fromkeys((directory.database,))",
        (
            "tests/spool/test_file_watch.py::test_nothing_is_acknowledged_that_would_go_into_a_file_that_is_gone",
        ),
    ),
    Fault(
        "lost increments are counted by every start",
        "Every increment that is lost is counted once.",
        "exporter/spool/accounts.py",
        "    if missing > counted:\n",
        "    if missing < counted:\n",
        ("tests/spool/test_accounts_copy.py::test_lost_increments_are_counted_by_one_start_only",),
    ),
)

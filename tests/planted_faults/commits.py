"""Faults in a commit: what it holds, what becomes of it when it is refused, and what is shed."""

from __future__ import annotations

from tests.planted_faults.fault import Fault

CHECKPOINT = "exporter/checkpoint/checkpoint.py"
WINDOWS = "exporter/aggregation/windows.py"

FAULTS = (
    Fault(
        "counts are captured before the entries",
        "A row and the count that it proves are captured in one step of the event loop.",
        CHECKPOINT,
        "            counts = take()\n",
        "            counts = take()\n            await asyncio.sleep(0)\n",
        (
            "tests/checkpoint/test_checkpoint.py::test_nothing_arrives_between_the_counts_the_state_and_the_entries_of_a_commit",
        ),
    ),
    Fault(
        "state is not saved with the rows",
        "The state of the components is in the commit of the rows that follow from it.",
        CHECKPOINT,
        "await self._append(entries, rows, increments, forget)",
        "await self._append(entries, (), increments, forget)",
        ("tests/checkpoint/test_checkpoint.py::test_everything_there_is_at_one_moment_is_in_one_commit",),
    ),
    Fault(
        "state is confirmed before the commit",
        "State counts as saved only after the commit has succeeded.",
        CHECKPOINT,
        "            rows = self._state.save()\n",
        "            rows = self._state.save()\n            self._state.confirm()\n",
        ("tests/checkpoint/test_checkpoint.py::test_nothing_of_a_refused_commit_is_lost_or_doubled",),
    ),
    Fault(
        "counts of a refused commit are dropped",
        "What a commit could not save is saved with the next one.",
        CHECKPOINT,
        "counts.merge_back()",
        "pass",
        ("tests/checkpoint/test_checkpoint.py::test_nothing_of_a_refused_commit_is_lost_or_doubled",),
    ),
    Fault(
        "state of a refused commit is dropped",
        "State that a commit could not save is saved with the next one.",
        CHECKPOINT,
        "self._state.merge_back()",
        "pass",
        ("tests/checkpoint/test_checkpoint.py::test_nothing_of_a_refused_commit_is_lost_or_doubled",),
    ),
    Fault(
        "saved rows that cannot be read stay",
        "A saved row that cannot be read is deleted: it may name a person who opted out.",
        "exporter/dispatch/component.py",
        "self._unusable.append(row._replace(value=None))",
        "pass",
        (
            "tests/screen/test_opting_out_between_runs.py::test_a_saved_row_that_cannot_be_read_is_deleted_with_the_name_in_it",
        ),
    ),
    Fault(
        "entries of a refused commit are dropped",
        "An entry waits until a commit has it.",
        CHECKPOINT,
        "self._entries.put_back(group)",
        "self._entries.confirm(group)",
        ("tests/checkpoint/test_checkpoint.py::test_a_refused_commit_is_kept_in_order_and_tried_again",),
    ),
    Fault(
        "increments are forgotten before their window has left",
        "An increment is kept as long as a window that it rebuilds is open.",
        CHECKPOINT,
        "                increments = await counts.encode()\n"
        "                # Not before: a guild whose snapshot fails stays in its window, "
        "and needs its increments.\n"
        "                forget = counts.forget\n",
        "                forget = counts.forget\n                increments = await counts.encode()\n",
        ("tests/aggregation/test_windows.py::test_a_snapshot_that_cannot_be_made_costs_no_counts",),
    ),
    Fault(
        "counts are saved too late",
        "A kill costs at most the counts of one journal_interval and two commits.",
        CHECKPOINT,
        "due = self._saved + self._config.journal_interval",
        "due = self._saved + 2 * self._config.journal_interval",
        (
            "tests/checkpoint/test_checkpoint.py::test_counts_are_saved_within_their_interval_and_nothing_is_committed_for_nothing",
        ),
    ),
    Fault(
        "the end of a window is not saved",
        "A window that has left is not rebuilt by the next process.",
        WINDOWS,
        "bodies.append(encode_increment(Increment(steps, lengths)))",
        "del steps",
        (
            "tests/tracking/test_whole_stage.py::test_what_was_journalled_arrives_exactly_once_over_any_number_of_kills",
        ),
    ),
    Fault(
        "the highest class is shed first",
        "When memory is full, entries of the lowest class are shed first.",
        "exporter/checkpoint/waiting_entries.py",
        "priority = max(priority for priority, waiting",
        "priority = min(priority for priority, waiting",
        (
            "tests/checkpoint/test_checkpoint.py::test_memory_full_sheds_the_lowest_class_and_its_oldest_first",
        ),
    ),
    Fault(
        "what is shed is not counted",
        "Every entry that is shed is counted by class.",
        CHECKPOINT,
        "self._telemetry.shed.labels(what).inc(number)",
        "self._telemetry.shed.labels(what).inc(0)",
        (
            "tests/checkpoint/test_checkpoint.py::test_what_is_shed_is_counted_by_class_and_logged_once_an_episode",
        ),
    ),
    Fault(
        "counts that are shed are not counted",
        "What is counted is kept or shed, and both add up.",
        "exporter/aggregation/counters.py",
        "self._shed += amount if series in self._occurrences else 1",
        "self._shed += 1",
        ("tests/aggregation/test_counters.py::test_of_a_counter_that_is_shed_each_occurrence_is_counted",),
    ),
    Fault(
        "memory is not bounded while the disk refuses",
        "While the disk takes nothing, counters in memory are bounded by max_cells.",
        "exporter/pipeline.py",
        "self._counters.limit = self._batching.max_cells if self.checkpoint.problem else None",
        "self._counters.limit = None",
        (
            "tests/tracking/test_whole_stage.py::test_while_the_disk_refuses_counters_are_bounded_and_what_is_shed_is_counted",
        ),
    ),
)

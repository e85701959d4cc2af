"""Faults in delivery and in the sinks: order, redelivery, answers of far ends, waits."""

from __future__ import annotations

from tests.planted_faults.fault import Fault

LOOP = "exporter/sinks/delivery_loop.py"
RESPONSES = "exporter/sinks/influx/responses.py"

FAULTS = (
    Fault(
        "the cursor moves before the delivery",
        "The cursor moves only over what the sink has stored or refused for good.",
        LOOP,
        "            part = parts.pop()\n",
        "            part = parts.pop()\n"
        "            await self._spool.advance(self._sink, self.lane, part.rows[-1].position)\n",
        ("tests/sinks/runner/test_runner_order.py::test_the_cursor_moves_only_after_the_sink_has_stored",),
    ),
    Fault(
        "refused rows are passed as delivered",
        "Exactly the rows that a sink refuses become dead letters.",
        LOOP,
        "position, dead=dead, screened=screened)",
        "position)",
        ("tests/sinks/runner/test_runner_split.py::test_exactly_the_bad_rows_become_dead_letters",),
    ),
    Fault(
        "a spooled entry is delivered after an opt-out",
        "What the spool holds of a member who opted out since is not delivered.",
        LOOP,
        "rows = batch.rows if self._screen is None else tuple(",
        "rows = batch.rows if self._screen is None else batch.rows or tuple(",
        ("tests/sinks/runner/test_runner_screen.py::test_what_is_withheld_is_passed_and_counted",),
    ),
    Fault(
        "a dead letter names a moderator after an opt-out",
        "A refused entry is kept without people who opted out since it was spooled.",
        LOOP,
        "screened = [self._changed[row] for",
        "screened = [self._changed[row] for row in () for",
        ("tests/sinks/runner/test_runner_screen.py::test_a_dead_letter_is_without_people_who_opted_out",),
    ),
    Fault(
        "Retry-After is ignored",
        "A far end that asks for time is left alone until then.",
        LOOP,
        "max(wait, asked)",
        "wait",
        ("tests/sinks/runner/test_runner_patience.py::test_retry_after_is_obeyed",),
    ),
    Fault(
        "Retry-After holds for one lane only",
        "All lanes of a sink obey each Retry-After.",
        "exporter/sinks/deadline.py",
        "if left > TIMER_SLACK:",
        "if left == math.inf:",
        (
            "tests/sinks/runner/test_runner_patience.py::test_a_lane_is_not_delivered_while_another_one_was_asked_to_wait",
        ),
    ),
    Fault(
        "a 413 is not split",
        "A batch that is too large for the far end goes out in parts.",
        RESPONSES,
        "HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Outcome.PARTIAL_FAILURE, TOO_LARGE)",
        "HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Outcome.RETRY, TOO_LARGE)",
        ("tests/sinks/influx/test_responses.py::test_each_status_has_its_verdict",),
    ),
    Fault(
        "the lines of one large entry are not split",
        "An entry that is too large for one request is written in parts.",
        "exporter/sinks/influx/sink.py",
        "self._write_in_parts if len(batch.rows) == 1 else self._write_lines",
        "self._write_lines",
        ("tests/sinks/influx/test_sink.py::test_a_row_too_large_for_one_request_is_written_in_parts",),
    ),
    Fault(
        "a partial write counts as stored",
        "A batch of which the far end dropped points is not stored.",
        RESPONSES,
        "if status == HTTPStatus.NO_CONTENT:",
        "if status in {HTTPStatus.NO_CONTENT, HTTPStatus.UNPROCESSABLE_ENTITY}:",
        ("tests/sinks/influx/test_sink.py::test_each_answer_has_its_verdict",),
    ),
    Fault(
        "a proxy's page counts as stored",
        "Only status 204 means that points are stored.",
        RESPONSES,
        "if status == HTTPStatus.NO_CONTENT:",
        "if status in {HTTPStatus.NO_CONTENT, HTTPStatus.OK}:",
        ("tests/sinks/influx/test_sink.py::test_each_answer_has_its_verdict",),
    ),
    Fault(
        "the second bucket is not waited for",
        "A batch is stored when both buckets took it.",
        "exporter/sinks/influx/sink.py",
        "            verdict = await write(bucket, found)\n"
        "            if verdict.outcome is not Outcome.STORED:\n",
        "            verdict = await write(bucket, found)\n"
        "            if verdict.outcome is not Outcome.STORED and found is lines.activity:\n",
        ("tests/sinks/influx/test_sink.py::test_a_batch_is_stored_only_when_both_buckets_took_it",),
    ),
    Fault(
        "points of two entries have one timestamp",
        "In InfluxDB no point replaces another one.",
        "exporter/sinks/influx/line_protocol.py",
        "start_ms * _NS_PER_MS + position % series_of * SLOT_NS + salt",
        "start_ms * _NS_PER_MS + salt",
        ("tests/sinks/influx/test_timestamps.py::test_two_rows_of_a_spool_never_meet_within_a_window",),
    ),
    Fault(
        "an old batch moves the position in SQL back",
        "A batch that comes again, however late, has no further effect in SQL.",
        "exporter/sinks/sql/sink.py",
        "            if batch.rows[-1].position <= position:\n                return position\n",
        "",
        (
            "tests/sinks/sql/test_exactly_once.py::test_an_old_part_that_comes_again_does_not_move_the_position_back",
        ),
    ),
    Fault(
        "SQL applies a part of a batch again",
        "Of a batch that is stored in part only the rest is applied.",
        "exporter/sinks/sql/sink.py",
        "if batch.rows[0].position <= position:",
        "if batch.rows[0].position <= position < 0:",
        ("tests/sinks/sql/test_exactly_once.py::test_sums_are_those_of_the_entries",),
    ),
    Fault(
        "SQL notes the position of the first row",
        "The position in SQL is that of the last row which is stored with it.",
        "exporter/sinks/sql/writer.py",
        '"the_position": batch.rows[-1].position',
        '"the_position": batch.rows[0].position',
        ("tests/sinks/sql/test_exactly_once.py::test_the_position_moves_with_the_rows_and_by_lane",),
    ),
    Fault(
        "a transaction in SQL is not committed",
        "What is delivered to SQL is committed there.",
        "exporter/sinks/sql/sink.py",
        "        async with engine.begin() as connection:\n            position = await self._writer.lock",
        "        async with engine.connect() as connection:\n            position = await self._writer.lock",
        ("tests/sinks/sql/test_exactly_once.py::test_the_position_moves_with_the_rows_and_by_lane",),
    ),
    Fault(
        "a conflict of transactions is a bad row",
        "An entry that a store cannot take now is delivered later, not given up.",
        "exporter/sinks/sql/error_mapping.py",
        '"40": _BUSY,',
        '"40": _DATA,',
        ("tests/sinks/sql/test_error_mapping.py::TestJudgement::test_postgres_is_classified_by_sqlstate",),
    ),
)

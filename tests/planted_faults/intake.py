"""Faults between a dispatch and what is counted: accounting, repeats, opt-out, errors, voice, the clock."""

from __future__ import annotations

from tests.planted_faults.fault import Fault

FAULTS = (
    Fault(
        "an accepted dispatch is not counted",
        "What is received is accepted or rejected, and both are counted.",
        "exporter/dispatch/reader.py",
        "self._accepted[label] = self._accepted.get(label, 0) + 1",
        "self._accepted[label] = self._accepted.get(label, 0)",
        ("tests/tracking/test_hostile_payloads.py::test_no_payload_stops_the_stage_or_leaves_it_unclean",),
    ),
    Fault(
        "a repeated dispatch counts",
        "A dispatch that Discord delivers twice counts once.",
        "exporter/events/repeats.py",
        "            if known == said:\n                return True\n",
        "",
        ("tests/cases/test_payloads.py::test_a_message_delivered_twice_is_one",),
    ),
    Fault(
        "repeats are remembered over a gap",
        "What is received after a new session began repeats nothing from before it.",
        "exporter/dispatch/reader.py",
        "self._forget(name, shard, facts or ())",
        "pass",
        ("tests/cases/test_payloads.py::test_an_outage_ends_what_can_be_repeated",),
    ),
    Fault(
        "facts are not screened",
        "A member who opted out is neither counted nor recorded.",
        "exporter/dispatch/dispatcher.py",
        "remaining = self._screen(fact)\n",
        "remaining: Fact | None = fact\n",
        ("tests/dispatch/test_dispatcher.py::test_people_who_opted_out_are_left_out_before_any_component",),
    ),
    Fault(
        "saved state keeps who opted out since",
        "A member who opted out between two runs is in nothing that is written after the start.",
        "exporter/dispatch/component_states.py",
        "border.call(index, partial(component.forget_people, self._people))",
        "pass",
        (
            "tests/screen/test_opting_out_between_runs.py::test_nothing_is_written_of_a_person_who_opted_out_between_two_runs",
        ),
    ),
    Fault(
        "a component that failed goes on with half-changed state",
        "A component that raises is reset to its last commit before it goes on.",
        "exporter/dispatch/error_border.py",
        "self._suspend(index)\n        elif",
        "pass\n        elif",
        (
            "tests/dispatch/test_dispatcher.py::test_a_component_that_failed_is_left_out_until_its_rows_are_put_back",
        ),
    ),
    Fault(
        "what a suspended component misses is not counted",
        "What a component does not handle after an error is counted.",
        "exporter/dispatch/error_border.py",
        "            skipped.inc()\n",
        "",
        (
            "tests/tracking/test_errors_in_components.py::test_bans_that_moderation_does_not_handle_after_an_error_are_counted",
        ),
    ),
    Fault(
        "a failed call keeps what it put out",
        "What a call put out before it raised has no effect.",
        "exporter/dispatch/error_border.py",
        "        component = self.components[index]\n        self.drop_emitted(index, waiting)\n",
        "        component = self.components[index]\n",
        (
            "tests/dispatch/test_dispatcher.py::test_an_error_costs_its_component_the_fact_and_no_other_anything",
        ),
    ),
    Fault(
        "voice time accrues without a connection",
        "Time in voice is counted up to the last known moment, not through a silence.",
        "exporter/tracking/voice/time_accumulator.py",
        "(guild_id for guild_id in guild_ids if not self._timeline.is_silent(guild_id))",
        "guild_ids",
        (
            "tests/tracking/voice/test_tracker.py::test_in_silence_the_running_totals_stand_still_at_each_tick",
        ),
    ),
    Fault(
        "voice time is settled twice",
        "No time in voice is settled twice.",
        "exporter/tracking/voice/time_accumulator.py",
        "            start = edge\n        session.settled_until = until\n",
        "            start = edge\n",
        (
            "tests/tracking/voice/test_tracker.py::test_time_is_settled_by_who_where_and_how_whatever_the_order",
        ),
    ),
    Fault(
        "a clock that was set adds voice time",
        "A clock that is set counts no time that has not passed.",
        "exporter/tracking/voice/time_accumulator.py",
        "if not -MAX_SETBACK_MS <= step <= MAX_GAP_MS:",
        "if step < -MAX_SETBACK_MS:",
        ("tests/tracking/voice/test_tracker.py::test_a_clock_set_forward_by_years_counts_no_years",),
    ),
    Fault(
        "one odd answer moves the clock",
        "An answer that contradicts the clock by far moves it only when another one agrees.",
        "exporter/clock.py",
        "<= DOUBT_MS:",
        "<= math.inf:",
        ("tests/test_clock.py::test_a_first_answer_far_from_the_machine_is_believed_with_a_second_one_only",),
    ),
    Fault(
        "the machine's clock dates what happens",
        "A step of the machine's clock dates nothing wrongly.",
        "exporter/clock.py",
        "return round(self._zero + self._elapsed() * 1000)",
        "return self._machine.now_ms()",
        ("tests/test_clock.py::test_a_step_of_the_machine_s_clock_moves_nothing",),
    ),
)

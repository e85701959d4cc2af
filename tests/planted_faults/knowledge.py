"""Faults in what is read from the audit log, and in the connection to Discord."""

from __future__ import annotations

from tests.planted_faults.fault import Fault

CATCH_UP = "exporter/tracking/moderation/catch_up.py"
MARKS = "exporter/tracking/moderation/audit_marks.py"
MATCHER = "exporter/tracking/moderation/audit_matcher.py"
BUDGET = "exporter/discord/gateway/identify_budget.py"
SHARD = "exporter/discord/gateway/shard.py"

FAULTS = (
    Fault(
        "a floor is raised before its gap was read",
        "A floor never passes an entry of the audit log that was not taken.",
        MARKS,
        "if not unread or guild_id in self._unreadable:",
        "if live or not unread or guild_id in self._unreadable:",
        (
            "tests/tracking/moderation/test_catch_up.py::test_what_is_received_live_before_the_gap_is_read_does_not_hide_the_gap",
        ),
    ),
    Fault(
        "a floor leaves no time to be overtaken",
        "An entry that a newer one has overtaken is still taken.",
        MARKS,
        "self.raise_floor(guild_id, entry_id - _OVERTAKING - (late << 22))",
        "self.raise_floor(guild_id, entry_id)",
        (
            "tests/tracking/moderation/test_catch_up.py::test_an_entry_overtaken_by_a_newer_one_is_still_taken",
        ),
    ),
    Fault(
        "an audit entry is taken twice",
        "An entry of the audit log is taken once, by whatever way it comes.",
        MARKS,
        "if entry_id in recent or self._is_covered(guild_id, entry_id):",
        "if self._is_covered(guild_id, entry_id):",
        (
            "tests/tracking/moderation/test_catch_up.py::test_an_entry_overtaken_and_lost_with_the_process_is_read_afterwards",
        ),
    ),
    Fault(
        "catching up ends with the first page",
        "What was done in an absence is read to its end.",
        CATCH_UP,
        "more = page.size >= page.request.limit and",
        "more = page.size > page.request.limit and",
        (
            "tests/tracking/moderation/test_catch_up.py::test_what_was_done_while_away_is_taken_page_by_page_once",
        ),
    ),
    Fault(
        "a page without an answer counts as read",
        "A guild whose audit log was not answered is asked again.",
        CATCH_UP,
        "if page.meaning is not AnswerMeaning.ANSWERED:",
        "if page.meaning is AnswerMeaning.REFUSED:",
        (
            "tests/tracking/moderation/test_catch_up.py::test_a_guild_discord_does_not_answer_for_is_asked_again_later",
        ),
    ),
    Fault(
        "the first action gets the entry, not the nearest",
        "Each action gets the audit entry that is its own.",
        MATCHER,
        "return min(found, key=lambda pending: pending.distance(entry.at), default=None)",
        "return next(iter(found), None)",
        ("tests/tracking/moderation/test_audit_matcher.py::test_of_two_open_hits_the_nearer_gets_the_entry",),
    ),
    Fault(
        "an entry of an absence explains an action of another time",
        "An entry that was read after an absence explains only what was shown right beside it.",
        MATCHER,
        "return not recovered or self._policy.is_unique(pending.place) or pending.distance(at) <= WINDOW_MS",
        "return bool(pending.place) or at < 0 or recovered",
        (
            "tests/tracking/moderation/test_audit_matcher.py::test_an_entry_from_an_absence_is_not_that_of_a_dispatch_from_another_time",
        ),
    ),
    Fault(
        "an action is given up while the audit log is unread",
        "An action waits for its entry for as long as the audit log is to be read.",
        MATCHER,
        "if not pending.explained and self._unread(pending.guild_id):",
        "if not pending.explained and pending.guild_id < 0:",
        (
            "tests/tracking/moderation/test_audit_matcher.py::test_a_dispatch_waits_for_its_entry_for_as_long_as_the_audit_log_is_to_be_read",
        ),
    ),
    Fault(
        "a timeout runs out before the absence was read",
        "A timeout that a moderator changed during an absence does not run out at its first end.",
        "exporter/tracking/moderation/timeouts.py",
        "[place for place in self._waiting if not self._unread(place[0])]",
        "list(self._waiting)",
        (
            "tests/tracking/moderation/test_timeouts.py::test_one_changed_during_an_absence_never_runs_out_at_its_first_end",
        ),
    ),
    Fault(
        "sessions of earlier runs are not counted",
        "The day's budget of sessions holds over restarts.",
        BUDGET,
        "self._sent.extend(sorted(record.sent))",
        "pass",
        ("tests/discord/gateway/test_identify_budget.py::test_a_restart_remembers_what_was_sent",),
    ),
    Fault(
        "the reserve of sessions is spent",
        "The last sessions of Discord's limit are left for repairs.",
        BUDGET,
        "if remaining - granted <= reserve(limit):",
        "if remaining - granted <= 0:",
        (
            "tests/discord/gateway/test_identify_budget.py::test_the_reserve_is_not_touched_until_discord_resets",
        ),
    ),
    Fault(
        "sessions in parallel exceed the budget",
        "All buckets together stay within the day's budget.",
        BUDGET,
        "left = daily_allowance(limit, self.shards) - granted",
        "left = daily_allowance(limit, self.shards)",
        (
            "tests/discord/gateway/test_identify_budget.py::test_buckets_in_parallel_do_not_exceed_the_allowance_together",
        ),
    ),
    Fault(
        "a network that is gone costs the session",
        "An attempt that did not get as far as RESUME does not give the session up.",
        "exporter/discord/gateway/resume_ladder.py",
        "        if not self._is_sent:\n            return False\n        self._is_sent = False\n",
        "        self._is_sent = False\n",
        ("tests/discord/gateway/test_session_ladder.py::test_an_outage_of_the_network_costs_no_session",),
    ),
    Fault(
        "a reconnection ends the session",
        "A lost connection is resumed, and what happened meanwhile is replayed.",
        SHARD,
        "_RESUMABLE_CODE: Final = 4000",
        "_RESUMABLE_CODE: Final = 1000",
        (
            "tests/discord/gateway/test_reconnecting.py::test_a_connection_is_left_with_a_code_that_keeps_the_session",
        ),
    ),
    Fault(
        "a replay that was cut short begins anew",
        "A replay that was cut short goes on from where it got to.",
        SHARD,
        "self._session = replace(self._session, sequence=socket.sequence)",
        "pass",
        ("tests/discord/gateway/test_reconnecting.py::test_a_replay_cut_short_goes_on_from_where_it_got_to",),
    ),
    Fault(
        "a stop does not drain the connection",
        "A stop takes what Discord had sent before it received the close.",
        SHARD,
        "                await self._close_and_drain()\n",
        "",
        ("tests/discord/gateway/test_receiving.py::test_what_was_sent_before_a_close_was_heard_is_taken",),
    ),
    Fault(
        "Discord's Retry-After is ignored",
        "A wait that Discord or a proxy asks for is kept.",
        "exporter/discord/rest/rate_limiter.py",
        "_remember(self._limited, key, now + failure.retry_after)",
        "pass",
        (
            "tests/discord/rest/test_worker.py::test_a_wait_that_is_asked_for_is_kept_for_all_or_for_one_guild",
        ),
    ),
)

"""Whatever the machine's clock does, time in voice and reasons are those of the ledger, or are unknown."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.scale import SCALE, scaled
from tests.tracking.clock.history import History
from tests.tracking.clock.run import HOUR, Edge

HISTORIES = scaled(200)
"""About 15 ms each: ``make clocks SCALE=50`` plays 10,000."""

REGRESSIONS = (10_746, 11_592, 11_823)
"""Beyond them: a kick right before a session, and a sleep right after its beginning."""

TOLERANCE_MS = 1_000 + 300
"""By how much the time of one session may differ: by what the clock may be wrong, and a dispatch be late."""

MOST_UNKNOWN = 0.02
"""Share of departures whose reason may be unknown: more of them, and the program would evade the question."""


@pytest.mark.timeout(scaled(60))
def test_in_any_history_of_clocks_voice_and_reasons_are_right_or_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "exporter")
    wrong: list[str] = []
    reasons: Counter[str] = Counter()
    for seed in (*range(HISTORIES), *REGRESSIONS):
        history = History(seed)
        history.play()
        wrong += (
            f"seed {seed}: {found}"
            for found in (*voice(history), *departures(history, reasons), *moderation(history))
        )
    decided = reasons.total()
    if SCALE > 1:
        print(f"\n{HISTORIES} histories, {decided} departures, reasons {dict(reasons)}, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:20])
    assert reasons["unknown"] <= MOST_UNKNOWN * decided, reasons


def voice(history: History) -> Iterator[str]:
    """What is wrong with the time in voice: an edge that was held up may be at any moment of the silence."""
    unseen = sum(until - since for since, until in history.gaps if until - since >= HOUR)
    now = Edge(history.now, history.now, history.now)
    for user_id, member in history.members.items():
        sessions = [*member.sessions, *([(member.entered, now)] if member.entered else [])]
        least = sum(max(0, end.since - begin.until) for begin, end in sessions) - unseen
        most = sum(end.until - begin.since for begin, end in sessions)
        slack = TOLERANCE_MS * len(sessions)
        if not least - slack <= (found := history.disk.voice[user_id]) <= most + slack:
            yield f"{user_id} was in voice for {least} to {most} ms, not {found}"


def departures(history: History, reasons: Counter[str]) -> Iterator[str]:
    """What is wrong with the rows of those who left, and with the counts by reason."""
    rows = [row for row in history.disk.rows.values() if row["type"] == "GUILD_MEMBER_REMOVE"]
    for user_id in history.members:
        true = [one for one in history.departures if one.user_id == user_id and one.received]
        found = sorted((row for row in rows if row["user_id"] == user_id), key=lambda row: row["at"])
        if len(true) != len(found):
            yield f"{user_id} left {len(true)} times, not {len(found)}"
            continue
        for one, row in zip(true, found, strict=True):
            reasons[row["reason"]] += 1
            if row["reason"] not in {one.reason, "unknown"}:
                yield f"{user_id} left at {one.at} by {one.reason}, not {row['reason']}"
            if row.get("audit_entry_id") not in {one.entry_id, None}:
                yield f"{user_id} left at {one.at} by another entry"
    if history.disk.reasons != Counter(row["reason"] for row in rows):
        yield f"counts {history.disk.reasons} and rows differ"


def moderation(history: History) -> Iterator[str]:
    """What is wrong with the rows of actions; who did something may be unknown."""
    rows = [row for row in history.disk.rows.values() if "action" in row]
    ended = Counter(
        (row["target_user_id"], row["until"]) for row in rows if row["action"] == "timeout_expired"
    )
    due = history.now - 15_000
    true = Counter((user_id, at) for user_id, one in history.members.items() for at in one.ends if at <= due)
    if (found := Counter({end: number for end, number in ended.items() if end[1] <= due})) != true:
        yield f"ends of timeouts: {true} were there, not {found}"
    actions = Counter(row["action"] for row in rows if row["action"] != "timeout_expired")
    if actions != Counter(history.actions.values()):
        yield f"actions: {Counter(history.actions.values())} were there, not {actions}"
    for row in rows:
        entry_id = row.get("audit_entry_id")
        if entry_id is not None and history.actions[entry_id] != row["action"]:
            yield f"{row} is of another entry"

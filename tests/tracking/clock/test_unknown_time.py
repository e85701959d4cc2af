"""Before it is known what time it is nothing is ended, though the machine's clock may be far ahead."""

from __future__ import annotations

import pytest

from exporter.clock import ManualClock
from tests.tracking.moderation.moderators import AT, Log, audit


def test_no_timeout_runs_out_while_the_time_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.take(audit("timeout", until=AT + 60_000))
    monkeypatch.setattr(ManualClock, "is_known", False)
    log.wait(200_000)
    assert [action for action, *_ in log.actions()] == ["timeout"]
    monkeypatch.setattr(ManualClock, "is_known", True)
    log.wait(2_000)
    assert [action for action, *_ in log.actions()] == ["timeout", "timeout_expired"]

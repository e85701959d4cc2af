"""What is played for one event type: recorded payloads, one after the other, on a clock that is held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.tracking.levels.config import LevelsConfig

RECORDED = Path(__file__).parents[1] / "fixtures" / "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One dispatch: a case recorded of it, with what differs from the recording, some seconds later.

    An answer to a question is given to the oldest question of its kind, which must have been put.
    """

    dispatch: str
    case: str
    after: float = 0.0
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The payload."""
        document = json.loads((RECORDED / f"{self.dispatch}.json").read_text(encoding="utf-8"))
        (found,) = (case["d"] for case in document["cases"] if case["name"] == self.case)
        return {**found, **self.changes}

    def __str__(self) -> str:
        changed = f" with {json.dumps(self.changes)}" if self.changes else ""
        return f"+{self.after:g} s  {self.dispatch}: {self.case}{changed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How one event comes about.

    ``before`` is played first and is not part of what is compared. ``alongside`` are types switched on with
    the event's own, as a rule those it is made of. ``rest`` is how many seconds pass in the end, longer than
    anything waits for what explains it.
    """

    before: tuple[Step, ...]
    steps: tuple[Step, ...]
    alongside: tuple[str, ...] = ()
    rest: float = 15.0
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    store_snapshots: bool = False


def step(dispatch: str, case: str, after: float = 0.0, **changes: Any) -> Step:
    """A step, in short."""
    return Step(dispatch=dispatch, case=case, after=after, changes=changes)


def audit(case: str, after: float = 0.0, **changes: Any) -> Step:
    """An entry of the audit log."""
    return step("GUILD_AUDIT_LOG_ENTRY_CREATE", case, after, **changes)


READY = step("READY", "without shards")


def begin(**changes: Any) -> tuple[Step, ...]:
    """A session and its guild, with no member in voice."""
    return READY, step("GUILD_CREATE", "full", voice_states=[], **changes)


def script(*steps: Step, before: tuple[Step, ...] | None = None, **options: Any) -> Script:
    """A script in the one guild."""
    return Script(before=begin() if before is None else before, steps=steps, **options)


def first_case(dispatch: str) -> Step:
    """The first payload recorded of a dispatch, the plain one."""
    document = json.loads((RECORDED / f"{dispatch}.json").read_text(encoding="utf-8"))
    return step(dispatch, document["cases"][0]["name"])

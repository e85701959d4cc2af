"""Joins that come late: replayed after a loss, or from a line that is not read as fast as it is written.

Dispatches and messages are in one line, in order. The line is read some frames at a time; time passes, ticks
come and readings are answered in between, by what is true at that moment.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest

from exporter.events.facts.counting import Person
from exporter.events.facts.guilds import SessionStarted, ShardStateChanged
from exporter.events.facts.invites import InviteDeleted, MemberJoined
from exporter.state.shard_timeline import ShardTimeline
from tests.emitted import discard
from tests.tracking.invites.inviting import GUILD, START, Invite, World

STEP_MS = 50


class _Clock:
    """Time as the world has it."""

    def __init__(self) -> None:
        self.now = 0

    is_known = True

    def now_ms(self) -> int:
        return START + self.now

    def monotonic(self) -> float:
        return self.now / 1000


class Line(World):
    """A guild behind a connection that reads ``portion`` frames in each step of the event loop."""

    def __init__(self) -> None:
        clock = self.clock = _Clock()
        super().__init__(ShardTimeline(discard, clock))
        self.portion = 64
        self.frames: deque[Callable[[], None]] = deque()
        self.state = "live"
        self.truth: dict[int, str | None] = {}
        self.timeline.start_session(SessionStarted((), START, (0, 1)))

    def turn(self, steps: int = 1) -> None:
        """Let time pass, and read what has come."""
        for _ in range(steps):
            self.wait(STEP_MS)
            if self.now % 1_000 == 0 and self.state == "live":
                self._send(self._acknowledge)
            if self.state in {"live", "replay"}:
                for _ in range(min(self.portion, len(self.frames))):
                    self.frames.popleft()()

    def step(self) -> None:
        self.clock.now = self.now

    def _send(self, frame: Callable[[], None]) -> None:
        self.frames.append(frame)

    def _change(self, state: str) -> None:
        self.timeline.take(ShardStateChanged(0, state))

    def _acknowledge(self) -> None:
        if self.state == "live":  # no heartbeat is replayed
            self._change("heard")

    # what is in the line

    def chat(self) -> None:
        sent = START + self.now

        def read() -> None:
            self.timeline.dates.date(0, START + self.now)
            self.timeline.pass_message(0, sent, START + self.now)
            self.timeline.dates.learn(0, sent)

        self._send(read)

    def come(self, code: str | None) -> int:
        """A member comes now; the dispatch is read in its turn."""
        self.people += 1
        user_id = 1_000 + self.people
        self.truth[user_id] = code
        if code is not None:
            self.invites[code].uses += 1
            if self.invites[code].uses == self.invites[code].max_uses:
                del self.invites[code]
                self._send(lambda: self.stage.delete(InviteDeleted(GUILD, code), self.now))

        def read() -> None:
            at = self.timeline.dates.date(0, START + self.now)
            self.stage.handles[MemberJoined](
                MemberJoined(GUILD, at, Person(user_id, "p", bot=False)), self.now
            )

        self._send(read)
        return user_id

    # what becomes of the connection

    def fall_silent(self) -> None:
        self.state = "silent"

    def lose(self) -> None:
        self.state = "lost"
        self._change("lost")

    def resume(self) -> None:
        """Discord sends all that is in the line by now, then RESUMED, then what happens from now on."""
        self._change("resuming")
        self.state = "replay"

        def settle() -> None:
            self._change("settled")
            self.state = "live"

        self._send(settle)

    def flush(self) -> None:
        """A flush decides what it can; as the pipeline does it."""
        self.stage.hurry(self.now)
        self.timeline.hurried = True
        self.timeline.tick(self.now, 0)
        self.stage.tick(self.now, 0)
        self.timeline.hurried = False

    def end(self) -> None:
        self.portion = 64
        for _ in range(4_000):
            self.turn()
            if not self.frames and not self.stage.undecided(self.now, 0):
                break
        rows = self.rows()
        assert rows.keys() == self.truth.keys()
        for user_id, row in rows.items():
            truth = self.truth[user_id]
            if row["confidence"] == "exact":
                assert row["invite_code"] == truth, (user_id, row)
            elif row["confidence"] == "ambiguous" and truth is not None:
                assert truth in row["candidates"], (user_id, truth, row)


def begin(**invites: Invite) -> Line:
    line = Line()
    line.invites |= invites
    line.stage.reset_guild(GUILD)
    for _ in range(60):
        line.turn()
        line.chat()
    return line


def test_what_comes_late_after_a_replay_is_not_taken_for_new() -> None:
    """Who comes while a replay is sent comes behind RESUMED, seconds after a reading that has the use."""
    line = begin(a=Invite(3), b=Invite(1), c=Invite(2))
    line.turn()
    line.lose()
    line.come("c")
    line.turn(20)
    for _ in range(36):
        line.chat()
    line.resume()
    line.come("a")
    line.portion = 1
    line.turn(38)
    assert (line.state, line.calls, len(line.frames)) == ("live", 2, 1), "read, with all but one frame behind"
    line.portion = 64
    line.come("b")
    line.end()


def test_a_loss_right_after_the_session_began_is_not_taken_for_heard() -> None:
    line = Line()
    line.invites |= {"a": Invite(3), "b": Invite(1)}
    line.stage.reset_guild(GUILD)
    line.stage.tick(0, 0)
    line.turn(4)
    line.lose()
    line.come("a")
    line.turn(40)
    line.come("b")
    line.resume()
    line.turn()
    assert line.timeline.heard == 0
    line.end()


def test_a_flush_decides_nothing_that_a_replay_may_still_change() -> None:
    line = begin(a=Invite(3), b=Invite(1))
    line.come("a")
    line.turn(2)
    line.lose()
    line.come("b")
    line.turn(10)
    line.resume()
    line.portion = 0
    for _ in range(10):
        line.turn(10)
        line.flush()
    assert line.stage.undecided(line.now, 0), "the reading has a use more than there are joins"
    line.end()


def test_the_use_of_a_join_lost_in_a_gap_is_not_that_of_the_join_before() -> None:
    line = begin(a=Invite(3), b=Invite(1))
    line.turn()
    before = line.come(None)
    line.turn(2)
    line.lose()
    line.invites["b"].uses += 1
    line.turn(60)
    began = SessionStarted((GUILD,), START + line.now, (0, 1))
    line.timeline.start_session(began)
    line.stage.handles[SessionStarted](began)
    line.state = "live"
    line.turn(60)
    assert line.rows()[before]["confidence"] == "unknown"


def _change_connection(line: Line, rng: random.Random) -> None:
    """Now and then a connection falls silent, is lost, or is resumed."""
    if rng.randrange(150 if line.state == "live" else 30):
        return
    if line.state == "live":
        (line.fall_silent if rng.randrange(2) else line.lose)()
    elif line.state == "silent":
        line.lose()
    elif line.state == "lost":
        line.resume()


def _come_by_any(line: Line, rng: random.Random, number: int) -> None:
    code = rng.choice((*line.invites, None))
    if rng.randrange(6) == 0:
        code = f"once{number}"
        line.make(code, Invite(0, 1))
    line.come(code)


@pytest.mark.parametrize("seed", range(40))
def test_no_finding_is_false_however_late_and_in_whatever_portions_dispatches_are_read(seed: int) -> None:
    rng = random.Random(seed)
    line = begin(**{code: Invite(rng.randrange(5)) for code in "abcdef"})
    pause = rng.choice((4, 15, 40))
    for number in range(1_200):
        line.turn()
        for _ in range(rng.randrange(6)):
            line.chat()
        if rng.randrange(pause) == 0:
            _come_by_any(line, rng, number)
        if rng.randrange(80) == 0:
            line.portion = rng.choice((1, 2, 3, 4, 64))
        if rng.randrange(200) == 0:
            line.flush()
        _change_connection(line, rng)
    while line.state not in {"live", "replay"}:
        _change_connection(line, rng)
    line.end()

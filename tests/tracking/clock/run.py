"""What becomes of a machine that sleeps, whose clock is set, and whose program is killed and restarted."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from exporter.events.rest_request import Answer, RequestKind, RestRequest
from tests.tracking.clock.machine import START, Disk, Machine, Process

GUILD, LOUNGE = 1 << 22, 60
SECOND, HOUR = 1_000, 3_600_000

HEARTBEAT = 41_250
"""Between two heartbeats; after a time and a half without one Discord ends the connection."""

DEAD = 60_000


@dataclass
class Edge:
    """When a member entered or left voice, and between when and when that can be known to be."""

    at: int
    since: int = 0
    until: int = 0
    received: bool = False

    def receive(self, now: int, gap: int, *, held_up: bool) -> None:
        self.received = True
        self.since, self.until = (min(gap, self.at), now) if held_up else (self.at, self.at)


@dataclass
class Departure:
    user_id: int
    at: int
    reason: str
    entry_id: int | None
    received: bool = False


@dataclass
class Member:
    present: bool = True
    banned: bool = False
    entered: Edge | None = None
    until: int = 0
    sessions: list[tuple[Edge, Edge]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    session: str = ""


class Run:
    """A random time of a machine and the program on it; ``seed`` decides everything."""

    def __init__(self, seed: int, length: int = 150 * SECOND) -> None:
        self.chance = random.Random(seed)
        self.length = length
        self.machine = Machine(self._skew())
        self.disk = Disk()
        self.members = {100 + number: Member() for number in range(5)}
        self.departures: list[Departure] = []
        self.log: list[dict[str, Any]] = []
        self.actions: dict[int, str] = {}
        self.gaps: list[tuple[int, int]] = []
        self._serial = itertools.count(1)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._held: list[Callable[[], None]] = []
        self._missed: list[Callable[[], None]] = []
        self._open: list[Edge] = []
        self._connected = False
        self._quiet = self._run_over = self._held_up = False
        self._slept_at = self._wakes = self._woke_at = 0
        self._gap = START
        self._arrival = START
        self._run = self._session = 0
        self.process: Process

    def _skew(self) -> int:
        return self.chance.choice(
            (0, self.chance.randint(-60, 60) * SECOND, self.chance.randint(-HOUR, HOUR))
        )

    @property
    def now(self) -> int:
        return self.machine.true

    def _act(self) -> None:
        """Something happens in the guild, and further things later."""
        raise NotImplementedError

    def _pass(self, until: int) -> None:
        while self._queue and self._queue[0][0] <= until:
            at, _, step = heapq.heappop(self._queue)
            self.machine.pass_to(max(at, self.now))
            step()
        self.machine.pass_to(max(until, self.now))

    def _after(self, delay: int, step: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._serial), step))

    def _pick(self, least: int, most: int) -> int:
        return self.chance.randint(least, most)

    # ------------------------------------------------------------------ the machine and its process

    def _own(self, delay: int, step: Callable[[], None]) -> None:
        """Something of this run of the process; it waits while the machine sleeps."""
        run = self._run

        def due() -> None:
            if run != self._run:
                return
            if self.machine.is_asleep:
                self._held.append(due)
            else:
                step()

        self._after(delay, due)

    def _start(self) -> None:
        self._run += 1
        self._connected = False
        self._held.clear()
        self._missed.clear()
        self.process = Process(self.machine, self.disk, self._submit)
        self._own(SECOND, self._tick)
        # For a while Discord may be out of reach.
        self._own(self.chance.choice((100, 100, 5_000, 45_000)), lambda: self._log_in(0))

    def _tick(self) -> None:
        self.process.tick()
        if self.chance.random() < 0.2:
            self.process.commit()
        self._own(SECOND, self._tick)

    def _ask(self, then: Callable[[], None], answer: Callable[[], Any] = lambda: None) -> None:
        """A request, which Discord answers."""
        asked = self.process.time_source.now()
        run = self._run

        def arrive() -> None:
            second, found = self.now // SECOND, answer()

            def take() -> None:
                self.process.take_date(second, asked)
                if found is not None:
                    self.process.accept(*found)
                then()

            if run == self._run:
                self._own(self._pick(10, 300), take)

        self._after(self._pick(10, 300), arrive)

    def _log_in(self, answers: int) -> None:
        source = self.process.time_source
        if not answers or (answers < 7 and source.is_rough):
            self._own(190 if answers else 0, lambda: self._ask(lambda: self._log_in(answers + 1)))
            return
        source.settle()
        self._own(self._pick(10, 2_000), self._identify)

    def _identify(self) -> None:
        self.process.change("identifying")
        self._own(self._pick(50, 800), self._ready)

    def _ready(self) -> None:
        self._missed.clear()
        self._session += 1
        self._settle()
        for edge in self._open:
            edge.since, edge.until, edge.received = min(self._gap, edge.at), self.now, True
        self._open.clear()
        self.process.accept("READY", {"guilds": [{"id": str(GUILD)}], "user": {"id": "9", "username": "bot"}})
        states = [
            {"user_id": str(user_id), "channel_id": str(LOUNGE), "session_id": member.session}
            for user_id, member in self.members.items()
            if member.entered
        ]
        guild = {"id": str(GUILD), "name": "Guild", "member_count": 5, "voice_states": states}
        self.process.accept("GUILD_CREATE", guild)
        self.gaps.append((self._gap, self.now))
        if len(self.gaps) == 1:  # of what was before the program was first there it need not know
            self._act()
            self._after(self._pick(5, 40) * SECOND, self._disturb)

    def _settle(self) -> None:
        self._connected = True
        self._beat(self._run)

    def _beat(self, run: int) -> None:
        number = self._beats = next(self._serial)

        def beat() -> None:
            if self._connected and number == self._beats:
                self.process.change("heard")
                self._beat(run)

        self._own(HEARTBEAT, beat)

    def _submit(self, request: RestRequest) -> None:
        if request.kind is not RequestKind.AUDIT_LOG:
            return
        self._own(1, lambda: self._ask(lambda: None, lambda: (request.dispatch, self._page(request))))

    def _page(self, request: RestRequest) -> msgspec.Raw:
        found = [
            entry
            for entry in self.log
            if int(entry["id"]) > request.after and request.action_type in {0, entry["action_type"]}
        ]
        if request.before:
            found = [entry for entry in found if int(entry["id"]) < request.before]
        found = found[: request.limit] if request.after else found[::-1][: request.limit]
        body = msgspec.Raw(msgspec.json.encode({"audit_log_entries": found, "users": []}))
        return msgspec.Raw(msgspec.json.encode(Answer(request, 200, body)))

    # ------------------------------------------------------------------ what becomes of the machine

    def _disturb(self) -> None:
        if self._quiet:
            return
        self._after(self._pick(5, 60) * SECOND, self._disturb)
        if self.machine.is_asleep or self._run_over:
            return
        what = self.chance.choice(("step", "step", "sleep", "kill"))
        if what == "step":
            self.machine.skew = self._skew()
        elif what == "sleep":
            self._sleep(
                self.chance.choice((self._pick(1, 20), self._pick(20, 90), self._pick(90, 1_800), 9_000))
                * SECOND
            )
        else:
            self.process.commit()
            self._begin_gap()
            self._run += 1
            self._session += 1
            self._connected = False
            self._after(self._pick(1, 40) * SECOND, self._restart)
            self._run_over = True

    def _restart(self) -> None:
        self._run_over = False
        if self.chance.random() < 0.5:
            self.machine.skew = self._skew()
        self._start()

    def _begin_gap(self) -> None:
        if self._connected and self.now - self._woke_at > 2 * SECOND:
            self._gap = self.now - SECOND  # the last tick before

    def _sleep(self, length: int) -> None:
        self._begin_gap()
        self.machine.is_asleep = True
        self._slept_at = self.now
        self._wakes = self.now + length
        self._after(length, self._wake)

    def _wake(self) -> None:
        self.machine.is_asleep = False
        self._woke_at = self.now
        held, self._held = self._held, []
        slept = self.now - self._slept_at
        if slept >= HOUR:
            self.gaps.append((self._slept_at, self.now))
        if self._run_over or not self._connected:
            for step in held:
                step()
            return
        for step in held:
            step()
        if slept >= DEAD:
            self._connected = False
            self.process.change("lost")
            again = self.chance.random() < 0.3 or slept > 600 * SECOND
            self._own(self._pick(200, 3_000), self._identify if again else self._resume)

    def _resume(self) -> None:
        self.process.change("resuming")
        self._own(self._pick(50, 800), self._replay)

    def _replay(self) -> None:
        missed, self._missed = self._missed, []
        self._held_up = True
        for step in missed:
            step()
        self._held_up = False
        self.process.change("settled")
        self._settle()

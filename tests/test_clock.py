"""Discord's time, whatever the machine's clock does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import DOUBT_MS, TOLERANCE_MS, DiscordClock, ManualClock

START = 1_700_000_000_000


@dataclass
class World:
    """True time, and a machine whose wall clock is off by ``skew`` seconds."""

    skew: float = 0.0

    def __post_init__(self) -> None:
        self.machine = ManualClock(START + round(self.skew * 1000))
        self.clock = DiscordClock(self.machine)

    @property
    def true(self) -> float:
        return START + self.machine.monotonic() * 1000

    @property
    def error(self) -> float:
        """Seconds by which the clock is wrong."""
        return (self.clock.now_ms() - self.true) / 1000

    def settle(self) -> None:
        """Ask at once as often as it takes to be believed."""
        for _ in range(2):
            self.ask(0, 0)

    def ask(self, way: float, back: float) -> None:
        """An answer whose date is Discord's, made ``way`` seconds after the question."""
        asked = self.clock.elapsed
        self.machine.advance(way)
        second = int(self.true // 1000) * 1000
        self.machine.advance(back)
        self.clock.observe(second, asked, self.clock.elapsed)


WAYS = st.floats(0, 2)
SKEWS = st.floats(-3_600, 3_600)


@given(SKEWS, st.lists(st.tuples(WAYS, WAYS, st.floats(0, 90)), min_size=1, max_size=20))
def test_after_an_answer_it_is_wrong_by_a_second_and_the_way_at_most(
    skew: float, answers: list[tuple[float, float, float]]
) -> None:
    world = World(skew)
    world.settle()
    bound = 1.0
    for way, back, pause in answers:
        world.ask(way, back)
        bound = min(bound, 1 + way + back)
        assert abs(world.error) <= bound + 0.002
        world.machine.advance(pause)


@given(SKEWS, st.lists(st.one_of(st.tuples(st.just("step"), SKEWS), st.tuples(st.just("pass"), WAYS))))
def test_a_step_of_the_machine_s_clock_moves_nothing(skew: float, story: list[tuple[str, float]]) -> None:
    world = World(skew)
    world.settle()
    error = world.error
    for what, seconds in story:
        if what == "step":
            world.machine.step(seconds)
        else:
            world.machine.advance(seconds)
        assert abs(world.error - error) <= 0.002
        assert abs(world.clock.offset - (world.true - world.machine.now_ms()) / 1000 - error) <= 0.004


@given(st.lists(st.tuples(WAYS, WAYS), max_size=10))
def test_a_machine_whose_clock_is_right_is_not_corrected(answers: list[tuple[float, float]]) -> None:
    world = World()
    for way, back in answers:
        world.ask(way, back)
        assert abs(world.error) <= 0.002


def test_before_the_first_answer_the_machine_is_believed() -> None:
    world = World(skew=5)
    world.machine.advance(1)
    assert world.clock.now_ms() == world.machine.now_ms()
    assert world.clock.offset == 0


def test_time_that_a_clock_missed_is_made_up_by_the_next_answer() -> None:
    stopped = [0.0]
    machine = ManualClock(START)
    clock = DiscordClock(machine, lambda: machine.monotonic() - stopped[0])
    clock.observe(START, clock.elapsed, clock.elapsed)
    machine.advance(600)
    stopped[0] = 600  # it slept, and its clock with it
    assert clock.now_ms() == START
    for _ in range(2):
        clock.observe(START + 600_000, clock.elapsed, clock.elapsed)
    assert abs(clock.now_ms() - START - 600_000) <= 500


@given(SKEWS, st.lists(st.tuples(WAYS, WAYS, st.floats(0, 90)), min_size=1, max_size=20))
def test_a_clock_that_is_within_the_tolerance_is_not_moved(
    skew: float, answers: list[tuple[float, float, float]]
) -> None:
    world = World(skew)
    world.settle()
    for way, back, pause in answers:
        error, asked = world.error, world.clock.elapsed
        world.machine.advance(way)
        second = int(world.true // 1000) * 1000
        world.machine.advance(back)
        world.clock.observe(second, asked, world.clock.elapsed, 1_000)
        assert abs(world.error - error) <= 0.002
        world.machine.advance(pause)


@given(st.floats(-1e9, 1e9).filter(lambda wrong: abs(wrong) > 4), st.lists(WAYS, max_size=3))
def test_one_answer_with_another_time_moves_nothing(wrong: float, ways: list[float]) -> None:
    world = World()
    world.settle()
    for way in ways:
        world.ask(way, 0)
    at = world.clock.elapsed
    world.clock.observe(round(world.true + wrong * 1000), at, at)
    assert abs(world.error) <= 0.002
    world.settle()
    assert abs(world.error) <= 0.002


def test_it_is_known_once_an_answer_has_been_believed() -> None:
    world = World(skew=3_600)
    assert not world.clock.is_known
    world.ask(0, 0)
    assert not world.clock.is_known  # an answer that is far from the clock is doubted
    world.ask(0, 0)
    assert world.clock.is_known
    right = World()
    right.ask(0, 0)
    assert right.clock.is_known


def test_a_first_answer_far_from_the_machine_is_believed_with_a_second_one_only() -> None:
    """It may be that of a proxy."""
    world = World(skew=-3_600)
    world.ask(0, 0)
    assert world.error == -3_600
    assert world.clock.is_doubted
    world.ask(0, 0)
    assert abs(world.error) <= 1


# ---------------------------------------------------------------------- messages


@given(SKEWS, st.lists(st.tuples(st.booleans(), WAYS, WAYS, st.floats(0, 90)), min_size=1, max_size=20))
def test_messages_do_not_make_a_clock_wrong(
    skew: float, story: list[tuple[bool, float, float, float]]
) -> None:
    world = World(skew)
    world.settle()
    for is_message, way, back, pause in story:
        if is_message:
            sent = int(world.true)
            world.machine.advance(way)
            world.clock.witness(sent)
        else:
            world.ask(way, back)
        assert abs(world.error) <= 1.002
        world.machine.advance(pause)


def test_a_message_shows_that_a_clock_is_behind() -> None:
    """Answers that took long left that open."""
    world = World(skew=-1.8)
    asked = world.clock.elapsed
    world.machine.advance(2)
    world.clock.observe(int(world.true // 1000) * 1000 - 1_000, asked, world.clock.elapsed, TOLERANCE_MS)
    assert world.error == pytest.approx(-1.8)
    world.clock.witness(round(world.true) - 100)
    assert -0.1 <= world.error <= 1


@pytest.mark.parametrize("ahead", [1_100, 3_000, 10**12])
def test_a_message_from_the_future_says_nothing(ahead: int) -> None:
    world = World()
    world.settle()
    world.clock.witness(round(world.true) + ahead)
    assert abs(world.error) <= 0.002
    world.settle()
    assert not world.clock.is_doubted, "it does not contradict answers either"


def test_a_message_alone_does_not_say_what_time_it_is() -> None:
    world = World(skew=-1.5)
    world.clock.witness(round(world.true))
    assert not world.clock.is_known
    assert world.error == pytest.approx(-1.5)


@pytest.mark.parametrize(
    ("ahead", "is_doubted"),
    [(2_000, False), (2_001, True), (-3_000, False), (-3_001, True)],  # an answer names a whole second
)
def test_an_answer_that_differs_by_more_than_2_s_is_believed_only_with_another_one(
    ahead: int, *, is_doubted: bool
) -> None:
    """The figure of docs/promises.md."""
    world = World()
    world.clock.observe(START + ahead, 0.0, 0.0)
    assert world.clock.is_doubted is is_doubted
    assert (world.clock.now_ms() == START) is is_doubted
    world.clock.observe(START + ahead, 0.0, 0.0)
    assert not world.clock.is_doubted
    assert world.clock.now_ms() != START
    assert DOUBT_MS == 2_000

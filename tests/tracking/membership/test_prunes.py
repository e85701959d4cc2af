"""Who was pruned is recorded where it can be known, and no member is taken for pruned who may have left."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.facts.moderation import MembershipStarted
from exporter.state.shard_timeline import TimeBounds
from exporter.tracking.membership.evidence import PendingDeparture
from exporter.tracking.membership.prunes import PRUNE_MS, PendingPrune, assign_departures
from tests.tracking.moderation.moderators import AT, GUILD, Log, act, audit

SECOND = 1000


def departures(*spans: tuple[int, int]) -> list[PendingDeparture]:
    """Departures, each between when and when."""
    return [
        PendingDeparture(
            *("GUILD_MEMBER_REMOVE", GUILD, AT + since, number, "", False, 0),
            moment=TimeBounds(AT + since, AT + until),
            key=f"k{number}",
            order=number,
        )
        for number, (since, until) in enumerate(spans)
    ]


def numbers(found: object) -> list[int]:
    return [departure.order for departure in found]  # type: ignore[attr-defined]  # a sequence of departures


def assigned(*spans: tuple[int, int], number: int, whole: bool = True) -> tuple[list[int], list[int]]:
    pruned, doubtful = assign_departures(departures(*spans), number, [AT], whole=whole)
    return numbers(pruned), numbers(doubtful)


def test_as_many_as_were_removed_at_that_moment_are_those_that_were() -> None:
    assert assigned((-9000, -8000), (0, 5), (0, 5), (7000, 9000), number=2) == ([1, 2], [])


@pytest.mark.parametrize(
    ("since", "until", "there"), [(-100, -100, True), (-101, -101, False), (100, 200, True)]
)
def test_a_moment_is_as_sharp_as_discord_keeps_order(since: int, until: int, *, there: bool) -> None:
    pruned, doubtful = assigned((since, until), (0, 0), number=1)
    assert (pruned, doubtful) == (([], [0, 1]) if there else ([1], []))


def test_of_too_many_in_a_row_the_middle_is_certain_and_the_edges_are_not() -> None:
    assert assigned(*[(0, 0)] * 6, number=4) == ([2, 3], [0, 1, 4, 5])


def test_of_many_too_many_none_is_certain() -> None:
    assert assigned(*[(0, 0)] * 6, number=2) == ([], [0, 1, 2, 3, 4, 5])


def test_where_not_all_was_seen_the_number_says_nothing() -> None:
    assert assigned((0, 0), (0, 0), (9000, 9000), number=2, whole=False) == ([], [0, 1])


def test_a_slow_prune_is_completed_by_the_closest_group() -> None:
    moments = [(0, 0), (20_000, 20_000), (20_050, 20_050), (55_000, 55_000)]
    assert assigned(*moments, number=3) == ([0, 1, 2], [])


def test_of_two_groups_about_as_close_none_is_certain() -> None:
    moments = [(9_000, 9_000), (9_500, 9_500), (30_000, 30_000), (30_400, 30_400)]
    assert assigned(*moments, number=2) == ([], [0, 1, 2, 3])


@given(
    st.integers(1, 30),
    st.lists(st.integers(-3_000, 3_000), max_size=30),
    st.integers(0, 2_000),
    st.integers(0, 2**32),
)
def test_whoever_is_said_to_be_pruned_was_and_whoever_is_said_to_have_left_did(
    pruned: int, left: list[int], gap: int, seed: int
) -> None:
    """Messages come at random; a prune is done in one go among people who leave."""
    rng = random.Random(seed)
    messages = sorted(rng.randrange(-5_000, 5_000) for _ in range(1 + gap // 20))
    moments = sorted([(at, False) for at in left] + [(0, True)] * pruned)
    found = departures(
        *(
            (
                max((each for each in messages if each <= at), default=-6_000),
                min((each for each in messages if each >= at), default=6_000),
            )
            for at, _ in moments
        )
    )
    sure, doubtful = assign_departures(found, pruned, [AT], whole=True)
    assert all(moments[number][1] for number in numbers(sure))
    missed = {number for number, (_, by_prune) in enumerate(moments) if by_prune}
    assert missed <= {*numbers(sure), *numbers(doubtful)}
    assert not set(numbers(sure)) & set(numbers(doubtful))


# ---------------------------------------------------------------------- over a restart, and during an absence


def prune(amount: int, at: int = AT) -> object:
    return audit("prune", at, target=0, amount=amount)


def reasons(log: Log) -> list[str]:
    return [row["reason"] for row in log.of("GUILD_MEMBER_REMOVE")]


def restart(before: Log) -> Log:
    after = Log(wall=before.wall)
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    return after


def test_a_prune_known_before_a_stop_is_the_reason_after_it() -> None:
    before = Log()
    before.take(act("leave", AT - 9 * SECOND, 50), act("leave", AT, 51), act("leave", AT, 52), prune(2))
    after = restart(before)
    after.wait(25 * SECOND)
    assert reasons(after) == ["leave", "prune", "prune"]
    assert after.counts == {"leave": 1, "prune": 2}


def test_part_of_a_prune_found_before_a_stop_is_not_found_again() -> None:
    before = Log()
    before.take(prune(3), act("leave", AT, 51), act("leave", AT, 52))
    before.wait(12 * SECOND)
    assert before.counts == {"prune": 3}, "the entry and two of three"
    (row,) = before.stage.saved("membership/prunes")
    assert msgspec.msgpack.decode(row.value or b"", type=PendingPrune).remaining == 1
    after = restart(before)
    after.take(act("leave", AT, 53), act("leave", AT + 40 * SECOND, 54))
    after.wait(25 * SECOND)
    assert reasons(after) == ["prune", "prune", "prune", "leave"]


def test_the_join_after_a_departure_is_known_after_a_stop() -> None:
    before = Log()
    before.take(act("leave", AT, 51))
    before.take(MembershipStarted(GUILD, 51, AT + 500))
    (row,) = before.stage.saved("membership/departures")
    assert msgspec.msgpack.decode(row.value or b"", type=PendingDeparture).before == AT + 500


def test_after_a_new_session_who_went_at_that_moment_went_for_an_unknown_reason() -> None:
    log = Log()
    log.take(act("leave", AT - 20 * SECOND, 50))
    log.take(act("leave", AT, 51), prune(2))
    log.start_session()
    log.take(act("leave", AT + 20 * SECOND, 52))
    log.wait(25 * SECOND)
    assert reasons(log) == ["leave", "unknown", "leave"]
    assert log.counts["unknown"] == 1


def test_two_prunes_at_one_moment_have_all_their_departures_between_them() -> None:
    log = Log()
    log.take(prune(2), audit("prune", AT + 10, 2, target=0, amount=1))
    log.take(*(act("leave", AT + 5, 50 + number) for number in range(3)))
    log.wait(25 * SECOND)
    assert reasons(log) == ["prune"] * 3
    entries = [row["audit_entry_id"] for row in log.of("GUILD_MEMBER_REMOVE")]
    assert len(set(entries)) == 2


def test_two_prunes_and_another_departure_at_one_moment_are_all_unknown() -> None:
    log = Log()
    log.take(prune(2), audit("prune", AT + 10, 2, target=0, amount=1))
    log.take(*(act("leave", AT + 5, 50 + number) for number in range(4)))
    log.wait(25 * SECOND)
    assert reasons(log) == ["unknown"] * 4


def test_nothing_saved_is_nothing_open() -> None:
    log = Log()
    log.restart(Log())
    assert log.undecided() == 0


def test_prunes_whose_departures_are_mixed_take_none_from_another_time() -> None:
    log = Log()
    log.take(*(act("leave", AT - 9 * SECOND + number, 70 + number) for number in range(3)))
    log.take(*(act("leave", AT, 40 + number) for number in range(3)), prune(3))
    log.take(*(act("leave", AT + 90, 50 + number) for number in range(2)))
    log.take(audit("prune", AT + 90, 2, target=0, amount=2))
    log.take(act("leave", AT + 180, 60), audit("prune", AT + 180, 3, target=0, amount=1))
    log.wait(25 * SECOND)
    assert reasons(log) == ["leave"] * 3 + ["prune"] * 6


def test_a_prune_asked_for_in_a_long_silence_has_the_departures_its_replay_brings() -> None:
    log = Log()
    log.take(prune(2))
    log.pass_to(PRUNE_MS + 2 * SECOND)  # nothing is settled before the connection is heard again
    log.take(act("leave", AT, 50), act("leave", AT + 1, 51))
    log.wait(25 * SECOND)
    assert reasons(log) == ["prune", "prune"]


@pytest.mark.parametrize(("committed", "leaves"), [(1, 2), (2, 3), (3, 3)])
def test_leaves_after_a_kill_are_no_rest_of_a_prune_whose_departures_it_took(
    committed: int, leaves: int
) -> None:
    """Who left in the gap is not known, so the number left over says nothing of those who leave after it."""
    before = Log()
    before.take(prune(3), *(act("leave", AT, 50 + number) for number in range(committed)))
    before.wait(12 * SECOND)
    before.chat(before.wall)
    after = restart(before)
    after.start_session()
    after.take(*(act("leave", after.wall + 1 + number, 60 + number) for number in range(leaves)))
    after.wait(75 * SECOND)
    assert reasons(after) == ["prune"] * committed + ["leave"] * leaves


def test_of_leaves_before_a_gap_the_rest_of_a_prune_is_not_made_up() -> None:
    log = Log()
    log.take(prune(2), act("leave", AT, 51), act("leave", AT + 2 * SECOND, 52))
    log.chat(AT + 3 * SECOND)
    log.start_session()
    log.wait(75 * SECOND)
    assert reasons(log) == ["prune", "leave"]


def test_a_prune_read_after_another_had_its_departures_takes_none_from_another_time() -> None:
    """Which of those that are unknown by now were its own is not known: nor how many are left."""
    log = Log()
    log.take(
        *(act("leave", AT, 40 + number) for number in range(6)), audit("prune", AT, 2, target=0, amount=3)
    )
    log.wait(12 * SECOND)
    log.take(act("leave", log.wall, 60), audit("prune", AT + 10, 3, target=0, amount=3))
    log.wait(25 * SECOND)
    assert reasons(log) == ["unknown"] * 6 + ["leave"]


def test_a_prune_read_after_its_departures_were_decided_takes_none_from_another_time() -> None:
    log = Log()
    log.take(*(act("leave", AT, 40 + number) for number in range(3)))
    log.wait(12 * SECOND)
    log.take(act("leave", log.wall, 60), prune(3))
    log.wait(25 * SECOND)
    assert reasons(log)[-1] == "leave"

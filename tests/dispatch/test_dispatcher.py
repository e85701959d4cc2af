"""Facts go down the list in order, and an error stays in the component it happened in."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest

from exporter.clock import ManualClock
from exporter.dispatch import broken_rows, error_border
from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, Person, Series
from exporter.events.facts.guilds import GuildDeleted
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry, value
from tests.emitted import discard

SERIES = Series("messages", "human")


class First(Fact, frozen=True):
    number: int


class Second(Fact, frozen=True):
    number: int


class Saved(msgspec.Struct, frozen=True, array_like=True):
    number: int


class Recording(Component):
    """Writes down what it takes; ``on`` says what it does besides."""

    name = "recording"

    def __init__(self, emit: Emit, journal: list[Any], name: str, **on: Callable[..., None]) -> None:
        super().__init__(emit)
        self.name = name  # type: ignore[misc]  # several of one class in a test
        self._journal = journal
        self._on = on
        self.held: dict[int, Saved] = {}
        self._table: SavedTable[int, Saved] = SavedTable(
            "rows", int, Saved, self.held.get, self.held.__setitem__
        )
        self.resumed = 0

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        return (self._table,)

    @property
    def handles(self) -> Mapping[type, Handler]:
        return {First: self._take, Second: self._take, Count: lambda count: self._take(count, 0)}

    def _take(self, fact: Any, _: int) -> None:
        self._journal.append((self.name, fact))
        if isinstance(fact, First):
            self.held[fact.number] = Saved(fact.number)
            self._table.touch(fact.number)
        if (act := self._on.get(type(fact).__name__)) is not None:
            act(self, fact)

    def clear(self) -> None:
        self.held.clear()

    def resume(self, now: int, wall: int) -> None:
        del now, wall
        self.resumed += 1

    def forget_guild(self, guild_id: int) -> None:
        self._journal.append((self.name, "forgot", guild_id))


class Bench:
    def __init__(self, people: frozenset[int] = frozenset()) -> None:
        self.journal: list[Any] = []
        self.telemetry = Telemetry()
        clock = ManualClock()
        self.dispatcher = Dispatcher(full_catalogue(), clock, self.telemetry, people)
        self.dispatcher.reader.timeline = ShardTimeline(discard, clock)

    def add(self, name: str, **on: Callable[..., None]) -> Recording:
        return self.dispatcher.add(lambda emit: Recording(emit, self.journal, name, **on))

    def errors(self, name: str) -> float:
        return value(self.telemetry.component_errors, name)


def test_a_fact_is_handled_in_the_order_of_the_list() -> None:
    bench = Bench()
    for name in "abc":
        bench.add(name)
    bench.dispatcher.dispatch(First(1))
    assert [name for name, _ in bench.journal] == ["a", "b", "c"]


def test_what_a_component_puts_out_goes_to_those_after_it_alone() -> None:
    bench = Bench()
    bench.add("a")
    bench.add("b", First=lambda self, fact: self.emit(Second(fact.number)))
    bench.add("c", Second=lambda self, fact: self.emit(Second(fact.number + 1)))
    bench.dispatcher.dispatch(First(1))
    assert bench.journal == [("a", First(1)), ("b", First(1)), ("c", First(1)), ("c", Second(1))]


def test_an_error_costs_its_component_the_fact_and_no_other_anything() -> None:
    bench = Bench()

    def fail(self: Component, fact: First) -> None:
        self.emit(Second(fact.number))
        raise LookupError

    bench.add("a", First=fail)
    bench.add("b")
    bench.dispatcher.dispatch(First(1))
    assert bench.journal == [("a", First(1)), ("b", First(1))], "what the failed call put out is dropped"
    assert bench.errors("a") == 1
    assert bench.errors("b") == 0


def test_a_failed_call_drops_nothing_of_an_earlier_call_of_the_same_component() -> None:
    bench = Bench()

    def fail_at_two(self: Component, fact: First) -> None:
        self.emit(Second(fact.number))
        if fact.number == 2:
            raise LookupError

    def emit_two(self: Component, _: Second) -> None:
        self.emit(First(1))
        self.emit(First(2))

    bench.add("a", Second=emit_two)
    bench.add("b", First=fail_at_two)
    bench.add("c")
    bench.dispatcher.dispatch(Second(0))
    assert [fact for name, fact in bench.journal if name == "c"] == [Second(0), First(1), First(2), Second(1)]
    assert bench.errors("b") == 1


def test_an_error_in_dating_a_dispatch_costs_no_dispatch() -> None:
    bench = Bench()
    bench.add("a")

    timeline = ShardTimeline(discard, ManualClock())
    timeline.dates.date = raise_error  # type: ignore[method-assign,assignment]  # a defect
    bench.dispatcher.reader.timeline = timeline
    body = b'{"id":"5","guild_id":"6","channel_id":"7"}'
    bench.dispatcher.accept("MESSAGE_DELETE", body, 0, 1_000)
    ((_, count),) = bench.journal
    assert (count.guild_id, count.at) == (6, 1_000)
    assert bench.errors("shard_timeline") == 1


class Unsaved(Component):
    """Saves nothing; fails for guild 1."""

    name = "unsaved"
    done: tuple[int, ...] = ()
    reset: tuple[int, ...] = ()

    @property
    def handles(self) -> Mapping[type, Handler]:
        return {GuildDeleted: lambda fact, _: self._work(fact.guild_id)}

    def tick(self, now: int, wall: int) -> None:
        del now, wall
        self.for_each((1, 2), self._work)

    def _work(self, guild_id: int) -> None:
        if guild_id == 1:
            raise LookupError
        self.done += (guild_id,)

    def reset_guild(self, guild_id: int) -> None:
        self.reset += (guild_id,)


def test_an_error_in_one_guild_of_a_tick_costs_that_guild_and_not_those_behind_it() -> None:
    bench = Bench()
    component = bench.dispatcher.add(Unsaved)
    bench.dispatcher.tick()
    assert (component.done, component.reset) == ((2,), (1,))
    assert bench.errors("unsaved") == 1


def test_a_component_that_saves_nothing_resets_the_guild_of_the_fact_that_failed() -> None:
    bench = Bench()
    component = bench.dispatcher.add(Unsaved)
    bench.dispatcher.dispatch(GuildDeleted(1, 0, unavailable=True))
    bench.dispatcher.dispatch(GuildDeleted(2, 0, unavailable=True))
    assert (component.done, component.reset) == ((2,), (1,)), "it goes on, with nothing half changed"
    assert bench.errors("unsaved") == 1


def test_a_component_that_failed_is_left_out_until_its_rows_are_put_back() -> None:
    bench = Bench()
    failing = bench.add("a", Second=raise_error)
    bench.dispatcher.dispatch(First(1))
    rows = bench.dispatcher.states.save()
    bench.dispatcher.states.confirm()
    bench.dispatcher.dispatch(First(2))
    bench.dispatcher.dispatch(Second(3))
    bench.dispatcher.dispatch(First(4))
    assert [name for name, fact in bench.journal if fact == First(4)] == []
    assert bench.dispatcher.states.save() == [], "half-changed state is never saved"
    assert list(bench.dispatcher.states.suspended) == [failing]
    bench.dispatcher.states.revert(failing, rows)
    assert failing.held == {1: Saved(1)}
    bench.dispatcher.dispatch(First(5))
    assert failing.held == {1: Saved(1), 5: Saved(5)}


def test_what_a_suspended_component_does_not_handle_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    failing = bench.add("a", Second=raise_error)
    bench.add("b")
    for fact in (First(1), Second(2), First(3), Count(SERIES, 1, 0), First(4)):
        bench.dispatcher.dispatch(fact)
    assert value(bench.telemetry.component_skipped, "a") == 3
    assert not any("handles facts again" in record.getMessage() for record in caplog.records)
    bench.dispatcher.states.revert(failing, ())
    bench.dispatcher.dispatch(First(5))
    assert failing.held == {5: Saved(5)}
    (record,) = (record for record in caplog.records if "handles facts again" in record.getMessage())
    assert "did not handle 3 " in record.getMessage()
    bench.dispatcher.dispatch(Second(6))
    bench.dispatcher.states.revert(failing, ())
    assert value(bench.telemetry.component_skipped, "a") == 3
    assert value(bench.telemetry.component_skipped, "b") == 0
    assert len([record for record in caplog.records if "handles facts again" in record.getMessage()]) == 1


def test_a_component_that_cannot_be_cleared_stays_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    failing = bench.add("a", Second=raise_error)
    bench.dispatcher.dispatch(First(1))
    bench.dispatcher.dispatch(Second(2))
    with monkeypatch.context() as broken:
        broken.setattr(failing, "clear", raise_error)
        bench.dispatcher.states.revert(failing, [row(7)])
    assert list(bench.dispatcher.states.suspended) == [failing]
    assert failing.held == {1: Saved(1)}, "nothing is restored over it"
    assert bench.errors("a") == 2
    bench.dispatcher.states.revert(failing, [row(7)])
    assert list(bench.dispatcher.states.suspended) == []
    assert failing.held == {7: Saved(7)}


def test_a_component_whose_tables_raise_is_suspended_and_put_back_like_any_other() -> None:
    bench = Bench()

    class Failing(Recording):
        broken = False

        @property
        def tables(self) -> tuple[SavedTable[Any, Any], ...]:
            return raise_error() if self.broken else super().tables  # type: ignore[no-any-return]

    failing = bench.dispatcher.add(lambda emit: Failing(emit, bench.journal, "a", First=raise_error))
    bench.add("b")
    failing.broken = True
    bench.dispatcher.dispatch(First(1))
    assert bench.journal == [("a", First(1)), ("b", First(1))]
    assert list(bench.dispatcher.states.suspended) == [failing]
    bench.dispatcher.states.revert(failing, ())
    assert list(bench.dispatcher.states.suspended) == [failing], "it cannot be restored"
    failing.broken = False
    bench.dispatcher.states.revert(failing, [row(7)])
    assert failing.held == {7: Saved(7)}


def test_an_error_of_one_kind_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    failing = bench.add("a", First=raise_error)
    for number in range(3):
        bench.dispatcher.dispatch(First(number))
        bench.dispatcher.states.revert(failing, ())
    assert bench.errors("a") == 3
    assert bench.dispatcher.errors == {"a": 3}
    assert len([record for record in caplog.records if "component a failed" in record.message]) == 1


def test_a_saved_row_that_cannot_be_read_is_deleted_and_counted() -> None:
    bench = Bench()
    component = bench.add("a")
    good = StateRow("a/rows", msgspec.msgpack.encode(1), msgspec.msgpack.encode(Saved(1)))
    no_key, no_value = StateRow("a/rows", b"\xc1", good.value), StateRow("a/rows", row(2).key, b"\xc1")
    others = [StateRow("gone/rows", b"", b""), StateRow("a/gone", b"", b"")]
    bench.dispatcher.states.restore([no_key, good, no_value, *others])
    assert component.held == {1: Saved(1)}
    assert component.resumed == 1
    assert bench.errors("a") == 2
    assert bench.dispatcher.states.unsaved, "the next commit is not waited for"
    deleted = [no_key._replace(value=None), no_value._replace(value=None)]
    assert bench.dispatcher.states.save() == deleted, "those of no component stay: it may be switched off"
    bench.dispatcher.states.merge_back()
    assert bench.dispatcher.states.save() == deleted
    bench.dispatcher.states.confirm()
    assert bench.dispatcher.states.save() == []


def test_a_key_that_is_in_use_again_is_saved_behind_the_deletion_of_its_old_row() -> None:
    bench = Bench()
    bench.add("a")
    broken = row(1)._replace(value=b"\xc1")
    bench.dispatcher.states.restore([broken])
    bench.dispatcher.states.save()
    bench.dispatcher.dispatch(First(1))
    bench.dispatcher.states.merge_back()
    assert bench.dispatcher.states.save() == [broken._replace(value=None), row(1)]


def test_a_row_that_cannot_be_read_is_deleted_also_after_the_component_was_reset_meanwhile() -> None:
    bench = Bench()
    component = bench.add("a", Second=raise_error)
    broken = row(1)._replace(value=b"\xc1")
    bench.dispatcher.states.restore([broken])
    bench.dispatcher.dispatch(Second(0))
    assert bench.dispatcher.states.save() == []
    bench.dispatcher.states.revert(component, [broken])
    assert bench.dispatcher.states.save() == [broken._replace(value=None)]


def test_an_error_at_the_restore_of_one_component_keeps_no_other_from_starting() -> None:
    bench = Bench()
    failing, other = bench.add("a"), bench.add("b")
    failing.resume = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]  # a defect
    bench.dispatcher.states.restore([])
    assert bench.errors("a") == 1
    assert other.resumed == 1


def row(number: int) -> StateRow:
    return StateRow("a/rows", msgspec.msgpack.encode(number), msgspec.msgpack.encode(Saved(number)))


def break_on(component: Recording, *broken: int, together: bool = False) -> None:
    """Have a component fail to resume while it holds one of these rows, or all of them."""

    def resume(*_: object) -> None:
        component.resumed += 1
        component.emit(Second(len(component.held)))
        found = component.held.keys() & set(broken)
        if len(found) >= (len(broken) if together else 1):
            raise LookupError

    component.resume = resume  # type: ignore[method-assign,assignment]  # a defect in some rows


@pytest.mark.parametrize("reverts", [False, True])
def test_rows_that_break_the_resume_are_deleted_and_the_component_goes_on(
    reverts: bool,  # noqa: FBT001 - a table
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    component = bench.add("a", Second=lambda *_: 1 / 0)
    bench.add("b")
    rows = [row(number) for number in range(50)]
    break_on(component, 7, 31)
    if reverts:
        bench.dispatcher.dispatch(Second(0))
        bench.dispatcher.states.revert(component, rows)
    else:
        bench.dispatcher.states.restore(rows)
    assert list(bench.dispatcher.states.suspended) == []
    assert component.held.keys() == set(range(50)) - {7, 31}
    assert bench.errors("a") == 2 + reverts
    assert [fact for name, fact in bench.journal if name == "b"][reverts:] == [Second(48)], "put out once"
    assert any("2 of its 50 saved rows" in record.getMessage() for record in caplog.records)
    assert bench.dispatcher.states.save() == [row(number)._replace(value=None) for number in (7, 31)]
    bench.dispatcher.dispatch(First(100))
    assert 100 in component.held


def test_rows_that_break_the_resume_together_are_all_deleted() -> None:
    bench = Bench()
    component = bench.add("a")
    break_on(component, 1, 2, together=True)
    rows = [row(1), row(2), row(3)._replace(value=b"\xc1")]
    bench.dispatcher.states.restore(rows)
    assert list(bench.dispatcher.states.suspended) == []
    assert component.held == {}
    assert bench.errors("a") == 3
    assert bench.dispatcher.states.save() == [each._replace(value=None) for each in rows]


def test_a_search_for_broken_rows_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_rows, "MAX_RETRIES", 10)
    bench = Bench()
    component = bench.add("a")
    break_on(component, *range(0, 100, 2))
    bench.dispatcher.states.restore([row(number) for number in range(100)])
    assert list(bench.dispatcher.states.suspended) == []
    assert component.resumed <= 10 + 3


def test_a_component_that_cannot_resume_without_rows_either_stays_suspended() -> None:
    bench = Bench()
    component = bench.add("a")
    component.resume = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]  # a defect
    bench.dispatcher.states.restore([row(1), row(2)])
    assert list(bench.dispatcher.states.suspended) == [component]
    assert bench.errors("a") == 1


def test_components_that_cause_facts_without_end_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_border, "MAX_DERIVED", 100)
    bench = Bench()

    def flood(self: Component, _: First) -> None:
        while True:
            self.emit(Second(1))

    bench.add("a", First=flood)
    bench.add("b")
    bench.dispatcher.dispatch(First(1))
    assert bench.errors("a") == 1
    assert ("b", First(1)) in bench.journal


def test_people_who_opted_out_are_left_out_before_any_component() -> None:
    bench = Bench(frozenset({7}))
    bench.add("a", First=lambda self, _: self.emit(Count(SERIES, 1, 0, user_id=7)))
    bench.add("b")
    bench.dispatcher.dispatch(Count(SERIES, 1, 0, user_id=7))
    bench.dispatcher.dispatch(Person(7, "ann"))
    bench.dispatcher.dispatch(First(1))
    assert [fact for name, fact in bench.journal if name == "b"] == [First(1)]


def test_every_component_forgets_a_guild_after_all_have_handled_its_end() -> None:
    bench = Bench()
    bench.add("a", First=lambda self, _: self.emit(GuildDeleted(5, 0, unavailable=False)))
    bench.add("b")
    bench.dispatcher.dispatch(First(1))
    assert bench.journal[-2:] == [("a", "forgot", 5), ("b", "forgot", 5)]
    bench.dispatcher.dispatch(GuildDeleted(6, 0, unavailable=True))
    assert ("a", "forgot", 6) not in bench.journal


def test_rows_that_were_not_committed_are_saved_again() -> None:
    bench = Bench()
    bench.add("a")
    bench.dispatcher.dispatch(First(1))
    first = bench.dispatcher.states.save()
    bench.dispatcher.states.merge_back()
    bench.dispatcher.dispatch(First(2))
    second = bench.dispatcher.states.save()
    bench.dispatcher.states.confirm()
    assert second[: len(first)] == first
    assert len(second) == 2
    assert bench.dispatcher.states.save() == []
    assert not bench.dispatcher.states.unsaved


CALLBACKS = ("tick", "hurry", "stop", "save", "restore", "resume", "undecided", "confirm", "merge_back")


def raise_error(*_: object) -> Any:
    raise LookupError


@pytest.mark.parametrize("callback", [*CALLBACKS, "unsaved", "urgent", "forget_people", "without"])
def test_an_error_in_any_callback_stays_in_its_component(callback: str) -> None:
    bench = Bench(frozenset({7}))

    class Failing(Recording):
        pass

    if callback == "without":

        class Unscreened(Fact, frozen=True):
            def without(self, _: Any) -> Any:
                raise LookupError

        bench.add("a")
        other = bench.add("b")
        bench.dispatcher.dispatch(Unscreened())
    else:
        error: Any = property(raise_error) if callback in {"unsaved", "urgent"} else raise_error
        setattr(Failing, callback, error)
        bench.dispatcher.add(lambda emit: Failing(emit, bench.journal, "a"))
        other = bench.add("b")
    dispatcher = bench.dispatcher
    dispatcher.states.restore(
        [StateRow("b/rows", msgspec.msgpack.encode(1), msgspec.msgpack.encode(Saved(1)))]
    )
    dispatcher.dispatch(First(2))
    dispatcher.tick()
    dispatcher.each(lambda component: component.hurry(0))
    dispatcher.each(lambda component: component.stop(0))
    assert not dispatcher.holds_for_any(lambda component: component.undecided(0, 0))
    assert not dispatcher.holds_for_any(lambda component: component.urgent)
    assert dispatcher.states.unsaved
    rows = dispatcher.states.save()
    dispatcher.states.merge_back()
    assert (
        [row for row in rows if row.table == "b/rows"]
        == [row for row in dispatcher.states.save() if row.table == "b/rows"]
        != []
    )
    dispatcher.states.confirm()
    assert other.held == {1: Saved(1), 2: Saved(2)}
    assert bench.errors("screen" if callback == "without" else "a") >= 1
    assert bench.errors("b") == 0


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (
            '{"id": "1", "channel_id": "2", "guild_id": "3", "author": {"id": "Ada Lovelace"}}',
            "`$.author.id`",
        ),
        ('{"id": "1", "channel_id": "2", "guild_id": "3", "author": "Ada Lovelace"}', "`$.author`"),
        ('{"id": "1", "name": "Ada Lovelace"}', "missing required field"),
        ('{"name": "Ada Lovelace"', "truncated"),
    ],
)
def test_a_rejected_payload_is_logged_by_its_place_and_without_its_values(
    payload: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry = Telemetry()
    dispatcher = Dispatcher(full_catalogue(), ManualClock(), telemetry)
    dispatcher.reader.timeline = ShardTimeline(discard, ManualClock())
    dispatcher.accept("MESSAGE_CREATE", payload.encode(), 0, 0)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "MESSAGE_CREATE" in record.getMessage()
    assert place in record.getMessage()
    assert "Ada" not in record.getMessage()
    assert record.once_per == "MESSAGE_CREATE"


@pytest.mark.parametrize(
    "shape",
    [
        Annotated[str, msgspec.Meta(pattern="^[0-9]+$")],
        enum.StrEnum("Colour", {"RED": "red"}),
        Literal["red"],
    ],
)
@pytest.mark.parametrize("name", ["Ada", "A'da", "A\"d'a", "A - at `$.da", "A\nda"])
def test_no_message_of_the_decoder_quotes_a_value(
    shape: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(full_catalogue(), ManualClock(), Telemetry())
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode({"name": name}), type=dict[str, shape])
    dispatcher.reader._rejections.reject("MESSAGE_CREATE", caught.value)
    (record,) = caplog.records
    assert "A" not in record.getMessage().replace("MESSAGE_CREATE", "")
    assert "da" not in record.getMessage()
    assert "`$[...]`" in record.getMessage()

"""The protocol of the parts that turn facts into counts and records, each with its own state.

A component takes facts by their type and puts out facts: counts, records, and what another component needs.
It holds state and never waits. Components do not call one another: what one finds out is a fact again,
handled by the components after it in the list. Time reaches a component as an argument, requests leave it
through the ``submit`` port it was made with, and what is known of guilds and shards is read through ports of
``state``.

State that must survive the process stands in ``SavedTable``: the checkpoint collects the rows changed since
the last confirmed commit, and a start gives them back. A component that raises is put back to the rows that
were committed last (``clear`` and ``restore``), so state changed halfway is never saved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from inspect import signature
from itertools import chain, islice
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from exporter.events.facts.base import Fact
from exporter.spool.ports import StateRow as StateRow  # noqa: PLC0414 - part of this protocol

log = logging.getLogger(__name__)

Emit: TypeAlias = Callable[[Fact], None]
"""Emits a fact: it is handled by the components after this one, in the same step of the event loop."""

Handler: TypeAlias = Callable[..., None]
"""Takes a fact of the one type it is listed for, and if it asks for it, now in ms on the monotonic clock.

Handlers of ``Count`` take only the fact: they are the hot path, and a count carries its own time."""

A = TypeVar("A")
D = TypeVar("D")
K = TypeVar("K")
V = TypeVar("V")


class SavedTable(Generic[K, V]):
    """The rows of one kind of state, by key, and which of them changed since the last confirmed commit.

    The component keeps its state in the form it works with; ``read`` gives the form saved under a key, None
    where there is nothing any more, and ``load`` takes a saved row back at a start. Both must not fail for
    state that is well formed; a row that fails is logged and counted by the caller. Where it fails at a
    start, the next commit deletes it: it may name a person who opted out, and cannot be asked for them.

    Invariant: between ``save`` and the commit's verdict (``confirm`` or ``merge_back``) no other ``save``.
    """

    def __init__(
        self,
        name: str,
        key: type[K] | Any,
        value: type[V],
        read: Callable[[K], V | None],
        load: Callable[[K, V], None],
    ) -> None:
        self.name = name
        self._read = read
        self._load = load
        self._keys: msgspec.msgpack.Decoder[K] = msgspec.msgpack.Decoder(key)
        self._values: msgspec.msgpack.Decoder[V] = msgspec.msgpack.Decoder(value)
        self._changed: dict[K, None] = {}
        self._encoded: dict[K, StateRow] = {}
        self._saving: dict[K, StateRow] = {}
        self._unusable: list[StateRow] = []
        self._deleting: list[StateRow] = []
        self._failing = False

    def __len__(self) -> int:
        changed = len(self._changed.keys() | self._encoded.keys()) if self._encoded else len(self._changed)
        return changed + len(self._unusable)

    def touch(self, key: K) -> None:
        """Note that the row of a key has changed or was deleted."""
        self._changed[key] = None

    def prepare(self, component: str, most: int) -> None:
        """Encode up to so many rows now, for the next ``save``; one that changes again is encoded again."""
        table = f"{component}/{self.name}"
        failing = False
        keys = list(islice(self._changed, most))
        for key in keys:
            del self._changed[key]
            self._encoded.pop(key, None)
            try:
                value = self._read(key)
                encoded = None if value is None else _ENCODER.encode(value)
                self._encoded[key] = StateRow(table, _ENCODER.encode(key), encoded)
            except Exception:
                # One row that cannot be written must not hold up the others, now and at every commit.
                failing = True
                if not self._failing:
                    self._failing = True
                    log.exception(
                        "a row of %s cannot be saved and is left out; not logged again until all can",
                        self.name,
                    )
        if keys:
            self._failing = failing

    def save(self, component: str) -> Iterable[StateRow]:
        """The rows of this component that changed, encoded; without a value to delete a row."""
        self.prepare(component, len(self._changed))
        self._saving, self._encoded = self._encoded, {}
        self._deleting, self._unusable = self._unusable, []
        # In this order: a key may be in use again, and its last row counts.
        return chain(self._deleting, self._saving.values())

    def confirm(self) -> None:
        """What was saved last is committed."""
        self._saving, self._deleting = {}, []

    def merge_back(self) -> None:
        """What was saved last was not committed: it is saved again with the next commit."""
        self._encoded = self._saving | self._encoded
        self._unusable = self._deleting + self._unusable
        self._saving, self._deleting = {}, []

    def discard(self) -> None:
        """Discard the changes: the state is reset to what was committed."""
        self._changed, self._encoded, self._saving = {}, {}, {}
        self._unusable, self._deleting = [], []

    def delete(self, row: StateRow) -> None:
        """Delete a committed row that is of no use; its key may be one that cannot be read."""
        self._unusable.append(row._replace(value=None))

    def restore(self, key: bytes, value: bytes) -> None:
        """Take a committed row back.

        Raises:
            msgspec.MsgspecError: the row was not written by this table.
        """
        self._load(self._keys.decode(key), self._values.decode(value))


_ENCODER = msgspec.msgpack.Encoder()


class Component:
    """A component of the pipeline, with defaults for what most of them do not need.

    ``name`` names its state on disk and its label on ``/metrics``; it is stable for ever.
    """

    name: ClassVar[str]

    report: Callable[[Exception], None]
    """Takes an error that cost only one guild or one answer something; set by the dispatcher."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit

    @property
    def handles(self) -> Mapping[type, Handler]:
        """The fact types it takes, each with what takes them."""
        return {}

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """The state that survives the process."""
        return ()

    def undecided(self, asked_at: int, wall: int) -> int:
        """How much waits for an answer or for time to pass before it is counted.

        A flush waits for it, but not for what began after it was asked for, at ``asked_at`` on the clock that
        never steps and at ``wall`` since the epoch, in ms: while dispatches come, something always waits.
        """
        del asked_at, wall
        return 0

    @property
    def urgent(self) -> bool:
        """Whether its changes should be committed at the next tick, not at the next interval."""
        return False

    def tick(self, now: int, wall: int) -> None:
        """Do what is due, about once a second; ``now`` is monotonic, ``wall`` since the epoch, both in ms."""

    def hurry(self, now: int) -> None:
        """Submit all waiting requests at once, since a flush waits for their answers."""

    def stop(self, now: int) -> None:
        """Decide now what cannot be saved, since the process ends."""

    def clear(self) -> None:
        """Forget the state that ``tables`` save; rows committed before are restored next."""

    def resume(self, now: int, wall: int) -> None:
        """All rows are restored; called once at a start and after ``clear``."""

    def forget_people(self, people: Container[int]) -> None:
        """Forget these people: they opted out since the state was saved. What changes is touched."""

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from, once every component has handled its ``GuildDeleted``."""

    def reset_guild(self, guild_id: int) -> None:
        """Discard what may be half changed of a guild, after an error in a call about it."""

    def for_each(self, guild_ids: Iterable[int], work: Callable[[int], None]) -> None:
        """Do some work for each guild; an error in one resets it, and keeps no other from its turn."""
        for guild_id in guild_ids:
            if not self._attempt(work, guild_id):
                self._attempt(self.reset_guild, guild_id)

    def _attempt(self, work: Callable[[int], None], guild_id: int) -> bool:
        try:
            work(guild_id)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self.report(error)
            return False
        return True

    def ask(self, question: Callable[[], A], default: D) -> A | D:
        """What the component answers, ``default`` where it fails.

        For those who read its state: the error is counted as its own, and costs no more than the answer.
        """
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self.report(error)
            return default

    # ------------------------------------------------------------------ over the tables

    @property
    def unsaved(self) -> bool:
        """Whether a commit would have something to save of this component."""
        return any(len(table) for table in self.tables)

    def prepare(self, most: int) -> None:
        """Encode up to so many rows of each table ahead, while nothing can be committed."""
        for table in self.tables:
            table.prepare(self.name, most)

    def save(self) -> Iterator[StateRow]:
        """The rows that changed since the last confirmed commit."""
        for table in self.tables:
            yield from table.save(self.name)

    def confirm(self) -> None:
        """What was saved last is committed."""
        for table in self.tables:
            table.confirm()

    def merge_back(self) -> None:
        """What was saved last was not committed."""
        for table in self.tables:
            table.merge_back()

    def restore(self, rows: Iterable[StateRow]) -> int:
        """Take committed rows back; returns how many could not be read. Those are deleted.

        So is a row without its value: the component cannot resume with it. Rows of a table that is not of
        this component stay.
        """
        tables = {f"{self.name}/{table.name}": table for table in self.tables}
        unread = 0
        for row in rows:
            table = tables.get(row.table)
            if table is None:
                continue
            if row.value is None:
                table.delete(row)
                continue
            try:
                table.restore(row.key, row.value)
            except Exception:
                # Whatever it is, the next start would meet it again: the row is deleted, not raised.
                table.delete(row)
                unread += 1
                if unread == 1:
                    log.exception("saved rows of %s cannot be read and are deleted; the first", row.table)
        return unread


def timed(handle: Handler) -> Handler:
    """The handler as it is called: with the time, also where it takes only the fact."""
    if len(signature(handle).parameters) > 1:
        return handle
    return lambda fact, _: handle(fact)

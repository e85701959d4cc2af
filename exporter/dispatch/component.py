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
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from exporter.events.facts import Fact
from exporter.spool.ports import StateRow as StateRow  # noqa: PLC0414 - part of this protocol

log = logging.getLogger(__name__)

Emit: TypeAlias = Callable[[Fact], None]
"""Emits a fact: it is handled by the components after this one, in the same step of the event loop."""

Handler: TypeAlias = Callable[..., None]
"""Takes a fact of the one type it is listed for, and now in ms on the monotonic clock.

Handlers of ``Count`` alone take only the fact: they are the hot path, and a count carries its own time."""

K = TypeVar("K")
V = TypeVar("V")


class SavedTable(Generic[K, V]):
    """The rows of one kind of state, by key, and which of them changed since the last confirmed commit.

    The component keeps its state in the form it works with; ``read`` gives the form saved under a key, None
    where there is nothing any more, and ``load`` takes a saved row back at a start. Both must not fail for
    state that is well formed; a row that fails is logged, left out and counted by the caller.

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
        self._saving: dict[K, None] = {}

    def __len__(self) -> int:
        return len(self._changed)

    def touch(self, key: K) -> None:
        """Note that the row of a key has changed or was deleted."""
        self._changed[key] = None

    def save(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The rows that changed, encoded; None deletes a row."""
        self._saving, self._changed = self._changed, {}
        for key in self._saving:
            try:
                value = self._read(key)
                encoded = None if value is None else _ENCODER.encode(value)
            except Exception:
                # One row that cannot be written must not hold up the others, now and at every commit.
                log.exception("a row of %s cannot be saved and is left out", self.name)
                continue
            yield _ENCODER.encode(key), encoded

    def confirm(self) -> None:
        """What was saved last is committed."""
        self._saving = {}

    def merge_back(self) -> None:
        """What was saved last was not committed: it is saved again with the next commit."""
        self._changed = self._saving | self._changed
        self._saving = {}

    def discard(self) -> None:
        """Discard the changes: the state is reset to what was committed."""
        self._changed, self._saving = {}, {}

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

    # ------------------------------------------------------------------ over the tables

    @property
    def unsaved(self) -> bool:
        """Whether a commit would have something to save of this component."""
        return any(len(table) for table in self.tables)

    def save(self) -> Iterator[StateRow]:
        """The rows that changed since the last confirmed commit."""
        for table in self.tables:
            for key, value in table.save():
                yield StateRow(f"{self.name}/{table.name}", key, value)

    def confirm(self) -> None:
        """What was saved last is committed."""
        for table in self.tables:
            table.confirm()

    def merge_back(self) -> None:
        """What was saved last was not committed."""
        for table in self.tables:
            table.merge_back()

    def restore(self, rows: Iterable[StateRow]) -> int:
        """Take committed rows back; returns how many could not be read and are left out."""
        tables = {f"{self.name}/{table.name}": table for table in self.tables}
        unread = 0
        for row in rows:
            table = tables.get(row.table)
            if table is None or row.value is None:
                continue
            try:
                table.restore(row.key, row.value)
            except Exception:
                # Whatever it is, the next start would meet it again: the row is left out, not raised.
                unread += 1
                if unread == 1:
                    log.exception("saved rows of %s cannot be read and are left out; the first", row.table)
        return unread

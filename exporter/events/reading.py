"""Reads the JSON of a dispatch into facts; what is wrong with a part of it costs that part.

Null means the same as absence, unless the type of the payload gives null a meaning of its own. An element of
a list that cannot be decoded is left out and reported (``ElementsRejected``). Whatever else is not as
declared rejects the dispatch. A payload is decoded in one step, and taken apart only if it does not fit: what
Discord sends every day costs nothing extra.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Protocol, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

from exporter.events.answer_meaning import AnswerMeaning, code_in, meaning_of
from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.payload import InGuild
from exporter.events.repeats import IsRepeated, Repeats
from exporter.events.rest_request import Answer
from exporter.events.spec import Reader

_T = TypeVar("_T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding raises: text that is no JSON, or JSON that is not as declared."""

_Decode: TypeAlias = Callable[[bytes | msgspec.Raw], Any]
_Read: TypeAlias = Callable[[Any, int], Iterable[Fact]]

_NOTHING = frozenset({b"null", b'""'})
"""What says the same as absence where it is no value of the field."""

MAX_TAKEN_APART: Final = 1_000
"""Elements of one type in a dispatch that are taken apart, about 0.1 ms each. A list with more of them is
given up from there on, so that no dispatch keeps the event loop busy for seconds."""

_INDEX = re.compile(r"\[\d+\]")


class ReadDispatch(Protocol):
    """Reads one kind of dispatch."""

    def __call__(
        self, body: bytes | msgspec.Raw, at: int, shard: int = 0, now: int = 0
    ) -> Sequence[Fact] | None:
        """The facts of a dispatch that happened at ``at``, by its readers; None if it repeats another one.

        ``now`` is the time of receipt, for what is recognised for a while.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: the dispatch cannot be read.
        """
        ...


class PayloadReader:
    """All that is made of one kind of dispatch by ``read``; ``name`` is the dispatch's, for reports.

    ``repeats`` remembers what was received, to pass over what Discord delivers again; ``read`` are the names
    of all dispatches that are read.
    """

    def __init__(
        self,
        name: str,
        readers: Iterable[Reader],
        repeats: Repeats | None = None,
        read: Container[str] = frozenset(),
    ) -> None:
        self._name = name
        readers = tuple(readers)
        identified = next((reader for reader in readers if _is_identified(reader, read)), None)
        self._steps: list[tuple[type[msgspec.Struct], _Decode | None, _Read, bool, IsRepeated | None]] = []
        previous = is_repeated = None
        for reader in readers:
            # Readers of one payload type that follow each other share what is decoded.
            decode = None if reader.payload is previous else _decoder(reader.payload).decode
            previous = reader.payload
            in_guild = issubclass(reader.payload, InGuild)
            is_repeated = None
            if reader is identified and reader.identity is not None and repeats is not None:
                is_repeated = repeats.recogniser(reader.identity)
            self._steps.append((reader.payload, decode, reader.read, in_guild, is_repeated))
        self.read: ReadDispatch = (
            self._read_one(readers[0], is_repeated) if len(readers) == 1 else self._read_all
        )

    def _read_all(
        self, body: bytes | msgspec.Raw, at: int, shard: int = 0, now: int = 0
    ) -> list[Fact] | None:
        facts: list[Fact] = []
        payload: Any = None
        noted = False
        try:
            for _, decode, read, in_guild, is_repeated in self._steps:
                if decode is not None:
                    payload = decode(body)
                if is_repeated is not None:
                    if is_repeated(payload, body, shard, now):
                        return None
                    noted = True
                if not in_guild or payload.guild_id:
                    facts += read(payload, at)
        except UNREADABLE:
            return self._read_parts(body, at, shard, now, noted=noted)
        return facts

    def _read_one(self, reader: Reader, is_repeated: IsRepeated | None) -> ReadDispatch:
        """The same for a dispatch with one reader, as nearly all that are received: the hot path."""
        decode, read, in_guild = (
            _decoder(reader.payload).decode,
            reader.read,
            issubclass(reader.payload, InGuild),
        )

        def read_one(
            body: bytes | msgspec.Raw, at: int, shard: int = 0, now: int = 0
        ) -> Sequence[Fact] | None:
            noted = False
            try:
                payload = decode(body)
                if is_repeated is not None:
                    if is_repeated(payload, body, shard, now):
                        return None
                    noted = True
                return tuple(read(payload, at)) if not in_guild or payload.guild_id else ()
            except UNREADABLE:
                return self._read_parts(body, at, shard, now, noted=noted)

        return read_one

    def _read_parts(
        self, body: bytes | msgspec.Raw, at: int, shard: int, now: int, *, noted: bool
    ) -> list[Fact] | None:
        parts = PartDecoder(self._name)
        facts: list[Fact] = []
        for kind, _, read, in_guild, is_repeated in self._steps:
            try:
                payload = parts.decode(kind, body)
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(parts.describe(error)) from error
            if is_repeated is not None and not noted and is_repeated(payload, body, shard, now):
                return None
            if not in_guild or payload.guild_id:
                facts += read(payload, at)
        return [*parts.report(), *facts]


class PartDecoder:
    """Decodes what it can of payloads, and collects what it left out.

    An element that several payload types name is reported once.
    """

    def __init__(self, dispatch: str) -> None:
        self._dispatch = dispatch
        self._rejected: dict[str, str] = {}
        self._given_up: dict[str, int] = {}
        self._taken_apart: Counter[Any] = Counter()
        self._failed_at = ""

    def describe(self, error: Exception) -> str:
        """The decoder's reason with the place in the payload."""
        return f"{error} - at `{self._failed_at}`"

    def report(self) -> list[ElementsRejected]:
        """What was left out, by list."""
        numbers: Counter[str] = Counter()
        first: dict[str, str] = {}
        for path, reason in self._rejected.items():
            numbers[within := _INDEX.sub("[]", path)] += 1
            first.setdefault(within, reason)
        for path, number in self._given_up.items():
            numbers[within := _INDEX.sub("[]", path)] += number
            first.setdefault(within, f"given up after {MAX_TAKEN_APART} elements that are not as declared")
        return [
            ElementsRejected(self._dispatch, path, number, first[path]) for path, number in numbers.items()
        ]

    def decode(self, kind: Any, body: bytes | msgspec.Raw, path: str = "$") -> Any:
        """A value of the type ``kind``; ``path`` is its place in the payload.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError: the value is no such value, not even in part.
        """
        try:
            return _decoder(kind).decode(body)
        except UNREADABLE:
            self._failed_at = path
            whole = _without_none(kind)
            if isinstance(whole, type) and issubclass(whole, msgspec.Struct):
                return self._decode_fields(whole, body, path)
            if get_args(whole)[1:] == (...,):
                return tuple(self._decode_elements(get_args(whole)[0], body, path))
            raise

    def _decode_fields(self, kind: type[msgspec.Struct], body: bytes | msgspec.Raw, path: str) -> Any:
        given = _decoder(dict[str, msgspec.Raw]).decode(body)
        values = {}
        for field in msgspec.structs.fields(kind):
            raw = given.get(field.encode_name)
            if raw is None:
                if field.required:
                    self._failed_at = path
                    msg = f"Object missing required field `{field.encode_name}`"
                    raise msgspec.ValidationError(msg)
                continue
            try:
                values[field.name] = self.decode(field.type, raw, f"{path}.{field.encode_name}")
            except UNREADABLE:
                if field.required or bytes(raw).strip() not in _NOTHING:
                    raise
        return kind(**values)

    def _decode_elements(self, kind: Any, body: bytes | msgspec.Raw, path: str) -> Iterator[Any]:
        decode = _decoder(kind).decode
        elements = _decoder(list[msgspec.Raw]).decode(body)
        for index, raw in enumerate(elements):
            try:
                whole = decode(raw)
            except UNREADABLE:
                if self._taken_apart[kind] >= MAX_TAKEN_APART:
                    self._given_up[f"{path}[]"] = len(elements) - index
                    return
                self._taken_apart[kind] += 1
                with self.element(f"{path}[{index}]") as place:
                    yield self.decode(kind, raw, place)
            else:
                yield whole

    @contextmanager
    def element(self, place: str) -> Iterator[str]:
        """Leaves out the element at ``place`` if it cannot be read: the block ends there."""
        try:
            yield place
        except UNREADABLE as error:
            self._rejected.setdefault(place, self.describe(error))


def _is_identified(reader: Reader, read: Container[str]) -> bool:
    return reader.identity is not None and all(name in read for name in reader.identity.opposites)


def read_body(
    answer: Answer, kind: type[_T], parts: PartDecoder | None = None
) -> tuple[AnswerMeaning, _T | None]:
    """What an answer means, and its body; a success whose body is of another shape is a trouble."""
    meaning = meaning_of(answer.status, code_in(answer.body))
    if meaning is not AnswerMeaning.ANSWERED:
        return meaning, None
    try:
        return meaning, (parts or PartDecoder(answer.request.dispatch)).decode(kind, answer.body)
    except (*UNREADABLE, RecursionError):
        return AnswerMeaning.TROUBLE, None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


def _without_none(kind: Any) -> Any:
    """The one type a value has that is not null; the type as it is if there are several."""
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        kinds = [each for each in get_args(kind) if each not in {NoneType, msgspec.UnsetType}]
        return _without_none(kinds[0]) if len(kinds) == 1 else kind
    return kind

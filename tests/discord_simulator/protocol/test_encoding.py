"""Websocket framing and the zlib stream, against independent decoders."""

from __future__ import annotations

import asyncio
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.encoding import FrameWriter, encode_frame


def decode_frame(data: bytes) -> tuple[int, bytes, bytes]:
    """First byte, payload and what follows, by RFC 6455 §5.2."""
    size, start = data[1], 2
    assert not size & 0x80, "a server must not mask"
    if size == 126:
        (size,), start = struct.unpack_from("!H", data, 2), 4
        assert size > 125, "not the shortest form"
    elif size == 127:
        (size,), start = struct.unpack_from("!Q", data, 2), 10
        assert size > 0xFFFF, "not the shortest form"
    return data[0], data[start : start + size], data[start + size :]


class Pipe(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.buffered = 0
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.writes += 1

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.buffered


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_every_length_is_framed_in_its_shortest_form(size: int) -> None:
    assert decode_frame(encode_frame(0x81, b"x" * size)) == (0x81, b"x" * size, b"")


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_batch_is_one_write_of_whole_frames(payloads: list[bytes]) -> None:
    pipe = Pipe()
    FrameWriter(pipe, zlib_level=None).write(payloads)
    rest, seen = pipe.written, []
    while rest:
        first, payload, rest = decode_frame(rest)
        assert first == 0x81
        seen.append(payload)
    assert seen == payloads
    assert pipe.writes == 1


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_zlib_stream_is_one_context_flushed_after_every_message(payloads: list[bytes]) -> None:
    pipe = Pipe()
    FrameWriter(pipe, zlib_level=1).write(payloads)
    inflator, rest, seen = zlib.decompressobj(), pipe.written, []
    while rest:
        first, payload, rest = decode_frame(rest)
        assert first == 0x82
        assert payload.endswith(b"\x00\x00\xff\xff")
        seen.append(inflator.decompress(payload))
    assert seen == payloads


def test_nothing_is_written_to_a_closing_transport() -> None:
    pipe = Pipe()
    pipe.closing = True
    FrameWriter(pipe, zlib_level=None).write([b"x"])
    assert pipe.writes == 0


async def test_drain_waits_for_space() -> None:
    pipe = Pipe()
    pipe.buffered = 10_000_000
    draining = asyncio.create_task(FrameWriter(pipe, zlib_level=None).drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    pipe.buffered = 0
    await asyncio.wait_for(draining, 5)


async def test_drain_gives_up_on_a_closing_transport() -> None:
    pipe = Pipe()
    pipe.buffered, pipe.closing = 10_000_000, True
    await asyncio.wait_for(FrameWriter(pipe, zlib_level=None).drain(), 5)

"""Strict decoding of what a client says."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.commands import (
    Identify,
    ProtocolError,
    RequestMembers,
    Resume,
    check_intents,
    check_shard,
    decode_body,
    decode_command,
)
from discord_simulator.opcodes import ALL_INTENTS, PRIVILEGED_INTENTS, CloseCode

GOOD_IDENTIFY = '{"op": 2, "d": {"token": "t", "properties": {}, "intents": 1}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "null",
        '{"d": null}',
        '{"op": "1"}',
        '{"op": 1.5}',
        '{"op": 1',
        "[" * 2000,
        "\ud800",
    ],
)
def test_text_that_is_no_command_is_a_decode_error(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_command(text)
    assert caught.value.code is CloseCode.DECODE_ERROR


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_decode_error(text: str) -> None:
    try:
        decode_command(text)
    except ProtocolError as error:
        assert error.code is CloseCode.DECODE_ERROR  # noqa: PT017 - text that happens to be a command is fine


@pytest.mark.parametrize(("size", "accepted"), [(4096, True), (4097, False)])
def test_payload_may_have_4096_bytes(size: int, accepted: bool) -> None:  # noqa: FBT001 - a case
    text = '{"op": 3, "d": "%s"}' % ("x" * (size - 18))
    assert len(text) == size
    if accepted:
        assert decode_command(text).op == 3
    else:
        with pytest.raises(ProtocolError, match="4097 bytes"):
            decode_command(text)


def test_size_is_counted_in_bytes_and_not_in_characters() -> None:
    with pytest.raises(ProtocolError, match="exceeds"):
        decode_command('{"op": 3, "d": "%s"}' % ("é" * 3000))


def test_missing_body_is_null() -> None:
    assert decode_body(decode_command('{"op": 1}'), object) is None


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        "{}",
        '{"token": "t", "intents": 1}',
        '{"token": 1, "properties": {}, "intents": 1}',
        '{"token": "t", "properties": {}, "intents": "1"}',
        '{"token": "t", "properties": {}, "intents": 1, "shard": [0]}',
        '{"token": "t", "properties": {}, "intents": 1, "shard": ["0", "1"]}',
        '{"token": "t", "properties": {}, "intents": 1, "large_threshold": 49}',
        '{"token": "t", "properties": {}, "intents": 1, "large_threshold": 251}',
        '{"token": "t", "properties": {}, "intents": 1, "presence": []}',
    ],
)
def test_identify_of_another_shape_is_a_decode_error(body: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_body(decode_command(f'{{"op": 2, "d": {body}}}'), Identify)
    assert caught.value.code is CloseCode.DECODE_ERROR


def test_identify_without_shard_is_the_only_shard() -> None:
    assert decode_body(decode_command(GOOD_IDENTIFY), Identify).shard == (0, 1)


def test_resume_may_carry_nulls_as_disnake_sends_them() -> None:
    command = decode_command('{"op": 6, "d": {"token": "t", "session_id": null, "seq": null}}')
    assert decode_body(command, Resume) == Resume("t", None, None)


@pytest.mark.parametrize("user_ids", ['"1"', '["1", "2"]'])
def test_members_can_be_asked_for_by_one_id_or_several(user_ids: str) -> None:
    command = decode_command(f'{{"op": 8, "d": {{"guild_id": "5", "user_ids": {user_ids}}}}}')
    assert decode_body(command, RequestMembers).guild_id == "5"


@pytest.mark.parametrize("intents", [msgspec.UNSET, -1, 1 << 17, 1 << 26, ALL_INTENTS | 1 << 22, 1 << 80])
def test_missing_or_undefined_intents_are_invalid(intents: int | msgspec.UnsetType) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_intents(intents, PRIVILEGED_INTENTS, PRIVILEGED_INTENTS)
    assert caught.value.code is CloseCode.INVALID_INTENTS


@pytest.mark.parametrize("bit", [1, 8, 15])
def test_privileged_intent_needs_to_be_granted(bit: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_intents(1 << bit | 1, PRIVILEGED_INTENTS & ~(1 << bit), PRIVILEGED_INTENTS)
    assert caught.value.code is CloseCode.DISALLOWED_INTENTS
    assert check_intents(1 << bit, 1 << bit, PRIVILEGED_INTENTS) == 1 << bit


def test_every_documented_intent_at_once_is_accepted() -> None:
    assert check_intents(ALL_INTENTS, PRIVILEGED_INTENTS, PRIVILEGED_INTENTS) == ALL_INTENTS == 53_608_447


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 0), (5, 4), (0, -1)])
def test_shard_outside_its_count_is_invalid(shard: tuple[int, int]) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_shard(shard)
    assert caught.value.code is CloseCode.INVALID_SHARD


@given(st.integers(1, 1000).flatmap(lambda count: st.tuples(st.integers(0, count - 1), st.just(count))))
def test_shard_within_its_count_is_valid(shard: tuple[int, int]) -> None:
    assert check_shard(shard) == shard

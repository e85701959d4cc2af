"""What an answer of Discord's REST API means: the only place that decides it.

About the bot's rights speak four answers of Discord's own, by their status and the ``code`` in their JSON.
Everything else that is no success is a trouble of the moment, whoever sent it: Discord, Cloudflare or a proxy
in between. After a trouble the question is put again and nothing that depends on it is given up.

What the bot may do follows from its roles (``exporter.state.permissions``). So a refusal, too, is put again
where the roles say that the bot may, only less often.

Sources: Discord docs, Opcodes and Status Codes › HTTP Response Codes, JSON Error Codes; Topics › Rate Limits.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

import msgspec


class AnswerMeaning(enum.StrEnum):
    """What an answer means for the question."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Discord says that the bot may not have this; putting it again at once would be the same."""
    ABSENT = "absent"
    """Discord says that there is no such thing: a guild without an address of its own."""
    TROUBLE = "trouble"
    """It says nothing about the question."""


NO_ANSWER: Final = 0
"""In place of a status where there was no answer, or none that means anything."""

_UNKNOWN_GUILD: Final = 10004
_UNKNOWN_INVITE: Final = 10006
_INVALID_INVITE: Final = 50020
_MISSING_ACCESS: Final = 50001
_MISSING_PERMISSIONS: Final = 50013

_MEANINGS: Final[Mapping[tuple[int, int], AnswerMeaning]] = {
    (HTTPStatus.FORBIDDEN, _MISSING_ACCESS): AnswerMeaning.REFUSED,
    (HTTPStatus.FORBIDDEN, _MISSING_PERMISSIONS): AnswerMeaning.REFUSED,
    (HTTPStatus.NOT_FOUND, _UNKNOWN_GUILD): AnswerMeaning.REFUSED,
    (HTTPStatus.NOT_FOUND, _UNKNOWN_INVITE): AnswerMeaning.ABSENT,
    (HTTPStatus.FORBIDDEN, _INVALID_INVITE): AnswerMeaning.ABSENT,
}
"""By status and Discord's code; what is not listed is a trouble. 403 with 40333, for one, is Cloudflare's."""

FIRST_RETRY_MS: Final = 5_000
LONGEST_RETRY_MS: Final = 80_000
"""Bounds of the pause before a component puts a question again. Two minutes after a trouble has ended every
question has been put again, the time on the way included."""


def meaning_of(status: int, code: int | None) -> AnswerMeaning:
    """The meaning of a status with the ``code`` of Discord's JSON: 0 if it has none, None without JSON."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return AnswerMeaning.ANSWERED
    if code is None:
        return AnswerMeaning.TROUBLE
    if status == HTTPStatus.UNAUTHORIZED:
        return AnswerMeaning.REFUSED
    return _MEANINGS.get((status, code), AnswerMeaning.TROUBLE)


class _Error(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


_decode_error = msgspec.json.Decoder(_Error, strict=False).decode


def code_in(body: bytes | str | msgspec.Raw) -> int | None:
    """Discord's code in the body of an answer: 0 if it names none, None if it is no JSON object."""
    try:
        return _decode_error(body).code
    except (ValueError, RecursionError):
        return None


def pause_after(failures: int) -> int:
    """How long to wait before a question is put again that had no answer so often in a row, in ms."""
    return min(LONGEST_RETRY_MS, FIRST_RETRY_MS << min(max(0, failures - 1), 8))

"""What an answer about the members of a guild comes to."""

from __future__ import annotations

import json

import msgspec
import pytest

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.guilds import read_counts
from exporter.events.rest_request import Answer, RequestKind, RestRequest


@pytest.mark.parametrize(
    ("members", "online", "read"),
    [(7, 3, (7, 3)), (0, 0, (0, 0)), (-5, 3, (None, 3)), (7, -1, (7, None)), (None, None, (None, None))],
)
def test_a_count_below_zero_is_unknown(
    members: int | None, online: int | None, read: tuple[int | None, int | None]
) -> None:
    body = json.dumps({"approximate_member_count": members, "approximate_presence_count": online}).encode()
    answer = Answer(RestRequest(RequestKind.COUNTS, 5), 200, msgspec.Raw(body))
    (fact,) = read_counts(answer, 0)
    assert (fact.guild_id, fact.meaning) == (5, AnswerMeaning.ANSWERED)
    assert (fact.members, fact.online) == read

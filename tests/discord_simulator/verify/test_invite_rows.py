"""How people joined: what is certain must be true, and what could be certain mostly is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from discord_simulator.verify.compare import compare
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.quantities import InviteRow, Observed

G, INVITER = 1, 50
FAR = 60_000
"""Milliseconds between joins that have nothing to do with each other."""


class Book:
    """A ledger of joins, written by hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[dict[str, Any]] = []
        self.write("EMBED_RESOLVED", -FAR)

    def write(self, kind: str, at: int, **fields: Any) -> int:
        self._lines.append({"n": len(self._lines) + 1, "at": at, "type": kind, "guild_id": str(G)} | fields)
        return len(self._lines)

    def join(self, user: int, at: int, code: str | None = "aaa", **fields: Any) -> int:
        number = self.write("GUILD_MEMBER_ADD", at, user_id=str(user), member_count=9)
        self.write(
            "INVITE_USE",
            at,
            **{
                "user_id": str(user),
                "code": code,
                "method": "invite",
                "inviter_id": str(INVITER),
                "knowable": True,
            }
            | fields,
        )
        return number

    def judge(self, *rows: InviteRow) -> dict[str, bool]:
        self._path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in self._lines))
        observed = Observed("sql", {}, uses=rows)
        return {line.quantity: line.ok for line in compare(load_expected(self._path), {"sql": observed})}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "ledger.jsonl")


def row(user: int, code: str | None = "aaa", confidence: str = "exact", **fields: Any) -> InviteRow:
    return InviteRow(
        **{
            "guild_id": G,
            "invitee_id": user,
            "invite_code": code,
            "inviter_id": INVITER if code else None,
            "method": "invite",
            "confidence": confidence,
        }
        | fields
    )


RIGHT = {"invite rows": True, "exact invite rows": True}


def test_a_true_row_is_right_and_a_wrong_missing_or_extra_one_is_not(book: Book) -> None:
    book.join(1, 0)
    assert book.judge(row(1)) == RIGHT
    for rows in (
        (),
        (row(1), row(1)),
        (row(1), row(2)),
        (row(1, "bbb"),),
        (row(1, inviter_id=51),),
        (row(1, method="vanity"),),
        (row(1, confidence="sure"),),
    ):
        assert not book.judge(*rows)["invite rows"]


def test_ambiguous_must_hold_the_truth_and_unknown_must_name_nothing(book: Book) -> None:
    book.join(1, 0)
    book.join(2, 100, "bbb")
    among = {"confidence": "ambiguous", "candidates": frozenset({"aaa", "bbb"})}
    assert book.judge(row(1, None, **among), row(2, None, **among)) == RIGHT
    only = {"confidence": "ambiguous", "candidates": frozenset({"aaa"})}
    assert not book.judge(row(1, None, **among), row(2, None, **only))["invite rows"]
    assert not book.judge(row(1, "aaa", **among), row(2, None, **among))["invite rows"]
    unknown = {"confidence": "unknown", "method": "unknown"}
    assert book.judge(row(1, None, **unknown), row(2, "bbb", "probable")) == RIGHT
    assert not book.judge(row(1, "aaa", **unknown), row(2, None, **unknown))["invite rows"]


def test_an_unannounced_invite_may_be_missing_among_the_candidates(book: Book) -> None:
    only = {"confidence": "ambiguous", "candidates": frozenset({"aaa"})}
    book.write("INVITE_CREATE", 0, code="bbb", visible=False)
    book.join(1, 100)
    book.join(2, 200, "bbb")
    assert book.judge(row(1, None, **only), row(2, None, **only)) == RIGHT
    assert not book.judge(row(1, None, **only), row(2, "aaa"))["invite rows"]


def test_joins_that_were_clear_have_to_be_exact(book: Book) -> None:
    for user in range(200):
        book.join(user, user * FAR)
    unsure = [row(user, None, "unknown") for user in range(2)]
    sure = [row(user) for user in range(2, 200)]
    assert book.judge(*unsure, *sure) == RIGHT
    assert not book.judge(*unsure, row(2, None, "unknown"), *sure[1:])["exact invite rows"]


@pytest.mark.parametrize(
    "disturb",
    [
        lambda book: book.join(999, FAR + 1000, "bbb"),
        lambda book: book.write("INVITE_EXPIRED", FAR - 1000, code="bbb"),
        lambda book: book.write("PERMISSION", FAR - 5000, name="manage_guild", granted=True),
        lambda book: book.write("OUTAGE", FAR - 5000, unavailable=False),
        lambda book: book.write("GUILD_DELETE", FAR + 2000),
        lambda book: book.write("GAP", FAR - 5000, **{"from": FAR - 9000, "to": FAR - 5000}),
        lambda book: book.write("GAP", FAR + 9000, **{"from": FAR + 2000, "to": FAR + 9000}),
    ],
)
def test_another_change_at_the_same_time_makes_a_join_unclear(
    book: Book, disturb: Callable[[Book], Any]
) -> None:
    for user in range(3):
        book.join(user, FAR)
    disturb(book)
    rows = [row(user, None, "unknown") for user in range(3)]
    assert book.judge(*rows, row(999, None, "unknown"))["exact invite rows"]


def test_a_burst_by_one_invite_is_clear(book: Book) -> None:
    for user in range(3):
        book.join(user, FAR + user)
    assert not book.judge(*(row(user, None, "unknown") for user in range(3)))["exact invite rows"]
    assert book.judge(*(row(user) for user in range(3))) == RIGHT


def test_close_joins_by_several_invites_are_not_clear(book: Book) -> None:
    for user in range(20):
        book.join(user, FAR + 2_000 * user, "aaa" if user else "bbb")
    book.join(20, 3 * FAR)
    unknown = [row(user, None, "unknown") for user in range(20)]
    assert book.judge(*unknown, row(20)) == RIGHT


def test_joins_far_enough_apart_are_clear(book: Book) -> None:
    for user in range(3):
        book.join(user, FAR + 3_001 * user, "aaa" if user else "bbb")
    assert not book.judge(*(row(user, None, "unknown") for user in range(3)))["exact invite rows"]


@pytest.mark.parametrize(("pause", "clear"), [(3_900, 0), (4_001, 3)])
def test_a_join_soon_after_a_burst_is_not_clear(book: Book, pause: int, clear: int) -> None:
    for user in range(10):
        book.join(user, FAR + user, "aaa" if user % 2 else "bbb")
    for user in range(10, 13):
        book.join(user, FAR + pause + user)
    rows = [row(user, None, "unknown", method="unknown") for user in range(13)]
    assert book.judge(*rows)["exact invite rows"] is (clear == 0)


def test_nine_joins_are_not_a_burst(book: Book) -> None:
    for user in range(9):
        book.join(user, FAR + user, "aaa" if user % 2 else "bbb")
    for user in range(9, 12):
        book.join(user, FAR + 3_100 + user)
    rows = [row(user, None, "unknown", method="unknown") for user in range(12)]
    assert not book.judge(*rows)["exact invite rows"]


def test_a_join_right_after_the_start_is_not_clear(book: Book) -> None:
    for user in range(3):
        book.join(user, user - FAR)
    assert book.judge(*(row(user, None, "unknown") for user in range(3))) == RIGHT


def test_what_cannot_be_known_need_not_be(book: Book) -> None:
    for user in range(3):
        book.join(user, user * FAR, knowable=False)
    assert book.judge(*(row(user, None, "unknown", method="unknown") for user in range(3))) == RIGHT


def test_a_bot_joins_by_oauth_of_any_inviter(book: Book) -> None:
    book.join(1, 0, None, method="oauth")
    assert book.judge(row(1, None, method="oauth", inviter_id=INVITER)) == RIGHT
    assert book.judge(row(1, None, method="oauth", inviter_id=None)) == RIGHT
    assert not book.judge(row(1, None, method="oauth", inviter_id=51))["invite rows"]


def test_a_lost_join_may_be_missing(book: Book) -> None:
    book.write("LOST", 0, refs=[book.join(1, 0)], reason="session timed out")
    assert book.judge() == RIGHT
    assert book.judge(row(1)) == RIGHT


def test_joins_of_one_user_are_paired_by_their_order(book: Book) -> None:
    book.join(1, 0, "aaa")
    book.join(1, FAR, "bbb")
    assert book.judge(row(1, "aaa"), row(1, "bbb")) == RIGHT
    assert not book.judge(row(1, "bbb"), row(1, "aaa"))["invite rows"]


def test_without_uses_in_the_ledger_nothing_is_compared(book: Book) -> None:
    book.write("GUILD_MEMBER_ADD", 0, user_id="1", member_count=9)
    assert "invite rows" not in book.judge(row(1))

"""Answers that say nothing about the question, through the whole pipeline: the question is put again."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.pipeline import Pipeline
from tests.entry_data import fields_of
from tests.goldens.script import READY, Step, audit, begin, step
from tests.site import Site

NO = (
    (0, None),
    (401, {"message": "401: Unauthorized", "code": 0}),
    (403, None),
    (403, {"message": "internal network error", "code": 40333}),
    (403, {"message": "Missing Access", "code": 50001}),
    (403, {"message": "Missing Permissions", "code": 50013}),
    (404, None),
    (404, {"message": "Unknown Guild", "code": 10004}),
    (408, None),
    (429, None),
    (429, {"message": "You are being rate limited.", "retry_after": 1.0}),
    (500, None),
    (503, None),
    (200, None),
    (200, {"ok": True}),
)
"""What is answered: status and body. The bot's roles say that it may read all it asks for."""


class Play:
    """One guild, its dispatches and its answers, on a held clock."""

    def __init__(self, site: Site, pipeline: Pipeline, asked: list[RestRequest]) -> None:
        self.site = site
        self.pipeline = pipeline
        self.asked = asked

    async def wait(self, seconds: int, step: int = 1) -> None:
        """Time passes."""
        for _ in range(seconds // step):
            self.site.clock.advance(step)
            await self.pipeline.tick()

    def feed(self, *steps: Step) -> None:
        for one in steps:
            self.site.feed(self.pipeline, one.dispatch, one.data)

    def join(self, user_id: int) -> None:
        now = dt.datetime.fromtimestamp(self.site.clock.now_ms() / 1000, dt.UTC)
        user = {"id": str(user_id), "username": f"p{user_id}", "discriminator": "0"}
        self.feed(step("GUILD_MEMBER_ADD", "person", joined_at=now.isoformat(), user=user))

    def take(self, kind: RequestKind, purpose: str = "") -> list[RestRequest]:
        """The requests put since."""
        found = [one for one in self.asked if one.kind is kind and one.purpose.startswith(purpose)]
        for one in found:
            self.asked.remove(one)
        return found

    def answer(self, request: RestRequest, status: int, body: object) -> None:
        data = {"request": msgspec.to_builtins(request), "status": status, "body": body}
        self.site.feed(self.pipeline, request.dispatch, data)

    def id_at(self, seconds_ago: float, number: int = 0) -> str:
        at = round(self.site.clock.now_ms() - seconds_ago * 1000)
        return str((at - DISCORD_EPOCH_MS << 22) + number)

    async def rows(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all entries of a type."""
        assert await self.pipeline.flush()
        return [dict(fields_of(entry)) for entry in await self.site.entries(kind)]


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Play]:
    site = Site(tmp_path)
    asked: list[RestRequest] = []
    site.submit = asked.append
    yield Play(site, await site.start(), asked)
    await site.close()


def invites(uses: int) -> list[dict[str, Any]]:
    return [{"code": "aaa", "uses": uses, "max_uses": 0, "inviter": {"id": "9", "username": "m"}}]


@pytest.mark.parametrize(("status", "body"), NO)
async def test_a_reading_of_invites_that_failed_once_costs_no_join(
    play: Play, status: int, body: object
) -> None:
    play.feed(*begin())
    await play.wait(3)
    (first,) = play.take(RequestKind.INVITES)
    play.answer(first, 200, invites(3))
    await play.wait(10)
    play.join(1001)
    await play.wait(2)
    (second,) = play.take(RequestKind.INVITES)
    play.answer(second, status, body)
    for uses in (4, 5):
        for _ in range(40):
            await play.wait(1)
            for request in play.take(RequestKind.INVITES):
                play.answer(request, 200, invites(uses))
        if uses == 4:
            await play.wait(3600, step=10)
            play.join(1002)
    last = {row["invitee_id"]: row for row in await play.rows("INVITE_USE")}
    assert {who: (row["invite_code"], row["method"], row["confidence"]) for who, row in last.items()} == {
        1001: ("aaa", "invite", "exact"),
        1002: ("aaa", "invite", "exact"),
    }


@pytest.mark.parametrize(("status", "body"), NO)
async def test_a_kick_in_an_absence_is_recovered_once_whatever_was_answered_at_first(
    play: Play, status: int, body: object
) -> None:
    play.feed(*begin())
    await play.wait(30)
    play.asked.clear()
    play.site.clock.advance(600)
    kick = audit("kick", id=play.id_at(300)).data
    live = [audit("ban", id=play.id_at(-number, number)) for number in range(6)]
    play.feed(*begin())
    for second in range(60):
        await play.wait(1)
        if second % 10 == 5:
            play.feed(live[second // 10])
        if second == 30:
            play.feed(READY, *begin()[1:])
        for request in play.take(RequestKind.AUDIT_LOG, "catch-up"):
            play.answer(request, status, body)
    log = sorted([kick, *(one.data for one in live)], key=lambda entry: int(entry["id"]))
    waited = 0
    while not (requests := play.take(RequestKind.AUDIT_LOG, "catch-up")):
        waited += 1
        await play.wait(1)
        assert waited <= 120
    for _ in range(3):
        for request in requests:
            page = [entry for entry in log if int(entry["id"]) > request.after]
            play.answer(request, 200, {"audit_log_entries": page, "users": []})
        await play.wait(100)
        requests = play.take(RequestKind.AUDIT_LOG)
    rows = await play.rows("GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert [(row["action"], row["recovered"]) for row in rows] == [("kick", True)]
    assert len(await play.rows("GUILD_BAN_ADD")) == 6

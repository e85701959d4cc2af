"""What changes within a session is what the stores show, without waiting for the next one.

Each test feeds dispatches to the real pipeline on a held clock, and delivers its entries to a database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from exporter.model import STORED, Priority
from exporter.pipeline import Pipeline
from exporter.state import channel_changes, known_bots
from tests.cases.test_payloads import BOT, OTHER, TEXT, USER, VOICE, begin, pass_seconds, total
from tests.entry_data import fields_of
from tests.sinks.sql.conftest import Store
from tests.site import GUILD, Site

Payload = Callable[[str, str], dict[str, Any]]
NEW = 197038439483310099
AWAY = 197038439483310091
THREAD = 1174000000000000001


class Session:
    """A pipeline within a session, and the database its entries go to."""

    def __init__(self, site: Site, pipeline: Pipeline, payload: Payload, store: Store) -> None:
        self.site, self.pipeline, self.payload, self.store = site, pipeline, payload, store
        self.messages = 0

    def channel(self, what: str, channel: int, **fields: object) -> None:
        data = self.payload("CHANNEL_CREATE", "text") | {"id": str(channel)} | fields
        self.site.feed(self.pipeline, f"CHANNEL_{what}", data)

    def thread(self, what: str, **fields: object) -> None:
        data = self.payload("THREAD_CREATE", "new") | fields
        self.site.feed(self.pipeline, f"THREAD_{what}", data)

    def say(self, channel: int) -> None:
        self.messages += 1
        message = self.payload("MESSAGE_CREATE", "human")
        message |= {"id": str(int(message["id"]) + self.messages), "channel_id": str(channel)}
        self.site.feed(self.pipeline, "MESSAGE_CREATE", message)

    def guild(self, *, without: tuple[int, ...] = (), **fields: object) -> None:
        whole = self.payload("GUILD_CREATE", "full") | {"voice_states": []} | fields
        whole["channels"] = [each for each in whole["channels"] if int(each["id"]) not in without]
        self.site.feed(self.pipeline, "GUILD_CREATE", whole)

    async def deliver(self) -> None:
        await self.pipeline.flush()
        for lane in Priority:
            batch = await self.site.spool.read("x", lane, max_rows=100_000, max_bytes=2**30)
            if batch:
                assert await self.store.sink.deliver(batch) == STORED

    async def ask(self, query: str) -> list[tuple[Any, ...]]:
        await self.deliver()
        async with self.store.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def listed(self) -> dict[str, str | None]:
        """Names of the channels there are, with their categories' names."""
        rows = await self.ask("SELECT channel_name, category_name FROM v_channels")
        return {str(name): category for name, category in rows}

    async def table(self) -> dict[int, tuple[str | None, bool]]:
        """Name of every channel stored, and whether it is there."""
        rows = await self.ask("SELECT channel_id, name, deleted_at FROM channels")
        return {channel: (name, deleted is None) for channel, name, deleted in rows}


@pytest.fixture
async def session(site: Site, payload: Payload, store: Store) -> Session:
    return Session(site, await begin(site, payload), payload, store)


async def test_channels_have_the_names_they_have_now_and_deleted_ones_are_not_listed(
    session: Session,
) -> None:
    before = await session.listed()
    session.channel("CREATE", NEW, name="lobby")
    session.say(NEW)
    session.channel("UPDATE", TEXT, name="renamed")
    session.say(TEXT)
    session.channel("DELETE", AWAY)
    days = await session.ask("SELECT channel_name, messages FROM v_channel_daily ORDER BY 1")
    assert days == [("lobby", 1), ("renamed", 1)]
    gone = session.payload("GUILD_CREATE", "full")["channels"]
    (name,) = [each["name"] for each in gone if each["id"] == str(AWAY)]
    after = await session.listed()
    assert name in before
    assert set(after) == (set(before) - {name, "general"}) | {"lobby", "renamed"}


async def test_a_deleted_channel_keeps_its_name_for_its_past(session: Session) -> None:
    session.say(TEXT)
    session.channel("DELETE", TEXT)
    assert await session.ask("SELECT channel_name, messages FROM v_channel_daily") == [("general", 1)]
    assert "general" not in await session.listed()


async def test_a_channel_created_and_deleted_within_a_moment_is_not_listed(session: Session) -> None:
    session.channel("CREATE", NEW, name="lobby")
    session.channel("DELETE", NEW)
    assert "lobby" not in await session.listed()


async def test_a_category_that_is_renamed_and_a_channel_that_is_moved_are_shown_so(session: Session) -> None:
    session.channel("CREATE", NEW, name="wing", type=4)
    session.channel("UPDATE", TEXT, name="general", parent_id=str(NEW))
    assert (await session.listed())["general"] == "wing"
    session.channel("UPDATE", NEW, name="hall", type=4)
    assert (await session.listed())["general"] == "hall"
    session.channel("UPDATE", TEXT, name="general", parent_id=None)
    assert (await session.listed())["general"] is None


async def test_threads_follow_as_well(session: Session) -> None:
    session.thread("CREATE")
    assert (await session.table())[THREAD] == ("release party", True)
    session.thread("UPDATE", name="after party")
    assert (await session.table())[THREAD] == ("after party", True)
    session.thread("DELETE")
    assert (await session.table())[THREAD] == ("after party", False)


async def test_an_invite_to_a_deleted_channel_is_not_valid(session: Session) -> None:
    invite = session.payload("INVITE_CREATE", "for a week") | {"channel_id": str(TEXT)}
    session.site.feed(session.pipeline, "INVITE_CREATE", invite)
    (before,) = await session.ask("SELECT deleted_at FROM v_invites WHERE NOT (channel_name IS NULL)")
    session.channel("DELETE", TEXT)
    (after,) = await session.ask("SELECT valid FROM v_invites")
    assert (before, bool(after[0])) == ((None,), False)


async def test_a_sync_marks_what_it_does_not_list_and_an_outage_hides_nothing(session: Session) -> None:
    session.thread("CREATE")
    session.channel("CREATE", NEW, name="lobby")
    assert all(there for _, there in (await session.table()).values())
    # What happened in an outage: one channel went, one was renamed, no session began.
    session.site.feed(session.pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    session.guild(without=(AWAY,))
    after = await session.table()
    assert {channel for channel, (_, there) in after.items() if not there} == {AWAY, NEW}
    # And while no session was there: the sync says it.
    session.site.feed(session.pipeline, "READY", session.payload("READY", "without shards"))
    session.guild(without=(AWAY, VOICE))
    after = await session.table()
    assert {channel for channel, (_, there) in after.items() if not there} == {AWAY, NEW, VOICE}
    # One that is listed again was not deleted.
    session.site.feed(session.pipeline, "READY", session.payload("READY", "without shards"))
    session.guild()
    after = await session.table()
    assert {channel for channel, (_, there) in after.items() if not there} == {NEW}


async def test_a_guild_without_a_list_of_channels_loses_none(session: Session) -> None:
    await session.deliver()
    session.site.feed(session.pipeline, "READY", session.payload("READY", "without shards"))
    session.guild(without=tuple(await session.table()))
    assert all(there for _, there in (await session.table()).values())


async def test_a_channel_moved_in_an_outage_is_shown_so(session: Session) -> None:
    session.channel("CREATE", NEW, name="wing", type=4)
    whole = session.payload("GUILD_CREATE", "full")["channels"]
    wing = whole[0] | {"id": str(NEW), "name": "wing", "type": 4}
    session.site.feed(session.pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    session.guild(channels=[*whole, wing])
    assert (await session.listed())["general"] is None
    session.site.feed(session.pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    session.guild(channels=[whole[0] | {"parent_id": str(NEW)}, *whole[1:], wing])
    assert (await session.listed())["general"] == "wing"


async def test_settings_of_the_guild_follow(session: Session) -> None:
    settings = session.payload("GUILD_CREATE", "full")
    changed = {"name": "Friendlier place", "icon": None, "owner_id": str(OTHER), "features": ["COMMUNITY"]}
    session.site.feed(session.pipeline, "GUILD_UPDATE", settings | changed)
    (found,) = await session.ask("SELECT guild_name, icon_url, owner_id FROM v_guilds")
    assert found == ("Friendlier place", None, str(OTHER))


async def test_many_updates_of_a_channel_are_one_record(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    for number in range(9):
        data = payload("CHANNEL_CREATE", "text") | {"name": f"lobby-{number}"}
        site.feed(pipeline, "CHANNEL_UPDATE", data)
        await pass_seconds(site, pipeline, 1)
    assert await site.entries("GUILD_CHANNELS") == []
    await pass_seconds(site, pipeline, 2)
    await pipeline.flush()
    (entry,) = await site.entries("GUILD_CHANNELS")
    assert fields_of(entry) == {"channels": [[TEXT, "lobby-8", 0, 0]], "deleted": []}


async def test_no_more_changes_wait_than_are_allowed(
    site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_changes, "MAX_CHANGES", 3)
    pipeline = await begin(site, payload)
    for number in range(7):
        site.feed(pipeline, "CHANNEL_CREATE", payload("CHANNEL_CREATE", "text") | {"id": str(NEW + number)})
    await pipeline.flush()
    assert [len(fields_of(entry)["channels"]) for entry in await site.entries("GUILD_CHANNELS")] == [3, 3, 1]


# ---------------------------------------------------------------- kind G: bots receive nothing


def _message(payload: Payload, author: int) -> dict[str, Any]:
    message = payload("MESSAGE_CREATE", "bot")
    message["author"] |= {"id": str(author)}
    return message


def _reaction(payload: Payload, author: int) -> dict[str, Any]:
    return payload("MESSAGE_REACTION_ADD", "unicode") | {"message_author_id": str(author)}


def _join(payload: Payload) -> dict[str, Any]:
    join = payload("GUILD_MEMBER_ADD", "person")
    join["user"] |= {"id": str(BOT), "bot": True}
    return join


def _in_voice(payload: Payload) -> dict[str, Any]:
    state = payload("VOICE_STATE_UPDATE", "enter") | {"user_id": str(BOT)}
    state["member"]["user"] |= {"id": str(BOT), "bot": True}
    return state


def _reacting(payload: Payload) -> dict[str, Any]:
    reaction = _reaction(payload, USER) | {"user_id": str(BOT)}
    reaction["member"]["user"] |= {"id": str(BOT), "bot": True}
    return reaction


def _member(payload: Payload) -> dict[str, Any]:
    user = {"id": str(BOT), "username": "helper", "discriminator": "0", "bot": True}
    return payload("GUILD_CREATE", "full") | {"members": [{"user": user, "roles": []}], "voice_states": []}


SEEN = {
    "message": ("MESSAGE_CREATE", lambda payload: _message(payload, BOT)),
    "join": ("GUILD_MEMBER_ADD", _join),
    "voice": ("VOICE_STATE_UPDATE", _in_voice),
    "reaction": ("MESSAGE_REACTION_ADD", _reacting),
    "guild": ("GUILD_CREATE", _member),
}


@pytest.mark.parametrize(("dispatch", "make"), SEEN.values(), ids=SEEN)
async def test_a_bot_receives_no_reactions_wherever_it_was_seen(
    site: Site, payload: Payload, dispatch: str, make: Callable[[Payload], dict[str, Any]]
) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, dispatch, make(payload))
    given = total(pipeline, "reactions", "normal")
    received = total(pipeline, "reactions_received")
    site.feed(pipeline, "MESSAGE_REACTION_ADD", _reaction(payload, BOT))
    assert total(pipeline, "reactions", "normal") == given + 1
    assert total(pipeline, "reactions_received") == received


async def test_a_webhook_receives_no_reactions(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    message = payload("MESSAGE_CREATE", "webhook")
    site.feed(pipeline, "MESSAGE_CREATE", message)
    site.feed(pipeline, "MESSAGE_REACTION_ADD", _reaction(payload, int(message["author"]["id"])))
    assert total(pipeline, "reactions_received") == 0


async def test_a_bot_is_known_after_a_restart(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "MESSAGE_CREATE", _message(payload, BOT))
    await pipeline.stop()
    pipeline = await begin(site, payload)
    site.feed(pipeline, "MESSAGE_REACTION_ADD", _reaction(payload, BOT))
    assert total(pipeline, "reactions_received") == 0


async def test_the_bots_known_have_a_bound_and_the_first_seen_is_forgotten_first(
    site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_bots, "MAX_BOTS", 3)
    pipeline = await begin(site, payload)
    for number in range(4):
        message = _message(payload, BOT + number)
        site.feed(pipeline, "MESSAGE_CREATE", message | {"id": str(int(message["id"]) + number)})
    for number, received in ((0, 1), (1, 1), (2, 1), (3, 1)):
        reaction = _reaction(payload, BOT + number) | {"message_id": str(number)}
        site.feed(pipeline, "MESSAGE_REACTION_ADD", reaction)
        assert total(pipeline, "reactions_received") == received

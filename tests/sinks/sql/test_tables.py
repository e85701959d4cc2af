"""What each table holds after which entries, in both dialects."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text

from exporter.model import STORED, Entry, Priority
from exporter.sinks.sql.schema import (
    channel_daily,
    channels,
    deliveries,
    guild_daily,
    guild_events,
    guilds,
    invite_tracking,
    invites,
    member_daily,
    member_events,
    member_stats,
    members,
    metrics_snapshots,
    moderation_logs,
)
from tests.entry_data import entry_of, fields_of
from tests.sinks.sql.conftest import Store
from tests.sinks.sql.entries import (
    ANN,
    BOB,
    GUILD,
    MINUTE,
    MOD,
    NOON,
    active,
    activity,
    attribution,
    ban,
    guild,
    invite,
    join,
    leave,
    metrics,
)

DAY = dt.date(2026, 1, 31)
CHANNEL = 555
HOSTILE = "Robert'); DROP TABLE members;-- %s :name $1 {} \\ \" 🦆"


async def stored(store: Store, *entries: Entry, lane: Priority = Priority.CRITICAL) -> None:
    assert await store.deliver(*entries, lane=lane) == STORED


class TestModeration:
    async def test_a_ban_is_a_row_with_who_whom_when_and_why(self, store: Store) -> None:
        await stored(
            store,
            ban(moderator_id=MOD, moderator_username="mod", reason="spam", audit_entry_id=77, extra=[1]),
        )
        assert await store.only(moderation_logs) == {
            "event_key": "ban:1",
            "guild_id": GUILD,
            "action": "ban",
            "target_user_id": ANN,
            "target_username": "ann",
            "moderator_id": MOD,
            "moderator_username": "mod",
            "reason": "spam",
            "audit_entry_id": 77,
            "recovered": False,
            "at": NOON,
            "details": {"extra": [1]},
            "created_at": store.clock.now_ms(),
        }

    async def test_the_action_follows_from_the_type_where_the_data_does_not_say(self, store: Store) -> None:
        for number, kind in enumerate(("GUILD_BAN_ADD", "GUILD_BAN_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE")):
            await stored(store, entry_of(kind, {}, guild=GUILD, at=NOON, key=f"k{number}"))
        rows = await store.read(moderation_logs)
        assert [row["action"] for row in rows] == ["ban", "unban", "guild_audit_log_entry_create"]

    async def test_an_unknown_actor_stays_unknown(self, store: Store) -> None:
        await stored(store, ban(moderator_id=0, audit_entry_id=None))
        row = await store.only(moderation_logs)
        assert (row["moderator_id"], row["audit_entry_id"]) == (None, None)

    async def test_one_action_found_twice_is_one_row(self, store: Store) -> None:
        again = ban("audit:77", audit_entry_id=77, recovered=True)
        await stored(store, ban(), ban(amends=True, audit_entry_id=77), again)
        await stored(store, again)
        row = await store.only(moderation_logs)
        assert (row["event_key"], row["audit_entry_id"], row["recovered"]) == ("ban:1", 77, False)

    async def test_a_recovered_action_is_marked(self, store: Store) -> None:
        await stored(store, ban(recovered=True))
        assert (await store.only(moderation_logs))["recovered"] is True

    async def test_rows_keep_the_time_they_were_made(self, store: Store) -> None:
        made = store.clock.now_ms()
        await stored(store, ban())
        store.clock.advance(60)
        await stored(store, ban(amends=True, reason="later"))
        row = await store.only(moderation_logs)
        assert (row["created_at"], row["reason"]) == (made, "later")

    async def test_data_cannot_forge_the_columns_that_are_not_its_own(self, store: Store) -> None:
        forged = {"id": 9, "event_key": "other", "guild_id": 1, "at": 5, "created_at": 6, "details": {"a": 1}}
        await stored(store, entry_of("GUILD_BAN_ADD", forged, guild=GUILD, at=NOON, key="ban:1"))
        row = await store.only(moderation_logs)
        assert (row["event_key"], row["guild_id"], row["at"]) == ("ban:1", GUILD, NOON)
        assert row["created_at"] == store.clock.now_ms()
        assert row["details"] == forged


class TestMembers:
    async def test_a_join_and_a_leave_are_events_and_make_the_member(self, store: Store) -> None:
        await stored(store, join(at=NOON), leave(at=NOON + MINUTE))
        came, went = await store.read(member_events)
        assert (came["event"], came["reason"], came["tenure_seconds"]) == ("join", None, None)
        assert (went["event"], went["reason"], went["tenure_seconds"]) == ("leave", "leave", 60.0)
        assert await store.only(members) == {
            "guild_id": GUILD,
            "user_id": ANN,
            "username": f"user{ANN}",
            "bot": False,
            "joined_at": NOON,
            "left_at": NOON + MINUTE,
        }

    async def test_tenure_is_counted_from_a_join_in_an_earlier_batch(self, store: Store) -> None:
        await stored(store, join(at=NOON), join(BOB, at=NOON))
        await stored(store, leave(at=NOON + 1500), leave(BOB, at=NOON + 2500))
        rows = await store.read(member_events)
        assert [row["tenure_seconds"] for row in rows if row["event"] == "leave"] == [1.5, 2.5]

    async def test_tenure_is_unknown_where_the_join_was_not_seen(self, store: Store) -> None:
        await stored(store, leave())
        assert (await store.only(member_events))["tenure_seconds"] is None

    async def test_a_rejoin_in_the_same_batch_ends_the_absence(self, store: Store) -> None:
        await stored(store, join(at=NOON), leave(at=NOON + 1000), join(at=NOON + 5000), leave(BOB, at=NOON))
        rows = await store.read(member_events)
        assert [row["tenure_seconds"] for row in rows if row["event"] == "leave"] == [1.0, None]
        ann, bob = await store.read(members)
        assert (ann["joined_at"], ann["left_at"]) == (NOON + 5000, None)
        assert (bob["joined_at"], bob["left_at"]) == (None, NOON)

    async def test_a_leave_reported_after_the_rejoin_does_not_remove_the_member(self, store: Store) -> None:
        await stored(store, join(at=NOON + 5000))
        await stored(store, leave(at=NOON))
        assert (await store.only(members))["left_at"] is None
        await stored(store, leave(at=NOON + 9000))
        assert (await store.only(members))["left_at"] == NOON + 9000

    async def test_a_name_is_never_lost_to_an_empty_one(self, store: Store) -> None:
        await stored(store, join(username="ann"))
        await stored(store, leave(at=NOON + 1, username=""))
        assert (await store.only(members))["username"] == "ann"

    async def test_an_invite_attributed_later_fills_the_join(self, store: Store) -> None:
        came = join()
        await stored(store, came)
        await stored(store, attribution(came, invite_code="abc", inviter_id=MOD))
        row = await store.only(member_events)
        assert (row["invite_code"], row["inviter_id"], row["user_id"]) == ("abc", MOD, ANN)


class TestGuilds:
    async def test_a_sync_fills_guild_and_channels_and_is_no_happening(self, store: Store) -> None:
        entry = guild(
            name="Guild",
            icon="abc",
            owner_id=MOD,
            member_count=12,
            features=["COMMUNITY"],
            premium_tier=1,
            premium_subscription_count=3,
            joined_at=NOON - MINUTE,
            channels=[[1, "general", 0, 0], [2, "voice", 2, 1]],
        )
        await stored(store, entry)
        assert await store.only(guilds) == {
            "guild_id": GUILD,
            "name": "Guild",
            "icon": "abc",
            "owner_id": MOD,
            "member_count": 12,
            "features": ["COMMUNITY"],
            "premium_tier": 1,
            "premium_subscription_count": 3,
            "joined_at": NOON - MINUTE,
            "left_at": None,
            "updated_at": NOON,
        }
        assert await store.read(channels) == [
            {
                "guild_id": GUILD,
                "channel_id": number,
                "name": name,
                "type": kind,
                "parent_id": parent,
                "deleted_at": None,
            }
            for number, name, kind, parent in ((1, "general", 0, None), (2, "voice", 2, 1))
        ]
        assert await store.read(guild_events) == []

    async def test_what_happens_to_a_guild_is_an_event(self, store: Store) -> None:
        await stored(
            store,
            guild("GUILD_CREATE", name="Guild"),
            guild("GUILD_UPDATE", NOON + 1, name="New", changes={"name": {"old": "Guild", "new": "New"}}),
            guild("GUILD_DELETE", NOON + 2, name="New"),
        )
        rows = await store.read(guild_events)
        assert [row["type"] for row in rows] == ["GUILD_CREATE", "GUILD_DELETE", "GUILD_UPDATE"]
        assert rows[2]["details"] == {"name": "New", "changes": {"name": {"old": "Guild", "new": "New"}}}
        row = await store.only(guilds)
        assert (row["name"], row["left_at"], row["updated_at"]) == ("New", NOON + 2, NOON + 2)

    async def test_being_invited_back_ends_the_absence(self, store: Store) -> None:
        await stored(store, guild("GUILD_DELETE", NOON, name="Guild"))
        await stored(store, guild("GUILD_CREATE", NOON + 1, name="Guild"))
        assert (await store.only(guilds))["left_at"] is None

    async def test_an_icon_taken_away_is_gone_but_an_unknown_one_stays(self, store: Store) -> None:
        await stored(store, guild(icon="abc", name="Guild"))
        await stored(store, guild("GUILD_UPDATE", NOON + 1, name="Guild"))
        assert (await store.only(guilds))["icon"] == "abc"
        await stored(store, guild("GUILD_UPDATE", NOON + 2, icon=None))
        assert (await store.only(guilds))["icon"] == ""

    async def test_older_news_fills_gaps_and_changes_nothing_else(self, store: Store) -> None:
        await stored(store, guild(at=NOON + 10, name="New"))
        await stored(store, guild(at=NOON, name="Old", icon="abc"))
        row = await store.only(guilds)
        assert (row["name"], row["icon"], row["updated_at"]) == ("New", "abc", NOON + 10)

    async def test_a_gauge_counts_the_members_unless_a_later_row_of_the_guild_did(self, store: Store) -> None:
        await stored(store, guild(at=NOON, name="Guild", member_count=10))
        late = metrics(at=NOON - 5 * MINUTE, gauges={"members": 5})
        await stored(store, late, lane=Priority.SLOW)
        assert (await store.only(guilds))["member_count"] == 10
        await stored(store, metrics(at=NOON, gauges={"members": 11}), lane=Priority.SLOW)
        row = await store.only(guilds)
        assert (row["member_count"], row["updated_at"], row["name"]) == (11, NOON, "Guild")

    async def test_a_gauge_may_come_before_the_guild(self, store: Store) -> None:
        await stored(store, metrics(gauges={"members": 7}), lane=Priority.SLOW)
        assert (await store.only(guilds))["member_count"] == 7
        await stored(store, guild("GUILD_DELETE", NOON + 1, name="Guild"))
        row = await store.only(guilds)
        assert (row["member_count"], row["name"], row["left_at"]) == (7, "Guild", NOON + 1)

    async def test_a_channel_takes_its_new_name(self, store: Store) -> None:
        await stored(store, guild(channels=[[1, "old", 0, 9]]))
        await stored(store, guild(at=NOON + 1, channels=[[1, "new", 0, 0]]))
        assert await store.only(channels) == {
            "guild_id": GUILD, "channel_id": 1, "name": "new", "type": 0, "parent_id": None,
            "deleted_at": None,
        }  # fmt: skip


class TestInvites:
    async def test_an_invite_lives_and_ends_in_one_row(self, store: Store) -> None:
        made = invite(
            code="abc",
            channel_id=CHANNEL,
            inviter_id=MOD,
            inviter_username="mod",
            max_uses=5,
            max_age=3600,
            temporary=False,
            uses=0,
            created_at=NOON,
            expires_at=NOON + 3_600_000,
        )
        await stored(store, made)
        await stored(store, invite("INVITE_DELETE", NOON + 9, code="abc", channel_id=CHANNEL))
        assert await store.only(invites) == {
            "guild_id": GUILD,
            "code": "abc",
            "channel_id": CHANNEL,
            "inviter_id": MOD,
            "inviter_username": "mod",
            "max_uses": 5,
            "max_age": 3600,
            "temporary": False,
            "uses": 0,
            "created_at": NOON,
            "expires_at": NOON + 3_600_000,
            "deleted_at": NOON + 9,
        }

    async def test_a_use_is_tracked_with_its_doubts(self, store: Store) -> None:
        used = invite(
            "INVITE_USE",
            invite_code="abc",
            inviter_id=MOD,
            invitee_id=ANN,
            method="uses",
            confidence="likely",
            candidates=["abc", "def"],
        )
        await stored(store, used)
        row = await store.only(invite_tracking)
        assert (row["invite_code"], row["invitee_id"], row["method"]) == ("abc", ANN, "uses")
        assert (row["candidates"], row["at"]) == (["abc", "def"], NOON)


class TestCounting:
    async def test_series_add_up_by_guild_and_channel(self, store: Store) -> None:
        one = metrics(
            ["messages", "human", CHANNEL, "", 3],
            ["messages", "bot", CHANNEL, "", 2],
            ["messages", "human", 0, "", 1],
            ["message_deletes", "single", CHANNEL, "", 1],
            ["message_deletes", "bulk", CHANNEL, "", 10],
            ["voice_seconds", "active", 7, "", 1500],
            ["voice_seconds", "muted", 7, "", 250],
            ["voice_seconds", "afk", 8, "", 3000],
            ["voice_seconds", "bot", 7, "", 40],
            ["voice_sessions", "", 0, "", 1],
            ["reactions", "normal", CHANNEL, "👍", 4],
            ["reactions", "super", CHANNEL, "🎉", 1],
            ["member_joins", "", 0, "", 2],
            ["member_leaves", "kick", 0, "", 1],
        )
        two = metrics(["messages", "human", CHANNEL, "", 5], at=NOON + MINUTE)
        await stored(store, one, two, lane=Priority.SLOW)
        await stored(
            store, metrics(["messages", "human", CHANNEL, "", 1], at=NOON + 2 * MINUTE), lane=Priority.SLOW
        )
        assert await store.only(guild_daily) == {
            "guild_id": GUILD,
            "day": DAY,
            "messages": 10,
            "bot_messages": 2,
            "webhook_messages": 0,
            "system_messages": 0,
            "message_edits": 0,
            "message_deletes": 11,
            "voice_seconds": 1.75,
            "bot_voice_seconds": 0.04,
            "voice_sessions": 1,
            "reactions": 5,
            "reactions_removed": 0,
            "joins": 2,
            "leaves": 1,
            "afk_voice_seconds": 3.0,
        }
        voice, away, text_channel = await store.read(channel_daily)
        assert (voice["channel_id"], voice["voice_seconds"], voice["bot_voice_seconds"]) == (7, 1.75, 0.04)
        assert (away["channel_id"], away["voice_seconds"], away["afk_voice_seconds"]) == (8, 0, 3.0)
        assert (text_channel["channel_id"], text_channel["messages"]) == (CHANNEL, 9)
        assert (text_channel["message_deletes"], text_channel["reactions"]) == (11, 5)

    async def test_members_of_a_metrics_snapshot_are_not_counted_again(self, store: Store) -> None:
        entry = metrics(["messages", "human", CHANNEL, "", 3], members=[["messages", "human", ANN, 3]])
        await stored(store, entry, lane=Priority.SLOW)
        assert await store.read(member_daily) == []
        assert await store.read(member_stats) == []

    async def test_a_window_belongs_to_the_utc_day_it_begins_in(self, store: Store) -> None:
        midnight = NOON + 12 * 60 * MINUTE
        await stored(
            store,
            metrics(["messages", "human", 0, "", 1], at=midnight - MINUTE),
            metrics(["messages", "human", 0, "", 2], at=midnight),
            metrics(["messages", "human", 0, "", 4], at=midnight - 1, key="crosses"),
            lane=Priority.SLOW,
        )
        rows = await store.read(guild_daily)
        assert [(row["day"], row["messages"]) for row in rows] == [(DAY, 5), (dt.date(2026, 2, 1), 2)]

    async def test_activity_adds_up_by_member_and_day_and_for_ever(self, store: Store) -> None:
        counts = (
            ["messages", "human", CHANNEL, 3],
            ["voice_seconds", "active", 7, 60_500],
            ["voice_seconds", "alone", 7, 500],
            ["voice_seconds", "afk", 8, 2000],
            ["voice_sessions", "", 0, 1],
            ["reactions", "normal", CHANNEL, 2],
            ["reactions_received", "", CHANNEL, 4],
            ["xp", "", 0, 60],
        )
        await stored(
            store,
            activity(active(ANN, *counts, name="ann", first=NOON + 5, last=NOON + 90)),
            activity(
                active(ANN, ["messages", "human", CHANNEL, 1], name="ann2", first=NOON - 1, last=NOON + 100),
                active(BOB, ["messages", "human", CHANNEL, 7], name="bob"),
                at=NOON + 24 * 60 * MINUTE,
            ),
            lane=Priority.SLOW,
        )
        first, second, bob = await store.read(member_daily)
        assert first == {
            "guild_id": GUILD,
            "user_id": ANN,
            "day": DAY,
            "messages": 3,
            "voice_seconds": 61.0,
            "voice_sessions": 1,
            "reactions_given": 2,
            "reactions_received": 4,
            "xp": 60,
            "afk_voice_seconds": 2.0,
        }
        assert (second["day"], second["messages"], bob["messages"]) == (dt.date(2026, 2, 1), 1, 7)
        total, _ = await store.read(member_stats)
        assert total == {
            "guild_id": GUILD,
            "user_id": ANN,
            "username": "ann2",
            "total_messages": 4,
            "total_voice_seconds": 61.0,
            "total_voice_sessions": 1,
            "total_reactions_given": 2,
            "total_reactions_received": 4,
            "total_xp": 60,
            "first_seen": NOON - 1,
            "last_seen": NOON + 100,
            "total_afk_voice_seconds": 2.0,
        }
        assert [row["username"] for row in await store.read(members)] == ["ann2", "bob"]

    @pytest.mark.parametrize("apart", [False, True])
    async def test_the_name_is_that_of_the_latest_activity(self, store: Store, *, apart: bool) -> None:
        new = activity(active(ANN, name="new", last=NOON + 50), key="a")
        old = activity(active(ANN, name="old", last=NOON + 10), key="b")
        nameless = activity(active(ANN, name="", last=NOON + 90), key="c")
        for batch in ((new,), (old,), (nameless,)) if apart else ((new, old, nameless),):
            await stored(store, *batch, lane=Priority.SLOW)
        row = await store.only(member_stats)
        assert (row["username"], row["first_seen"], row["last_seen"]) == ("new", NOON, NOON + 90)

    async def test_a_bots_voice_is_not_a_members(self, store: Store) -> None:
        await stored(store, activity(active(ANN, ["voice_seconds", "bot", 7, 1000])), lane=Priority.SLOW)
        assert await store.read(member_daily) == []
        assert (await store.only(member_stats))["total_voice_seconds"] == 0

    async def test_what_has_no_column_is_no_error(self, store: Store) -> None:
        entry = metrics(["presence", "online", 0, "", 3], ["messages", "robot", CHANNEL, "", 3])
        await stored(store, entry, lane=Priority.SLOW)
        assert await store.read(guild_daily) == []
        assert await store.read(channel_daily) == []


class TestSnapshots:
    async def test_they_are_not_kept_unless_asked(self, store: Store) -> None:
        await stored(store, metrics(["messages", "human", 0, "", 1]), lane=Priority.SLOW)
        assert await store.read(metrics_snapshots) == []

    async def test_they_are_kept_whole_with_their_totals(self, snapshot_store: Store) -> None:
        entry = metrics(
            ["messages", "human", CHANNEL, "", 3],
            ["voice_seconds", "active", 7, "", 1500],
            ["reactions", "normal", CHANNEL, "👍", 2],
            unique_users=4,
        )
        await stored(snapshot_store, entry, lane=Priority.SLOW)
        row = await snapshot_store.only(metrics_snapshots)
        assert row.pop("data") == fields_of(entry)
        assert row == {
            "event_key": entry.key,
            "guild_id": GUILD,
            "period_start": NOON,
            "period_end": NOON + MINUTE,
            "period_duration": 60.0,
            "total_messages": 3,
            "total_voice_seconds": 1.5,
            "total_reactions": 2,
            "unique_active_users": 4,
        }


class TestOtherEntries:
    @pytest.mark.parametrize("event_type", ["XP_GAIN", "MADE_UP_TOMORROW"])
    async def test_a_type_without_table_is_acknowledged(self, store: Store, event_type: str) -> None:
        await stored(store, entry_of(event_type, {"user_id": ANN}, guild=GUILD, at=NOON))
        everything = await store.everything()
        assert await store.only(deliveries) == {"source": "spool-a", "lane": 0, "position": 1}
        assert not any(rows for name, rows in everything.items() if name != "deliveries")

    async def test_hostile_text_is_only_text(self, store: Store) -> None:
        await stored(
            store,
            ban(HOSTILE, target_username=HOSTILE, reason=HOSTILE, note={HOSTILE: HOSTILE}),
            join(username=HOSTILE),
            guild(name=HOSTILE, channels=[[1, HOSTILE, 0, 0]]),
            invite(code=HOSTILE),
        )
        row = await store.only(moderation_logs)
        assert (row["event_key"], row["reason"], row["details"]) == (
            HOSTILE,
            HOSTILE,
            {"note": {HOSTILE: HOSTILE}},
        )
        assert (await store.only(members))["username"] == HOSTILE
        assert (await store.only(guilds))["name"] == HOSTILE
        assert (await store.only(channels))["name"] == HOSTILE
        assert (await store.only(invites))["code"] == HOSTILE

    async def test_largest_ids_and_distant_times_survive(self, store: Store) -> None:
        big, far = 2**63 - 1, 253_402_300_799_999
        await stored(store, ban(guild=big, at=far, target_user_id=big), join(big, at=-1))
        row = await store.only(moderation_logs)
        assert (row["guild_id"], row["target_user_id"], row["at"]) == (big, big, far)
        assert (await store.only(members))["joined_at"] == -1


class TestPlainSql:
    async def test_times_and_days_read_as_utc_in_plain_sql(self, store: Store, kind: str) -> None:
        await stored(store, ban(at=NOON + 123))
        await stored(store, metrics(["messages", "human", 0, "", 1]), lane=Priority.SLOW)
        queries: dict[str, tuple[Any, Any]] = {
            "sqlite": (
                "SELECT at, strftime('%s', at) * 1000, date(at) FROM moderation_logs",
                ("2026-01-31T12:00:00.123Z", NOON, "2026-01-31"),
            ),
            "postgresql": (
                "SELECT at AT TIME ZONE 'UTC', extract(epoch FROM at) * 1000, at::date FROM moderation_logs",
                (dt.datetime(2026, 1, 31, 12, 0, 0, 123_000), NOON + 123, DAY),  # noqa: DTZ001 - as SQL gives it
            ),
        }
        query, expected = queries[kind]
        async with store.engine.connect() as connection:
            assert tuple((await connection.execute(text(query))).one()) == expected
            day = (await connection.execute(text("SELECT day FROM guild_daily"))).scalar_one()
        assert str(day) == "2026-01-31"

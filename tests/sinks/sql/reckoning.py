"""What each view must show, reckoned from the rows of the tables the simple way: in Python, row by row."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.sinks.sql.communities import DAY, DISCORD_EPOCH, HOUR

Row = dict[str, Any]
Key = tuple[Any, ...]

EPOCH = dt.date(1970, 1, 1)
USERS = "https://discord.com/users/"
PLACES = "https://discord.com/channels/"


@dataclass(frozen=True)
class World:
    """The tables' rows by table, and when they are looked at: ``now`` in ms."""

    tables: Mapping[str, list[Row]]
    now: int

    @property
    def today(self) -> dt.date:
        return day_of(self.now)

    def ago(self, days: int) -> dt.date:
        return self.today - dt.timedelta(days=days)

    def since(self, table: str, hours: int) -> list[Row]:
        return [row for row in self.tables[table] if row["at"] >= self.now - hours * HOUR]

    def find(self, table: str, *key: Any, by: tuple[str, ...] = ("guild_id", "user_id")) -> Row:
        """The one row with this key, or an empty one."""
        return next((row for row in self.tables[table] if tuple(row[name] for name in by) == key), {})

    def here(self, guild: int, user: int | None) -> bool | None:
        member = self.find("members", guild, user)
        return member["left_at"] is None if member else None

    def stayed(self, join: Row, user: int) -> bool:
        """Whether the member is in the guild since this join."""
        member = self.find("members", join["guild_id"], user)
        return bool(member) and member["left_at"] is None and member["joined_at"] == join["at"]

    def active(self, guild: int, user: int, days: int) -> bool:
        """Whether the member wrote, spoke or reacted on one of so many days, today among them."""
        return any(
            row["messages"] or row["voice_seconds"] or row["reactions_given"]
            for row in self.tables["member_daily"]
            if (row["guild_id"], row["user_id"]) == (guild, user) and row["day"] > self.ago(days)
        )


def day_of(ms: int) -> dt.date:
    return EPOCH + dt.timedelta(days=ms // DAY)


def monday_of(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def midnight(day: dt.date) -> int:
    return (day - EPOCH).days * DAY


def shown(number: int | None) -> str | None:
    return None if number is None else str(number)


def linked(address: str, *numbers: int | None) -> str | None:
    return None if None in numbers else address + "/".join(str(number) for number in numbers)


def grouped(rows: Iterable[Row], *names: str) -> Mapping[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in names)].append(row)
    return found


def total(rows: Iterable[Row], column: str) -> Any:
    return sum(row[column] for row in rows)


def score(row: Row, before: str = "") -> float:
    voice = row[f"{before}voice_seconds"] / 60
    return round(row[f"{before}messages"] + 0.5 * voice + 0.2 * row[f"{before}reactions_given"], 3)


def did(row: Row) -> bool:
    return bool(row["messages"] or row["voice_seconds"] or row["reactions_given"])


def made_at(user: int) -> int:
    return (user >> 22) + DISCORD_EPOCH


def classed(seconds: float | None, limits: Iterable[tuple[float, str]]) -> str:
    if seconds is None:
        return "unknown"
    return next((name for limit, name in limits if seconds < limit), "1 year +")


AGES = ((86_400, "< 1 day"), (604_800, "< 7 days"), (2_592_000, "< 30 days"), (31_536_000, "< 1 year"))


def guilds(world: World) -> Iterable[Row]:
    for row in world.tables["guilds"]:
        guild = row["guild_id"]
        own = [each for each in world.tables["guild_daily"] if each["guild_id"] == guild]

        def within(column: str, first: int, last: int, own: list[Row] = own) -> Any:
            return total((d for d in own if world.ago(first) <= d["day"] <= world.ago(last)), column)

        def active(days: int, guild: int = guild) -> int:
            rows = world.tables["member_daily"]
            return sum(d["guild_id"] == guild and d["day"] == world.ago(days) and did(d) for d in rows)

        found: Row = {
            "guild_id": str(guild),
            "guild_name": row["name"],
            "icon_url": f"https://cdn.discordapp.com/icons/{guild}/{row['icon']}.png",
            "owner_id": str(row["owner_id"]),
            "here": True,
            "bot_joined_at": None,
            "members": row["member_count"],
            "boosts": 9,
            "boost_level": 2,
            "day": world.today,
            "actions_24h": sum(each["guild_id"] == guild for each in world.since("moderation_logs", 24)),
            "url": linked(PLACES, guild),
            "active_today": active(0),
            "active_week_ago": active(7),
        }
        for column in ("messages", "voice_seconds", "reactions", "joins", "leaves"):
            found[f"{column}_today"] = within(column, 0, 0)
            found[f"{column}_week_ago"] = within(column, 7, 7)
            if column != "reactions":
                found[f"{column}_7d"] = within(column, 7, 1)
                found[f"{column}_prior_7d"] = within(column, 14, 8)
        yield found


def guild_daily(world: World) -> Iterable[Row]:
    unseen = ("system_messages", "bot_voice_seconds", "reactions_removed")
    for row in world.tables["guild_daily"]:
        kept = {name: value for name, value in row.items() if name not in unseen}
        active = [
            d
            for d in world.tables["member_daily"]
            if (d["guild_id"], d["day"]) == (row["guild_id"], row["day"]) and did(d)
        ]
        yield kept | {
            "guild_id": str(row["guild_id"]),
            "time": midnight(row["day"]),
            "active_members": len(active),
        }


def channel_daily(world: World) -> Iterable[Row]:
    unseen = ("system_messages", "bot_voice_seconds", "reactions_removed")
    for row in world.tables["channel_daily"]:
        kept = {name: value for name, value in row.items() if name not in unseen}
        guild, channel = row["guild_id"], row["channel_id"]
        yield kept | {
            "guild_id": str(guild),
            "channel_id": str(channel),
            "channel_name": f"c{channel}",
            "time": midnight(row["day"]),
            "url": linked(PLACES, guild, channel),
        }


def channels(world: World) -> Iterable[Row]:
    for row in world.tables["channels"]:
        if row["type"] == 4 or row["deleted_at"] is not None:
            continue
        guild, channel, parent = row["guild_id"], row["channel_id"], row["parent_id"]
        own = grouped(world.tables["channel_daily"], "guild_id", "channel_id")[guild, channel]
        last = max(
            (d["day"] for d in own if d["messages"] or d["voice_seconds"] or d["afk_voice_seconds"]),
            default=None,
        )
        found: Row = {
            "guild_id": str(guild),
            "channel_id": str(channel),
            "channel_name": row["name"],
            "kind": {0: "text", 2: "voice"}[row["type"]],
            "category_id": shown(parent),
            "category_name": "lounges" if parent else None,
            "last_active": last,
            "quiet_days": (world.today - last).days if last else None,
            "url": linked(PLACES, guild, channel),
        }
        for column in ("messages", "voice_seconds"):
            for name, first, end in (("7d", 6, 0), ("30d", 29, 0), ("prior_30d", 59, 30)):
                days = [d for d in own if world.ago(first) <= d["day"] <= world.ago(end)]
                found[f"{column}_{name}"] = total(days, column)
        yield found


def hours(world: World) -> Iterable[Row]:
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    cells: dict[Key, list[Row]] = defaultdict(list)
    for row in world.tables["metrics_snapshots"]:
        start = row["period_start"]
        if world.ago(14) <= day_of(start) < world.today:
            weekday, hour = day_of(start).isoweekday(), start % DAY // HOUR
            cells[row["guild_id"], weekday, hour].append(row)
    for (guild, weekday, hour), rows in cells.items():
        messages, voice = total(rows, "total_messages"), total(rows, "total_voice_seconds")
        reactions = total(rows, "total_reactions")
        yield {
            "guild_id": str(guild),
            "weekday": weekday,
            "weekday_name": names[weekday - 1],
            "hour": hour,
            "messages": messages,
            "voice_seconds": voice,
            "reactions": reactions,
            "score": round(messages + 0.5 * voice / 60 + 0.2 * reactions, 3),
        }


def member_daily(world: World) -> Iterable[Row]:
    for row in world.tables["member_daily"]:
        guild, user = row["guild_id"], row["user_id"]
        name = world.find("members", guild, user)["username"]
        keys = {"guild_id": str(guild), "user_id": str(user), "username": name}
        yield row | keys | {"time": midnight(row["day"]), "score": score(row)}


def leaderboard(world: World) -> Iterable[Row]:
    columns = (
        *("messages", "voice_seconds", "voice_sessions", "reactions_given", "reactions_received"),
        *("afk_voice_seconds", "xp"),
    )
    begins = {"day": world.today, "week": monday_of(world.today), "month": world.today.replace(day=1)}
    for period, begin in begins.items():
        rows = [row for row in world.tables["member_daily"] if row["day"] >= begin]
        for (guild, user), own in grouped(rows, "guild_id", "user_id").items():
            sums = {column: total(own, column) for column in columns}
            name = world.find("members", guild, user)["username"]
            keys = {"guild_id": str(guild), "period": period, "user_id": str(user), "username": name}
            yield keys | sums | {"score": score(sums)}
    for row in world.tables["member_stats"]:
        keys = {"guild_id": str(row["guild_id"]), "period": "all", "user_id": str(row["user_id"])}
        sums = {column: row[f"total_{column}"] for column in columns}
        yield keys | sums | {"username": row["username"], "score": score(row, "total_")}


def members(world: World) -> Iterable[Row]:
    for row in world.tables["members"]:
        guild, user = row["guild_id"], row["user_id"]
        stats = world.find("member_stats", guild, user)
        sums = {
            column: stats.get(f"total_{column}", 0)
            for column in (
                *("messages", "voice_seconds", "reactions_given", "reactions_received"),
                *("afk_voice_seconds", "xp"),
            )
        }
        levels = grouped(world.tables["level_ups"], "guild_id", "user_id")
        yield sums | {
            "level": max((up["level"] for up in levels.get((guild, user), ())), default=None),
            "guild_id": str(guild),
            "user_id": str(user),
            "username": row["username"],
            "bot": row["bot"],
            "here": row["left_at"] is None,
            "joined_at": row["joined_at"],
            "left_at": row["left_at"],
            "account_created_at": made_at(user),
            "first_active_at": stats.get("first_seen"),
            "last_active_at": stats.get("last_seen"),
            "score": score(sums),
            "url": linked(USERS, user),
        }


def _active_between(world: World, member: Row, first: dt.date, last: dt.date, what: str = "") -> bool:
    return any(
        (d["guild_id"], d["user_id"]) == (member["guild_id"], member["user_id"])
        and first <= d["day"] <= last
        and (d[what] > 0 if what else did(d))
        for d in world.tables["member_daily"]
    )


def retention(world: World) -> Iterable[Row]:
    start = monday_of(world.today) - dt.timedelta(weeks=8)
    people = [
        m | {"cohort": monday_of(day_of(m["joined_at"]))}
        for m in world.tables["members"]
        if not m["bot"] and m["joined_at"] and day_of(m["joined_at"]) >= start
    ]
    for (guild, cohort), own in grouped(people, "guild_id", "cohort").items():
        for week in range((world.today - cohort).days // 7 + 1):
            first = cohort + dt.timedelta(weeks=week)
            active = sum(_active_between(world, m, first, first + dt.timedelta(days=6)) for m in own)
            here = sum(m["left_at"] is None for m in own)
            yield {
                "guild_id": str(guild),
                "cohort": cohort,
                "time": midnight(cohort),
                "week": week,
                "size": len(own),
                "still_here": here,
                "still_here_share": round(here / len(own), 3),
                "active": active,
                "active_share": round(active / len(own), 3),
            }


def newcomers(world: World) -> Iterable[Row]:
    people = []
    for member in world.tables["members"]:
        joined = member["joined_at"]
        seen = world.find("member_stats", member["guild_id"], member["user_id"]).get("first_seen")
        new = not member["bot"] and joined and day_of(joined) >= world.ago(60)
        if new and (seen is None or seen >= joined):
            people.append(member | {"day": day_of(joined), "seen": seen})
    for (guild, day), own in grouped(people, "guild_id", "day").items():
        after = [day + dt.timedelta(days=days) for days in range(14)]
        yield {
            "guild_id": str(guild),
            "day": day,
            "time": midnight(day),
            "joined": len(own),
            "active_24h": sum(m["seen"] is not None and m["seen"] <= m["joined_at"] + DAY for m in own),
            "wrote_next_day": sum(_active_between(world, m, day, after[1], "messages") for m in own),
            "active_week_2": sum(_active_between(world, m, after[7], after[13]) for m in own),
            "still_here": sum(m["left_at"] is None for m in own),
        }


def joiners(world: World) -> Iterable[Row]:
    for row in world.tables["member_events"]:
        if row["event"] == "join":
            user = row["user_id"]
            age = (row["at"] - made_at(user)) / 1000
            kept = {name: row[name] for name in ("at", "username", "bot", "invite_code")}
            yield kept | {
                "guild_id": str(row["guild_id"]),
                "user_id": str(user),
                "account_created_at": made_at(user),
                "account_age_seconds": age,
                "account_age": classed(age, AGES),
                "inviter_id": shown(row["inviter_id"]),
                "here": world.stayed(row, user),
                "url": linked(USERS, user),
            }


def leavers(world: World) -> Iterable[Row]:
    limits = ((3600, "< 1 hour"), *AGES)
    order = [*(name for _, name in limits), "1 year +", "unknown"]
    for row in world.tables["member_events"]:
        if row["event"] == "leave":
            kept = {name: row[name] for name in ("at", "username", "bot", "reason", "tenure_seconds")}
            tenure = classed(row["tenure_seconds"], limits)
            yield kept | {
                "guild_id": str(row["guild_id"]),
                "user_id": str(row["user_id"]),
                "tenure": tenure,
                "tenure_order": order.index(tenure) + 1,
                "moderator_id": shown(row["moderator_id"]),
                "moderator_name": row["moderator_username"],
                "url": linked(USERS, row["user_id"]),
            }


Reckon = Callable[[World], Iterable[Row]]

"""What the views of moderation and of invites must show, reckoned as in ``reckoning``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.sinks.sql import reckoning
from tests.sinks.sql.communities import HOUR
from tests.sinks.sql.reckoning import USERS, Reckon, Row, World, grouped, linked, shown


def moderation(world: World) -> Iterable[Row]:
    for row in world.tables["moderation_logs"]:
        kept = {name: row[name] for name in ("at", "action", "reason", "recovered", "details")}
        yield kept | {
            "guild_id": str(row["guild_id"]),
            "target_id": shown(row["target_user_id"]),
            "target_name": row["target_username"],
            "moderator_id": shown(row["moderator_id"]),
            "moderator_name": row["moderator_username"],
            "audit_entry_id": shown(row["audit_entry_id"]),
            "channel_id": shown(row["details"].get("channel_id")),
            "until": row["details"].get("until"),
            "target_url": linked(USERS, row["target_user_id"]),
            "moderator_url": linked(USERS, row["moderator_id"]),
        }


def changes(world: World) -> Iterable[Row]:
    for row in world.tables["guild_events"]:
        kept = {name: row[name] for name in ("at", "reason", "recovered", "details")}
        details = row["details"]
        known = world.find("members", row["guild_id"], row["actor_id"]).get("username")
        yield kept | {
            "guild_id": str(row["guild_id"]),
            "change": row["type"].lower(),
            "target_id": shown(row["target_id"]),
            "target_name": details.get("name"),
            "actor_id": shown(row["actor_id"]),
            "actor_name": known or details.get("actor_username"),
            "fields": ", ".join(sorted(details.get("changes", {}))) or None,
            "audit_entry_id": shown(row["audit_entry_id"]),
        }


def history(world: World) -> Iterable[Row]:
    names = ("guild_id", "user_id", "at", "event", "reason", "other_id", "other_name", "invite_code")

    def line(*values: object) -> Row:
        found = dict(zip(names, values, strict=True))
        return found | {name: shown(found[name]) for name in ("guild_id", "user_id", "other_id")}

    for row in world.tables["member_events"]:
        guild, other = row["guild_id"], row["moderator_id"] or row["inviter_id"]
        name = row["moderator_username"] or world.find("members", guild, row["inviter_id"]).get("username")
        yield line(
            *(guild, row["user_id"], row["at"], row["event"]),
            *(row["reason"], other, name, row["invite_code"]),
        )
    for row in world.tables["moderation_logs"]:
        if row["target_user_id"]:
            who = (row["moderator_id"], row["moderator_username"])
            yield line(
                row["guild_id"], row["target_user_id"], row["at"], row["action"], row["reason"], *who, None
            )
    for row in world.tables["invite_tracking"]:
        if row["inviter_id"]:
            came = (row["invitee_id"], row["invitee_username"], row["invite_code"])
            yield line(row["guild_id"], row["inviter_id"], row["at"], "invited", None, *came)


def moderators(world: World) -> Iterable[Row]:
    month = world.since("moderation_logs", 30 * 24)
    for (guild, moderator), own in grouped(month, "guild_id", "moderator_id").items():
        known = world.find("members", guild, moderator).get("username")

        def acts(*actions: str, own: list[Row] = own) -> int:
            return sum(row["action"] in actions for row in own)

        names = [row["moderator_username"] for row in own if row["moderator_username"]]
        yield {
            "guild_id": str(guild),
            "moderator_id": shown(moderator),
            "moderator_name": known or max(names, default=None),
            "actions_24h": sum(row["at"] >= world.now - 24 * HOUR for row in own),
            "actions_7d": sum(row["at"] >= world.now - 7 * 24 * HOUR for row in own),
            "actions_30d": len(own),
            "bans_30d": acts("ban"),
            "kicks_30d": acts("kick"),
            "timeouts_30d": acts("timeout"),
            "deletions_30d": acts("message_delete", "message_bulk_delete"),
            "people_30d": len({row["target_user_id"] for row in own} - {None}),
            "last_at": max(row["at"] for row in own),
        }


def offenders(world: World) -> Iterable[Row]:
    automod = ("automod_block", "automod_flag", "automod_timeout")
    rows = [
        row
        for row in world.since("moderation_logs", 90 * 24)
        if row["target_user_id"] and row["action"] in ("ban", "kick", "timeout", *automod)
    ]
    for (guild, user), own in grouped(rows, "guild_id", "target_user_id").items():
        if len(own) > 1:
            names = [row["target_username"] for row in own if row["target_username"]]
            acts = [row["action"] for row in own]
            yield {
                "guild_id": str(guild),
                "user_id": str(user),
                "username": world.find("members", guild, user).get("username") or max(names),
                "actions": len(own),
                "bans": acts.count("ban"),
                "kicks": acts.count("kick"),
                "timeouts": acts.count("timeout"),
                "automod": sum(action in automod for action in acts),
                "moderators": len({row["moderator_id"] for row in own} - {None}),
                "first_at": min(row["at"] for row in own),
                "last_at": max(row["at"] for row in own),
                "here": bool(world.here(guild, user)),
                "url": linked(USERS, user),
            }


def _outcome(world: World, guild: int, uses: list[Row]) -> Row:
    last = [row for row in uses if world.find("members", guild, row["invitee_id"])["joined_at"] == row["at"]]
    here = [row["invitee_id"] for row in uses if world.stayed(row, row["invitee_id"])]
    leaves = grouped(world.tables["member_events"], "guild_id", "user_id", "event")
    return {
        "joined": len(uses),
        "still_here": len(here),
        "active": sum(world.active(guild, user, 14) for user in here),
        "banned": sum(
            leaves[guild, row["invitee_id"], "leave"][-1]["reason"] == "ban"
            for row in last
            if row["invitee_id"] not in here
        ),
        "still_here_share": round(len(here) / len(uses), 3) if uses else None,
        "last_used_at": max((row["at"] for row in uses), default=None),
    }


def invites(world: World) -> Iterable[Row]:
    uses = dict(grouped(world.tables["invite_tracking"], "guild_id", "invite_code"))
    for row in world.tables["invites"]:
        guild, code = row["guild_id"], row["code"]
        own = uses.pop((guild, code), [])
        kept = {name: row[name] for name in ("created_at", "expires_at", "deleted_at", "max_uses", "code")}
        yield (
            kept
            | _outcome(world, guild, own)
            | {
                "guild_id": str(guild),
                "channel_id": shown(row["channel_id"]),
                "channel_name": f"c{row['channel_id']}",
                "inviter_id": shown(row["inviter_id"]),
                "inviter_name": row["inviter_username"],
                "valid": row["deleted_at"] is None,
                "uses": max(row["uses"], len(own)),
                "url": f"https://discord.gg/{code}",
            }
        )
    unknown = (
        *("channel_id", "channel_name", "inviter_id", "inviter_name", "valid", "created_at", "expires_at"),
        *("deleted_at", "max_uses"),
    )
    for (guild, code), own in uses.items():
        if code is not None:
            known = {
                "guild_id": str(guild),
                "code": code,
                "uses": len(own),
                "url": f"https://discord.gg/{code}",
            }
            yield dict.fromkeys(unknown) | _outcome(world, guild, own) | known


def inviters(world: World) -> Iterable[Row]:
    for (guild, inviter), own in grouped(world.tables["invite_tracking"], "guild_id", "inviter_id").items():
        if inviter is not None:
            yield _outcome(world, guild, own) | {
                "guild_id": str(guild),
                "inviter_id": str(inviter),
                "inviter_name": max(row["inviter_username"] for row in own),
                "codes": len({row["invite_code"] for row in own}),
                "url": linked(USERS, inviter),
            }


def invite_uses(world: World) -> Iterable[Row]:
    for row in world.tables["invite_tracking"]:
        kept = {name: row[name] for name in ("at", "invite_code", "method", "confidence")}
        yield kept | {
            "guild_id": str(row["guild_id"]),
            "user_id": str(row["invitee_id"]),
            "username": row["invitee_username"],
            "inviter_id": shown(row["inviter_id"]),
            "inviter_name": row["inviter_username"],
            "here": world.stayed(row, row["invitee_id"]),
        }


def banned(world: World) -> Iterable[Row]:
    events = grouped(world.tables["member_events"], "guild_id", "user_id", "event")
    for row in world.tables["moderation_logs"]:
        if row["action"] == "ban":
            guild, user = row["guild_id"], row["target_user_id"]
            joins = [join for join in events[guild, user, "join"] if join["at"] <= row["at"]]
            last = max(joins, key=lambda join: join["at"])
            yield {
                "guild_id": str(guild),
                "at": row["at"],
                "user_id": str(user),
                "username": row["target_username"],
                "reason": row["reason"],
                "moderator_id": shown(row["moderator_id"]),
                "moderator_name": row["moderator_username"],
                "invite_code": last["invite_code"],
                "inviter_id": shown(last["inviter_id"]),
                "inviter_name": world.find("members", guild, last["inviter_id"]).get("username"),
                "joined_at": last["at"],
                "stayed_seconds": (row["at"] - last["at"]) / 1000,
            }


RECKONED: Mapping[str, Reckon] = {
    "v_guilds": reckoning.guilds,
    "v_guild_daily": reckoning.guild_daily,
    "v_channel_daily": reckoning.channel_daily,
    "v_channels": reckoning.channels,
    "v_activity_hours": reckoning.hours,
    "v_member_daily": reckoning.member_daily,
    "v_leaderboard": reckoning.leaderboard,
    "v_members": reckoning.members,
    "v_retention": reckoning.retention,
    "v_newcomers": reckoning.newcomers,
    "v_joiners": reckoning.joiners,
    "v_leavers": reckoning.leavers,
    "v_moderation": moderation,
    "v_member_history": history,
    "v_changes": changes,
    "v_moderators": moderators,
    "v_repeat_offenders": offenders,
    "v_invites": invites,
    "v_inviters": inviters,
    "v_invite_uses": invite_uses,
    "v_banned_invites": banned,
}

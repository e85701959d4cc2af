"""REST routes that read the world.

Paths have no ``/api/v10`` prefix. A response body is plain JSON data; errors have the codes that Discord
uses. Sources: Discord docs, Resources › Guild, Audit Log, Invite, Channel, User.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import orjson

from discord_simulator.objects import audit_object, channel_object, role_object, thread_object
from discord_simulator.ports import RestResponse
from discord_simulator.vocabulary import BAN_MEMBERS, MANAGE_GUILD, VIEW_AUDIT_LOG, ChannelKind

if TYPE_CHECKING:
    from discord_simulator.guild import Guild
    from discord_simulator.invite import Invite
    from discord_simulator.world import World

Query: TypeAlias = Mapping[str, str]

_AUDIT_PAGE = (50, 100)
_BANS_PAGE = (1000, 1000)
_MEMBERS_PAGE = (1, 1000)
"""Default and largest ``limit`` of each list."""

_PRESENT_SHARE = 4
"""One member in four counts as online, because the world keeps no presences."""


def answer(world: World, method: str, path: str, query: Query) -> RestResponse | None:
    """Answer a GET for one of the routes below; None for any other request."""
    if method != "GET":
        return None
    for pattern, route in _GUILD_ROUTES:
        if match := pattern.fullmatch(path):
            return _plain(_of_guild(world, route, query, match))
    if match := _CHANNEL.fullmatch(path):
        return _plain(_channel(world, int(match["item"])))
    if match := _USER.fullmatch(path):
        return _plain(RestResponse(200, world.render.plain_user(int(match["item"]))))
    return None


def _of_guild(world: World, route: _Route, query: Query, match: re.Match[str]) -> RestResponse:
    guild = world.guilds.get(int(match["guild"]))
    if guild is None:
        return refuse(404, 10004, "Unknown Guild")
    if guild.unavailable:
        return refuse(503, 0, "503: Service Unavailable")
    return route(world, guild, query, match.groupdict().get("item") or "")


def refuse(status: int, code: int, message: str) -> RestResponse:
    """An error response as Discord sends it."""
    return RestResponse(status, {"message": message, "code": code})


def _plain(found: RestResponse) -> RestResponse:
    # The renderer keeps parts as JSON text; the caller gets plain values.
    return RestResponse(found.status, orjson.loads(orjson.dumps(found.body)))


def _missing(guild: Guild, *permissions: str) -> RestResponse | None:
    if guild.permissions.isdisjoint(permissions):
        return refuse(403, 50013, "Missing Permissions")
    return None


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default


def _limit(query: Query, page: tuple[int, int]) -> int:
    default, largest = page
    return max(1, min(_number(query, "limit", default), largest))


def _guild(world: World, guild: Guild, query: Query, _item: str) -> RestResponse:
    body = world.render.guild(guild)
    if query.get("with_counts", "").lower() in {"true", "1"}:
        body["approximate_member_count"] = guild.member_count
        body["approximate_presence_count"] = max(1, guild.member_count // _PRESENT_SHARE)
    return RestResponse(200, body)


def _audit_log(world: World, guild: Guild, query: Query, _item: str) -> RestResponse:
    if refusal := _missing(guild, VIEW_AUDIT_LOG):
        return refusal
    action, user_id = _number(query, "action_type", 0), _number(query, "user_id", 0)
    before, after = _number(query, "before", 0), _number(query, "after", 0)
    found = [
        entry
        for entry in guild.audit
        if (not action or entry.action == action)
        and (not user_id or entry.user_id == user_id)
        and (not before or entry.id < before)
        and entry.id > after
    ]
    limit = _limit(query, _AUDIT_PAGE)
    # With ``after`` the oldest come first, else the newest. Discord docs, Audit Log › Get Guild Audit Log.
    entries = found[:limit] if "after" in query else found[::-1][:limit]
    actors = {entry.user_id: None for entry in entries}
    targets = (entry.target_id for entry in entries)
    people = actors | {target: None for target in targets if guild.has_member(target) or target in guild.bans}
    return RestResponse(
        200,
        {
            "audit_log_entries": [audit_object(entry) for entry in entries],
            "application_commands": [],
            "auto_moderation_rules": [],
            "guild_scheduled_events": [],
            "integrations": [],
            "threads": [],
            "users": [world.render.user(user_id) for user_id in people],
            "webhooks": [],
        },
    )


def _bans(world: World, guild: Guild, query: Query, item: str) -> RestResponse:
    if refusal := _missing(guild, BAN_MEMBERS):
        return refusal
    if item:
        user_id = int(item)
        if user_id not in guild.bans:
            return refuse(404, 10026, "Unknown Ban")
        return RestResponse(200, _ban(world, guild, user_id))
    before, after = _number(query, "before", 0), _number(query, "after", 0)
    limit = _limit(query, _BANS_PAGE)
    found = sorted(user_id for user_id in guild.bans if user_id > after and (not before or user_id < before))
    found = found[-limit:] if before and not after else found[:limit]
    return RestResponse(200, [_ban(world, guild, user_id) for user_id in found])


def _ban(world: World, guild: Guild, user_id: int) -> dict[str, object]:
    return {"reason": guild.bans[user_id], "user": world.render.user(user_id)}


def _invites(world: World, guild: Guild, _query: Query, _item: str) -> RestResponse:
    if refusal := _missing(guild, MANAGE_GUILD, VIEW_AUDIT_LOG):
        return refusal
    return RestResponse(200, [_invite(world, guild, invite) for invite in guild.invites.values()])


def _invite(world: World, guild: Guild, invite: Invite) -> dict[str, object]:
    """An invite; its metadata needs MANAGE_GUILD. Discord docs, Guild › Get Guild Invites."""
    channel = guild.channel(invite.channel_id)
    terms = invite.terms()
    if MANAGE_GUILD not in guild.permissions:
        terms = {"code": invite.code, "expires_at": terms["expires_at"]}
    return {
        **terms,
        "type": 0,
        "flags": 0,
        "guild": {
            "id": str(guild.id),
            "name": guild.name,
            "icon": guild.icon,
            "splash": None,
            "banner": None,
            "description": None,
            "features": [],
            "verification_level": 1,
            "vanity_url_code": guild.vanity.code if guild.vanity else None,
            "nsfw_level": 0,
            "premium_subscription_count": guild.boosts,
        },
        "channel": {"id": str(channel.id), "name": channel.name, "type": int(channel.kind)}
        if channel
        else None,
        "inviter": world.render.user(invite.inviter_id),
    }


def _vanity(_world: World, guild: Guild, _query: Query, _item: str) -> RestResponse:
    if refusal := _missing(guild, MANAGE_GUILD):
        return refusal
    vanity = guild.vanity
    return RestResponse(200, {"code": vanity.code if vanity else None, "uses": vanity.uses if vanity else 0})


def _members(world: World, guild: Guild, query: Query, item: str) -> RestResponse:
    if item:
        user_id = int(item)
        if not guild.has_member(user_id) and user_id not in guild.bots:
            return refuse(404, 10007, "Unknown Member")
        return RestResponse(200, world.render.whole_member(guild, user_id))
    after = _number(query, "after", 0)
    found = sorted(user_id for user_id in (*guild.members, *guild.bots) if user_id > after)
    page = found[: _limit(query, _MEMBERS_PAGE)]
    return RestResponse(200, [world.render.whole_member(guild, user_id) for user_id in page])


def _channels(_world: World, guild: Guild, _query: Query, _item: str) -> RestResponse:
    return RestResponse(200, [channel_object(guild, channel) for channel in guild.channels()])


def _threads(_world: World, guild: Guild, _query: Query, _item: str) -> RestResponse:
    threads = [thread_object(guild, thread) for thread in guild.threads]
    return RestResponse(200, {"threads": threads, "members": []})


def _roles(_world: World, guild: Guild, _query: Query, _item: str) -> RestResponse:
    return RestResponse(200, [role_object(guild, role) for role in guild.roles])


def _channel(world: World, channel_id: int) -> RestResponse:
    for guild in world.guilds.values():
        if channel := guild.channel(channel_id):
            build = thread_object if channel.kind is ChannelKind.THREAD else channel_object
            return RestResponse(200, build(guild, channel))
    return refuse(404, 10003, "Unknown Channel")


_Route: TypeAlias = Callable[["World", "Guild", Query, str], RestResponse]

_GUILD_ROUTES: tuple[tuple[re.Pattern[str], _Route], ...] = tuple(
    (re.compile(rf"/guilds/(?P<guild>\d+){rest}"), route)
    for rest, route in (
        ("", _guild),
        ("/audit-logs", _audit_log),
        (r"/bans(?:/(?P<item>\d+))?", _bans),
        ("/invites", _invites),
        ("/vanity-url", _vanity),
        (r"/members(?:/(?P<item>\d+))?", _members),
        ("/channels", _channels),
        ("/threads/active", _threads),
        ("/roles", _roles),
    )
)
_CHANNEL = re.compile(r"/channels/(?P<item>\d+)")
_USER = re.compile(r"/users/(?P<item>\d+)")

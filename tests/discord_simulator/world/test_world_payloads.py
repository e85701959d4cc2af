"""Payloads are as Discord sends them, by disnake's own parsers and types."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import disnake
import orjson
import pytest
from disnake.http import HTTPClient
from disnake.state import ConnectionState

from discord_simulator.guild import Emoji
from discord_simulator.operations import guilds, members, messages, reactions, threads, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import Author, ChannelKind, Intent

ALL_INTENTS = disnake.Intents.all().value

PAYLOAD_TYPES = {
    "GUILD_CREATE": "Guild",
    "GUILD_UPDATE": "Guild",
    "GUILD_DELETE": "UnavailableGuild",
    "GUILD_MEMBER_ADD": "GuildMemberAddEvent",
    "GUILD_MEMBER_REMOVE": "GuildMemberRemoveEvent",
    "GUILD_MEMBER_UPDATE": "GuildMemberUpdateEvent",
    "AUTO_MODERATION_ACTION_EXECUTION": "AutoModerationActionExecutionEvent",
    "GUILD_BAN_ADD": "_GuildBanEvent",
    "GUILD_BAN_REMOVE": "_GuildBanEvent",
    "GUILD_AUDIT_LOG_ENTRY_CREATE": "AuditLogEntryCreate",
    "INVITE_CREATE": "InviteCreateEvent",
    "INVITE_DELETE": "InviteDeleteEvent",
    "MESSAGE_CREATE": "Message",
    "MESSAGE_UPDATE": "Message",
    "MESSAGE_DELETE": "MessageDeleteEvent",
    "MESSAGE_DELETE_BULK": "MessageDeleteBulkEvent",
    "MESSAGE_REACTION_ADD": "MessageReactionAddEvent",
    "MESSAGE_REACTION_REMOVE": "MessageReactionRemoveEvent",
    "MESSAGE_REACTION_REMOVE_ALL": "MessageReactionRemoveAllEvent",
    "MESSAGE_REACTION_REMOVE_EMOJI": "MessageReactionRemoveEmojiEvent",
    "VOICE_STATE_UPDATE": "VoiceState",
    "THREAD_CREATE": "ThreadCreateEvent",
    "THREAD_UPDATE": "Thread",
    "CHANNEL_PINS_UPDATE": "ChannelPinsUpdateEvent",
}

UNDECLARED = {
    "GUILD_MEMBER_ADD": {"banner"},
    "INVITE_CREATE": {"expires_at"},
    "MESSAGE_CREATE": {"channel_type"},
    "MESSAGE_UPDATE": {"channel_type"},
    "MESSAGE_REACTION_ADD": {"burst", "type", "burst_colors"},
    "MESSAGE_REACTION_REMOVE": {"burst", "type"},
}
"""Documented by Discord, unknown to disnake's types."""


def _declarations() -> dict[str, ast.ClassDef]:
    """Every class of ``disnake.types``. Read, not imported: the modules import each other in a circle."""
    folder = Path(disnake.__file__).parent / "types"
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.glob("*.py")]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


DECLARED = _declarations()


def _keys(name: str) -> tuple[set[str], set[str]]:
    """Keys a TypedDict requires, and all it knows."""
    node = DECLARED[name]
    total = not any(word.arg == "total" for word in node.keywords)
    required: set[str] = set()
    known: set[str] = set()
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in DECLARED:
            base_required, base_known = _keys(base.id)
            required |= base_required
            known |= base_known
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            known.add(field.target.id)
            if total and "NotRequired" not in ast.unparse(field.annotation):
                required.add(field.target.id)
    return required, known


def check(name: str, payload: dict, extra: Collection[str] = ()) -> None:
    required, known = _keys(name)
    assert not required - payload.keys(), f"{name} lacks {required - payload.keys()}"
    assert not payload.keys() - known - set(extra), f"{name} has {payload.keys() - known}"


def test_the_key_check_itself_sees_missing_and_surplus_keys() -> None:
    with pytest.raises(AssertionError, match="lacks"):
        check("MessageDeleteEvent", {"id": "1"})
    with pytest.raises(AssertionError, match="has"):
        check("MessageDeleteEvent", {"id": "1", "channel_id": "2", "author": {}})


class Witness:
    """disnake with every cache on, fed by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seen: list[tuple[str, tuple[Any, ...]]] = []
        self.state = ConnectionState(
            dispatch=lambda name, *args: self.seen.append((name, args)),
            handlers={},
            hooks={},
            http=HTTPClient(loop=loop),
            loop=loop,
            intents=disnake.Intents.all(),
            chunk_guilds_at_startup=False,
        )

    def connect(self, stage: Any) -> None:
        application = stage.view.application()
        ready = {
            "v": 10,
            "user": application["bot"],
            "guilds": [],
            "session_id": "s",
            "resume_gateway_url": "",
            "application": {"id": application["id"], "flags": application["flags"]},
        }
        self.state.parsers["READY"](orjson.loads(orjson.dumps(ready)))
        del self.state._ready_state
        for guild_id in stage.view.guild_ids():
            self.feed("GUILD_CREATE", orjson.loads(stage.view.guild_create(guild_id, ALL_INTENTS)))
        self.seen.clear()

    def feed(self, kind: str, data: dict) -> None:
        self.state.parsers[kind](data)

    def events(self, name: str) -> list[tuple[Any, ...]]:
        return [args for seen, args in self.seen if seen == name]


@pytest.fixture
async def witness(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Witness]:
    caplog.set_level(logging.DEBUG, logger="disnake")
    made = Witness(asyncio.get_running_loop())
    yield made
    task = made.state._ready_task
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    # disnake continues and logs if a payload refers to an object it never received.
    assert [record.message for record in caplog.records if "referencing an unknown" in record.message] == []


@pytest.fixture
def busy(make_stage: Callable[..., Any]) -> Any:
    return make_stage(guilds=4, members=60)


def _dispatches(stage: Any) -> Iterator[tuple[str, dict]]:
    yield from stage.take()


async def test_disnake_parses_hours_of_traffic_and_ends_up_knowing_the_same_world(
    busy: Any, witness: Witness
) -> None:
    witness.connect(busy)
    traffic = busy.run(6000, rate=5)
    unavailable: set[int] = set()
    for kind, data in _dispatches(busy):
        witness.feed(kind, data)
    traffic.finish()
    for kind, data in _dispatches(busy):
        witness.feed(kind, data)

    assert {guild.id for guild in witness.state.guilds} == set(busy.view.guild_ids())
    for ours in busy.world.guilds.values():
        theirs = witness.state._get_guild(ours.id)
        assert theirs is not None
        assert theirs.unavailable is (ours.id in unavailable)
        assert (theirs.name, theirs.member_count, theirs.owner_id) == (
            ours.name,
            ours.member_count,
            ours.owner_id,
        )
        assert theirs.premium_subscription_count == ours.boosts
        assert theirs.premium_tier == ours.tier
        assert {thread.id for thread in theirs.threads if not thread.archived} == {t.id for t in ours.threads}
        assert {c.id: c.name for c in theirs.channels} == {c.id: c.name for c in ours.channels()}
        assert (theirs.afk_channel.id if theirs.afk_channel else None) == (ours.afk.id if ours.afk else None)
        assert {e.id: e.name for e in theirs.emojis} == {e.id: e.name for e in ours.emojis}
        assert not theirs._voice_states


async def test_every_dispatch_has_the_keys_discord_documents_and_no_others(
    make_stage: Callable[..., Any],
) -> None:
    busy = make_stage(guilds=8, members=60)
    busy.run(12_000, rate=5).finish()
    guild_ = busy.guild
    # Both are rare, so they may not have happened.
    reactions.clear(busy.world, guild_, post(busy))
    message = post(busy)
    reactions.add(busy.world, guild_, message, guild_.members[1], Emoji(0, "🔥"))
    reactions.clear_emoji(busy.world, guild_, message, Emoji(0, "🔥"))
    for _ in range(13):  # the first of them is archived in any case
        threads.start(busy.world, guild_, guild_.text[0], guild_.members[0], name="x")
    kinds: set[str] = set()
    for kind, data in _dispatches(busy):
        kinds.add(kind)
        check(PAYLOAD_TYPES[kind], data, UNDECLARED.get(kind, set()))
    assert kinds == PAYLOAD_TYPES.keys()


CHANNELS = {0: "TextChannel", 2: "VoiceChannel", 4: "CategoryChannel", 15: "ForumChannel"}


def test_what_messages_and_reactions_hold_has_the_keys_discord_documents(busy: Any) -> None:
    busy.run(1500, rate=5)
    published = list(_dispatches(busy))
    written = [data for kind, data in published if kind == "MESSAGE_CREATE"]
    for data in written:
        check("User", data["author"])
        for mentioned in data["mentions"]:
            check("UserWithMember", mentioned)
    for data in [data["member"] for data in written if "member" in data]:
        check("BaseMember", data, {"banner"})
    for data in [data["referenced_message"] for data in written if data.get("referenced_message")]:
        check("Message", data, {"channel_type"})
    for data in [data for kind, data in published if kind == "MESSAGE_REACTION_ADD"]:
        check("MemberWithUser", data["member"], {"banner"})
        check("Emoji", data["emoji"])


def test_what_a_guild_holds_has_the_keys_discord_documents(busy: Any) -> None:
    busy.run(1500, rate=5)
    parts = {
        "roles": "Role",
        "voice_states": "GuildVoiceState",
        "threads": "Thread",
        "members": "MemberWithUser",
    }
    for guild_id in busy.view.guild_ids():
        data = orjson.loads(busy.view.guild_create(guild_id, ALL_INTENTS))
        check("Guild", data)
        for each in data["channels"]:
            check(CHANNELS[each["type"]], each, {"rate_limit_per_user"} if each["type"] == 15 else ())
        for part, name in parts.items():
            for each in data[part]:
                check(name, each, {"banner"} if part == "members" else ())


async def test_every_dispatch_names_the_intent_discord_documents_for_it(busy: Any) -> None:
    documented = {
        "GUILD_CREATE": Intent.GUILDS,
        "GUILD_UPDATE": Intent.GUILDS,
        "GUILD_DELETE": Intent.GUILDS,
        "THREAD_CREATE": Intent.GUILDS,
        "THREAD_UPDATE": Intent.GUILDS,
        "CHANNEL_PINS_UPDATE": Intent.GUILDS,
        "GUILD_MEMBER_ADD": Intent.GUILD_MEMBERS,
        "GUILD_MEMBER_REMOVE": Intent.GUILD_MEMBERS,
        "GUILD_MEMBER_UPDATE": Intent.GUILD_MEMBERS,
        "AUTO_MODERATION_ACTION_EXECUTION": Intent.AUTO_MODERATION_EXECUTION,
        "GUILD_BAN_ADD": Intent.GUILD_MODERATION,
        "GUILD_BAN_REMOVE": Intent.GUILD_MODERATION,
        "GUILD_AUDIT_LOG_ENTRY_CREATE": Intent.GUILD_MODERATION,
        "INVITE_CREATE": Intent.GUILD_INVITES,
        "INVITE_DELETE": Intent.GUILD_INVITES,
        "VOICE_STATE_UPDATE": Intent.GUILD_VOICE_STATES,
        "MESSAGE_CREATE": Intent.GUILD_MESSAGES,
        "MESSAGE_UPDATE": Intent.GUILD_MESSAGES,
        "MESSAGE_DELETE": Intent.GUILD_MESSAGES,
        "MESSAGE_DELETE_BULK": Intent.GUILD_MESSAGES,
        "MESSAGE_REACTION_ADD": Intent.GUILD_MESSAGE_REACTIONS,
        "MESSAGE_REACTION_REMOVE": Intent.GUILD_MESSAGE_REACTIONS,
        "MESSAGE_REACTION_REMOVE_ALL": Intent.GUILD_MESSAGE_REACTIONS,
        "MESSAGE_REACTION_REMOVE_EMOJI": Intent.GUILD_MESSAGE_REACTIONS,
    }
    needed = {
        "GUILD_AUDIT_LOG_ENTRY_CREATE": {"view_audit_log"},
        "AUTO_MODERATION_ACTION_EXECUTION": {"manage_guild"},
        "INVITE_CREATE": {"manage_channels"},
        "INVITE_DELETE": {"manage_channels"},
    }
    busy.run(6000, rate=5)
    for dispatch in busy.dispatches:
        assert dispatch.intents == documented[dispatch.type], dispatch.type
        assert dispatch.permissions == needed.get(dispatch.type, frozenset())


# ── one operation at a time ───────────────────────────────────────────────────────────────────────────────


def post(stage: Any, author: Author = Author.HUMAN, **kwargs: Any) -> Any:
    user_id = stage.guild.members[0] if author is Author.HUMAN else stage.guild.bots[1]
    return messages.post(stage.world, stage.guild, stage.guild.text[0], user_id, author, **kwargs)


def test_a_message_id_holds_the_moment_it_was_written(stage: Any) -> None:
    stage.clock.advance(12.345)
    written = post(stage)
    ((_, data),) = stage.take()
    assert disnake.utils.snowflake_time(written.id).timestamp() * 1000 == pytest.approx(stage.clock.now_ms())
    assert disnake.utils.parse_time(data["timestamp"]) == disnake.utils.snowflake_time(written.id)


def test_message_ids_rise_within_a_millisecond_and_when_the_clock_steps_back(stage: Any) -> None:
    first = [post(stage).id for _ in range(50)]
    stage.clock.step(-3600)
    second = [post(stage).id for _ in range(50)]
    assert first + second == sorted(set(first + second))


def test_a_human_message_has_a_member_and_no_content_without_a_mention(stage: Any) -> None:
    post(stage)
    ((_, data),) = stage.take()
    assert data["content"] == ""
    assert data["embeds"] == data["attachments"] == data["mentions"] == []
    assert "webhook_id" not in data
    assert "bot" not in data["author"]
    assert "user" not in data["member"]


def test_a_message_that_mentions_the_bot_has_its_content(stage: Any) -> None:
    bot_id = stage.world.population.bot_id
    post(stage, content=f"<@{bot_id}> hello")
    ((_, data),) = stage.take()
    assert data["content"].endswith("hello")
    assert [mentioned["id"] for mentioned in data["mentions"]] == [str(bot_id)]


def test_a_bot_message_says_so_and_a_webhook_message_has_no_member(stage: Any) -> None:
    post(stage, Author.BOT)
    hook = stage.guild.webhooks[0]
    messages.post_by_webhook(stage.world, stage.guild, stage.guild.text[0], hook)
    (_, bot), (_, webhook) = stage.take()
    assert bot["author"]["bot"] is True
    assert "webhook_id" not in bot
    assert webhook["webhook_id"] == webhook["author"]["id"] == str(hook.id)
    assert webhook["author"]["discriminator"] == "0000"
    assert "member" not in webhook


async def test_a_reply_refers_to_its_message_even_after_that_is_gone(stage: Any, witness: Witness) -> None:
    witness.connect(stage)
    first = post(stage)
    second = post(stage, kind=messages.MessageKind.REPLY, reply_to=first.id)
    messages.delete(stage.world, stage.guild, first)
    messages.edit(stage.world, stage.guild, second)
    (_, original), (_, reply), (_, deleted), (_, edited) = stage.take()
    assert reply["type"] == 19
    assert reply["referenced_message"]["id"] == original["id"] == deleted["id"]
    assert edited["referenced_message"] is None
    witness.feed("MESSAGE_CREATE", original)
    witness.feed("MESSAGE_CREATE", reply)
    ((_,), (parsed,)) = witness.events("message")
    assert parsed.reference.message_id == first.id


def test_an_edit_has_a_new_time_and_a_resolved_embed_does_not(stage: Any) -> None:
    written = post(stage)
    messages.resolve_embed(stage.world, stage.guild, written)
    messages.edit(stage.world, stage.guild, written)
    messages.edit(stage.world, stage.guild, written)
    messages.resolve_embed(stage.world, stage.guild, written)
    _, *updates = [data["edited_timestamp"] for _, data in stage.take()]
    assert updates[0] is None
    assert None not in updates[1:]
    assert updates[1] < updates[2]
    assert updates[3] == updates[2]
    types = [line["type"] for line in stage.lines()]
    assert types == ["MESSAGE_CREATE", "EMBED_RESOLVED", "MESSAGE_UPDATE", "MESSAGE_UPDATE", "EMBED_RESOLVED"]


def test_a_deleted_message_is_ids_only_and_an_own_deletion_is_not_audited(stage: Any) -> None:
    written = post(stage)
    stage.take()
    messages.delete(stage.world, stage.guild, written)
    ((kind, data),) = stage.take()
    assert kind == "MESSAGE_DELETE"
    assert data.keys() == {"id", "channel_id", "guild_id"}
    assert not stage.guild.audit


def test_a_moderators_deletions_of_one_author_are_one_entry_published_once(stage: Any) -> None:
    moderator, author = stage.guild.moderators[0], stage.guild.members[5]
    channel_ = stage.guild.text[0]
    for _ in range(3):
        written = messages.post(stage.world, stage.guild, channel_, author, Author.HUMAN)
        messages.delete(stage.world, stage.guild, written, Actor(moderator))
    published = [data for kind, data in stage.take() if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert [entry["options"] for entry in published] == [{"count": "1", "channel_id": str(channel_.id)}]
    assert published[0]["target_id"] == str(author)
    assert [entry.count for entry in stage.guild.audit] == [3]
    stage.clock.advance(301)
    written = messages.post(stage.world, stage.guild, channel_, author, Author.HUMAN)
    messages.delete(stage.world, stage.guild, written, Actor(moderator))
    assert [entry.count for entry in stage.guild.audit] == [3, 1]


def test_a_bulk_deletion_names_all_ids_and_is_audited_with_the_channel_as_target(stage: Any) -> None:
    channel_ = stage.guild.text[0]
    written = [post(stage) for _ in range(4)]
    stage.take()
    messages.delete_bulk(stage.world, stage.guild, channel_, written[:3], Actor(stage.guild.bots[1]))
    (_, deleted), (_, entry) = stage.take()
    assert deleted["ids"] == [str(each.id) for each in written[:3]]
    assert entry["action_type"] == 73
    assert entry["target_id"] == str(channel_.id)
    assert entry["options"] == {"count": "3"}
    assert list(channel_.recent) == written[3:]


def test_only_an_added_reaction_names_the_author_and_not_of_a_webhook(stage: Any) -> None:
    written = post(stage)
    giver = stage.guild.members[3]
    thumb, custom = Emoji(0, "👍"), stage.guild.emojis[0]
    reactions.add(stage.world, stage.guild, written, giver, thumb, burst=True)
    reactions.add(stage.world, stage.guild, written, giver, custom)
    reactions.remove(stage.world, stage.guild, written, giver, thumb)
    reactions.clear(stage.world, stage.guild, written)
    hook = messages.post_by_webhook(stage.world, stage.guild, stage.guild.text[0], stage.guild.webhooks[0])
    reactions.add(stage.world, stage.guild, hook, giver, custom)
    reactions.clear_emoji(stage.world, stage.guild, hook, custom)
    _, (_, burst), (_, plain), (_, removed), (_, cleared), _, (_, hooked), (_, emptied) = stage.take()
    assert burst["message_author_id"] == str(written.author_id)
    assert (burst["burst"], burst["type"]) == (True, 1)
    assert burst["burst_colors"]
    assert burst["emoji"] == {"id": None, "name": "👍"}
    assert plain["emoji"]["id"] == str(custom.id)
    assert "burst_colors" not in plain
    assert "message_author_id" not in removed
    assert "member" not in removed
    assert cleared.keys() == {"channel_id", "message_id", "guild_id"}
    assert "message_author_id" not in hooked
    assert emptied["emoji"]["id"] == str(custom.id)
    assert not written.reactions
    assert not hook.reactions


def test_a_ban_of_a_member_in_voice_publishes_voice_ban_and_removal(stage: Any) -> None:
    victim, moderator = stage.guild.members[-1], stage.guild.moderators[0]
    voice.join(stage.world, stage.guild, victim, stage.guild.voice[0])
    stage.take()
    before = stage.guild.member_count
    members.ban(stage.world, stage.guild, victim, Actor(moderator, "spam", 0.0))
    published = stage.take()
    assert [kind for kind, _ in published] == [
        "VOICE_STATE_UPDATE",
        "GUILD_BAN_ADD",
        "GUILD_MEMBER_REMOVE",
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
    ]
    assert published[0][1]["channel_id"] is None
    assert published[3][1]["reason"] == "spam"
    assert (published[3][1]["user_id"], published[3][1]["target_id"]) == (str(moderator), str(victim))
    assert stage.guild.member_count == before - 1
    assert stage.guild.bans == {victim: "spam"}


def test_a_ban_of_a_user_who_is_no_member_has_no_removal(stage: Any) -> None:
    members.ban(stage.world, stage.guild, 123456789012345678, Actor(stage.guild.moderators[0]))
    assert [kind for kind, _ in stage.take()] == ["GUILD_BAN_ADD", "GUILD_AUDIT_LOG_ENTRY_CREATE"]


@pytest.mark.parametrize("operation", [members.ban, members.kick])
def test_the_entry_may_be_published_before_or_later(stage: Any, operation: Any) -> None:
    first, second = stage.guild.members[-1], stage.guild.members[-2]
    operation(stage.world, stage.guild, first, Actor(stage.guild.moderators[0], delay=-1.0))
    assert stage.take()[0][0] == "GUILD_AUDIT_LOG_ENTRY_CREATE"
    operation(stage.world, stage.guild, second, Actor(stage.guild.moderators[0], delay=1.5))
    assert "GUILD_AUDIT_LOG_ENTRY_CREATE" not in [kind for kind, _ in stage.take()]
    assert stage.guild.audit[-1].target_id == second
    assert stage.world.scheduler.pop_due() is None
    stage.world.scheduler.now = 1.5
    stage.world.scheduler.pop_due()()
    ((kind, entry),) = stage.take()
    assert kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"
    assert entry["target_id"] == str(second)


def test_an_entry_without_a_reason_has_no_such_key(stage: Any) -> None:
    members.ban(stage.world, stage.guild, stage.guild.members[-1], Actor(stage.guild.moderators[0], None))
    assert "reason" not in stage.take()[-1][1]


def test_a_prune_is_one_entry_without_a_target(stage: Any) -> None:
    victims = stage.guild.members[-3:]
    members.prune(stage.world, stage.guild, victims, Actor(stage.guild.owner_id))
    published = stage.take()
    assert [kind for kind, _ in published] == ["GUILD_MEMBER_REMOVE"] * 3 + ["GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert published[-1][1]["target_id"] is None
    assert published[-1][1]["options"]["members_removed"] == "3"


def test_a_join_has_a_system_message(stage: Any) -> None:
    newcomer = 223456789012345678
    members.join(stage.world, stage.guild, newcomer)
    (_, joined), (_, welcome) = stage.take()
    assert joined["user"]["id"] == str(newcomer)
    assert disnake.utils.parse_time(joined["joined_at"]).timestamp() * 1000 == stage.clock.now_ms()
    assert (welcome["type"], welcome["author"]["id"]) == (7, str(newcomer))
    assert stage.lines()[-1]["author"] == "system"


def test_an_outage_is_published_as_unavailable_and_ends_with_the_whole_guild(stage: Any) -> None:
    guild_ = stage.guild
    voice.join(stage.world, guild_, guild_.members[0], guild_.voice[0])
    stage.take()
    stage.view.set_outage(guild_.id, unavailable=True)
    stage.view.set_outage(guild_.id, unavailable=True)
    assert stage.take() == [("GUILD_DELETE", {"id": str(guild_.id), "unavailable": True})]
    assert stage.view.is_unavailable(guild_.id)
    stage.view.set_outage(guild_.id, unavailable=False)
    stage.view.set_outage(guild_.id, unavailable=False)
    ((kind, data),) = stage.take()
    assert kind == "GUILD_CREATE"
    assert [state["user_id"] for state in data["voice_states"]] == [str(guild_.members[0])]
    assert not stage.view.is_unavailable(guild_.id)


def test_no_event_is_published_about_a_guild_in_an_outage(stage: Any) -> None:
    stage.view.set_outage(stage.guild.id, unavailable=True)
    stage.take()
    post(stage)
    assert stage.take() == []


def test_pending_entries_are_published_before_a_guild_is_removed(stage: Any) -> None:
    guild_ = stage.guild
    members.ban(stage.world, guild_, guild_.members[-1], Actor(guild_.moderators[0], delay=2.0))
    stage.take()
    guilds.remove(stage.world, guild_)
    assert [kind for kind, _ in stage.take()] == ["GUILD_AUDIT_LOG_ENTRY_CREATE", "GUILD_DELETE"]
    assert guild_.id not in stage.view.guild_ids()


def test_a_removed_guild_is_published_without_unavailable(stage: Any) -> None:
    guild_ = stage.guild
    guilds.remove(stage.world, guild_)
    assert stage.take() == [("GUILD_DELETE", {"id": str(guild_.id)})]


def test_threads_are_published_with_their_parent_and_the_oldest_is_archived(stage: Any) -> None:
    guild_, parent = stage.guild, stage.guild.text[0]
    for number in range(13):
        threads.start(stage.world, guild_, parent, guild_.members[0], name=f"thread {number}")
    published = stage.take()
    created = [data for kind, data in published if kind == "THREAD_CREATE"]
    archived = [data for kind, data in published if kind == "THREAD_UPDATE"]
    assert {data["parent_id"] for data in created} == {str(parent.id)}
    assert [data["id"] for data in archived] == [created[0]["id"]]
    assert archived[0]["thread_metadata"]["archived"] is True
    assert {data["type"] for kind, data in published if kind == "MESSAGE_CREATE"} == {18}


def test_a_forum_post_starts_with_a_message_of_the_threads_own_id(make_stage: Any) -> None:
    stage = next(s for s in (make_stage(seed=n) for n in range(20)) if s.guild.forum)
    threads.start(stage.world, stage.guild, stage.guild.forum, stage.guild.members[0], name="idea")
    (_, thread), _, (_, first) = stage.take()
    assert first["id"] == first["channel_id"] == thread["id"]
    line = stage.lines()[-1]
    assert line["parent_id"] == str(stage.guild.forum.id)
    assert line["channel_id"] == thread["id"]


def test_a_thread_on_a_message_shares_its_id_and_updates_it_without_an_edit(stage: Any) -> None:
    written = post(stage)
    stage.take()
    threads.start(stage.world, stage.guild, stage.guild.text[0], stage.guild.members[0], name="x", on=written)
    (_, thread), (_, entry), (kind, update) = stage.take()
    assert entry["action_type"] == 110
    assert thread["id"] == str(written.id)
    assert (kind, update["flags"], update["edited_timestamp"]) == ("MESSAGE_UPDATE", 32, None)


def test_a_pin_is_an_update_but_no_edit(stage: Any) -> None:
    written = post(stage)
    stage.take()
    messages.pin(stage.world, stage.guild, written, stage.guild.moderators[0])
    published = dict(stage.take())
    assert published["MESSAGE_UPDATE"]["pinned"] is True
    assert published["MESSAGE_UPDATE"]["edited_timestamp"] is None
    assert published["MESSAGE_CREATE"]["type"] == 6
    assert "MESSAGE_UPDATE" not in [line["type"] for line in stage.lines()]


def test_guild_create_holds_voice_states_and_members_only_as_the_intents_allow(stage: Any) -> None:
    guild_ = stage.guild
    voice.join(stage.world, guild_, guild_.members[4], guild_.voice[0])
    bare = orjson.loads(stage.view.guild_create(guild_.id, Intent.GUILDS))
    voiced = orjson.loads(stage.view.guild_create(guild_.id, Intent.GUILDS | Intent.GUILD_VOICE_STATES))
    full = orjson.loads(stage.view.guild_create(guild_.id, Intent.GUILDS | Intent.GUILD_PRESENCES))
    assert bare["voice_states"] == full["voice_states"] == []
    assert [state["channel_id"] for state in voiced["voice_states"]] == [str(guild_.voice[0].id)]
    assert "guild_id" not in voiced["voice_states"][0]
    assert [each["user"]["id"] for each in voiced["members"]] == [str(guild_.bots[0]), str(guild_.members[4])]
    assert len(full["members"]) == full["member_count"] == guild_.member_count


def test_names_are_as_awkward_as_real_ones(make_stage: Any) -> None:
    stage = make_stage(guilds=20)
    text = " ".join(guild_.name for guild_ in stage.world.guilds.values())
    for awkward in '=,"\\{ 🎮':
        assert awkward in text
    assert len({guild_.name for guild_ in stage.world.guilds.values()}) == 20


def test_guilds_spread_evenly_over_shards(make_stage: Any) -> None:
    stage = make_stage(guilds=400, members=5)
    shares = [0] * 8
    for guild_id in stage.view.guild_ids():
        shares[(guild_id >> 22) % 8] += 1
    assert min(shares) > 400 / 8 / 2


def test_all_channel_kinds_occur(make_stage: Any) -> None:
    stage = make_stage(guilds=20)
    kinds = {channel_.kind for guild_ in stage.world.guilds.values() for channel_ in guild_.channels()}
    assert kinds == {ChannelKind.TEXT, ChannelKind.VOICE, ChannelKind.CATEGORY, ChannelKind.FORUM}
    assert any(guild_.afk for guild_ in stage.world.guilds.values())

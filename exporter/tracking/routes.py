"""Which part of the stage takes a fact, and in what order where several do."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.clock import Clock
from exporter.events.facts import (
    Action,
    AuditEntry,
    AuditPage,
    BotKnown,
    ChannelDeleted,
    ChannelUpserted,
    Count,
    GuildCountsRead,
    GuildDeleted,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
    GuildUpdated,
    GuildUpserted,
    InviteCreated,
    InviteDeleted,
    InviteRevoked,
    InvitesRead,
    MemberCountChanged,
    MemberJoined,
    MemberRoles,
    MembershipStarted,
    MessageDeleted,
    Person,
    Record,
    RoleDeleted,
    RolesListed,
    RoleUpserted,
    SessionStarted,
    ShardStateChanged,
    TimeoutState,
    VoiceState,
)
from exporter.tracking.intake import Route
from exporter.tracking.moderation.catch_up import PURPOSE as CATCH_UP_PURPOSE
from exporter.tracking.stages import Stages
from exporter.tracking.structure.guild_objects import Change
from exporter.tracking.voice.state_changes import ordered, switched


class Routes:
    """The ways of facts through the stages."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self._stages = stages
        self._clock = clock

    def table(self) -> dict[type, Route]:
        """Who takes a fact, by its type."""
        return {
            Count: self._stages.recorder.count,
            Record: self._stages.recorder.record,
            Person: lambda fact: self._stages.directory.name_person(fact.user_id, fact.name),
            Action: self._act,
            AuditEntry: self._audit,
            AuditPage: self._take_page,
            MembershipStarted: self._join,
            TimeoutState: self._silence,
            MessageDeleted: lambda fact: self._stages.attribution.lose_message(fact, self._stages.now()),
            VoiceState: self._speak,
            SessionStarted: self._start_session,
            ShardStateChanged: self._take_news,
            ChannelUpserted: self._see_channel,
            ChannelDeleted: self._lose_channel,
            GuildUpserted: self._see_guild,
            GuildUpdated: self._change_guild,
            GuildDeleted: self._lose_guild,
            MemberCountChanged: self._stages.headcount.move,
            GuildCountsRead: lambda fact: self._stages.headcount.answer(fact, self._stages.now()),
            BotKnown: self._stages.rights.know_bot,
            RolesListed: self._stages.rights.see_roles,
            RoleUpserted: self._stages.rights.see_role,
            RoleDeleted: self._stages.rights.lose_role,
            MemberRoles: self._stages.rights.see_member,
            GuildObjectUpserted: lambda fact: self._change_parts(self._stages.parts.see(fact)),
            GuildObjectDeleted: lambda fact: self._change_parts(self._stages.parts.lose(fact)),
            GuildObjectsListed: lambda fact: self._change_parts(self._stages.parts.list_all(fact)),
            MemberJoined: self._come_in,
            InvitesRead: lambda fact: self._stages.invites.answer(fact, self._stages.now()),
            InviteCreated: self._stages.invites.make,
            InviteDeleted: lambda fact: self._stages.invites.lose(fact, self._stages.now()),
            InviteRevoked: self._stages.invites.take_back,
        }

    def _act(self, action: Action) -> None:
        self._stages.attribution.act(action, self._stages.now())

    def _change_parts(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._stages.attribution.change(change, self._stages.now())

    def _audit(self, entry: AuditEntry, *, recovered: bool = False) -> None:
        self._attribute(entry, fresh=self._stages.catch_up.take(entry), recovered=recovered)

    def _attribute(self, entry: AuditEntry, *, fresh: bool, recovered: bool) -> None:
        self._stages.attribution.audit(entry, self._stages.now(), fresh=fresh, recovered=recovered)

    def _take_page(self, page: AuditPage) -> None:
        for person in page.people:
            if person.name:
                self._stages.directory.name_person(person.user_id, person.name)
        if page.request.purpose == CATCH_UP_PURPOSE:
            for entry in self._stages.catch_up.turn(page, self._stages.now()):
                self._attribute(entry, fresh=True, recovered=True)
            return
        for entry in page.entries:
            self._audit(entry, recovered=self._stages.catch_up.is_missed(entry))
        self._stages.attribution.answer(page, self._stages.now())

    def _join(self, fact: MembershipStarted) -> None:
        self._stages.attribution.join(fact, self._stages.now())

    def _silence(self, fact: TimeoutState) -> None:
        self._stages.attribution.silence(fact, self._stages.now())

    def _speak(self, state: VoiceState) -> None:
        session = self._stages.voice.session_of(state.guild_id, state.user_id)
        if session is not None:
            before = session.state
            if before.channel_id != state.channel_id:
                moment = self._stages.now()
                self._stages.attribution.change_voice(state.guild_id, state.channel_id, state.at, moment)
            if session.confirmed:
                self._change_voice(before, state)
        self._stages.voice.apply(state)

    def _change_voice(self, before: VoiceState, state: VoiceState) -> None:
        for count in switched(before, state):
            self._stages.recorder.count(count)
        for action in ordered(before, state):
            self._act(action)

    def _take_news(self, news: ShardStateChanged) -> None:
        if news.state == "lost":
            # The last moment known: who is gone when the next session begins is booked up to here.
            self._stages.voice.show(self._clock.now_ms(), self._voiced(news.shard))
        self._stages.streams.take(news)
        if news.state in {"lost", "settled"}:
            self._stages.voice.touched |= dict.fromkeys(self._voiced(news.shard))

    def _voiced(self, shard: int) -> list[int]:
        """The guilds of a shard with somebody in voice."""
        voice, streams = self._stages.voice, self._stages.streams
        return [guild_id for guild_id in voice.guilds if streams.shard_of(guild_id) == shard]

    def _start_session(self, fact: SessionStarted) -> None:
        shard, self._stages.streams.shards = fact.shard
        self._stages.streams.take(ShardStateChanged(shard, "settled"))
        self._stages.streams.start_session(shard)
        self._stages.catch_up.start_session(fact.guild_ids)
        for gone in self._stages.directory.start_session(fact):
            self._lose_guild(gone)
        self._stages.voice.doubt(fact.guild_ids)

    def _see_guild(self, fact: GuildUpserted) -> None:
        for record in self._stages.directory.see_guild(fact):
            self._stages.recorder.record(record)
        self._stages.voice.reconcile(fact.guild_id, fact.voice_states, fact.at)
        self._stages.catch_up.see_guild(fact.guild_id, fact.at, self._stages.now(), fact.joined_at)
        self._stages.attribution.see_guild(fact.guild_id, self._stages.now())
        self._stages.invites.see_guild(fact.guild_id)
        self._stages.headcount.see_guild(fact.guild_id, self._stages.now())
        self._stages.leftovers.see_guild(fact, self._stages.now())

    def _see_channel(self, fact: ChannelUpserted) -> None:
        self._stages.directory.see_channel(fact)
        self._stages.leftovers.see_channel(fact)

    def _lose_channel(self, fact: ChannelDeleted) -> None:
        self._stages.directory.lose_channel(fact)
        self._stages.leftovers.lose_channel(fact, self._stages.now())

    def _come_in(self, fact: MemberJoined) -> None:
        # What a replay tells of happened at any time since the connection was last heard.
        streams = self._stages.streams
        self._stages.invites.join(fact, self._stages.now(), streams.heard if streams.replaying else None)

    def _change_guild(self, fact: GuildUpdated) -> None:
        # Until now another channel may have been the AFK channel.
        self._stages.voice.book(fact.at, (fact.guild_id,))
        for record in self._stages.directory.change_guild(fact):
            self._stages.recorder.record(record)

    def _lose_guild(self, fact: GuildDeleted) -> None:
        voice = self._stages.voice
        if fact.unavailable:
            voice.show(fact.at, (fact.guild_id,))
            voice.doubt((fact.guild_id,))
        else:
            # As long as its AFK channel is known.
            voice.forget(fact.guild_id, fact.at)
        for record in self._stages.directory.lose_guild(fact):
            self._stages.recorder.record(record)
        if not fact.unavailable:
            self._stages.forget(fact.guild_id, fact.at)

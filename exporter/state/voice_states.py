"""The last voice state of each member in voice, as Discord sent it.

Discord does not send it again while a session lasts. So it is kept apart from what is made of it: voice time
goes on from here after an error in its component. Invariant: of a guild whose states are about to be sent
again, none are known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts.guilds import GuildDeleted, GuildUpserted, SessionStarted, VoiceState


class VoiceStates(Component):
    """Voice states by guild and member."""

    name = "voice_states"

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit)
        self._guilds: dict[int, dict[int, VoiceState]] = {}
        self._expected: set[int] = set()

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Voice states, and what makes those of a guild uncertain."""
        return {
            VoiceState: lambda fact: self._take((fact,)),
            SessionStarted: lambda fact: self._expect(fact.guild_ids),
            GuildUpserted: self._list,
            GuildDeleted: lambda fact: self._expect((fact.guild_id,)),
        }

    @property
    def guilds(self) -> Collection[int]:
        """The guilds with members in voice."""
        return self._guilds.keys()

    def of(self, guild_id: int) -> Collection[VoiceState] | None:
        """The states of a guild's members in voice; None if they are not known."""
        return None if guild_id in self._expected else self._guilds.get(guild_id, {}).values()

    def _take(self, states: Iterable[VoiceState]) -> None:
        for state in states:
            if state.channel_id:
                self._guilds.setdefault(state.guild_id, {})[state.user_id] = state
            elif (members := self._guilds.get(state.guild_id)) is not None:
                members.pop(state.user_id, None)
                if not members:
                    del self._guilds[state.guild_id]

    def _expect(self, guild_ids: Iterable[int]) -> None:
        self._expected.update(guild_ids)
        for guild_id in guild_ids:
            self._guilds.pop(guild_id, None)

    def _list(self, fact: GuildUpserted) -> None:
        self._expect((fact.guild_id,))
        self._expected.discard(fact.guild_id)
        self._take(fact.voice_states)

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._guilds.pop(guild_id, None)
        self._expected.discard(guild_id)

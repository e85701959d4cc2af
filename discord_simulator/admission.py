"""Decides which connections may start a session or resume one.

Source: Discord docs, Gateway › Identifying, Resuming, Sharding, Session Start Limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.commands import ProtocolError, check_intents, check_shard
from discord_simulator.limits import SessionStartLimit
from discord_simulator.opcodes import PRIVILEGED_INTENTS, CloseCode, Opcode
from discord_simulator.ready import push_ready

if TYPE_CHECKING:
    import random

    from discord_simulator.clock import Clock
    from discord_simulator.commands import Identify, Resume
    from discord_simulator.connection import Connection
    from discord_simulator.counters import Counters
    from discord_simulator.ports import WorldView
    from discord_simulator.registry import SessionRegistry
    from discord_simulator.session import Session
    from discord_simulator.settings import SimulatorSettings


class Admission:
    """Decides on every IDENTIFY and RESUME.

    Attributes:
        starts: the session start limit.
        token_revoked: whether the token was reset, as Discord does when a bot exceeds the limit; no token is
            accepted after that.
    """

    def __init__(
        self,
        world: WorldView,
        registry: SessionRegistry,
        *,
        settings: SimulatorSettings,
        counters: Counters,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.starts = SessionStartLimit(
            clock,
            total=settings.session_limit,
            max_concurrency=settings.max_concurrency,
            window_s=settings.identify_window_s,
        )
        self.token_revoked = False
        self._world = world
        self._registry = registry
        self._settings = settings
        self._counters = counters
        self._rng = rng

    def accepts(self, token: str) -> bool:
        """Whether a token is valid."""
        return not self.token_revoked and token == self._settings.token

    def identify(self, connection: Connection, body: Identify) -> None:
        """Start a session, or send INVALID_SESSION if the client identifies too often.

        Raises:
            ProtocolError: 4004, 4010, 4011, 4013 or 4014.
        """
        self._check_token(body.token)
        granted = self._settings.privileged_intents
        intents = check_intents(body.intents, granted, PRIVILEGED_INTENTS)
        shard = check_shard(body.shard)
        guild_ids = [guild for guild in self._world.guild_ids() if (guild >> 22) % shard[1] == shard[0]]
        if len(guild_ids) > self._settings.max_guilds_per_shard:
            raise ProtocolError(CloseCode.SHARDING_REQUIRED, "Sharding required.")
        if not self.starts.admit(shard[0]):
            self._counters.identifies_refused += 1
            connection.send(Opcode.INVALID_SESSION, data=False)
            return
        if not self.starts.spend():
            self.token_revoked = True
            raise ProtocolError(CloseCode.AUTHENTICATION_FAILED, "Session limit exceeded.")
        self._supersede(shard)
        self._counters.identifies += 1
        session = self._registry.open(f"{self._rng.getrandbits(128):032x}", shard, intents)
        push_ready(session, self._world, guild_ids, resume_url=connection.url, granted=granted)
        self._registry.attach(session, connection)

    def resume(self, connection: Connection, body: Resume) -> None:
        """Resume a session after the last frame that the client received, or send INVALID_SESSION.

        Raises:
            ProtocolError: 4004, or 4007 for a sequence number that was never sent.
        """
        self._check_token(body.token)
        session = self._registry.find(body.session_id)
        if session is not None and body.seq is not None:
            if not 0 <= body.seq <= session.written_seq:
                self._registry.end(session)
                raise ProtocolError(CloseCode.INVALID_SEQ, "Invalid seq.")
            if session.can_replay(body.seq):
                self._continue(session, connection, body.seq)
                return
            self._registry.end(session)
        self._registry.report_unreceived(body.session_id, body.seq)
        self._counters.resumes_refused += 1
        connection.send(Opcode.INVALID_SESSION, data=False)

    def _check_token(self, token: str) -> None:
        if not self.accepts(token):
            raise ProtocolError(CloseCode.AUTHENTICATION_FAILED, "Authentication failed.")

    def _continue(self, session: Session, connection: Connection, seq: int) -> None:
        """Replay the missed frames, then send RESUMED; a socket that the session still has is aborted."""
        previous = self._registry.connection(session)
        if previous is not None:
            self._registry.detach(session)
            previous.abort()
        self._counters.resumes += 1
        self._counters.replayed += session.rewind(seq)
        self._registry.attach(session, connection)

    def _supersede(self, shard: tuple[int, int]) -> None:
        """End the sessions of a shard that have no live socket: they will not be resumed any more."""
        for session in self._registry.at_shard(shard):
            previous = self._registry.connection(session)
            if previous is None or previous.frozen:
                self._registry.end(session)
                if previous is not None:
                    previous.abort()

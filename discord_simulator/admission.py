"""Who may start a session and who may continue one.

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
        starts: what is left of the session start limit.
        token_revoked: Discord resets the token of a bot that exceeds the limit; from then on nothing is
            accepted.
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
        """Whether a token is the bot's."""
        return not self.token_revoked and token == self._settings.token

    def identify(self, connection: Connection, body: Identify) -> None:
        """Start a session, or answer INVALID_SESSION if the client identifies too often.

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
        """Continue a session after its last received frame, or answer INVALID_SESSION.

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
        """Replay, then RESUMED; the session's former socket, if it still has one, is of no use any more."""
        former = self._registry.connection(session)
        if former is not None:
            self._registry.detach(session)
            former.abort()
        self._counters.resumes += 1
        self._counters.replayed += session.rewind(seq)
        self._registry.attach(session, connection)

    def _supersede(self, shard: tuple[int, int]) -> None:
        """A new session of a shard replaces those without a live socket: nobody will resume them."""
        for session in self._registry.at_shard(shard):
            former = self._registry.connection(session)
            if former is None or former.frozen:
                self._registry.end(session)
                if former is not None:
                    former.abort()

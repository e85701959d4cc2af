"""Faults on request: the failures of Discord and of the network that a bot has to survive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from discord_simulator.opcodes import Opcode

if TYPE_CHECKING:
    from discord_simulator.connection import Connection
    from discord_simulator.gateway import GatewayServer
    from discord_simulator.ports import WorldView
    from discord_simulator.session import Session


class Faults:
    """Each method returns the number of sessions or guilds it affected; ``shard`` None means all of them."""

    def __init__(self, gateway: GatewayServer, world: WorldView, *, reconnect_grace_s: float) -> None:
        self._gateway = gateway
        self._world = world
        self._grace_s = reconnect_grace_s
        self._timers: set[asyncio.TimerHandle] = set()

    def drop(self, shard: int | None) -> int:
        """Reset the TCP connections; the sessions stay resumable."""
        connected = self._connected(shard)
        for _, connection in connected:
            connection.abort()
        return len(connected)

    def half_open(self, shard: int | None) -> int:
        """Freeze the connections without closing them, until their clients resume on new ones."""
        connected = self._connected(shard)
        for session, connection in connected:
            connection.freeze()
            self._gateway.registry.begin_gap(session)
        return len(connected)

    def reconnect(self, shard: int | None) -> int:
        """Send RECONNECT; a client that does not disconnect within the grace period is disconnected."""
        connected = self._connected(shard)
        for _, connection in connected:
            self._gateway.counters.reconnects += 1
            connection.send(Opcode.RECONNECT, None)
            self._abort_later(self._grace_s, connection)
        return len(connected)

    def invalidate(self, shard: int | None, *, resumable: bool) -> int:
        """Send INVALID_SESSION; if not ``resumable``, the sessions end and their unsent frames are lost."""
        sessions = self._sessions(shard)
        for session in sessions:
            connection = self._gateway.registry.connection(session)
            self._gateway.counters.invalidations += 1
            if not resumable:
                self._gateway.registry.end(session)
            if connection is not None:
                connection.send(Opcode.INVALID_SESSION, resumable)
                self._abort_later(self._grace_s, connection)
        return len(sessions)

    def outage(self, guild_id: int, seconds: float) -> int:
        """Make a guild unavailable for this many seconds."""
        self._world.set_outage(guild_id, unavailable=True)
        loop = asyncio.get_running_loop()
        self._keep(loop.call_later(seconds, lambda: self._world.set_outage(guild_id, unavailable=False)))
        return 1

    def inject(self, event: str, guild_id: int, data: bytes) -> int:
        """Send raw text as the ``d`` of an event to all sessions of a guild, regardless of their intents."""
        sessions = self._gateway.registry.at_guild(guild_id)
        for session in sessions:
            self._gateway.queue(session, event, data)
        return len(sessions)

    def inject_frame(self, shard: int | None, payload: bytes) -> int:
        """Write a raw payload, outside of the sequence of any session."""
        connected = self._connected(shard)
        for _, connection in connected:
            connection.send_text(payload)
        return len(connected)

    def stop(self) -> None:
        """Cancel all pending timers."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _abort_later(self, seconds: float, connection: Connection) -> None:
        self._keep(asyncio.get_running_loop().call_later(seconds, connection.abort))

    def _keep(self, timer: asyncio.TimerHandle) -> None:
        now = asyncio.get_running_loop().time()
        self._timers = {kept for kept in self._timers if kept.when() > now}
        self._timers.add(timer)

    def _sessions(self, shard: int | None) -> list[Session]:
        return [session for session in self._gateway.registry if shard in (None, session.shard[0])]

    def _connected(self, shard: int | None) -> list[tuple[Session, Connection]]:
        found: list[tuple[Session, Connection]] = []
        for session in self._sessions(shard):
            connection = self._gateway.registry.connection(session)
            if connection is not None:
                found.append((session, connection))
        return found

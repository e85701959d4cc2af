"""Settings of the protocol side."""

from __future__ import annotations

from dataclasses import dataclass

from discord_simulator.opcodes import PRIVILEGED_INTENTS


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Limits and timings; the defaults are Discord's where Discord documents them.

    Attributes:
        host: address to listen on; loopback, because the control endpoint has no authentication.
        token: the bot token that is accepted.
        heartbeat_interval_ms: sent in HELLO; a connection without a heartbeat for 1.5 of it is closed with
            4009.
        heartbeat_slack_s: added to that time, for machines so busy that either side may be late.
        session_ttl_s: how long a session without a socket can be resumed.
        shards: recommended by GET /gateway/bot; 0 means as many as ``max_guilds_per_shard`` requires.
        max_guilds_per_shard: above it IDENTIFY is refused with 4011.
        privileged_intents: mask of the privileged intents the application was granted.
        max_concurrency: identify buckets; each bucket admits one IDENTIFY per ``identify_window_s``.
        session_limit: sessions that may be started per day.
        command_limit: gateway commands a connection may send in ``command_window_s`` (4008 above it).
        queue_limit: frames queued for one socket; above it the socket is aborted and the session stays
            resumable.
        replay_limit: frames kept for RESUME per session; a session without a socket ends above it.
        replay_bytes: the same limit in bytes, so that large GUILD_CREATEs do not fill the memory.
        reconnect_grace_s: how long a client may take to disconnect after RECONNECT.
        rest_limit: requests allowed in one bucket per ``rest_window_s``.
        rest_global_limit: requests allowed per second over all buckets.
        zlib_level: compression level of ``compress=zlib-stream``; the lowest, because the simulator shares
            its machine with the program under test.
    """

    host: str = "127.0.0.1"
    token: str = "simulated-token"  # noqa: S105 - valid in this simulator only
    heartbeat_interval_ms: int = 41_250
    heartbeat_slack_s: float = 0.0
    session_ttl_s: float = 60.0
    shards: int = 0
    max_guilds_per_shard: int = 2500
    privileged_intents: int = PRIVILEGED_INTENTS
    max_concurrency: int = 1
    identify_window_s: float = 5.0
    session_limit: int = 1000
    command_limit: int = 120
    command_window_s: float = 60.0
    queue_limit: int = 50_000
    replay_limit: int = 100_000
    replay_bytes: int = 64 * 1024 * 1024
    reconnect_grace_s: float = 5.0
    rest_limit: int = 10
    rest_window_s: float = 5.0
    rest_global_limit: int = 50
    zlib_level: int = 1

"""Counters of the protocol side since its start; read at ``/control/state``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Counters:
    """Running totals; none ever decreases.

    Attributes:
        sent: DISPATCH frames written to a socket, replays included.
        replayed: DISPATCH frames written again because of a RESUME.
        withheld: deliveries omitted because an intent or a permission was missing.
        lost: ledger numbers reported as lost, by reason.
        overflows: sockets aborted or sessions ended because too many frames were queued.
        closes: connections closed by the gateway, by close code.
        sessions_left: sessions that their client ended, by closing with 1000 or 1001.
        rest_requests: REST requests by method, route and status.
    """

    connections: int = 0
    commands: int = 0
    heartbeats: int = 0
    identifies: int = 0
    identifies_refused: int = 0
    resumes: int = 0
    resumes_refused: int = 0
    invalidations: int = 0
    reconnects: int = 0
    sessions_ended: int = 0
    sessions_left: int = 0
    sent: int = 0
    replayed: int = 0
    withheld: int = 0
    overflows: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    rest_requests: Counter[str] = field(default_factory=Counter)

    def report(self) -> dict[str, object]:
        """All counters as a JSON object."""
        return {
            **asdict(self),
            "lost": dict(self.lost),
            "closes": {str(code): count for code, count in self.closes.items()},
            "rest_requests": dict(self.rest_requests),
        }

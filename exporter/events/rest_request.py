"""Requests to Discord's REST API, and their answers.

The gateway does not send everything: missed audit-log entries, uses of invites, approximate counts. A
component submits a request; the source sends it within Discord's limits and hands the answer to the intake as
a dispatch, named after the kind with the prefix ``REST_``, whose data is an ``Answer``. So answers are
decoded, counted and rejected like every dispatch, and no component waits for another.

Invariants: submitting never blocks and never raises; equal requests that are queued are sent once; each
request is answered, with ``status`` 0 if there was no answer that means anything or the queue was full.
What an answer means is decided in ``answer_meaning``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

ANSWERS = "REST_"
"""Prefix of the names of answers."""


class RequestKind(enum.StrEnum):
    """What can be requested. Discord docs, Resources › Audit Log, Guild, Invite."""

    AUDIT_LOG = "AUDIT_LOG"
    """GET /guilds/{id}/audit-logs; needs View Audit Log."""
    INVITES = "INVITES"
    """GET /guilds/{id}/invites; needs Manage Server for the uses."""
    VANITY = "VANITY"
    """GET /guilds/{id}/vanity-url; needs Manage Server."""
    COUNTS = "COUNTS"
    """GET /guilds/{id}?with_counts=true."""


class RestRequest(msgspec.Struct, frozen=True):
    """One GET. ``urgent`` ones are sent first; ``purpose`` comes back with the answer unchanged."""

    kind: RequestKind
    guild_id: int
    urgent: bool = False
    purpose: str = ""
    after: int = 0
    before: int = 0
    action_type: int = 0
    limit: int = 100

    @property
    def dispatch(self) -> str:
        """The name of the answer's dispatch."""
        return f"{ANSWERS}{self.kind}"


Submit = Callable[[RestRequest], None]
"""Queues a request; returns at once."""


class Answer(msgspec.Struct, frozen=True):
    """The answer: ``status`` of HTTP, 0 if there was none that means anything; ``body`` is Discord's JSON."""

    request: RestRequest
    status: int
    body: msgspec.Raw = msgspec.Raw(b"null")
